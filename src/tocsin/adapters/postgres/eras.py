"""Eras: the partitions of events, deliveries and attempts, each of one span of their numbers, and so of time.

The next one is opened ahead, an eighth as large as all that is kept, so that there are never many. What belongs to none lies in
the rest, so that an insert never fails: what was written before anybody opened more, and what stays of an era that goes.

An era goes when all of it is old. What is still needed is looked up beside the writer, and is little, or the era stays and its
rows go one by one. Then one short transaction takes the era out and puts what is needed into the rest; the table itself is
dropped later. Nobody waits for that transaction longer than it may wait for its lock.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, Literal, NamedTuple, cast

import asyncpg

from tocsin.adapters.postgres.database import LOST, connect, hang_up, problem_of
from tocsin.adapters.postgres.statements import Connection, read, read_one, statement, write, write_among
from tocsin.adapters.postgres.tallies import Tallies
from tocsin.adapters.postgres.writer import Transaction, Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.tally_changes import moves_of
from tocsin.adapters.storing.transfers import filled
from tocsin.errors import StoreUnavailable
from tocsin.model.delivery import DeliveryState
from tocsin.model.ids import Millis
from tocsin.ports import Dropped, Era

Parted = Literal["event", "delivery", "attempt"]
PARTED: Final[tuple[Parted, ...]] = ("event", "delivery", "attempt")
ERA_ROWS: Final = 1 << 20
"""The numbers of an era, at least. More than are given between two looks: what comes when none is open lies in the rest."""
SHARE: Final = 8
"""An era has at least this part of what is kept: so there are some ten, which each statement may have to look into."""
MOST_KEPT: Final = 4096
"""Rows that a transaction puts into the rest, at most: a small part of an era."""
_MARGIN: Final = 16
"""An era that is opened late begins this part of an era ahead of what was given last."""
_LOOK_AGAIN_SECONDS: Final = 3600.0
_LONG_SECONDS: Final = 3600.0
_PAGE: Final = 256
_FEW: Final = 30
"""Of the last 100 deliveries of an era: with more that have their events it is not looked through."""
_ONE_BY_ONE: Final = 50_000
_SPAN: Final = re.compile(r"FROM \('?(\d+)'?\) TO \('?(\d+)'?\)")
_PARTS: Final = {
    "event": {"table": "event", "key": "position", "time": "accepted_at"},
    "delivery": {"table": "delivery", "key": "number", "time": "created_at"},
}


class Span(NamedTuple):
    """A partition: the numbers from `low` to before `high`. Of attempts these are the numbers of their deliveries."""

    low: int
    high: int
    table: Parted
    name: str


class _NotNow(Exception):
    """Something came in between."""


class Eras:
    """Of one store. `rows`: the least size of an era."""

    def __init__(
        self, url: str, writer: Writer, tallies: Tallies, monotonic: Callable[[], float], rows: int = ERA_ROWS
    ) -> None:
        self._url = url
        self._writer = writer
        self._tallies = tallies
        self._monotonic = monotonic
        self._not_before: dict[str, float] = {}
        self.rows = rows

    @property
    def _most(self) -> int:
        return min(MOST_KEPT, self.rows // _MARGIN)

    async def era(self, connection: Connection, table: Literal["event", "delivery"], after: int) -> Era | None:
        """The one that the next row behind a number lies in, if nothing is added to it any more."""
        parts = _PARTS[table]
        found = await connection.fetchrow(filled(statement("era_next"), parts), after)
        if found is None:
            return None
        number, oldest_at = cast("tuple[int, int]", tuple(found))
        heads = await heads_of(connection)
        kept_in: Parted = "event" if table == "event" else "attempt"
        for span in await spans_of(connection, kept_in):
            if span.low <= number < span.high <= heads[table]:
                row = await connection.fetchrow(filled(statement("era_youngest"), parts), span.low, span.high)
                (youngest_at,) = cast("tuple[int]", tuple(row or (0,)))
                return Era(end=span.high - 1, oldest_at=oldest_at, youngest_at=youngest_at)
        return None

    async def tend(self) -> None:
        """Open eras ahead, and drop those that nothing is left of. Raises StoreUnavailable."""
        async with self._at_length() as connection:
            await self._drop_taken_out(connection)
            heads = await heads_of(connection)
            for table in PARTED:
                spans = await spans_of(connection, table)
                await self._open(connection, table, spans, heads[table])
                for span in spans[:-1]:
                    if span.high <= heads[table]:
                        await self._look_at(connection, span)
            await self._drop_taken_out(connection)

    async def open_for(self, connection: Connection, table: Parted, number: int) -> None:
        """Eras up to a number, where many rows are about to come."""
        while not (spans := await spans_of(connection, table)) or spans[-1].high <= number:
            low, high = self._next(spans, -1)
            await _open_era(connection, table, low, high)

    async def drop_events(
        self, end: int, before: Millis, remove: Callable[[Sequence[int]], Awaitable[None]]
    ) -> Dropped:
        """The era of events that ends there, all of which were accepted `before` or earlier. `remove` removes some by themselves, as
        far as they are not needed."""
        async with self._at_length() as connection:
            span = await self._span_of(connection, "event", end)
            if span is None:
                return "later"
            if await _is_read(connection, span):
                return "one by one"
            late = await self._late(connection, span)
            after = span.low - 1
            for _ in range(_ONE_BY_ONE // _PAGE):
                found = await read(connection, "era_one_by_one", (after, span.high, late, _PAGE))
                positions = [cast("int", position) for (position,) in found]
                if not positions:
                    break
                await remove(positions)
                after = positions[-1]
            else:
                return "one by one"
            needed = await _numbers(
                connection, "era_needed_events", (span.low, span.high, before, late, self._most + 1)
            )
            if len(needed) > self._most:
                return "one by one"

            async def settle(writing: Connection) -> None:
                if await _is_read(writing, span):
                    raise _NotNow
                newer = await _numbers(writing, "era_newly_needed", (late, span.low, span.high))
                await _keep(writing, span, sorted({*needed, *newer}), "rows")

            gone = await self._take_out(span, settle)
            await self._drop_taken_out(connection)
            return gone

    async def drop_attempts(self, end: int, before: Millis) -> Dropped:
        """The era of attempts that ends there. Those of deliveries stay that have not ended before."""
        async with self._at_length() as connection:
            span = await self._span_of(connection, "attempt", end)
            if span is None:
                return "later"
            gone = await self._drop_attempts(connection, span, before)
            await self._drop_taken_out(connection)
            return gone

    async def _look_at(self, connection: Connection, span: Span) -> None:
        """Drop an era if hardly anything in it is needed. Looking through all of it is done rarely."""
        empty = await connection.fetchrow(filled(statement("era_any"), {"era": span.name})) is None
        if self._not_before.get(span.name, 0.0) > self._monotonic() and not (empty and span.table != "attempt"):
            return
        self._not_before[span.name] = self._monotonic() + _LOOK_AGAIN_SECONDS
        if empty and span.table == "attempt" and await read(connection, "era_pending", (span.low, span.high)):
            return  # their attempts are to lie there
        if empty:
            await self._take_out(span, _expect_empty(span))
        elif span.table == "delivery":
            await self._drop_deliveries(connection, span)
        elif span.table == "attempt":
            await self._drop_attempts(connection, span, None)

    async def _drop_deliveries(self, connection: Connection, span: Span) -> None:
        """Those of events that are gone."""
        ((alive,),) = cast("list[tuple[int]]", await read(connection, "era_sample", (span.low, span.high)))
        if alive > _FEW:
            return
        needed = await _numbers(connection, "era_needed_deliveries", (span.low, span.high, self._most + 1))
        if len(needed) > self._most:
            return

        async def settle(writing: Connection) -> None:
            dead = list(map(tuple, await writing.fetch(filled(statement("era_dead"), {"era": span.name}), needed)))
            await _keep(writing, span, needed, None)
            await write(writing, "era_leave_batches", (span.low, span.high, needed))
            await self._tallies.write(writing, moves_of(dead, DeliveryState.DEAD, None))

        await self._take_out(span, settle)

    async def _drop_attempts(self, connection: Connection, span: Span, before: Millis | None) -> Dropped:
        """Without a time only those whose deliveries are gone."""
        time = -1 if before is None else before
        needed = await _numbers(connection, "era_unended", (span.low, span.high, time, self._most + 1))
        if len(needed) > self._most:
            return "one by one"
        left = None if before is None else "attempts"
        return await self._take_out(span, lambda writing: _keep(writing, span, needed, left))

    async def _take_out(self, span: Span, settle: Transaction[None]) -> Dropped:
        """One era, within a transaction that settles what is to be kept of it."""
        names = {"table": span.table, "era": span.name, "gone": f"{span.name}_gone"}

        async def transaction(connection: Connection) -> None:
            await connection.execute(statement("era_short_wait"))
            await connection.execute(filled(statement("era_take_out"), names))
            await settle(connection)
            await connection.execute(filled(statement("era_rename"), names))

        try:
            await self._writer.run(Rank.RETENTION, transaction)
        except _NotNow:
            return "later"
        except StoreUnavailable as error:
            if not isinstance(error.__cause__, asyncpg.LockNotAvailableError):
                raise
            return "later"
        return "dropped"

    async def _open(self, connection: Connection, table: Parted, spans: Sequence[Span], head: int) -> None:
        """There is always one that has not begun."""
        if spans and head < spans[-1].low:
            return
        low, high = self._next(spans, head)
        with contextlib.suppress(asyncpg.LockNotAvailableError, asyncpg.CheckViolationError):
            await _open_era(connection, table, low, high)  # else at the next look

    def _next(self, spans: Sequence[Span], head: int) -> tuple[int, int]:
        end = spans[-1].high if spans else 0
        low = end if head < end else head + self.rows // _MARGIN
        return low, low + max(self.rows, (low - (spans[0].low if spans else low)) // SHARE)

    async def _drop_taken_out(self, connection: Connection) -> None:
        for (name,) in await read(connection, "era_taken_out"):
            with contextlib.suppress(asyncpg.LockNotAvailableError):  # else at the next look
                await connection.execute(filled(statement("era_drop"), {"era": cast("str", name)}))

    async def _span_of(self, connection: Connection, table: Parted, end: int) -> Span | None:
        return next((span for span in await spans_of(connection, table) if span.high == end + 1), None)

    async def _late(self, connection: Connection, span: Span) -> int:
        """Deliveries from this number on do not go with the era of deliveries that follows that of their events."""
        row = await read_one(connection, "era_last_delivery", (max(span.low, span.high - _PAGE), span.high))
        last = cast("int | None", row[0]) if row else None
        if last is None:
            return 0
        spans = await spans_of(connection, "delivery")
        return next((one.high for one in spans if one.low <= last < one.high), last + 1)

    @contextlib.asynccontextmanager
    async def _at_length(self) -> AsyncIterator[Connection]:
        """A connection that may take its time. Raises StoreUnavailable."""
        connection = await connect(self._url, seconds=_LONG_SECONDS)
        try:
            await connection.execute(statement("era_wait"))
            yield connection
        except (*LOST, asyncpg.PostgresError) as error:
            raise problem_of(error) from error
        finally:
            await hang_up(connection)


async def spans_of(connection: Connection, table: Parted) -> list[Span]:
    """The eras of a table, the oldest first; without the rest."""
    shift = 20 if table == "attempt" else 0
    rows = cast("list[tuple[str, str]]", await read(connection, "era_names", (table,)))
    bounds = [(name, found) for name, bound in rows if (found := _SPAN.search(bound))]
    return sorted(Span(int(at[1]) >> shift, int(at[2]) >> shift, table, name) for name, at in bounds)


async def heads_of(connection: Connection) -> dict[Parted, int]:
    """The numbers that were given last."""
    ((position, number),) = cast("list[tuple[int, int]]", await read(connection, "era_heads"))
    return {"event": position, "delivery": number, "attempt": number}


async def _open_era(connection: Connection, table: Parted, low: int, high: int) -> None:
    shift = 20 if table == "attempt" else 0
    parts = {"era": f"{table}_{low}", "table": table, "low": str(low << shift), "high": str(high << shift)}
    await connection.execute(filled(statement("era_open"), parts))


async def _is_read(connection: Connection, span: Span) -> bool:
    """Whether fan-out or a replay has yet to read some of these events."""
    ((fanned,),) = cast("list[tuple[int]]", await read(connection, "era_fanned"))
    return fanned < span.high - 1 or bool(await read(connection, "era_replays", (span.low, span.high)))


async def _numbers(connection: Connection, name: str, values: Sequence[object]) -> list[int]:
    return [cast("int", number) for (number,) in await read(connection, name, values)]


async def _keep(connection: Connection, span: Span, needed: Sequence[int], left: str | None) -> None:
    """Put rows of an era that was taken out into the rest; retention looks at them again as `left`."""
    if needed:
        await connection.execute(filled(statement(f"era_keep_{span.table}"), {"era": span.name}), list(needed))
        if left is not None:
            await write_among(connection, "retention_leave", (left,), needed)


def _expect_empty(span: Span) -> Transaction[None]:
    async def settle(connection: Connection) -> None:
        if await connection.fetchrow(filled(statement("era_any"), {"era": span.name})) is not None:
            raise _NotNow

    return settle
