"""What people are told about an event, whatever the medium: a headline, facts, and the words of whoever reported it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from tocsin.formats.event_data import data_of
from tocsin.formats.job_summary import headline_of_job, job_facts, tone_of_job, words_of_job
from tocsin.formats.plain_text import line, lines
from tocsin.model.event import Event
from tocsin.model.event_view import EventView
from tocsin.model.noun import Noun
from tocsin.model.record import RecordData
from tocsin.model.times import to_text

Tone = Literal["good", "bad", "warning", "neutral"]
Facts = Iterator[tuple[str, str]]

HEADLINE: Final = 160
MOST_FACTS: Final = 10
_LABEL: Final = 40
_VALUE: Final = 200
_WORDS: Final = 1200
_MOST_LINES: Final = 12
_TONES: Final[dict[str, Tone]] = {
    "endpoint.disabled": "bad",
    "endpoint.paused": "warning",
    "endpoint.recovered": "good",
    "delivery.dead": "bad",
    "report.refused": "bad",
}
_RECORD_VERBS: Final = {
    "create": "was created",
    "enrich": "was enriched",
    "delete": "was deleted",
    "merge": "was merged",
    "unmerge": "was unmerged",
}
_ENDPOINT_VERBS: Final = {"disabled": "was disabled", "paused": "is paused", "recovered": "answers again"}


class Summary(Noun, frozen=True, kw_only=True):
    """Texts without line ends or control characters, bounded in length, and otherwise as they came: each medium makes them
    harmless in its own way. `words` are those of a person or program outside, by lines."""

    headline: str
    tone: Tone
    facts: tuple[tuple[str, str], ...]
    words: tuple[str, ...]
    footer: str


def summary_of(view: EventView) -> Summary:
    """For any event; from the event alone."""
    event = view.event
    job = view.job
    words = ""
    if job is not None:
        headline, tone, facts = headline_of_job(job, event.verb), tone_of_job(event.verb), job_facts(job, event)
        words = words_of_job(job)
    else:
        tone = _TONES.get(event.type, "neutral")
        headline, facts = _other(view)
    kept = [(line(label, _LABEL), line(value, _VALUE)) for label, value in facts]
    return Summary(
        headline=line(headline, HEADLINE),
        tone=tone,
        facts=tuple((label, value) for label, value in kept if value)[:MOST_FACTS],
        words=lines(words, _WORDS, _MOST_LINES),
        footer=f"{line(event.type, 100)}, {to_text(event.time)}, tenant {line(event.tenant, 100)}, {event.id}",
    )


def _other(view: EventView) -> tuple[str, Facts]:
    """Headline and facts of what is no job."""
    event = view.event
    if (record := view.record) is not None:
        return _record(record)
    if (version := view.data_version) is not None:
        return f"Version {version.data_version} of {version.data_category_id} was published", iter(())
    if event.cloud is None:
        match event.subject_type:
            case "endpoint":
                return _endpoint(event)
            case "delivery":
                return _dead(event)
            case "replay":
                return _replay(event)
            case _:
                pass
    return _foreign(event)


def _record(record: RecordData) -> tuple[str, Facts]:
    """Without its data: whoever may read a channel or a mailbox need not be allowed to see a person's record."""
    verb = _RECORD_VERBS.get(record.action, "was updated")
    if record.action in {"merge", "unmerge"} and record.record_number == 1:
        verb = "was merged into another" if record.action == "merge" else "came back by an unmerge"
    facts = (("Change", record.change_type), ("Action", record.action), ("Version", str(record.version_id)))
    return f"Record {record.record_id} of {record.table} {verb}", iter(facts)


def _endpoint(event: Event) -> tuple[str, Facts]:
    data = _members(event)
    facts = (
        ("Reason", "reason"),
        ("Paused until", "paused_until"),
        ("Failing since", "failing_since"),
        ("Endpoint", "endpoint_id"),
    )
    verb = _ENDPOINT_VERBS.get(event.verb, event.verb)
    return f"Endpoint {_text(data.get('name'))} {verb}", _named(data, facts)


def _dead(event: Event) -> tuple[str, Facts]:
    data = _members(event)
    reasons = data.get("reasons")
    count = data.get("count")
    what = "1 delivery was" if count == 1 else f"{_text(count)} deliveries were"

    def facts() -> Facts:
        for reason, times in (reasons if isinstance(reasons, dict) else {}).items():
            yield "Reason", f"{reason} ({_text(times)})"
        yield "Endpoint", _text(data.get("endpoint_id"))

    return f"{what} given up for endpoint {_text(data.get('name'))}", facts()


def _replay(event: Event) -> tuple[str, Facts]:
    data = _members(event)
    facts = (
        ("Reason", "reason"),
        ("Deliveries", "total"),
        ("Delivered", "done"),
        ("Failed", "failed"),
        ("Endpoint", "endpoint_id"),
    )
    return f"Replay {event.subject_id} {_text(data.get('state'))}", _named(data, facts)


def _foreign(event: Event) -> tuple[str, Facts]:
    """Any other event: where it is from, and the first plain values of its data."""
    data = _members(event)

    def facts() -> Facts:
        if event.cloud is not None:
            yield "Source", event.cloud.source
        for name, value in data.items():
            if value is not None and not isinstance(value, dict | list):
                yield name, _text(value)

    about = f": {event.subject_id}" if event.subject_id else ""
    return f"{line(event.type, 100)}{about}", facts()


def _members(event: Event) -> dict[str, object]:
    """The members of the event's data; none when they are no JSON object."""
    data = data_of(event)
    if not isinstance(data, msgspec.Raw):
        return {}
    try:
        return msgspec.json.decode(data, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError):
        return {}


def _named(data: dict[str, object], facts: tuple[tuple[str, str], ...]) -> Facts:
    for label, name in facts:
        yield label, _text(data.get(name))


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case _:
            return msgspec.json.encode(value).decode()
