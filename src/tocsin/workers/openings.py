"""Which endpoints are delivered to from here: those of the partitions that are held. An ordered one whose last holder was fenced is
opened only when no request of that one can be out any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from itertools import islice
from typing import Final

from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.model.endpoint import Batched
from tocsin.model.ids import Millis
from tocsin.pipeline.prepare import Preparation
from tocsin.ports import Batches, Fenced, Holder, Queue, Taken, Waiting
from tocsin.telemetry import log
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.held import Held, boottime_ms
from tocsin.workers.lanes import Lane
from tocsin.workers.ready import Ready

_AT_ONCE: Final = 256
"""Endpoints whose lines are looked through in one transaction."""
_RETRY_SECONDS: Final = 0.5
_GATHERED_SECONDS: Final = 0.02
_LOOKED_AT: Final = 64
OVERDUE_MS: Final = 10_000
"""What is due for longer than that, and that nobody has, is a defect."""


class Openings:
    """`ready` gives what is ready at the moment: it is another one for each holder. `fenced` is told when others have taken over."""

    def __init__(
        self,
        *,
        queue: Queue,
        batches: Batches,
        held: Held,
        endpoints: Endpoints,
        ready: Callable[[], Ready],
        fenced: Callable[[Holder], None],
    ) -> None:
        self._queue = queue
        self._batches = batches
        self._held = held
        self._endpoints = endpoints
        self._ready = ready
        self._fenced = fenced
        self._partitions: set[int] = set()
        self._waiting: dict[int, int] = {}
        """Endpoints by number, and when they are opened."""
        self._opening: set[int] = set()
        self._told: set[int] = set()
        self._is_all_told = False
        self._look: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def is_open(self, number: int, tenant: str) -> bool:
        """Whether an endpoint (by number) of a tenant is delivered to from here now."""
        return self._held.partition_of(tenant) in self._partitions and number not in self._waiting

    def numbers_in(self, partitions: Collection[int]) -> list[int]:
        """The endpoints of the tenants in these."""
        return [
            number
            for number, preparation in self._endpoints.prepared.items()
            if self._held.partition_of(preparation.endpoint.tenant) in partitions
        ]

    async def taken(self, taken: Sequence[Taken]) -> None:
        """Open what can be opened, and find what is pending there: it comes back from the store."""
        partitions = {one.partition for one in taken}
        fenced_ago = {one.partition: one.fenced_ago_ms for one in taken if one.fenced_ago_ms is not None}
        now = boottime_ms()
        later: dict[int, set[int]] = {}
        for number in self.numbers_in(fenced_ago.keys()):
            preparation = self._endpoints.prepared[number]
            ago = fenced_ago[self._held.partition_of(preparation.endpoint.tenant)]
            if preparation.endpoint.config.ordering == "subject" and (rest := longest_ms(preparation) - ago) > 0:
                later.setdefault(now + rest, set()).add(number)
        for number in self.numbers_in(partitions):
            self._waiting.pop(number, None)
        self._waiting.update({number: at for at, numbers in later.items() for number in numbers})
        self._partitions |= partitions
        await self._open(partitions, set(self.numbers_in(partitions)) - self._waiting.keys())
        if later:
            _ = self._in_background(self._open_later(partitions, later))

    def close(self, partitions: Collection[int]) -> None:
        """Nothing of these begins here any more."""
        self._partitions.difference_update(partitions)
        for number in self.numbers_in(partitions):
            self._waiting.pop(number, None)

    def close_all(self) -> None:
        self._partitions.clear()
        self._waiting.clear()
        self._told.clear()
        self._is_all_told = False
        for task in self._tasks:
            task.cancel()

    def look_at(self, number: int) -> None:
        """Something of this endpoint ended elsewhere."""
        self._told.add(number)
        if self._look is None:
            self._look = self._in_background(self._look_soon())

    def look_again(self) -> None:
        """Something may have ended, or become due, without a word."""
        self._is_all_told = True
        if self._look is None:
            self._look = self._in_background(self._look_soon())

    async def sweep(self, found: Callable[[], None], now: Millis) -> None:
        """Wake the lanes in which something has been due for long that nobody has; `found` is called for each of them."""
        ready, partitions = self._ready(), sorted(self._partitions)
        long_due = now - OVERDUE_MS
        for one in await self._queue.waiting(partitions):
            if one.due_at <= long_due and await self._is_forgotten(ready, one, now):
                log.error("delivery.swept", endpoint=one.endpoint, lane=one.lane)
                found()
                ready.wake(one.endpoint, one.lane)
        await self._release_ended(
            number for number in self.numbers_in(partitions) if _keeps_keys(self._endpoints.prepared[number])
        )

    async def _is_forgotten(self, ready: Ready, one: Waiting, now: Millis) -> bool:
        preparation = self._endpoints.prepared.get(one.endpoint)
        if preparation is None or not self.is_open(one.endpoint, preparation.endpoint.tenant):
            return False
        if one.endpoint in self._opening:
            return False
        lane = ready.lane(one.endpoint, one.lane)
        if lane is None or _will_look(lane, now) or ready.is_paused(lane, now):
            return False
        held = frozenset(lane.held)
        page = await self._queue.due(one.endpoint, one.lane, now - OVERDUE_MS, min(len(held) + 1, _LOOKED_AT))
        known = held | lane.held
        return not _will_look(lane, now) and any(claim.delivery.number not in known for claim in page.claims)

    async def _look_soon(self) -> None:
        """What was told within a moment is looked at together. While a lane is being read, what is read may be old: it is looked at
        afterwards."""
        holder = self._held.holder
        try:
            while self._told or self._is_all_told:
                await asyncio.sleep(_GATHERED_SECONDS)
                is_all, self._is_all_told = self._is_all_told, False
                told = set(self.numbers_in(self._partitions)) - self._waiting.keys() if is_all else self._told
                ready = self._ready()
                now = {n for n in told if not any(lane.is_refilling for lane in ready.lanes(n))}
                self._told = told - now
                try:
                    if is_all:
                        await self._open(self._partitions, now)
                    else:
                        await self._release_ended(number for number in now if number in self._endpoints.prepared)
                except (StoreUnavailable, StorageFull):
                    self._told |= now
                    self._is_all_told |= is_all
                    await asyncio.sleep(_RETRY_SECONDS)
        except Fenced:
            self._fenced(holder)
        finally:
            self._look = None

    async def _release_ended(self, numbers: Iterable[int]) -> None:
        """What ended elsewhere lets go of its order keys, unless it is in memory here; what became ready by it is taken."""
        ready, rest = self._ready(), iter(sorted(numbers))
        while some := list(islice(rest, _AT_ONCE)):
            lanes = [lane for endpoint in some for lane in ready.lanes(endpoint)]
            outlets = {lane.outlet for lane in lanes}
            held = frozenset(number for lane in lanes for number in lane.held) | ready.flight.out
            for outlet in outlets:
                outlet.releasing += 1
            try:
                claims = await self._queue.release_ended(self._held.holder, some, held)
            finally:
                for outlet in outlets:
                    outlet.releasing -= 1
                    outlet.releases += 1
            ready.take(claims)

    def _in_background(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="opening")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _open(self, partitions: Collection[int], numbers: Collection[int]) -> None:
        self._opening |= set(numbers)
        try:
            await self._wake_all(partitions, numbers)
        finally:
            self._opening -= set(numbers)

    async def _wake_all(self, partitions: Collection[int], numbers: Collection[int]) -> None:
        await self._release_ended(numbers)
        ready = self._ready()
        waiting = await self._queue.waiting(sorted(partitions))
        in_batches = await self._batches.waiting(sorted(partitions))
        for one in in_batches:
            if one.endpoint in numbers and (lane := ready.lane(one.endpoint, one.lane)) is not None:
                lane.was_batching = True
                ready.wake_at(lane, one.due_at)
        for one in waiting:
            if one.endpoint in numbers and (lane := ready.lane(one.endpoint, one.lane)) is not None:
                ready.wake_at(lane, one.due_at)

    async def _open_later(self, partitions: Collection[int], later: dict[int, set[int]]) -> None:
        holder = self._held.holder
        for at in sorted(later):
            while (rest := at - boottime_ms()) > 0:  # noqa: ASYNC110  # that clock and the loop's are two
                await asyncio.sleep(rest / 1000)
            while numbers := self._still_until(at, later[at]):
                try:
                    await self._open_now(partitions, at, numbers)
                except (StoreUnavailable, StorageFull) as error:
                    log.error("opening.waits", problem=error.slug)
                    await asyncio.sleep(_RETRY_SECONDS)
                except Fenced:
                    self._fenced(holder)
                    return

    def _still_until(self, at: int, numbers: Collection[int]) -> set[int]:
        """Those that wait for that time, and were not given back and taken again meanwhile, to wait for longer."""
        return {number for number in numbers if self._waiting.get(number) == at}

    async def _open_now(self, partitions: Collection[int], at: int, numbers: set[int]) -> None:
        """What became ready meanwhile is found in the store: until an endpoint is open, nothing is taken for it."""
        await self._release_ended(numbers)
        opened = self._still_until(at, numbers)
        for number in opened:
            del self._waiting[number]
        try:
            await self._open(partitions, opened)
        except BaseException:
            for number in opened:
                self._waiting.setdefault(number, at)
            raise


def _will_look(lane: Lane, now: Millis) -> bool:
    """Whether what is due in it is read from the store anyway."""
    return lane.is_spilled or lane.is_refilling or (lane.wakes_at is not None and lane.wakes_at <= now)


def _keeps_keys(preparation: Preparation) -> bool:
    config = preparation.endpoint.config
    return config.ordering == "subject" or isinstance(config.delivery, Batched)


def longest_ms(preparation: Preparation) -> int:
    """How long a request to an endpoint may be out after it was last asked whether it may be sent: that is after a token was
    fetched."""
    return round(preparation.endpoint.config.timeout_seconds * 1000)
