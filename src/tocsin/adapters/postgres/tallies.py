"""Tallies as they are written: once for each COMMIT, in the transaction of what they count.

Whatever moves a delivery gathers `Changes` here; before COMMIT all that changed is written by one statement. Each process that writes
has a shard, rows that nobody else writes, for as long as its session has the lock of that number: so they are remembered, and nobody
waits for anybody. A lower number that is free is taken first, so the shards of processes that are gone go on. What counts is the sum.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from tocsin.errors import StoreUnavailable
from tocsin.model.delivery import NewDelivery
from tocsin.model.ids import Millis
from tocsin.rules.ranges import KEPT_MINUTES, MINUTE_MS

_NEVER: Final = 1 << 62
_REMEMBERED: Final = 4096
_SHARDS: Final = 0x746F6303
"""The class of the session's advisory locks on shards."""
_COLUMNS: Final = 15
"""Of a tally, the shard aside."""
Scope = tuple[str, int]
"""A tenant and an endpoint; endpoint 0: all of them; tenant '' (with it): everything."""
EVERYTHING: Final[Scope] = ("", 0)
Block = tuple[str, int, int]


class Tallies:
    """Gathers what the parts of a transaction change, and writes it. Used by the writer only, within its transactions."""

    def __init__(self, now_ms: Callable[[], Millis]) -> None:
        self._now_ms = now_ms
        self._shard = 0
        self._kept: dict[Scope, tuple[int, list[int]]] = {}
        self._is_sure = True
        self._tenants: dict[int, str] = {}
        self._totals: dict[Scope, list[int]] = {}
        self._blocks: dict[Block, tuple[int, Millis]] = {}

    async def connected(self, connection: Connection) -> None:
        """A new session takes a shard. Raises StoreUnavailable when there are too many."""
        self._kept.clear()
        row = await read_one(connection, "take_shard", (_SHARDS,))
        if row is None:
            raise StoreUnavailable("Too many processes write to this database.")
        self._shard = cast("int", row[0])

    def begin(self) -> None:
        """A transaction begins: what another one gathered and did not write is forgotten, and so is what it wrote where it did not
        come through."""
        self._totals.clear()
        self._blocks.clear()
        if not self._is_sure or len(self._kept) > _REMEMBERED:
            self._kept.clear()
        self._is_sure = True

    def forget(self) -> None:
        """Somebody else changes our rows, in this transaction."""
        self._kept.clear()

    def committed(self) -> None:
        """What was written holds."""
        self._is_sure = True

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
        """Write what was gathered."""
        if not self._totals:
            return
        self._is_sure = False
        rows = await self._changed_rows(connection, self._totals)
        self._totals.clear()
        blocks: list[Row] = [(*place, *moved) for place, moved in self._blocks.items() if moved[0]]
        self._blocks.clear()
        values = (self._shard, *columns_of(rows, _COLUMNS), *columns_of(blocks, 5))
        await write(connection, "save_tallies", values)

    def _add(self, tenant: str, endpoint: int, counts: list[int]) -> None:
        for scope in dict.fromkeys(((tenant, endpoint), (tenant, 0), EVERYTHING)):
            before = self._totals.get(scope)
            self._totals[scope] = list(counts) if before is None else list(map(add, before, counts))

    def _move_block(self, tenant: str, endpoint: int, block: int, count: int, since: Millis) -> None:
        for scope in ((tenant, endpoint), (tenant, 0), EVERYTHING):
            before, at = self._blocks.get((*scope, block), (0, _NEVER))
            self._blocks[*scope, block] = (before + count, min(at, since))

    async def _changed_rows(self, connection: Connection, totals: Mapping[Scope, list[int]]) -> list[Row]:
        """The rows of these as they are to be written, and remembered."""
        minute = self._now_ms() // MINUTE_MS
        kept = self._kept
        if unknown := [scope for scope in totals if scope not in kept]:
            kept.update(await self._stored(connection, unknown, minute))
        ended = [(scope, *kept[scope]) for scope in totals if kept[scope][0] < minute]
        await self._end_minutes(connection, ended, minute)
        rows: list[Row] = []
        for scope, changed in totals.items():
            at, counts = kept[scope]
            kept[scope] = at, now = max(at, minute), list(map(add, counts, changed))
            rows.append((*scope, at, *now[:PACKED], *map(packed_bytes, now[PACKED:])))
        return rows

    async def _stored(
        self, connection: Connection, scopes: Sequence[Scope], minute: int
    ) -> dict[Scope, tuple[int, list[int]]]:
        """Minute and counts as they are in the database, nothing where there is no row."""
        found: dict[Scope, tuple[int, list[int]]] = {scope: (minute, [0] * len(FIELDS)) for scope in scopes}
        for tenant, endpoint, at, *row in await read(
            connection, "tallies_of_shard", (self._shard, *columns_of(scopes, 2))
        ):
            counts = cast("list[int]", row[:PACKED])
            packed = cast("list[bytes]", row[PACKED:])
            values = [*counts, *(int.from_bytes(part, "little") for part in packed)]
            found[cast("str", tenant), cast("int", endpoint)] = (cast("int", at), values)
        return found

    async def _end_minutes(
        self, connection: Connection, ended: Sequence[tuple[Scope, int, list[int]]], minute: int
    ) -> None:
        """Add to the history of tallies that are about to change for the first time in a new minute; what is too old goes."""
        if not ended:
            return
        columns = columns_of([scope for scope, _, _ in ended], 2)
        await write(connection, "remove_empty_blocks", columns)
        oldest = {cast("Scope", row[:2]): row[2] for row in await read(connection, "oldest_blocks", columns)}
        rows: list[Row] = []
        thinned: list[Row] = []
        for scope, at, counts in ended:
            packed = (zlib.compress(packed_bytes(count), 1) for count in counts[PACKED:])
            values = (*counts[:PACKED], *packed, oldest.get(scope))
            steps = [step for step in KEPT_MINUTES if at // step < minute // step]
            rows.extend((*scope, step, at // step * step, *values) for step in steps)
            if 60 in steps:
                thinned.extend((*scope, step, minute - kept) for step, kept in KEPT_MINUTES.items())
        await write_rows(connection, "thin_tally_history", thinned)
        if rows:
            await write(connection, "add_tally_history", (self._shard, *columns_of(rows, len(rows[0]))))

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


def columns_of(rows: Iterable[Row], count: int) -> list[list[object]]:
    """So many arrays, also where there are no rows."""
    return list(map(list, zip(*rows, strict=True))) or [[] for _ in range(count)]
