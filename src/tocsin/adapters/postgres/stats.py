"""Numbers as they are read: from tallies, by a few look-ups for each point of a range."""

from __future__ import annotations

import zlib
from itertools import pairwise
from typing import cast

import msgspec

from tocsin.adapters.postgres.statements import Connection, read, read_one, read_page
from tocsin.adapters.postgres.tallies import EVERYTHING, Scope
from tocsin.adapters.storing.rows import endpoint_of
from tocsin.adapters.storing.tally_changes import BLOCK_BITS, FIELDS, PACKED
from tocsin.adapters.storing.tally_spans import between, tally_of
from tocsin.adapters.storing.values import Values
from tocsin.model.ids import EndpointId, Millis
from tocsin.model.tally import Span, Tally
from tocsin.ports import FailingEndpoint, StatsQuery, StatsView


async def read_stats(connection: Connection, query: StatsQuery) -> StatsView:
    """Everything of one moment."""
    scope = EVERYTHING if query.tenant is None else (query.tenant, query.endpoint or 0)
    minute, now = await _current(connection, scope)
    ((head,),) = await read_page(connection, "last_position", {"tenant": query.tenant})
    oldest = await _oldest(connection, query, scope) if now.pending else None
    now = msgspec.structs.replace(now, oldest_at=oldest)
    whole: Span | None = None
    points: tuple[Span, ...] = ()
    failing: tuple[FailingEndpoint, ...] = ()
    if query.minutes:
        tallies = await _at(connection, scope, query.minutes, query.step, minute, now)
        marks = list(zip(query.minutes, tallies, strict=True))
        points = tuple(between(*before, *after) for before, after in pairwise(marks))
        whole = between(*marks[0], *marks[-1])
        if query.failing:
            failing = await _failing(connection, query)
    return StatsView(
        now=now,
        head=cast("int", head),
        whole=whole,
        points=points,
        failing=failing,
    )


async def read_backlogs(connection: Connection, limit: int) -> list[tuple[str, EndpointId, Tally]]:
    """The endpoints with most pending."""
    rows = await read_page(connection, "largest_backlogs", {"limit": limit})
    return [
        (tenant, EndpointId(id_), Tally(pending=pending, dead=dead))
        for tenant, id_, pending, dead in cast("list[tuple[str, str, int, int]]", rows)
    ]


async def _current(connection: Connection, scope: Scope) -> tuple[int, Tally]:
    row = await read_one(connection, "tally", scope)
    if row is None:
        return 0, Tally()
    return cast("int", row[0]), tally_of(row[1:], [cast("bytes", part) for part in row[1 + PACKED :]])


async def _at(connection: Connection, scope: Scope, minutes: range, step: int, minute: int, now: Tally) -> list[Tally]:
    """How it stood at the start of each minute. What changed last before it is in the current row, or in the history."""
    past = [at for at in minutes if at <= minute]
    found: dict[int, Tally] = {}
    if past:
        for at, *row in await read(connection, "tallies_at", (past, *scope, step)):
            packed = [zlib.decompress(cast("bytes", part)) for part in row[PACKED : len(FIELDS)]]
            found[cast("int", at)] = tally_of(tuple(row), packed, cast("int | None", row[len(FIELDS)]))
    empty = Tally()
    return [found.get(at, empty) if at <= minute else now for at in minutes]


async def _oldest(connection: Connection, query: StatsQuery, scope: Scope) -> Millis | None:
    """The first pending delivery of the first block that has some."""
    block = await read_one(connection, "oldest_block", scope)
    if block is None:
        return None
    first = cast("int", block[0]) << BLOCK_BITS
    values: Values = {
        "first": first,
        "end": first + (1 << BLOCK_BITS),
        "tenant": query.tenant,
        "endpoint": query.endpoint,
    }
    rows = await read_page(connection, "oldest_pending", values)
    return cast("int", rows[0][0]) if rows else None


async def _failing(connection: Connection, query: StatsQuery) -> tuple[FailingEndpoint, ...]:
    values: Values = {
        "tenant": query.tenant,
        "since": query.minutes[0],
        "until": query.minutes[-1],
        "step": query.step,
        "limit": query.failing,
    }
    rows = await read_page(connection, "failing_endpoints", values)
    found: list[FailingEndpoint] = []
    for row in rows:
        pending, dead, attempts, failures = cast("tuple[int, int, int, int]", row[-4:])
        stored = endpoint_of(tuple(row[:-4]))
        found.append(FailingEndpoint(endpoint=stored, pending=pending, dead=dead, attempts=attempts, failures=failures))
    return tuple(found)
