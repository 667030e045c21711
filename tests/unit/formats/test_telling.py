"""The formats for people: nothing that a producer writes becomes a link, a mention, markup or another header; sizes hold."""

from __future__ import annotations

import html
import json
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.formats.format_builders import cloud_event, config, event, job, job_event

from tocsin.formats import renderer_of
from tocsin.formats.plain_text import LINKABLE, check_link, duration, line, lines, link_of
from tocsin.formats.slack import SECTION
from tocsin.formats.summary import summary_of
from tocsin.formats.teams import MAX_BYTES
from tocsin.model.endpoint import EmailFormat, SlackFormat, TeamsFormat
from tocsin.model.event import Event
from tocsin.model.event_view import EventView
from tocsin.model.job import Job, JobError, Resource

LINK = "https://ops.example/{tenant}/{subject_id}?type={type}"
HOSTILE = (
    *(
        "<!channel>",
        "<!here|x>",
        "<@U012AB3CD>",
        "<https://evil.example|Open>",
        "@here",
        "@channel",
        "&lt;!everyone&gt;",
    ),
    *(
        "[click](https://evil.example)",
        "**bold**",
        "<at>Ann</at>",
        "{{DATE(2026-01-01T00:00:00Z)}}",
        "https://evil.example",
    ),
    *(
        "\r\nBcc: eve@evil.example",
        "\n\n",
        "=?utf-8?q?a=0ABcc:_eve?=",
        "\u2028",
        "\x85",
        "\x00",
        "\u202e",
        "\ud800",
        "\\",
        '"',
        "\U0001f600",
    ),
)
texts = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=20), max_size=6).map("".join)
long_texts = st.builds(lambda text, times: text * times, texts, st.integers(1, 400))


@st.composite
def jobs(draw: st.DrawFn) -> Event:
    def ascii_safe(text: str) -> str:
        return text.encode(errors="replace").decode()

    def words() -> str:
        return ascii_safe(draw(long_texts))

    snapshot: Job = msgspec.structs.replace(
        job("failed", "running"),
        job_id=words() or "j",
        name=draw(st.none() | st.just(words())),
        job_type=words(),
        details=words(),
        error=JobError(reason=words()[:63], message=words()),
        resources=tuple(Resource(kind=words(), id=words()) for _ in range(draw(st.integers(0, 7)))),
        parent_job_id=words(),
        root_job_id=words(),
        labels={words(): words() for _ in range(3)},
    )
    return job_event(snapshot)


@st.composite
def foreign(draw: st.DrawFn) -> Event:
    data = {draw(long_texts): draw(long_texts) for _ in range(draw(st.integers(0, 12)))}
    made = cloud_event(json.dumps(data).encode(), source=draw(texts), subject=draw(texts))
    return msgspec.structs.replace(made, type=draw(texts) or "x", tenant=draw(texts) or "t")


operational = st.builds(
    lambda name, reasons: event(
        "delivery.dead", "end_1", json.dumps({"name": name, "count": 2, "reasons": dict.fromkeys(reasons, 1)}).encode()
    ),
    long_texts,
    st.lists(long_texts, max_size=4),
)
events = jobs() | foreign() | operational
many = st.lists(events, min_size=2, max_size=6).flatmap(lambda made: st.integers(1, 30).map(lambda times: made * times))


def views(made: list[Event]) -> list[EventView]:
    return [EventView(one) for one in made]


def check_slack(body: bytes) -> None:
    message = json.loads(body)
    assert 0 < len(message["text"]) < 4000
    assert not re.search(r"[<>]|@(?!\u2060)|:(?=//)|&(?!amp;|lt;|gt;)", message["text"])
    assert len(message["blocks"]) <= 50
    for block in message["blocks"]:
        assert len(block.get("fields", ())) <= 10
        for text in (
            *block.get("fields", ()),
            *block.get("elements", ()),
            *([block["text"]] if "text" in block else ()),
        ):
            assert text["type"] == "mrkdwn"
            assert text["verbatim"] is True
            assert 0 < len(text["text"]) <= SECTION
            assert "fields" not in block or len(text["text"]) <= 2000
            is_ours = re.fullmatch(r"<https://ops\.example/[^<>|]*\|Open>", text["text"])
            assert is_ours or not re.search(r"[<>]|&(?!amp;|lt;|gt;)", text["text"])
            assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", text["text"])


def check_teams(body: bytes) -> None:
    assert len(body) <= MAX_BYTES
    (attachment,) = json.loads(body)["attachments"]
    card = attachment["content"]
    assert set(card) == {"$schema", "type", "version", "msteams", "body", "actions"}
    assert set(card["msteams"]) == {"width"}
    for block in card["body"]:
        assert block["type"] == "RichTextBlock"
        for run in block["inlines"]:
            assert run["type"] == "TextRun"
            assert not set(run) - {"type", "text", "size", "weight", "color", "isSubtle", "fontType"}
            assert not re.search(r"[\x00-\x1f\u202e]|\{\{|://|@(?!\u2060)", run["text"])
    assert all(action["type"] == "Action.OpenUrl" for action in card["actions"])
    assert all(action["url"].startswith("https://ops.example/") for action in card["actions"])


@given(events)
@settings(deadline=None)
def test_slack(made: Event) -> None:
    check_slack(renderer_of(config(SlackFormat(link=LINK, title="<!here>"))).render(EventView(made)).body)


