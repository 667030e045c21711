"""Lists: pages by key, newest first, each after looking at a bounded number of rows.

What an index finds is found at once. Other filters look at rows from the newest on; when a page would take more than `BUDGET` of
them it ends there, with what was found, and says where to go on. So no request costs more than a page of that size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar, cast

import apsw
import msgspec

from tocsin.adapters.sqlite.positions import NO_END, newest_of_subject, position_at
from tocsin.adapters.sqlite.statements import read_among, read_one, read_page
from tocsin.adapters.storing.delivery_views import Place, last_places, views_of
from tocsin.adapters.storing.rows import event_of, job_view_of
from tocsin.adapters.storing.values import Row, SqlValue, Values
from tocsin.model.event import Event
from tocsin.ports import DeliveryQuery, DeliveryView, EventQuery, Found, JobQuery, JobView, Page, Rows

T = TypeVar("T")
BUDGET: Final = 5000
"""Rows that one page looks at, at most."""
BLOCKS: Final = 2
"""The same where it looks through blocks of 2048 delivery numbers."""
_GIVEN_UP: Final = frozenset({"dead", "cancelled"})


def list_deliveries(connection: apsw.Connection, query: DeliveryQuery) -> Rows[DeliveryView]:
    """A page of deliveries, each with its last attempt."""
    rows = _deliveries(connection, query)
    views = Rows(delivery_views(connection, rows))
    views.rest = rows.rest
    return views


def delivery_numbers(connection: apsw.Connection, query: DeliveryQuery) -> Rows[Found]:
    """The same page, told in few words."""
    is_about_events = any(
        asked is not None for asked in (query.event, query.event_type, query.subject_type, query.subject_id)
    )
    rows = _deliveries(connection, query, "numbers", *(() if is_about_events else ("bare",)))
    return cast("Rows[Found]", rows)


def delivery_views(connection: apsw.Connection, rows: Sequence[Row]) -> list[DeliveryView]:
    """From the columns of `deliveries.sql`, with the last attempts, which are read by their places."""
    details: dict[Place, bytes] = {}
    for name, places in last_places(rows).items():
        found = cast("list[tuple[int, bytes]]", read_among(connection, name, (), places))
        details.update({(name, place): detail for place, detail in found})
    return views_of(rows, details)


def _deliveries(connection: apsw.Connection, query: DeliveryQuery, *shape: str) -> Rows[Row]:
    values = with_positions(connection, query)
    spell(values, "event_type", "event_glob")
    words: set[str] = set()
    floor: int | None = None
    finds_itself = query.event is not None or query.batch is not None or query.replay is not None
    among = None if finds_itself else _few_of_subject(connection, query, values)
    has_range = query.since is not None or query.until is not None
    if query.batch is not None or query.replay is not None:
        if query.replay is not None and query.state is None:
            words.add("by_lane")
    elif query.event is not None or among is not None or (has_range and _is_narrow(connection, values)):
        words.add("by_position")
    elif query.state == "pending":
        words.add("pending")
        floor = _floor(connection, "pending_floor", values, BLOCKS)
    else:
        if query.state in _GIVEN_UP:
            words.add("given_up")
        narrows = (query.event_type, query.subject_type, query.subject_id, query.reason)
        if has_range or any(asked is not None for asked in narrows) or query.state == "delivered":
            floor = _floor(connection, "deliveries_floor", values, BUDGET, *words)
    values["floor"] = floor
    return _page(connection, "deliveries", values, floor, lambda row: row, *words, *shape, among=among)


def list_events(connection: apsw.Connection, query: EventQuery) -> Rows[Event]:
    """A page of events."""
    values = with_positions(connection, query)
    low = cast("int", values.pop("from_position") or 1)
    spell(values, "type", "type_glob")
    ends = (values.pop("before"), values.pop("to_position"))
    below = min(cast("int", end) for end in (*ends, NO_END) if end is not None)
    floor: int | None = None
    is_narrowed = query.type is not None or query.subject_type is not None
    if query.subject_id is not None:
        limit = BUDGET if is_narrowed else query.limit
        found = newest_of_subject(connection, query.subject_id, query.tenant, limit, span=range(low, below))
        return _page(connection, "events", values, found.rest, event_of, among=found)
    values |= {"low": low, "below": below}
    if is_narrowed:
        floor = _floor(connection, "events_floor", values, BUDGET)
        values["low"] = floor or values["low"]
    return _page(connection, "events", values, floor, event_of)


def list_jobs(connection: apsw.Connection, query: JobQuery) -> Rows[JobView]:
    """A page of jobs."""
    values: dict[str, SqlValue] = msgspec.structs.asdict(query)
    values["below"] = values.pop("before") or NO_END
    values["low"] = 1
    floor: int | None = None
    if any(
        asked is not None for asked in (query.state, query.job_type, query.mode, query.search, query.since, query.until)
    ):
        floor = _floor(connection, "jobs_floor", values, BUDGET)
        values["low"] = floor or 1
    return _page(connection, "jobs", values, floor, job_view_of)


def with_positions(connection: apsw.Connection, query: Page) -> dict[str, SqlValue]:
    """The fields of a query, with its range of time as a range of positions."""
    values: dict[str, SqlValue] = msgspec.structs.asdict(query)
    for bound, name in (("since", "from_position"), ("until", "to_position")):
        at = values.pop(bound)
        values[name] = None if at is None else position_at(connection, cast("int", at))
    return values


def spell(values: dict[str, SqlValue], exact: str, glob: str) -> None:
    """A pattern goes to the line for patterns, as SQLite spells it; what has nothing special in it stays where it is."""
    text = values[exact]
    if isinstance(text, str) and ("*" in text or "?" in text):
        values[exact], values[glob] = None, text.replace("[", "[[]")


def _few_of_subject(connection: apsw.Connection, query: DeliveryQuery, values: Values) -> list[int] | None:
    """The events about a subject, if all of them can be looked at."""
    if query.subject_id is None:
        return None
    low, below = values["from_position"], values["to_position"]
    span = range(1 if low is None else cast("int", low), NO_END if below is None else cast("int", below))
    found = newest_of_subject(connection, query.subject_id, query.tenant, BUDGET + 1, span=span)
    return found if found.rest is None else None


def _is_narrow(connection: apsw.Connection, values: Values) -> bool:
    """Whether a range has so few deliveries that all of them can be looked at."""
    first, end = values["from_position"] or 0, values["to_position"]
    return read_one(connection, "deliveries_beyond", (first, NO_END if end is None else end, BUDGET)) is None


def _floor(connection: apsw.Connection, name: str, values: Values, budget: int, *words: str) -> int | None:
    """Where a page ends that looks at so many rows; None when there are fewer."""
    rows = read_page(connection, name, {**values, "budget": budget}, *words)
    return cast("int", rows[0][0]) if rows else None


def _page(
    connection: apsw.Connection,
    name: str,
    values: Values,
    floor: int | None,
    made: Callable[[Row], T],
    *words: str,
    among: Sequence[int] | None = None,
) -> Rows[T]:
    rows = Rows(made(row) for row in read_page(connection, name, values, *words, among=among))
    if len(rows) < cast("int", values["limit"]):
        rows.rest = floor
    return rows
