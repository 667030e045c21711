"""The loop of holding: this process joins, beats, looks after the others, takes its share of the partitions, gives back what is too
much, and leaves in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Final, Protocol

from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.ports import Beat, Fenced, Hint, Holder, Holding, Neighbour, Revisions, Taken
from tocsin.rules.holding import Observed, observed, share, silent, too_much
from tocsin.telemetry import Metrics, log
from tocsin.workers.held import Held, boottime_ms
from tocsin.workers.store_clock import StoreClock

_BEATS: Final = 3
"""Beats in a lease."""
_RETRIES: Final = 12
"""In a lease, when a beat failed."""
_RETRY_SECONDS: Final = 0.2
_LEAST_SECONDS: Final = 0.05
"""Between two beats, however much is told."""
_START_SECONDS: Final = 5.0
"""How long the start waits for it: whoever is told that a process is ready may expect that it delivers."""
_LEAVE_SECONDS: Final = 3.0


class Follower(Protocol):
    """Whoever works for the tenants of the partitions that are held. Told in order when some are taken, in the opposite order else.
    `taken` and `giving_back` are called again when the store was not there."""

    async def taken(self, taken: Sequence[Taken]) -> None:
        """These are held from now on; `Held` says so already. What memory has of them may be old."""

    async def giving_back(self, partitions: frozenset[int]) -> None:
        """Begin nothing more for these, and end when nothing of them is out and everything is written. They are not held any
        more, says `Held`, but the right to write is still there."""

    def lost(self) -> None:
        """Forget everything at once: others hold it, and nothing of it can be written. The next that is taken belongs to another
        holder."""


class HoldingWorker:
    """Does for `held` what the others on the same store do as well. `followers` are told of what is taken, given back and lost;
    `moved` are called after a beat that showed other revisions than the one before (None: there was none before); `heard` are
    called with each hint of another process. On the embedded store everything is taken at the start, and that is all."""

    def __init__(
        self,
        store: Holding,
        held: Held,
        *,
        name: str,
        lease_ms: int,
        clock: StoreClock,
        is_watching: Callable[[], bool],
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._held = held
        self.name = name
        self._lease_ms = lease_ms
        self._clock = clock
        self._is_watching = is_watching
        self._metrics = metrics
        self.followers: list[Follower] = []
        self.moved: list[Callable[[Revisions | None, Revisions], None]] = []
        self.heard: list[Callable[[Hint], None]] = []
        self.last: Beat | None = None
        """What the last successful beat showed."""
        self._observed: Observed | None = None
        self._moving: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._is_lost = False
        self._is_listening = False
        self._is_closing = self._is_stopping = False
        self._was_watching = False

    def look(self) -> None:
        """Beat soon: others should see something of it."""
        self._news.set()

    def tell(self, hint: Hint) -> None:
        """Tell the other processes, if there are some."""
        if self._held.has_neighbours:
            self._store.tell(hint)

    def problems(self) -> list[str]:
        """What keeps this process from being ready."""
        return [] if self._held.may_send() else ["the store has not been reached for a lease"]

    async def start(self) -> None:
        """Join, and take what is free; on the embedded store that is everything."""
        began = boottime_ms()
        self._held.holder = await self._store.join(self.name)
        self._held.beaten(began, self._lease_ms)
        if not self._held.is_shared:
            await self._take(self._held.count)
            return
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._look()
                if self._moving is not None:
                    await asyncio.wait([self._moving])
        except (StoreUnavailable, StorageFull, TimeoutError) as error:
            log.error("holding.waits", problem=getattr(error, "slug", "timeout"))

    async def run(self) -> None:
        """Beat until `leave`. A loss of the store or of the right to write ends nothing: it begins anew when it can."""
        if not self._held.is_shared:
            await self._news.wait()
            if self._is_lost:
                raise RuntimeError("Another process has the store.")
            return
        while not self._is_stopping:
            self._news.clear()
            began = boottime_ms()
            try:
                async with asyncio.timeout(self._lease_ms / 1000):
                    await self._look()
                wait = self._lease_ms / _BEATS
            except (StoreUnavailable, StorageFull, TimeoutError) as error:
                log.error("holding.waits", problem=getattr(error, "slug", "timeout"))
                wait = self._lease_ms / _RETRIES
            if self._moving is not None and self._moving.done():
                moving, self._moving = self._moving, None
                if not moving.cancelled():
                    moving.result()
            await asyncio.sleep(_LEAST_SECONDS)
            try:
                async with asyncio.timeout(max(0.0, (began + wait - boottime_ms()) / 1000)):
                    await self._news.wait()
            except TimeoutError:
                continue

    def close(self) -> None:
        """Take nothing more, and give nothing back by oneself; beats go on, for what is out."""
        self._is_closing = True
        if self._moving is not None:
            self._moving.cancel()

    async def leave(self) -> None:
        """Nothing is out any more: others may go on at once."""
        self._is_closing = self._is_stopping = True
        self._news.set()
        held = self._held
        if held.is_shared and not self._is_lost:
            try:
                async with asyncio.timeout(_LEAVE_SECONDS):
                    await self._store.leave(held.holder)
            except (StoreUnavailable, StorageFull, TimeoutError):
                log.error("holding.left_by_silence")
            else:
                self.tell(Hint(changed=True))
        held.nothing()

    def fenced(self, holder: Holder) -> None:
        """A write of this holder was refused."""
        if self._is_lost or holder != self._held.holder:
            return
        self._is_lost = True
        log.error("holding.fenced", epoch=holder.epoch)
        self._metrics.fenced.inc()
        if self._moving is not None:
            self._moving.cancel()
        self._held.nothing()
        self._show()
        for follower in reversed(self.followers):
            follower.lost()
        self._news.set()

    async def _look(self) -> None:
        held = self._held
        if not self._is_listening:
            await self._store.listen(self._hear)
            self._is_listening = True
        if self._is_lost:
            began = boottime_ms()
            held.holder = await self._store.join(self.name)
            held.beaten(began, self._lease_ms)
            self._observed, self.last, self._is_lost = None, None, False
        holder, began, before_it = held.holder, boottime_ms(), self._clock.wall()
        is_watching = self._is_watching()
        beat = await self._store.beat(holder, is_watching=is_watching)
        if self._is_lost or self._is_stopping or holder is not held.holder:
            return
        if beat is None:
            self.fenced(holder)
            return
        held.beaten(began, self._lease_ms)
        self._clock.compare(before_it, beat.at, self._clock.wall())
        others = await self._fence_silent(holder, beat)
        held.has_neighbours = bool(others)
        held.is_watched = any(other.is_watching for other in others)
        if is_watching != self._was_watching:
            self._was_watching = is_watching
            self.tell(Hint(changed=True))
        before, self.last = self.last, beat
        if before is None or before.revisions != beat.revisions:
            for listener in self.moved:
                listener(None if before is None else before.revisions, beat.revisions)
        self._show()
        if before is None:
            self.tell(Hint(changed=True))  # there is one more: the others beat at once, and give back what is too much
        if not self._is_closing and self._moving is None:
            self._balance(beat, len(others) + 1, has_fenced=len(others) < len(beat.neighbours))

    async def _fence_silent(self, holder: Holder, beat: Beat) -> list[Neighbour]:
        """Those of the others that live, as far as is known."""
        beats = {neighbour.epoch: neighbour.beats for neighbour in beat.neighbours}
        self._observed = observed(self._observed, beats, boottime_ms(), self._lease_ms)
        gone: set[int] = set()
        for epoch in silent(self._observed, self._lease_ms):
            neighbour = next(other for other in beat.neighbours if other.epoch == epoch)
            if await self._store.fence(holder, neighbour):
                log.warning("holding.fenced_another", name=neighbour.name, epoch=epoch)
                gone.add(epoch)
        return [neighbour for neighbour in beat.neighbours if neighbour.epoch not in gone]

    def _balance(self, beat: Beat, nodes: int, *, has_fenced: bool) -> None:
        """Towards a fair share: one step at a time, beside the beats."""
        held, fair = self._held, share(self._held.count, nodes)
        mine = {number for number, epoch in beat.holders.items() if epoch == held.holder.epoch}
        if mine - held.partitions:
            self._begin("adopting", self._adopt())
        elif back := too_much(held.partitions, fair):
            self._begin("giving back", self._give_back(frozenset(back)))
        elif len(held.partitions) < fair and (has_fenced or not all(beat.holders.values())):
            self._begin("taking", self._take(fair - len(held.partitions)))

    def _begin(self, what: str, work: Coroutine[None, None, None]) -> None:
        """Beside the beats, one at a time. When the store is away, it is seen at the next beat what is to be done."""
        holder = self._held.holder

        async def move() -> None:
            try:
                await work
            except (StoreUnavailable, StorageFull) as error:
                log.error("holding.waits", problem=error.slug)
            except Fenced:
                self.fenced(holder)

        self._moving = asyncio.create_task(move(), name=what)

    async def _take(self, limit: int) -> None:
        holder = self._held.holder
        await self._tell_taken(holder, await self._store.take(holder, limit))

    async def _adopt(self) -> None:
        """The store says that some are held which nobody here knows of: the answer was lost. What was out then is not known either."""
        holder = self._held.holder
        cursors = await self._store.cursors(holder)
        if cursors is None:
            self.fenced(holder)
            return
        unknown = cursors.keys() - self._held.partitions
        await self._tell_taken(
            holder, [Taken(partition=number, cursor=cursors[number], fenced_ago_ms=0) for number in sorted(unknown)]
        )

    async def _tell_taken(self, holder: Holder, taken: Sequence[Taken]) -> None:
        if not taken or holder is not self._held.holder or self._is_lost:
            return
        self._held.partitions |= {one.partition for one in taken}
        self._show()
        for follower in self.followers:
            await self._surely(partial(follower.taken, taken))
        if self._held.is_shared:
            log.info("holding.taken", count=len(taken), held=len(self._held.partitions))
            self._news.set()

    async def _give_back(self, partitions: frozenset[int]) -> None:
        held, holder = self._held, self._held.holder
        held.partitions -= partitions
        held.leaving = partitions
        for follower in reversed(self.followers):
            await self._surely(partial(follower.giving_back, partitions))
        await self._surely(partial(self._store.give_back, holder, sorted(partitions)))
        held.leaving = frozenset()
        self._show()
        log.info("holding.given_back", count=len(partitions), held=len(held.partitions))
        self.tell(Hint(changed=True))
        self._news.set()

    async def _surely(self, work: Callable[[], Awaitable[None]]) -> None:
        """However long the store takes to be there again; at the start of the embedded one, a fault is told at once."""
        while True:
            try:
                await work()
            except (StoreUnavailable, StorageFull) as error:
                if not self._held.is_shared:
                    raise
                log.error("holding.waits", problem=error.slug)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    def _hear(self, hint: Hint) -> None:
        if hint.changed:
            self._news.set()
        for listener in self.heard:
            listener(hint)

    def _show(self) -> None:
        self._metrics.partitions_held.set(len(self._held.partitions))
        self._metrics.neighbours.set(0 if self.last is None else len(self.last.neighbours))
