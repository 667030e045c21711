"""Tallies as they are written: once for each commit group and endpoint, in the transaction of what they count.

Whatever moves a delivery gathers `Changes`, and writes them before its part of the transaction is over. The rows that are changed
all the time are remembered, so that a change costs one statement; what was remembered is forgotten when anything is undone.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from operator import add
from typing import Final, cast

import apsw

from tocsin.adapters.sqlite.statements import read_one, write, write_rows
from tocsin.adapters.sqlite.writer import Writer
from tocsin.adapters.storing.tally_changes import EVENTS, FIELDS, PACKED, PENDING, Changes, by_block, packed_bytes
from tocsin.adapters.storing.values import Row
from tocsin.model.delivery import NewDelivery
from tocsin.model.ids import Millis
from tocsin.rules.ranges import KEPT_MINUTES, MINUTE_MS

_NEVER: Final = 1 << 62
_REMEMBERED: Final = 4096
Scope = tuple[str, int]
"""A tenant and an endpoint; endpoint 0: all of them; tenant '' (with it): everything."""
EVERYTHING: Final[Scope] = ("", 0)
Block = tuple[str, int, int]


class _Kept:
    """A row as it is in the file. `is_written`: it is there."""

    __slots__ = ("counts", "is_written", "minute")

    def __init__(self, minute: int, counts: list[int], *, is_written: bool) -> None:
        self.minute = minute
        self.counts = counts
        self.is_written = is_written


class Tallies:
    """Writes what changed. Used in the writer's thread only, within its transactions."""

    def __init__(self, writer: Writer, now_ms: Callable[[], Millis]) -> None:
        self._now_ms = now_ms
        self._kept: dict[Scope, _Kept] = {}
        self._tenants: dict[int, str] = {}
        writer.on_reopen.append(self._kept.clear)
        writer.on_undo.append(self._kept.clear)

    def write(self, connection: apsw.Connection, changes: Changes) -> None:
        """Deliveries moved, attempts were made."""
        totals: dict[Scope, list[int]] = {}
        blocks: dict[Block, int] = {}
        for endpoint, change in changes.by_endpoint.items():
            tenant = self._tenant(connection, endpoint)
            if tenant is None:
                continue
            counts = totals[tenant, endpoint] = change.finished()
            for scope in ((tenant, 0), EVERYTHING):
                before = totals.get(scope)
                totals[scope] = counts if before is None else list(map(add, before, counts))
            for block, count in change.blocks.items():
                for scope in ((tenant, endpoint), (tenant, 0), EVERYTHING):
                    blocks[*scope, block] = blocks.get((*scope, block), 0) + count
        self._save(connection, totals)
        rows: list[Row] = [(*place, count, _NEVER) for place, count in blocks.items() if count]
        write_rows(connection, "move_pending_blocks", rows)
        for number, moves in changes.replays.items():
            write(connection, "move_replay_counts", (*moves, number))

    def write_created(self, connection: apsw.Connection, deliveries: Sequence[NewDelivery], first: int) -> None:
        """Deliveries were made, with numbers from `first` on."""
        if not deliveries:
            return
        self._tenants.update({new.endpoint: new.tenant for new in deliveries})
        counts: dict[Scope, int] = {EVERYTHING: len(deliveries)}
        blocks: dict[Block, int] = {}
        for (endpoint, block), count in by_block(first, [new.endpoint for new in deliveries]).items():
            tenant = self._tenants[endpoint]
            counts[tenant, endpoint] = counts.get((tenant, endpoint), 0) + count
            counts[tenant, 0] = counts.get((tenant, 0), 0) + count
            blocks[tenant, endpoint, block] = count
            for scope in ((tenant, 0), EVERYTHING):
                blocks[*scope, block] = blocks.get((*scope, block), 0) + count
        self._add(connection, counts, PENDING, "move_tallies_pending")
        since = deliveries[0].created_at
        write_rows(connection, "move_pending_blocks", [(*place, count, since) for place, count in blocks.items()])
        for lane, count in Counter(new.lane for new in deliveries if new.lane).items():
            write(connection, "move_replay_counts", (count, 0, 0, lane))

    def write_accepted(self, connection: apsw.Connection, events: Mapping[str, int]) -> None:
        """Events were accepted, by tenant."""
        if total := sum(events.values()):
            counts = {(tenant, 0): count for tenant, count in events.items() if count}
            self._add(connection, {EVERYTHING: total, **counts}, EVENTS, "move_tallies_events")

    def _add(self, connection: apsw.Connection, counts: Mapping[Scope, int], field: int, name: str) -> None:
        """Add to one field, by a statement that leaves the others alone where the row can stay in its minute."""
        minute = self._minute()
        totals: dict[Scope, list[int]] = {}
        rows: list[Row] = []
        for scope, count in counts.items():
            kept = self._kept.get(scope) or self._read(connection, scope, minute)
            if kept.is_written and kept.minute >= minute:
                kept.counts[field] += count
                rows.append((*scope, count))
            else:
                total = totals[scope] = [0] * len(FIELDS)
                total[field] = count
        write_rows(connection, name, rows)
        self._save(connection, totals)

    def _save(self, connection: apsw.Connection, totals: Mapping[Scope, list[int]]) -> None:
        minute = self._minute()
        ended: list[Row] = []
        rows: list[Row] = []
        for scope, counts in totals.items():
            kept = self._kept.get(scope) or self._read(connection, scope, minute)
            if kept.minute < minute:
                ended.extend(self._end_minute(connection, scope, kept, minute))
                kept.minute = minute
            kept.counts = list(map(add, kept.counts, counts))
            kept.is_written = True
            rows.append((*scope, kept.minute, *kept.counts[:PACKED], *map(packed_bytes, kept.counts[PACKED:])))
        write_rows(connection, "add_tally_history", ended)
        write_rows(connection, "save_tallies", rows)

    def _minute(self) -> int:
        if len(self._kept) > _REMEMBERED:
            self._kept.clear()
        return self._now_ms() // MINUTE_MS

    def _read(self, connection: apsw.Connection, scope: Scope, minute: int) -> _Kept:
        row = read_one(connection, "tally", scope)
        if row is None:
            kept = _Kept(minute, [0] * len(FIELDS), is_written=False)
        else:
            at, *counts = cast("tuple[int, ...]", row[: 1 + PACKED])
            packed = cast("tuple[bytes, ...]", row[1 + PACKED :])
            kept = _Kept(at, [*counts, *(int.from_bytes(part, "little") for part in packed)], is_written=True)
        self._kept[scope] = kept
        return kept

    def _end_minute(self, connection: apsw.Connection, scope: Scope, kept: _Kept, minute: int) -> list[Row]:
        """The rows of history of a tally that is about to change for the first time in a new minute; those that are too old go."""
        write(connection, "remove_empty_blocks", scope)
        oldest = read_one(connection, "oldest_block", scope) if kept.counts[PENDING] > 0 else None
        values = (
            *kept.counts[:PACKED],
            *(zlib.compress(packed_bytes(count), 1) for count in kept.counts[PACKED:]),
            oldest[1] if oldest else None,
        )
        steps = [step for step in KEPT_MINUTES if kept.minute // step < minute // step]
        if 60 in steps:
            for step, kept_minutes in KEPT_MINUTES.items():
                place = (*scope, step)
                write(connection, "thin_tally_history", (*place, *place, minute - kept_minutes))
        return [(*scope, step, kept.minute // step * step, *values) for step in steps]

    def _tenant(self, connection: apsw.Connection, endpoint: int) -> str | None:
        """The tenant of an endpoint, which never changes; None when there never was such a one."""
        tenant = self._tenants.get(endpoint)
        if tenant is None:
            row = read_one(connection, "tenant_of_endpoint", (endpoint,))
            if row is None:
                return None
            tenant = self._tenants[endpoint] = cast("str", row[0])
        return tenant
