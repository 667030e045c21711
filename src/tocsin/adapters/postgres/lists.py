"""Lists: pages by key, newest first, each after looking at a bounded number of rows.

What an index finds is found at once. Other filters look at rows from the newest on; when a page would take more than `BUDGET` of
them it ends there, with what was found, and says where to go on. So no request costs more than a page of that size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar, cast

import msgspec

from tocsin.adapters.postgres.statements import Connection, read_one, read_page
from tocsin.adapters.storing.rows import delivery_view_of, event_of, job_view_of
from tocsin.adapters.storing.values import Row, SqlValue, Values
from tocsin.model.event import Event
from tocsin.model.ids import Millis
from tocsin.ports import DeliveryQuery, DeliveryView, EventQuery, JobQuery, JobView, Page, Rows

T = TypeVar("T")
BUDGET: Final = 5000
"""Rows that one page looks at, at most."""
BLOCKS: Final = 2
"""The same where it looks through blocks of 2048 delivery numbers."""
_NO_END: Final = 1 << 62
_GIVEN_UP: Final = frozenset({"dead", "cancelled"})


async def list_deliveries(connection: Connection, query: DeliveryQuery) -> Rows[DeliveryView]:
    """A page of deliveries."""
    values = await with_positions(connection, query)
    words: set[str] = set()
    floor: int | None = None
    has_range = query.since is not None or query.until is not None
    if query.event is not None or query.job is not None or (has_range and await _is_narrow(connection, values)):
        words.add("by_position")
    elif query.state == "pending":
        words.add("pending")
        floor = await _floor(connection, "pending_floor", values, BLOCKS)
    else:
        if query.state in _GIVEN_UP:
            words.add("given_up")
        if has_range or query.event_type is not None or query.state == "delivered":
            floor = await _floor(connection, "deliveries_floor", values, BUDGET, *words)
    return await _page(connection, "deliveries", values | {"floor": floor}, floor, delivery_view_of, *words)


async def list_events(connection: Connection, query: EventQuery) -> Rows[Event]:
    """A page of events."""
    values = await with_positions(connection, query)
    values["low"] = cast("int", values.pop("from_position") or 1)
    ends = (values.pop("before"), values.pop("to_position"))
    values["below"] = min(cast("int", end) for end in (*ends, _NO_END) if end is not None)
    floor: int | None = None
    if query.subject_id is None and (query.type is not None or query.subject_type is not None):
        floor = await _floor(connection, "events_floor", values, BUDGET)
        values["low"] = floor or values["low"]
    return await _page(connection, "events", values, floor, event_of)


async def list_jobs(connection: Connection, query: JobQuery) -> Rows[JobView]:
    """A page of jobs."""
    values: dict[str, SqlValue] = msgspec.structs.asdict(query)
    values["below"] = values.pop("before") or _NO_END
    values["low"] = 1
    floor: int | None = None
    if any(
        asked is not None for asked in (query.state, query.job_type, query.mode, query.search, query.since, query.until)
    ):
        floor = await _floor(connection, "jobs_floor", values, BUDGET)
        values["low"] = floor or 1
    return await _page(connection, "jobs", values, floor, job_view_of)


async def with_positions(connection: Connection, query: Page) -> dict[str, SqlValue]:
    """The fields of a query, with its range of time as a range of positions."""
    values: dict[str, SqlValue] = msgspec.structs.asdict(query)
    for bound, name in (("since", "from_position"), ("until", "to_position")):
        at = values.pop(bound)
        values[name] = None if at is None else await position_at(connection, cast("int", at))
    return values


async def position_at(connection: Connection, at: Millis) -> int:
    """The first position accepted at this time or later; behind the head when there is none."""
    row = await read_one(connection, "position_at", (at,))
    return cast("int", row[0]) if row else 1


async def _is_narrow(connection: Connection, values: Values) -> bool:
    """Whether a range has so few deliveries that all of them can be looked at."""
    first, end = values["from_position"] or 0, values["to_position"]
    return await read_one(connection, "deliveries_beyond", (first, _NO_END if end is None else end, BUDGET)) is None


async def _floor(connection: Connection, name: str, values: Values, budget: int, *words: str) -> int | None:
    """Where a page ends that looks at so many rows; None when there are fewer."""
    rows = await read_page(connection, name, {**values, "budget": budget}, *words)
    return cast("int", rows[0][0]) if rows else None


async def _page(
    connection: Connection, name: str, values: Values, floor: int | None, made: Callable[[Row], T], *words: str
) -> Rows[T]:
    rows = Rows(made(row) for row in await read_page(connection, name, values, *words))
    if len(rows) < cast("int", values["limit"]):
        rows.rest = floor
    return rows
