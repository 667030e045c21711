"""Golden records: what changed last, and the history of one record, version by version."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import groupby
from typing import Final

import msgspec

from tocsin.model.noun import Noun
from tocsin.ui.answers import Answer
from tocsin.ui.asking import UiRequest
from tocsin.ui.calls import Query, segment
from tocsin.ui.differences import Difference, differences
from tocsin.ui.record_graph import Meeting, Point, Way, graph
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute
from tocsin.ui.texts import cut, utc

PATH: Final = "/ui/records"
VERSIONS: Final = 25
"""In a page of a record's history."""
FIELDS: Final = 100
"""Of one version, that are shown one by one."""
MOST_BYTES: Final = 64 * 1024
"""Of one version's data: beyond it, it is neither compared nor shown here."""
RECENT: Final = 50


class RecordData(Noun, frozen=True, kw_only=True):
    """The data of an event about a record."""

    table: str = ""
    record_id: str = ""
    version_id: int = 0
    change_type: str = ""
    record_number: int = 0
    action: str = ""
    new_data: msgspec.Raw = msgspec.Raw(b"{}")


class RecordEvent(Noun, frozen=True, kw_only=True):
    """An event about a record; `parts` are the subjects of all parts of its action, if it has several."""

    id: str
    tenant: str
    verb: str
    time: str
    subject_id: str = ""
    parts: tuple[str, ...] = ()
    erased: bool = False
    data: RecordData = RecordData()


class EventPage(Noun, frozen=True, kw_only=True):
    """A page of events."""

    items: tuple[RecordEvent, ...]
    next_cursor: str | None


class Part(Noun, frozen=True, kw_only=True):
    """One record that a version is about: its number in the action and what happened to it."""

    number: int
    name: str
    href: str
    verb: str
    is_shown: bool


class Version(Noun, frozen=True, kw_only=True):
    """A version of the record: its action, all records that it is about, and what it changed of this one: the
    first fields, and how many `more` there are. `after` is the data that it left, as JSON. `is_large`: too large for that."""

    version_id: int
    action: str
    time: str
    event_id: str
    parts: tuple[Part, ...]
    changed: tuple[Difference, ...]
    more: int
    after: str
    is_large: bool


async def _recent(request: UiRequest) -> Answer:
    query = request.query
    table, record_id = query.get("table", "").strip() or "default", query.get("record", "").strip()
    if record_id:
        return request.redirect(f"{PATH}/{segment(table)}/{segment(record_id)}")
    asked: Query = {"subject_type": "record", "limit": RECENT, "cursor": query.get("cursor")}
    events = await request.api.read("/v1/events", EventPage, asked)
    return page(
        request,
        "records.html",
        title="Records",
        command="tocsin events list --subject-type record",
        events=events,
        groups=by_version(events.items),
        address=lambda event: _address(request, event.subject_id, event.tenant),
    )


def by_version(events: Sequence[RecordEvent]) -> list[list[RecordEvent]]:
    """The parts of one version together, in record-number order; versions stay as they come. An erased event stands alone."""

    def version(event: RecordEvent) -> tuple[str, str, int, str]:
        data = event.data
        return (event.tenant, data.table, data.version_id, event.id if event.erased else "")

    return [sorted(group, key=lambda event: event.data.record_number) for _, group in groupby(events, key=version)]


async def _record(request: UiRequest) -> Answer:
    table, record_id = request.parts["table"], request.parts["record_id"]
    path = f"/v1/records/{segment(table)}/{segment(record_id)}/history"
    found = await request.api.read(path, EventPage, {"limit": VERSIONS, "cursor": request.query.get("cursor")})
    tenant = request.tenant or (found.items[0].tenant if found.items else None)
    events = [event for event in found.items if event.tenant == tenant]
    before: RecordEvent | None = None
    if found.next_cursor is not None:
        older = await request.api.read(path, EventPage, {"limit": 1, "cursor": found.next_cursor, "tenant": tenant})
        before = older.items[0] if older.items else None
    versions = versions_of(request, events, before)
    name = f"{table}/{record_id}"
    return page(
        request,
        "record.html",
        title=cut(name, 120),
        command=f"tocsin records history --table {shlex.quote(table)} {shlex.quote(record_id)}",
        name=name,
        versions=versions,
        events_href=request.url("/ui/events", {"subject_type": "record", "subject_id": name}),
        chart=graph(
            [_point(version, name) for version in reversed(versions)], has_older=before is not None, name=cut(name, 40)
        ),
        next_cursor=found.next_cursor,
    )


def _address(request: UiRequest, subject_id: str, tenant: str) -> str:
    table, _, record_id = subject_id.partition("/")
    kept = {"tenant": tenant} if request.is_operator else {}
    return request.url(f"{PATH}/{segment(table)}/{segment(record_id)}", kept)


def versions_of(request: UiRequest, events: Sequence[RecordEvent], before: RecordEvent | None) -> list[Version]:
    """Newest first, as the events are; `before` is the one before the oldest. Events of one version are one entry."""
    grouped = [list(group) for _, group in groupby(events, key=lambda event: event.data.version_id)]
    shown: list[Version] = []
    for index, group in enumerate(grouped):
        newest = group[0]
        earlier = grouped[index + 1][0] if index + 1 < len(grouped) else before
        is_large = any(len(bytes(one.data.new_data)) > MOST_BYTES for one in (newest, earlier) if one is not None)
        changed = [] if is_large else differences({} if earlier is None else _object(earlier), _object(newest))
        shown.append(
            Version(
                version_id=newest.data.version_id,
                action=newest.data.action,
                time=newest.time,
                event_id=newest.id,
                parts=tuple(_parts(request, newest)),
                changed=tuple(changed[:FIELDS]),
                more=max(len(changed) - FIELDS, 0),
                after="" if is_large or newest.verb == "deleted" else bytes(newest.data.new_data).decode(),
                is_large=is_large,
            )
        )
    return shown


def _object(event: RecordEvent) -> object:
    try:
        return msgspec.json.decode(event.data.new_data)
    except msgspec.DecodeError:
        return {}


def _parts(request: UiRequest, event: RecordEvent) -> list[Part]:
    """All records of the action in record-number order. Of a merge the second one is deleted, of an unmerge created."""
    subjects = event.parts or (event.subject_id,)
    second = "deleted" if event.data.action == "merge" else "created"
    return [
        Part(
            number=number if event.parts else event.data.record_number,
            name=subject,
            href=_address(request, subject, event.tenant),
            verb=event.verb if subject == event.subject_id else "updated" if number == 0 else second,
            is_shown=subject == event.subject_id,
        )
        for number, subject in enumerate(subjects)
    ]


def _point(version: Version, name: str) -> Point:
    own = next((part for part in version.parts if part.is_shown), version.parts[0])
    others = [part for part in version.parts if not part.is_shown]
    return Point(
        label=str(version.version_id),
        verb=own.verb,
        href=f"#v{version.version_id}",
        title=f"Version {version.version_id}: {version.action}, {name} {own.verb}, {utc(version.time)}",
        meetings=tuple(Meeting(name=part.name, href=part.href, way=_way(version.action, own)) for part in others),
    )


def _way(action: str, own: Part) -> Way:
    if action == "merge":
        return "joins" if own.number == 0 else "ends in"
    return "leaves" if own.number == 0 else "comes from"


ROUTES: Final[tuple[UiRoute, ...]] = (
    UiRoute(method="GET", path=PATH, page=_recent),
    UiRoute(method="GET", path=f"{PATH}/{{table}}/{{record_id}}", page=_record),
)
