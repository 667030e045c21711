"""The system page, retention, erasures and the catalogue, without a browser: what they show, what their forms do."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import jinja2
import pytest
from tests.api.callers import Caller
from tests.kit.pages import Pages
from tests.kit.server import Server
from tests.kit.waiting import until

from tocsin.operations.as_code import endpoint_as_yaml
from tocsin.ui.pages.retention import in_words, seconds_of
from tocsin.ui.rendering import environment


def test_the_system_page_shows_what_doctor_finds(start_server: Callable[..., Server]) -> None:
    server = start_server(disk_reserve="900000GiB")
    words = Pages(server).get("/ui/system").words
    assert "✕ error" in words
    assert "less than the reserve of" in words
    assert "TOCSIN_ALLOW_HTTP" in words
    assert "SQLite 3." in words
    assert str(server.database) in words
    assert "tocsin backup tocsin-backup.db" in words
    assert words.index("✕ error") < words.index("○ note")


def test_others_than_operators_see_what_is_theirs(shared_server: Server) -> None:
    caller = Caller(shared_server)
    page = Pages(shared_server, caller.key("viewer")).get("/ui/system")
    assert page.status == 200
    assert "Doctor" not in page.words
    assert str(shared_server.database) not in page.text
    assert "Events with their deliveries" in page.words
    assert Pages(shared_server, caller.key("producer")).get("/ui/system").status == 403


def test_a_tenant_is_given_times_of_its_own(shared_server: Server) -> None:
    caller = Caller(shared_server)
    admin = Pages(shared_server, caller.key("admin"))
    form = [
        ("event_types", "job.*, record.updated"), ("bodies", "12 h"), ("attempts", ""), ("rows", "never"),
        ("event_types", ""), ("bodies", ""), ("attempts", ""), ("rows", ""),
        ("event_types", "*"), ("bodies", ""), ("attempts", "30d"), ("rows", ""),
    ]  # fmt: skip
    answer = admin.post("/ui/retention", form)
    assert answer.status == 303, answer
    (own,) = caller.get("/v1/retention").json["tenants"]
    assert [{n: v for n, v in rule.items() if v is not None} for rule in own["rules"]] == [
        {"event_types": ["job.*", "record.updated"], "bodies_seconds": 43_200, "rows_seconds": 0},
        {"event_types": ["*"], "attempts_seconds": 2_592_000},
    ]
    page = admin.get("/ui/retention")
    assert re.findall(r'name="(?:event_types|bodies)" value="([^"]*)"', page.text)[:4] == [
        "job.*, record.updated",
        "12 h",
        "*",
        "",
    ]
    refused = admin.post("/ui/retention", [("event_types", "*"), ("bodies", "soon"), ("attempts", ""), ("rows", "")])
    assert refused.status == 422
    assert 'value="soon"' in refused.text
    assert admin.post("/ui/retention", [("event_types", "")]).status == 303
    assert [one for one in caller.get("/v1/retention").json["tenants"] if one["rules"]] == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", None), ("never", 0), ("for ever", 0), ("90", 90), ("90 s", 90), ("2min", 120), ("2 m", 120), ("3 h", 10_800), ("7d", 604_800), ("soon", "soon")],
)  # fmt: skip
def test_times_as_people_type_them(text: str, seconds: int | str | None) -> None:
    assert seconds_of(text) == seconds
    if isinstance(seconds, int):
        assert seconds_of(in_words(seconds)) == seconds


async def test_an_erasure_is_asked_for_once_and_followed(shared_server: Server) -> None:
    caller = Caller(shared_server)
    report = {"job_id": "job/1", "job_type": "t", "state": "running"}
    assert caller.post("/v1/jobs/reports", report).status == 202
    admin = Pages(shared_server, caller.key("admin"))
    form = {"subject_type": "job", "subject_id": "job/1"}
    asked = admin.post("/ui/erasures", form)
    assert "Erase everything about the job job/1?" in asked.words
    assert caller.get("/v1/erasures").json["items"] == []
    begun = admin.post("/ui/erasures", form | {"confirmed": "yes"})
    assert begun.status == 303, begun
    await until(lambda: "● finished" in admin.get(begun.location).words)
    assert "job/1" in admin.get("/ui/erasures").words
    await until(lambda: caller.get("/v1/jobs/job%2F1").status == 404)
    refused = admin.post("/ui/erasures", {"subject_type": "", "subject_id": "x", "confirmed": "yes"})
    assert refused.status == 422
    assert 'value="x"' in refused.text


def test_the_catalogue_shows_each_type_in_every_format(shared_server: Server) -> None:
    viewer = Pages(shared_server, Caller(shared_server).key("viewer"))
    whole = viewer.get("/ui/catalogue")
    types = {one["type"]: one for one in shared_server.get("/v1/event-types").json["items"]}
    assert set(re.findall(r'data-open href="/ui/catalogue/([^"?]+)"', whole.text)) == set(types)
    page = viewer.get("/ui/catalogue/job.failed")
    tabs = re.findall(
        r'<a href="([^"]+)"(?: aria-current="true")?>(\w+)</a>',
        page.text.partition("Formats")[2].partition("</nav>")[0],
    )
    assert [name for _, name in tabs] == list(types["job.failed"]["examples"])
    for href, name in tabs:
        shown = viewer.get(html.unescape(href))
        assert shown.status == 200
        assert types["job.failed"]["examples"][name]["content_type"] in shown.text
    assert "DONE" in viewer.get("/ui/catalogue/job.failed?format=tamr").words
    assert "has no words for job.created" in viewer.get("/ui/catalogue/job.created?format=tamr").words
    assert "JSON Schema" in page.text
    assert viewer.get("/ui/catalogue/no.such").status == 404
    assert viewer.get("/ui/catalogue/job.failed?format=none").status == 404


def test_an_endpoint_as_code_is_shown_escaped(shared_server: Server) -> None:
    harm = "</code><script>window.hurt=1</script>"
    made = Caller(shared_server).endpoint(name=harm)
    text = endpoint_as_yaml(made)
    template = environment().from_string('{% import "macros.html" as ui with context %}{{ ui.as_code(text, id) }}')
    assert isinstance(template, jinja2.Template)
    shown = template.render(text=text, id=made["id"])
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert f"tocsin endpoints export {made['id']}" in shown