@given(many)
@settings(max_examples=50, deadline=None)
def test_slack_digests(made: list[Event]) -> None:
    check_slack(renderer_of(config(SlackFormat(title="<!here>"))).digest(views(made)).body)


@given(events)
@settings(deadline=None)
def test_teams(made: Event) -> None:
    check_teams(renderer_of(config(TeamsFormat(link=LINK, title="**x**"))).render(EventView(made)).body)


@given(many)
@settings(max_examples=50, deadline=None)
def test_teams_digests(made: list[Event]) -> None:
    check_teams(renderer_of(config(TeamsFormat())).digest(views(made)).body)


def test_the_longest_of_everything_fits() -> None:
    """Four bytes for each character, as many of everything as are told."""
    wide = "\U0001f600" * 5000
    snapshot = msgspec.structs.replace(
        job("failed", "running"), job_id=wide, name=wide, job_type=wide, error=JobError(reason=wide, message=f"{wide}\n" * 30),
        parent_job_id=wide, root_job_id=wide + "x", labels={wide: wide}, resources=(Resource(kind=wide, id=wide),),
    )  # fmt: skip
    made = msgspec.structs.replace(job_event(snapshot), tenant=wide)
    for setting in (TeamsFormat(title="\U0001f600" * 80), SlackFormat(title="&" * 80)):
        renderer = renderer_of(config(setting))
        check = check_teams if isinstance(setting, TeamsFormat) else check_slack
        check(renderer.render(EventView(made)).body)
        check(renderer.digest(views([made] * 1000)).body)


@given(events)
@settings(max_examples=50, deadline=None)
def test_what_is_told_is_still_there(made: Event) -> None:
    summary = summary_of(EventView(made))
    message = json.loads(renderer_of(config(SlackFormat())).render(EventView(made)).body)
    bold = html.unescape(message["blocks"][0]["text"]["text"])
    assert re.fullmatch(rf"\*(. )?{re.escape(summary.headline)}\*", bold)


@given(st.lists(jobs(), min_size=2, max_size=4), st.integers(1, 60))
@settings(max_examples=30, deadline=None)
def test_a_digest_names_the_first_in_order_and_counts_the_rest(jobs_of: list[Event], times: int) -> None:
    made = jobs_of * times
    text = renderer_of(config(EmailFormat())).digest(views(made)).body.decode()
    named = [one for one in text.split("\n") if one.startswith("- ")]
    assert len(named) == min(100, len(made))
    for entry, one in zip(named, made, strict=False):
        assert entry[2:].startswith(summary_of(EventView(one)).headline)
    assert (f"and {len(made) - 100} more" in text) == (len(made) > 100)
    assert f"{len(made)} \u00d7 job.failed" in text


def test_a_digest_of_one_is_the_message_about_it() -> None:
    for setting in (SlackFormat(link=LINK), TeamsFormat(link=LINK), EmailFormat(link=LINK)):
        renderer, view = renderer_of(config(setting)), EventView(job_event(job("failed", "running")))
        assert renderer.digest([view]) == renderer.render(view)


@pytest.mark.parametrize(
    ("millis", "text"),
    [
        (0, "0 s"),
        (1, "0.001 s"),
        (4_210, "4.21 s"),
        (59_600, "1 min"),
        (61_000, "1 min 1 s"),
        (7_500_000, "2 h 5 min"),
        (180_000_000, "2 d 2 h"),
    ],
)
def test_durations(millis: int, text: str) -> None:
    assert duration(millis) == text


@given(long_texts, st.integers(1, 50))
def test_a_line_is_a_line(text: str, limit: int) -> None:
    made = line(text, limit)
    assert len(made) <= limit
    assert len(made.splitlines()) <= 1
    assert made == made.strip()
    made.encode()


@given(long_texts, st.integers(1, 200), st.integers(1, 5))
def test_lines_are_bounded(text: str, limit: int, most: int) -> None:
    made = lines(text, limit, most)
    assert len(made) <= most
    assert sum(map(len, made)) <= limit + len(made)
    assert all(one and len(one.splitlines()) == 1 for one in made)


@pytest.mark.parametrize("link", ["https://a.example", "http://a.example:8080/x?y={type}#{event_id}", LINK])
def test_links_that_are_taken(link: str) -> None:
    check_link(link)


@pytest.mark.parametrize(
    "link",
    ["https://{tenant}.example/", "https://a.example{subject_id}", "javascript:alert(1)", "https://u@a.example/", "https://a.example/{job}",
     "https://a.example/ x", "https://a.example/<x>", "https://a.example/|x", "https://a.example/{", "//a.example/", "https://a.example/%zz"],
)  # fmt: skip
def test_links_that_are_refused(link: str) -> None:
    with pytest.raises(ValueError, match="link"):
        check_link(link)


@given(st.fixed_dictionaries(dict.fromkeys(LINKABLE, texts)))
def test_what_an_event_says_stays_in_its_place(values: dict[str, str]) -> None:
    link = link_of(LINK, values)
    if link is not None:
        assert re.fullmatch(r"https://ops\.example/[\w.~%-]+/[\w.~%-]+\?type=[\w.~%-]+", link, re.ASCII)
        assert "/../" not in link


@pytest.mark.parametrize("value", ["", ".", "..", "x" * 2000])
def test_no_link_rather_than_another_page(value: str) -> None:
    assert link_of("https://ops.example/jobs/{subject_id}", {"subject_id": value}) is None
