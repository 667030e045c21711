"""The loop of fan-out: from the cursors of the partitions that are held to the end of the log, chunk by chunk, then wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.model.event import Event
from tocsin.model.event_view import EventView
from tocsin.model.ids import IdMint, Millis
from tocsin.pipeline.fanout import Fan, fan_out
from tocsin.ports import Cursor, Fanned, Hint, Holder, Holding, Log, Move, Queue, Taken
from tocsin.telemetry import Metrics, log
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.fronts import Front, Fronts
from tocsin.workers.held import Held
from tocsin.workers.recent import Recent
from tocsin.workers.within import EVENTS as WITHIN_EVENTS
from tocsin.workers.within import PARTITION, Within

EVENTS: Final = 128
"""Events matched in one go: well under a millisecond of the loop each time."""
_PAUSE_SECONDS: Final = 0.2
_LOOK_SECONDS: Final = 1.0
"""How often it looks, on a shared store, whether there is more than it was told of."""
_LATE_SECONDS: Final = 0.01


class FanoutWorker:
    """Reads always from the cursors; `pushed` hears of each chunk after its commit, `fenced` when others hold what is held here, `tell`
    what other processes have to know, and `missed` is called when a chunk was committed and nobody here was told so."""

    def __init__(  # noqa: PLR0913 (what it reads, where it writes, and whom it tells)
        self,
        *,
        reader: Log,
        queue: Queue,
        holding: Holding,
        held: Held,
        endpoints: Endpoints,
        mint: IdMint,
        now_ms: Callable[[], Millis],
        metrics: Metrics,
        pushed: Callable[[Fan, Sequence[Fanned]], None],
        fenced: Callable[[Holder], None],
        tell: Callable[[Hint], None],
        missed: Callable[[], None],
    ) -> None:
        self._log = reader
        self._queue = queue
        self._holding = holding
        self._held = held
        self._endpoints = endpoints
        self._mint = mint
        self._now_ms = now_ms
        self._metrics = metrics
        self._pushed = pushed
        self._fenced = fenced
        self._tell = tell
        self._missed = missed
        self._recent = Recent()
        self._fronts = Fronts()
        self._head = 0
        self._chunks = 0
        self._lags_until = 0.0
        self._is_at_work = False
        self._within: Within | None = None
        self._wake = asyncio.Event()
        self._is_stopping = False

    def committed(self, events: Sequence[Event]) -> None:
        """Events were appended by this process."""
        self._head = events[-1].position
        if self._within is not None and self._within.covers(self._head):
            return
        if self._held.holds_all:
            self._recent.add(events)
            if self._fronts.are_many:
                self._fronts.news()
            self._wake.set()
            return
        partitions = {self._held.partition_of(tenant) for tenant in {event.tenant for event in events}}
        others = partitions - self._held.partitions
        if len(others) < len(partitions):
            self._news()
        if others:
            self._tell(Hint(partitions=tuple(sorted(others))))

    def within(self) -> Within | None:
        """Leave the next events to the transaction that accepts them, until it is over. None: that is not possible now."""
        if self._is_at_work or self._within is not None or self._is_stopping or self._held.count > 1:
            return None
        front = next(iter(self._fronts), None)
        if front is None or front.is_behind or front.midst is not None:
            return None
        start = self._fronts.stored[PARTITION]
        left = self._recent.after(start.position, WITHIN_EVENTS) if self._head > start.position else []
        if self._head > start.position and not left:
            return None
        self._within = Within(start, left, self._head, self._held.holder, self._fan_out, self._went)
        return self._within

    def _went(self, within: Within) -> None:
        """An accept is over: go on from where it went."""
        self._within = None
        fan, fanned, move = within.fan, within.fanned, within.move
        front = next(iter(self._fronts), None)
        if fan is None or fanned is None or move is None:
            self._wake.set()
            return
        if front is None or self._fronts.stored.get(PARTITION) != move.old:
            self._news()
            self._missed()
            return
        self._fronts.written([move])
        self._fronts.advance(front, move.new, PARTITION if move.new.endpoint else None)
        self._recent.after(move.new.position, 0)
        if move.new.position < self._head or front.is_behind:
            self._wake.set()
        self._metrics.fanned.inc(len(fanned))
        self._metrics.fanout_lag.set(max(0, self._head - move.new.position))
        if fanned:
            self._pushed(fan, fanned)

    def heard(self, hint: Hint) -> None:
        """Another process tells of events."""
        if not self._held.partitions.isdisjoint(hint.partitions):
            self._news()

    async def taken(self, taken: Sequence[Taken]) -> None:
        """The fan-out of these goes on here."""
        self._fronts.put({one.partition: one.cursor for one in taken if one.partition not in self._fronts.stored})
        self._wake.set()

    async def giving_back(self, partitions: frozenset[int]) -> None:
        """Go on no further with these. What was read of them is written, so that whoever comes next need not read it again."""
        moves = self._fronts.lagging(partitions)
        self._fronts.remove(partitions)
        self.let_go()
        chunk = self._chunks
        while self._is_at_work and self._chunks == chunk:  # noqa: ASYNC110  # a chunk ends within milliseconds
            await asyncio.sleep(_LATE_SECONDS)
        if moves:
            await self._queue.fan(self._held.holder, moves, (), directory_revision=self._endpoints.revision)

    def lost(self) -> None:
        """Others go on with it."""
        self._fronts.remove(tuple(self._fronts.stored))
        self.let_go()

    def position_of(self, tenant: str) -> int:
        """Every event of a tenant up to here has its deliveries; 0 when that is not known here."""
        return self._fronts.position(self._held.partition_of(tenant))

    def let_go(self) -> None:
        """Keep nothing in memory of events that have their deliveries; the log has the others."""
        self._recent.clear()
        self._news()

    def stop(self) -> None:
        self._is_stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Until stopped. The chunk under way is finished."""
        while not self._is_stopping:
            self._wake.clear()
            try:
                while await self._round():
                    if self._held.is_shared:
                        await self._write_lagging(monotonic())
                if self._held.is_shared:
                    await self._write_lagging(monotonic())
            except (StoreUnavailable, StorageFull) as error:
                log.error("fanout.waits", problem=error.slug)
                self._fronts.news()
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            finally:
                self._is_at_work = False
            self._metrics.fanout_lag.set(max(0, self._head - self._fronts.position()))
            if not self._is_stopping:
                await self._rest()
        if self._held.is_shared:
            with contextlib.suppress(StoreUnavailable, StorageFull):
                await self._write_lagging(self._lags_until)

    async def _rest(self) -> None:
        """Until there is news."""
        if not self._held.is_shared:
            await self._wake.wait()
            return
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            self._fronts.news()

    def _news(self) -> None:
        self._fronts.news()
        self._wake.set()

    async def _round(self) -> bool:
        """A chunk of each front in turn, so that one that is far behind holds up no other; False at the end of the log."""
        has_moved = False
        for front in self._fronts:
            if self._is_stopping or self._within is not None:
                return False
            self._is_at_work = True
            has_moved |= front in self._fronts and await self._advance(front)
            self._chunks += 1
        if self._fronts.are_many:
            self._fronts.merge()
        return has_moved

    async def _advance(self, front: Front) -> bool:
        """One chunk; False at the end of the log."""
        views, end = await self._read(front)
        if not views or front not in self._fronts:
            has_moved = end > front.cursor.position and front in self._fronts
            if has_moved:
                front.cursor, front.midst = Cursor(position=end), None
            return has_moved
        holder = self._held.holder
        fan, revision = self._fan_out(front.cursor, views)
        done = fan.cursor
        if not done.endpoint and done.position == views[-1].event.position:
            done = Cursor(position=end)
        midst = self._midst(views, done)
        moves = self._moves(front, views, done, midst)
        fanned = await self._queue.fan(holder, moves, fan.deliveries, directory_revision=revision)
        if fanned is None:
            front.is_behind = True
            await self._look_again(holder)
            return True
        if self._held.holder is not holder or front not in self._fronts:
            return False
        self._fronts.written(moves)
        self._fronts.advance(front, done, midst)
        front.is_behind |= done.position < end
        self._metrics.fanned.inc(len(fanned))
        if fanned:
            self._pushed(fan, fanned)
        return True

    def _fan_out(self, cursor: Cursor, views: Sequence[EventView]) -> tuple[Fan, int]:
        """Also in the writer's thread: there the endpoints may change meanwhile, but then the directory has moved before."""
        seen = self._endpoints
        revision = seen.revision
        return fan_out(cursor, views, seen.interests, seen.renderers, self._mint, self._now_ms()), revision

    async def _read(self, front: Front) -> tuple[list[EventView], int]:
        """Events right behind a front, and how far there is nothing else for it. At most as far as the next front is, so that the two become one;
        but an event that was begun is ended first, wherever it lies: its endpoints up to the cursor have it."""
        position = front.cursor.position
        if len(front.partitions) == self._held.count:
            views = self._recent.after(position, EVENTS)
            if views:
                return views, views[-1].event.position
            if position >= self._head and not front.is_behind:
                return [], position
        elif not front.is_behind:
            return [], position
        front.is_behind = False
        limit = self._fronts.ahead_of(front) if self._fronts.are_many and front.midst is None else None
        partitions = tuple(front.partitions)
        stretch = await self._log.stretch(partitions, position, EVENTS)
        if not front.partitions.issuperset(partitions):  # what was read of those that are gone must not be fanned out
            self._news()
            return [], position
        events, end = stretch.events, stretch.end
        front.is_behind |= end - position >= EVENTS
        if limit is not None and end > limit:
            events, end = tuple(event for event in events if event.position <= limit), limit
            front.is_behind = True
        self._head = max(self._head, end)
        return [EventView(event) for event in events], end

    def _midst(self, views: Sequence[EventView], done: Cursor) -> int | None:
        """The partition of the event that is not done for all endpoints, if there is one."""
        if not done.endpoint:
            return None
        return next(self._held.partition_of(v.event.tenant) for v in views if v.event.position > done.position)

    def _moves(self, front: Front, views: Sequence[EventView], done: Cursor, midst: int | None) -> list[Move]:
        """The cursors of those partitions that have events in this chunk; the others follow later."""
        if self._held.count == 1:
            return [Move(partition=0, old=self._fronts.stored[0], new=done)]
        tenants = {view.event.tenant for view in views if view.event.position <= done.position}
        partitions = {self._held.partition_of(tenant) for tenant in tenants}
        if midst is not None:
            partitions.add(midst)
        stored, past = self._fronts.stored, Cursor(position=done.position)
        return [
            Move(partition=partition, old=stored[partition], new=done if partition == midst else past)
            for partition in sorted(partitions & front.partitions)
        ]

    async def _write_lagging(self, now: float) -> None:
        """Now and then, so that retention is not held up, and whoever takes over reads little again."""
        if now < self._lags_until:
            return
        self._lags_until = now + _LOOK_SECONDS
        moves, holder = self._fronts.lagging(), self._held.holder
        if not moves:
            return
        if await self._queue.fan(holder, moves, (), directory_revision=self._endpoints.revision) is None:
            await self._look_again(holder)
        else:
            self._fronts.written(moves)

    async def _look_again(self, holder: Holder) -> None:
        """A cursor, the directory or the holder is not what was known."""
        await self._endpoints.reload()
        here = set(self._fronts.stored)
        cursors = await self._holding.cursors(holder)
        stored = self._fronts.stored
        if cursors is None or not here & stored.keys() <= cursors.keys():
            self._fenced(holder)
            return
        known = stored.keys() & cursors.keys()
        moved = {partition: cursors[partition] for partition in known if cursors[partition] != stored[partition]}
        if moved:
            self._fronts.put(moved)
            self._missed()
