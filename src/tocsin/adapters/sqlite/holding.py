"""Who holds the one partition of the embedded store: always this process, without a lease."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import apsw

from tocsin.adapters.sqlite.queue import PARTITION
from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.statements import read, read_one
from tocsin.adapters.sqlite.writer import Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.ports import Beat, Cursor, Hint, Holder, Neighbour, Revisions, Taken

_UNMOVED = Revisions(endpoints=0, standings=0, api_keys=0, data_keys=0, replays=0, retention=0)


class SqliteHolding:
    """`ports.Holding` on the embedded store: nobody else is there. Whoever joins ends the right of the one before."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers
        self._epoch: int | None = None
        self._is_held = False

    @property
    def partitions(self) -> int:
        return 1

    @property
    def is_shared(self) -> bool:
        return False

    async def join(self, name: str) -> Holder:
        del name  # nobody reads it

        def transaction(connection: apsw.Connection) -> int:
            (epoch,) = cast("tuple[int]", read_one(connection, "join"))
            return epoch

        self._epoch = await self._writer.run(Rank.FANOUT, transaction)
        self._is_held = False
        return Holder(epoch=self._epoch)

    async def beat(self, holder: Holder, *, is_watching: bool) -> Beat | None:
        del is_watching  # nobody settles elsewhere
        if holder.epoch != self._epoch:
            return None
        holders = {PARTITION: holder.epoch if self._is_held else 0}
        return Beat(neighbours=(), holders=holders, revisions=_UNMOVED)

    async def fence(self, holder: Holder, gone: Neighbour) -> bool:
        del holder, gone  # there are no neighbours
        return False

    async def take(self, holder: Holder, limit: int) -> list[Taken]:
        if self._is_held or not limit:
            return []
        where = await self._where(holder)
        self._is_held = where is not None
        return [Taken(partition=PARTITION, cursor=where, fenced_ago_ms=None)] if where is not None else []

    async def give_back(self, holder: Holder, partitions: Sequence[int]) -> None:
        if holder.epoch == self._epoch and PARTITION in partitions:
            self._is_held = False

    async def leave(self, holder: Holder) -> None:
        if holder.epoch == self._epoch:
            await self.join("")
            self._epoch = None

    async def cursors(self, holder: Holder) -> dict[int, Cursor] | None:
        where = await self._where(holder)
        if where is None:
            return None
        return {PARTITION: where} if self._is_held else {}

    async def listen(self, heard: Callable[[Hint], None]) -> None:
        """There is nobody to hear."""

    def tell(self, hint: Hint) -> None:
        """There is nobody to tell."""

    async def _where(self, holder: Holder) -> Cursor | None:
        rows = await self._readers.run(lambda connection: read(connection, "cursors", (holder.epoch,)))
        if not rows:
            return None
        ((_, position, endpoint),) = cast("list[tuple[int, int, int]]", rows)
        return Cursor(position=position, endpoint=endpoint)
