"""Refills of spilled lanes: what is due is read from the store, page by page, while there is room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.model.delivery import Claim
from tocsin.model.event_view import EventView
from tocsin.model.ids import Millis
from tocsin.ports import BEGINNING, Batches, Fenced, Holder, Queue
from tocsin.telemetry import log
from tocsin.workers.lanes import LIVE, Lane

REFILL: Final = 384
"""Deliveries read for a lane at once."""
BATCHES: Final = 8
"""Batches read for a lane at once."""
DISSOLVED: Final = 50
"""Batches that are dissolved in one transaction, at most."""
AGAIN_MS: Final = 20
"""When a lane looks again after what it read became old meanwhile."""
RETRY_MS: Final = 500
"""When a lane looks again after the store could not be read."""


class Lanes(Protocol):
    """Who knows the lanes that are refilled."""

    def known_lane(self, number: int, lane: int = LIVE) -> Lane | None:
        """The lane as it is now, if there is one."""

    def list(self, lane: Lane) -> None:
        """It may have something to send."""

    def take(self, claims: Sequence[Claim]) -> None:
        """Deliveries became ready."""

    def wake_at(self, lane: Lane, due_at: Millis) -> None:
        """It will have something to send."""


class Refills:
    """For each lane at most one is under way."""

    def __init__(
        self,
        queue: Queue,
        batches: Batches,
        holder: Holder,
        now_ms: Callable[[], Millis],
        lanes: Lanes,
        fenced: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._batches = batches
        self._holder = holder
        self._now_ms = now_ms
        self._lanes = lanes
        self._fenced = fenced
        self._tasks: dict[asyncio.Task[None], Lane] = {}
        self._is_stopping = False

    def start(self, lane: Lane) -> None:
        """Read for a lane that is not being read for."""
        if not self._is_stopping:
            lane.is_refilling = True
            task = asyncio.get_running_loop().create_task(self._read(lane))
            self._tasks[task] = lane
            task.add_done_callback(self._tasks.pop)

    def stop(self) -> None:
        """Read nothing more."""
        self._is_stopping = True
        for task in self._tasks:
            task.cancel()

    async def over(self, lanes: Sequence[Lane]) -> None:
        """Wait until nobody reads for these."""
        tasks = [task for task, lane in self._tasks.items() if lane in lanes]
        if tasks:
            await asyncio.wait(tasks)

    async def _read_batches(self, lane: Lane) -> None:
        """Batches that were formed before and are due again."""
        now, limit = self._now_ms(), BATCHES + len(lane.batches_held)
        page = await self._batches.due(lane.endpoint, lane.lane, now, limit)
        if lane.batching is None:
            lane.spill()  # it was changed meanwhile: they are to be dissolved
            return
        lane.more_batches = len(page.claims) == limit
        for batch in page.claims:
            lane.offer_batch(batch)
        if page.next_due_at is not None:
            self._lanes.wake_at(lane, page.next_due_at)

    async def _dissolve(self, lane: Lane) -> None:
        """The endpoint takes no batches any more: those that wait go one by one. What is out is looked at again later."""
        after, lane.was_batching = 0, False
        while numbers := await self._batches.pending(lane.endpoint, lane.lane, after, DISSOLVED):
            after = numbers[-1]
            idle = [number for number in numbers if number not in lane.batches_held]
            self._lanes.take(await self._batches.dissolve(self._holder, idle, self._now_ms()))
        lane.was_batching |= bool(lane.batches_held)

    async def _read(self, lane: Lane) -> None:
        """Read what is due for a spilled lane, after the last page. A page from the beginning that holds all ends the spill."""
        spills, after, releases = lane.spills, lane.read_to, lane.outlet.releases
        limit = REFILL + (len(lane.held) if after == BEGINNING else 0)
        try:
            if lane.batching is not None:
                await self._read_batches(lane)
            elif lane.was_batching:
                await self._dissolve(lane)
            page = await self._queue.due(lane.endpoint, lane.lane, self._now_ms(), limit, after)
        except (StoreUnavailable, StorageFull) as error:
            log.error("refill.waits", problem=error.slug)
            lane.was_batching = True
            lane.refilled()
            self._lanes.wake_at(lane, self._now_ms() + RETRY_MS)
            return
        except Fenced:
            self._fenced()
            return
        if self._lanes.known_lane(lane.endpoint, lane.lane) is not lane or self._is_old(lane, releases):
            return
        took_all = sum(lane.offer(claim, EventView(claim.event)) for claim in page.claims) == len(page.claims)
        if not took_all:
            self._lanes.list(
                lane
            )  # while it still counts as being read: it is again when something was taken, or later
            self._lanes.wake_at(lane, self._now_ms() + RETRY_MS)
        lane.refilled()
        lane.read_to = page.end if took_all and not page.is_all else BEGINNING
        if after == BEGINNING and page.is_all and took_all and lane.spills == spills:
            lane.is_spilled = False
        if page.next_due_at is not None:
            self._lanes.wake_at(lane, page.next_due_at)
        if took_all:
            self._lanes.list(lane)

    def _is_old(self, lane: Lane, releases: int) -> bool:
        """Whether something in what was read may have let go of its order keys meanwhile; then it is read again."""
        if not lane.outlet.releasing and lane.outlet.releases == releases:
            return False
        lane.refilled()
        self._lanes.wake_at(lane, self._now_ms() + AGAIN_MS)
        return True
