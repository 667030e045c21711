"""Numbers as they are read: from tallies, by a few look-ups for each point of a range."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from itertools import pairwise
from operator import itemgetter
from typing import cast

import msgspec

from tocsin.adapters.postgres.statements import Connection, read, read_one, read_page
from tocsin.adapters.postgres.tallies import EVERYTHING, Scope
from tocsin.adapters.storing.rows import endpoint_of
from tocsin.adapters.storing.tally_changes import BLOCK_BITS, FIELDS, PACKED
from tocsin.adapters.storing.tally_spans import between, tally_of, together
from tocsin.adapters.storing.values import Values
from tocsin.model.ids import EndpointId, Millis
from tocsin.model.tally import Span, Tally
from tocsin.ports import FailingEndpoint, StatsQuery, StatsView


async def read_stats(connection: Connection, query: StatsQuery) -> StatsView:
    """Everything of one moment."""
    scope = EVERYTHING if query.tenant is None else (query.tenant, query.endpoint or 0)
    shards = await _shards(connection, scope)
    now = together(tally for _, tally in shards.values())
    ((head,),) = await read_page(connection, "last_position", {"tenant": query.tenant})
    oldest = await _oldest(connection, query, scope) if now.pending else None
    now = msgspec.structs.replace(now, oldest_at=oldest)
    whole: Span | None = None
    points: tuple[Span, ...] = ()
    failing: tuple[FailingEndpoint, ...] = ()
    if query.minutes:
        tallies = await _at(connection, scope, query.minutes, query.step, shards, oldest)
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


async def _shards(connection: Connection, scope: Scope) -> dict[int, tuple[int, Tally]]:
    """The shards of a tally as they are now, each with the minute of its last change."""
    shards: dict[int, tuple[int, Tally]] = {}
    for minute, *row, shard in await read(connection, "tally", scope):
        tally = tally_of(tuple(row), [cast("bytes", part) for part in row[PACKED:]])
        shards[cast("int", shard)] = cast("int", minute), tally
    return shards


async def _at(
    connection: Connection,
    scope: Scope,
    minutes: range,
    step: int,
    shards: Mapping[int, tuple[int, Tally]],
    oldest: Millis | None,
) -> list[Tally]:
    """How it stood at the start of each minute. What a shard changed last before it is in its current row, or in the history; the
    oldest pending delivery is known from the last shard that changed, in the history, or else is that of now."""
    past: dict[tuple[int, int], tuple[int, Tally]] = {}
    if any(minutes[0] <= minute for minute, _ in shards.values()):
        for shard, at, ended, *row in await read(connection, "tallies_at", (list(minutes), *scope, step)):
            packed = [zlib.decompress(cast("bytes", part)) for part in row[PACKED : len(FIELDS)]]
            tally = tally_of(tuple(row), packed, cast("int | None", row[len(FIELDS)]))
            past[cast("int", at), cast("int", shard)] = cast("int", ended), tally
    tallies: list[Tally] = []
    for at in minutes:
        changed_since = [past[at, shard] for shard in shards if (at, shard) in past]
        unchanged = [tally for minute, tally in shards.values() if at > minute]
        whole = together([*(tally for _, tally in changed_since), *unchanged])
        has_changed = any(at <= minute for minute, _ in shards.values())
        _, last = max(changed_since, key=itemgetter(0), default=(0, Tally()))
        oldest_at = last.oldest_at if has_changed else oldest
        tallies.append(msgspec.structs.replace(whole, oldest_at=oldest_at if whole.pending > 0 else None))
    return tallies


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
