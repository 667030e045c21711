"""Everything in one store is copied to another, and checked there. It may be cut short anywhere, and goes on when it is run again.

How far it is stands in the target, beside the rows. Both sides have a mark with the same id, so that neither is served, nor taken
for something else, before it is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Literal

from msgspec.structs import replace

from tocsin.errors import Conflict, Misconfigured
from tocsin.model.ids import Millis
from tocsin.model.noun import Noun
from tocsin.ports.transferring import TABLES, Progress, Table, TransferMark, Transfers

NUMBERS: Final = "numbers"
"""What differs when a store would not go on with the numbers of the other."""


class Advance(Noun, frozen=True, kw_only=True):
    """`rows` of `total` in a table were copied, or read again in the target."""

    table: str
    step: Literal["copy", "check"]
    rows: int
    total: int


class Transferred(Noun, frozen=True, kw_only=True):
    """How many rows of each table the source has. `differing`: what is not the same in the target; then it is not over. `was_over`:
    nothing was left to do."""

    tables: dict[str, int]
    differing: tuple[str, ...] = ()
    was_over: bool = False

    @property
    def is_over(self) -> bool:
        return not self.differing


class Transfer:
    """From `source` to `target`; their names are for people. `tell` is called after each page."""

    def __init__(
        self,
        source: Transfers,
        target: Transfers,
        names: tuple[str, str],
        *,
        new_id: Callable[[], str],
        now_ms: Callable[[], Millis],
        tell: Callable[[Advance], None],
    ) -> None:
        self._source = source
        self._target = target
        self._source_name, self._target_name = names
        self._new_id = new_id
        self._now_ms = now_ms
        self._tell = tell

    async def run(self) -> Transferred:
        """Begin or go on, to the end. Raises Conflict when either side is not fit for it, and StoreUnavailable."""
        mark = await self._agree()  # after which a source may have fewer rows, that say the same
        totals = {table.name: await self._source.count(table) for table in TABLES}
        if mark.is_over:
            await self._end(mark)
            return Transferred(tables=totals, was_over=True)
        begun = await self._target.progress()
        copied = {table: await self._copy(table, begun.get(table.name), totals[table.name]) for table in TABLES}
        differing = [
            table.name for table, progress in copied.items() if not await self._is_same(table, progress, totals)
        ]
        heads = await self._source.heads()
        await self._target.set_heads(heads)
        if dict(await self._target.heads()) != dict(heads):
            differing.append(NUMBERS)
        if not differing:
            await self._end(mark)
        return Transferred(tables=totals, differing=tuple(differing))

    async def _copy(self, table: Table, begun: Progress | None, total: int) -> Progress:
        """The next page is read while one is written."""
        progress = begun or Progress()
        if progress.is_checked:
            return progress
        rows = await self._source.page(table, progress.after)
        while rows:
            further = progress.beyond(table, rows)
            rows, _ = await asyncio.gather(
                self._source.page(table, further.after), self._target.save(table, rows, further)
            )
            progress = further
            self._tell(Advance(table=table.name, step="copy", rows=progress.rows, total=total))
        return progress

    async def _is_same(self, table: Table, copied: Progress, totals: dict[str, int]) -> bool:
        """Whether the target gives the rows that the source gave, and these were all that it has."""
        total = totals[table.name]
        if not copied.is_checked:
            found = Progress()
            while rows := await self._target.page(table, found.after):
                found = found.beyond(table, rows)
                self._tell(Advance(table=table.name, step="check", rows=found.rows, total=total))
            if (found.rows, found.digest) != (copied.rows, copied.digest):
                return False
            await self._target.save(table, (), replace(copied, is_checked=True))
        return copied.rows == total

    async def _agree(self) -> TransferMark:
        """The mark of both sides. Raises Conflict."""
        left, right = await self._source.mark(), await self._target.mark()
        if left is not None and left.side == "target" and not left.is_over:
            raise Conflict(f"{self._source_name} is the unfinished target of a transfer from {left.other}.")
        if left is not None and left.side == "source":
            if right is not None and right.id == left.id:
                return right
            if left.is_over:
                raise Conflict(
                    f"Everything in {self._source_name} went to {left.other} already. {way_back(self._source_name)}"
                )
            if left.other != self._target_name or right is not None:
                raise Conflict(f"A transfer to {left.other} has begun: finish that. {way_back(self._source_name)}")
        else:
            left = None
        if right is not None and right.side == "target" and not right.is_over:
            raise Conflict(f"{self._target_name} is the unfinished target of another transfer: make it anew.")
        await self._expect_empty()
        for table in TABLES:
            if table.is_single:
                await self._source.page(
                    table, None
                )  # raises Conflict where there is no one row: before there is a mark
        left = left or TransferMark(
            id=self._new_id(), side="source", other=self._target_name, began_at=self._now_ms(), is_over=False
        )
        await self._source.set_mark(left)
        right = replace(left, side="target", other=self._source_name)
        await self._target.begin(right)
        return right

    async def _expect_empty(self) -> None:
        for table in TABLES:
            if not table.is_single and await self._target.page(table, None):
                raise Conflict(f"{self._target_name} is not empty: there are rows in {table.name}.")

    async def _end(self, mark: TransferMark) -> None:
        """The source first: when this is cut short, it is done again."""
        over = replace(mark, is_over=True)
        await self._source.set_mark(replace(over, side="source", other=self._target_name))
        if not mark.is_over:
            await self._target.finish(over)


async def take_back(source: Transfers, name: str) -> TransferMark:
    """Have the source of a transfer served again, as if there had been none; gives the mark that it had. Raises Conflict."""
    mark = await source.mark()
    if mark is None or mark.side != "source":
        raise Conflict(f"{name} is not the source of a transfer.")
    await source.set_mark(None)
    return mark


def way_back(name: str) -> str:
    """What people are told who want the source again."""
    return f"To use this one again: tocsin migrate --from {name} --take-back"


def check_servable(mark: TransferMark | None, name: str) -> None:
    """Raises Misconfigured when a server on this store would deliver twice, or from a part of what there is."""
    if mark is None or mark.is_servable:
        return
    if mark.side == "target":
        raise Misconfigured(
            f"{name} is the unfinished target of a transfer from {mark.other}: run that `tocsin migrate` again, it goes on."
        )
    if mark.is_over:
        raise Misconfigured(f"Everything in {name} went to {mark.other}: serve that. {way_back(name)}")
    raise Misconfigured(f"A transfer of {name} to {mark.other} has begun: run it again. {way_back(name)}")
