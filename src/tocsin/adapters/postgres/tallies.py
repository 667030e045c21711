"""Tallies as they are written: once for each COMMIT, in the transaction of what they count.

Whatever moves a delivery gathers `Changes` here; before COMMIT the rows are locked in the order of their key, read, and written. So
they are right whoever else counts, and are locked for as short a time as possible.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from operator import add
from typing import Final, cast

from tocsin.adapters.postgres.statements import Connection, read, read_one, write, write_rows
from tocsin.adapters.storing.tally_changes import (
    BLOCK_BITS,
    EVENTS,
    FIELDS,
    PACKED,
    PENDING,
    Changes,
    packed_bytes,
)
from tocsin.adapters.storing.values import Row
from tocsin.model.delivery import NewDelivery
from tocsin.model.ids import Millis
from tocsin.rules.ranges import KEPT_MINUTES, MINUTE_MS

_NEVER: Final = 1 << 62
Scope = tuple[str, int]
"""A tenant and an endpoint; endpoint 0: all of them; tenant '' (with it): everything."""
EVERYTHING: Final[Scope] = ("", 0)
Block = tuple[str, int, int]


class Tallies:
    """Gathers what the parts of a transaction change, and writes it. Used by the writer only, within its transactions."""

    def __init__(self, now_ms: Callable[[], Millis]) -> None:
        self._now_ms = now_ms
        self._tenants: dict[int, str] = {}
        self._totals: dict[Scope, list[int]] = {}
        self._blocks: dict[Block, tuple[int, Millis]] = {}

    def begin(self) -> None:
        """A transaction begins: what another one gathered and did not write is forgotten."""
        self._totals.clear()
        self._blocks.clear()

    async def write(self, connection: Connection, changes: Changes) -> None:
        """Deliveries moved, attempts were made."""
        for endpoint, change in changes.by_endpoint.items():
            tenant = await self._tenant(connection, endpoint)
            if tenant is None:
                continue
            self._add(tenant, endpoint, change.finished())
            for block, count in change.blocks.items():
                self._move_block(tenant, endpoint, block, count, _NEVER)
        for number, moves in changes.replays.items():
            await write(connection, "move_replay_counts", (*moves, number))

    async def write_created(
        self, connection: Connection, deliveries: Sequence[NewDelivery], numbers: Sequence[int]
    ) -> None:
        """Deliveries were made, with these numbers."""
        if not deliveries:
            return
        self._tenants.update({new.endpoint: new.tenant for new in deliveries})
        since = deliveries[0].created_at
        made = Counter((new.endpoint, number >> BLOCK_BITS) for new, number in zip(deliveries, numbers, strict=True))
        for (endpoint, block), count in made.items():
            tenant = self._tenants[endpoint]
            self._add(tenant, endpoint, _counts(PENDING, count))
            self._move_block(tenant, endpoint, block, count, since)
        for lane, count in Counter(new.lane for new in deliveries if new.lane).items():
            await write(connection, "move_replay_counts", (count, 0, 0, lane))

    def accepted(self, events: Mapping[str, int]) -> None:
        """Events were accepted, by tenant."""
        for tenant, count in events.items():
            if count:
                self._add(tenant, 0, _counts(EVENTS, count))

    async def flush(self, connection: Connection) -> None:
        """Write what was gathered. Its rows are locked from here to COMMIT."""
        if self._totals:
            await self._save(connection, self._totals)
            self._totals.clear()
        rows: list[Row] = [(*place, *moved) for place, moved in self._blocks.items() if moved[0]]
        self._blocks.clear()
        await write_rows(connection, "move_pending_blocks", rows)

    def _add(self, tenant: str, endpoint: int, counts: list[int]) -> None:
        for scope in dict.fromkeys(((tenant, endpoint), (tenant, 0), EVERYTHING)):
            before = self._totals.get(scope)
            self._totals[scope] = list(counts) if before is None else list(map(add, before, counts))

    def _move_block(self, tenant: str, endpoint: int, block: int, count: int, since: Millis) -> None:
        for scope in ((tenant, endpoint), (tenant, 0), EVERYTHING):
            before, at = self._blocks.get((*scope, block), (0, _NEVER))
            self._blocks[*scope, block] = (before + count, min(at, since))

    async def _save(self, connection: Connection, totals: Mapping[Scope, list[int]]) -> None:
        minute = self._now_ms() // MINUTE_MS
        known = await self._locked(connection, totals, minute)
        ended = [(scope, at, counts) for scope, (at, counts) in known.items() if at < minute]
        await self._end_minutes(connection, ended, minute)
        rows: list[Row] = []
        for scope, changed in totals.items():
            at, counts = known[scope]
            now = list(map(add, counts, changed))
            rows.append((*scope, max(at, minute), *now[:PACKED], *map(packed_bytes, now[PACKED:])))
        await write_rows(connection, "save_tallies", rows)

    @staticmethod
    async def _locked(
        connection: Connection, scopes: Mapping[Scope, object], minute: int
    ) -> dict[Scope, tuple[int, list[int]]]:
        """The rows of these, made where there were none: minute and counts."""
        columns = [list(column) for column in zip(*scopes, strict=True)]
        rows = await read(connection, "lock_tallies", columns)
        if len(rows) < len(scopes):
            await write(connection, "begin_tallies", (*columns, minute))
            rows = await read(connection, "lock_tallies", columns)
        found: dict[Scope, tuple[int, list[int]]] = {}
        for tenant, endpoint, at, *row in rows:
            counts = cast("list[int]", row[:PACKED])
            packed = cast("list[bytes]", row[PACKED:])
            values = [*counts, *(int.from_bytes(part, "little") for part in packed)]
            found[cast("str", tenant), cast("int", endpoint)] = (cast("int", at), values)
        return found

    @staticmethod
    async def _end_minutes(connection: Connection, ended: Sequence[tuple[Scope, int, list[int]]], minute: int) -> None:
        """Add to the history of tallies that are about to change for the first time in a new minute; what is too old goes."""
        if not ended:
            return
        columns = [list(column) for column in zip(*(scope for scope, _, _ in ended), strict=True)]
        await write(connection, "remove_empty_blocks", columns)
        oldest = {cast("Scope", row[:2]): row[2] for row in await read(connection, "oldest_blocks", columns)}
        rows: list[Row] = []
        thinned: list[Row] = []
        for scope, at, counts in ended:
            packed = (zlib.compress(packed_bytes(count), 1) for count in counts[PACKED:])
            values = (*counts[:PACKED], *packed, oldest.get(scope) if counts[PENDING] > 0 else None)
            steps = [step for step in KEPT_MINUTES if at // step < minute // step]
            rows.extend((*scope, step, at // step * step, *values) for step in steps)
            if 60 in steps:
                thinned.extend((*scope, step, minute - kept) for step, kept in KEPT_MINUTES.items())
        await write_rows(connection, "thin_tally_history", thinned)
        await write_rows(connection, "add_tally_history", rows)

    async def _tenant(self, connection: Connection, endpoint: int) -> str | None:
        """The tenant of an endpoint, which never changes; None when there never was such a one."""
        tenant = self._tenants.get(endpoint)
        if tenant is None:
            row = await read_one(connection, "tenant_of_endpoint", (endpoint,))
            if row is None:
                return None
            tenant = self._tenants[endpoint] = cast("str", row[0])
        return tenant


def _counts(field: int, count: int) -> list[int]:
    counts = [0] * len(FIELDS)
    counts[field] = count
    return counts
