"""What happened to endpoints lately: attempts by the hour for a page of endpoints, and the last attempts of one."""

from __future__ import annotations

import zlib
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


async def read_strips(connection: Connection, query: StripQuery) -> dict[int, Strip]:
    """By endpoint number; one without any tally is left out."""
    values = {
        "endpoints": list(query.endpoints),
        "minutes": list(query.minutes),
        "tenant": query.tenant,
        "step": query.step,
    }
    now_rows = await read_page(connection, "strips_now", values)
    first = query.minutes[0]
    marks: dict[int, dict[int, Mark]] = {}
    for number, at, delivered, retry, rejected, packed in await read_page(connection, "strips", values):
        took = int.from_bytes(zlib.decompress(cast("bytes", packed)), "little") if at == first else 0
        marks.setdefault(cast("int", number), {})[cast("int", at)] = cast("Mark", (delivered, retry, rejected, took))
    strips: dict[int, Strip] = {}
    for number, minute, delivered, retry, rejected, packed, pending, dead in now_rows:
        took = int.from_bytes(cast("bytes", packed), "little")
        now = cast("Mark", (delivered, retry, rejected, took))
        past = marks.get(cast("int", number), {})
        strips[cast("int", number)] = strip_of(
            query, now, cast("int", minute), past, cast("int", pending), cast("int", dead)
        )
    return strips


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
