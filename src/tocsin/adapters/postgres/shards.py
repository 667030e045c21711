"""The shards of tallies made one again: what a store without shards can take over. Nobody else writes meanwhile."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

from tocsin.adapters.postgres.statements import Connection, read, write
from tocsin.adapters.postgres.tallies import Scope, columns_of
from tocsin.adapters.storing.tally_changes import FIELDS, PACKED, packed_bytes
from tocsin.adapters.storing.values import Row

_PAGE: Final = 100
Counts = list[int]


async def fold_shards(connection: Connection) -> None:
    """Everything that is counted is counted by shard 0."""
    while scopes := cast("list[Scope]", await read(connection, "tallies_in_shards", (_PAGE,))):
        for scope in scopes:
            await _fold(connection, scope)
    await write(connection, "fold_pending_blocks")


async def _fold(connection: Connection, scope: Scope) -> None:
    now: dict[int, tuple[int, Counts]] = {}
    for minute, *row, shard in await read(connection, "tally", scope):
        counts = [*row[:PACKED], *(int.from_bytes(cast("bytes", part), "little") for part in row[PACKED:])]
        now[cast("int", shard)] = cast("int", minute), cast("Counts", counts)
    history = await read(connection, "tally_history_of", scope)
    await write(connection, "remove_tally", scope)
    await write(connection, "remove_tally_history", scope)
    rows = list(_folded_history(now, history))
    if rows:
        await write(
            connection, "add_tally_history", (0, *columns_of([(*scope, *row) for row in rows], len(rows[0]) + 2))
        )
    minute = max(minute for minute, _ in now.values())
    total = _total(counts for _, counts in now.values())
    whole: Row = (*scope, minute, *total[:PACKED], *map(packed_bytes, total[PACKED:]))
    await read(connection, "save_tallies", (0, *columns_of([whole], len(whole)), *columns_of([], 5)))


def _folded_history(now: Mapping[int, tuple[int, Counts]], history: Sequence[Row]) -> Iterable[Row]:
    """The periods in which any shard changed, with what all of them were at their ends. The rows come by step and minute."""
    last: dict[int, Counts] = {}
    of_step: object = None
    for number, (shard, step, minute, *values) in enumerate(cast("Sequence[tuple[int, ...]]", history)):
        if step != of_step:
            last, of_step = {}, step
        last[shard] = [*values[:PACKED], *map(_unpacked, values[PACKED : len(FIELDS)])]
        following = history[number + 1][1:3] if number + 1 < len(history) else None
        if following == (step, minute):
            continue
        total = _total(
            counts if minute + step > changed_at else last.get(one, []) for one, (changed_at, counts) in now.items()
        )
        packed = (zlib.compress(packed_bytes(count), 1) for count in total[PACKED:])
        yield (step, minute, *total[:PACKED], *packed, values[len(FIELDS)])


def _total(parts: Iterable[Counts]) -> Counts:
    total = [0] * len(FIELDS)
    for part in parts:
        for place, count in enumerate(part):
            total[place] += count
    return total


def _unpacked(packed: object) -> int:
    return int.from_bytes(zlib.decompress(cast("bytes", packed)), "little")
