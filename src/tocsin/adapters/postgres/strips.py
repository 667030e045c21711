"""What happened to endpoints lately: attempts by the hour for a page of endpoints, and the last attempts of one."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

from tocsin.adapters.postgres.statements import Connection, read_one, read_page
from tocsin.adapters.storing.rows import attempt_of
from tocsin.adapters.storing.strips import Mark, strip_of
from tocsin.adapters.storing.tally_changes import BLOCK_BITS
from tocsin.adapters.storing.values import Values
from tocsin.model.attempt import Attempt
from tocsin.model.ids import DeliveryId
from tocsin.ports import AttemptsQuery, Strip, StripQuery

_EACH: Final = 5
"""Attempts of one delivery that are looked at: the newest."""
_LOOKED_AT: Final = 2000
"""Deliveries that are looked at for their attempts."""
_NO_END: Final = 1 << 62
_NOTHING: Final[Mark] = (0, 0, 0, 0)
_Row = tuple[int, int, int, int, int, bytes, int, int, int]
_Shard = tuple[int, int, Mark, int, int]
"""Its number, the minute of its last change, its mark, and what is pending and dead."""


async def read_strips(connection: Connection, query: StripQuery) -> dict[int, Strip]:
    """By endpoint number; one without any tally is left out."""
    values = {
        "endpoints": list(query.endpoints),
        "minutes": list(query.minutes),
        "tenant": query.tenant,
        "step": query.step,
    }
    first = query.minutes[0]
    past: dict[tuple[int, int, int], Mark] = {}
    for number, shard, at, delivered, retry, rejected, packed in await read_page(connection, "strips", values):
        took = int.from_bytes(zlib.decompress(cast("bytes", packed)), "little") if at == first else 0
        past[cast("tuple[int, int, int]", (number, shard, at))] = cast("Mark", (delivered, retry, rejected, took))
    shards: dict[int, list[_Shard]] = {}
    for number, minute, delivered, retry, rejected, packed, pending, dead, shard in cast(
        "list[_Row]", await read_page(connection, "strips_now", values)
    ):
        now = delivered, retry, rejected, int.from_bytes(packed, "little")
        shards.setdefault(number, []).append((shard, minute, now, pending, dead))
    return {number: _strip_of(query, number, some, past) for number, some in shards.items()}


def _strip_of(
    query: StripQuery, number: int, shards: Sequence[_Shard], past: Mapping[tuple[int, int, int], Mark]
) -> Strip:
    """From the sums over the shards. What one changed last before a mark is in its current row, or in the history."""
    last = max(minute for _, minute, *_ in shards)
    marks: dict[int, Mark] = {
        at: _sum(
            past.get((number, shard, at), _NOTHING) if at <= minute else now for shard, minute, now, _, _ in shards
        )
        for at in query.minutes
        if at <= last
    }
    pending, dead = sum(shard[3] for shard in shards), sum(shard[4] for shard in shards)
    return strip_of(query, _sum(shard[2] for shard in shards), last, marks, pending, dead)


def _sum(marks: Iterable[Mark]) -> Mark:
    delivered = retry = rejected = took = 0
    for mark in marks:
        delivered, retry, rejected, took = delivered + mark[0], retry + mark[1], rejected + mark[2], took + mark[3]
    return delivered, retry, rejected, took


async def read_attempts(connection: Connection, query: AttemptsQuery) -> list[tuple[DeliveryId, Attempt]]:
    """The last attempts, newest first, without their request bodies. Of a batch the id is one of its members'. Where a backlog is
    long its newest were not attempted yet: then those around the oldest pending one are looked at as well."""
    found = dict(await _attempts_below(connection, query, _NO_END))
    if len(found) < query.limit and query.tenant is not None:
        oldest = await read_one(connection, "oldest_block", (query.tenant, query.endpoint))
        if oldest is not None:
            found |= await _attempts_below(connection, query, cast("int", oldest[0]) + 1 << BLOCK_BITS)
    return sorted(found.values(), key=lambda one: one[1].started_at, reverse=True)[: query.limit]


async def _attempts_below(
    connection: Connection, query: AttemptsQuery, below: int
) -> dict[str, tuple[DeliveryId, Attempt]]:
    """By their ids, of deliveries with lower numbers."""
    values: Values = {
        "endpoint": query.endpoint,
        "tenant": query.tenant,
        "below": below,
        "deliveries": _LOOKED_AT,
        "limit": query.limit,
        "each": _EACH,
    }
    rows = await read_page(connection, "endpoint_attempts", values)
    rows += await read_page(connection, "endpoint_batch_attempts", values)
    attempts = [(DeliveryId(cast("str", id_)), attempt_of(cast("bytes", detail), b"")) for id_, detail in rows]
    return {attempt.id: (delivery_id, attempt) for delivery_id, attempt in attempts}
