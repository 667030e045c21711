"""What may be sent now, over all endpoints: lanes, whose turn it is, when a lane wakes, and the refill of spilled lanes."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from typing import Final

from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.model.delivery import Claim, Delivery
from tocsin.model.event_view import EventView
from tocsin.model.ids import Millis
from tocsin.pipeline.fanout import Fan
from tocsin.ports import BEGINNING, Fanned, Holder, Queue
from tocsin.telemetry import log
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.lanes import Budget, Lane
from tocsin.workers.rotation import Rotation

REFILL: Final = 384
"""Deliveries read for a lane at once."""
RETRY_MS: Final = 500
"""When a lane looks again after the store could not be read."""
_LIVE: Final = 0


class Ready:
    """Lanes by endpoint number. `rotation` holds those that can send now; `can_send` is called when one was added."""

    def __init__(
        self,
        queue: Queue,
        holder: Holder,
        endpoints: Endpoints,
        now_ms: Callable[[], Millis],
        can_send: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._holder = holder
        self._endpoints = endpoints
        self._now_ms = now_ms
        self._can_send = can_send
        self._budget = Budget()
        self._lanes: dict[int, Lane] = {}
        self._due: list[tuple[Millis, int]] = []
        self._refills: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self.rotation = Rotation()
        self.news = asyncio.Event()
        """Set when the earliest time to wake a lane has changed."""

    def lane(self, number: int) -> Lane | None:
        """The lane of an endpoint; None when there is no such endpoint (any more)."""
        lane = self._lanes.get(number)
        if lane is None:
            preparation = self._endpoints.prepared.get(number)
            if preparation is None:
                return None
            endpoint = preparation.endpoint
            lane = self._lanes[number] = Lane(number, endpoint.tenant, self._budget, endpoint.config.max_in_flight)
        return lane

    def known_lane(self, number: int) -> Lane | None:
        """The lane of an endpoint, if it has one already."""
        return self._lanes.get(number)

    def remove(self, number: int) -> None:
        """The endpoint is no more."""
        lane = self._lanes.pop(number, None)
        if lane is not None:
            lane.put_back(lambda _: True)

    def stop(self) -> None:
        """Read nothing more from the store."""
        self._is_stopping = True
        for task in self._refills:
            task.cancel()

    def pushed(self, fan: Fan, fanned: Sequence[Fanned]) -> None:
        """Deliveries were created: those that are ready go straight to their endpoint's queue while there is room."""
        for new, placed, view in zip(fan.deliveries, fanned, fan.views, strict=True):
            lane = None if placed.blocked else self.lane(new.endpoint)
            if lane is None:
                continue
            if lane.is_spilled:
                lane.spill()
            else:
                delivery = Delivery(
                    number=placed.number,
                    id=new.id,
                    tenant=new.tenant,
                    endpoint=new.endpoint,
                    lane=new.lane,
                    created_at=new.created_at,
                )
                lane.offer(Claim(delivery=delivery, event=view.event), view)
            self.list(lane)

    def take(self, claims: Sequence[Claim]) -> None:
        """Deliveries of ordered endpoints became ready."""
        now = self._now_ms()
        for claim in claims:
            lane = self.lane(claim.delivery.endpoint)
            if lane is None:
                continue
            if lane.is_spilled or self.is_paused(lane, now):
                lane.spill()
            else:
                lane.offer(claim, EventView(claim.event))
            self.list(lane)

    def wake(self, number: int) -> None:
        """Something became due for this endpoint that is only in the store."""
        lane = self.lane(number)
        if lane is not None:
            lane.spill()
            self.list(lane)

    def wake_at(self, lane: Lane, due_at: Millis) -> None:
        """One entry per lane: its earliest time. Later ones are found again by the refill."""
        if lane.wakes_at is None or due_at < lane.wakes_at:
            lane.wakes_at = due_at
            heapq.heappush(self._due, (due_at, lane.endpoint))
            if self._due[0] == (due_at, lane.endpoint):
                self.news.set()

    def wake_due(self, now: Millis) -> Millis | None:
        """Wake the lanes whose time has come; gives when the next one's will."""
        while self._due and self._due[0][0] <= now:
            due_at, number = heapq.heappop(self._due)
            lane = self._lanes.get(number)
            if lane is not None and lane.wakes_at == due_at:
                lane.wakes_at = None
                self.wake(number)
        return self._due[0][0] if self._due else None

    def is_paused(self, lane: Lane, now: Millis) -> bool:
        """Disabled, gone, or paused: then the lane wakes when the pause is over."""
        preparation = self._endpoints.prepared.get(lane.endpoint)
        if preparation is None or not preparation.endpoint.config.enabled:
            return True
        standing = self._endpoints.standings.get(lane.endpoint)
        if standing is None:
            return False
        if standing.gone:
            return True
        if standing.paused_until is None or standing.paused_until <= now:
            return False
        self.wake_at(lane, standing.paused_until)
        return True

    def list(self, lane: Lane) -> None:
        """Put a lane in the rotation when it can send, and see to it that its queue is filled."""
        if lane.is_spilled and not lane.is_refilling and len(lane.ready) < REFILL // 3:
            self._refill(lane)
        if lane.is_listed or not lane.ready or lane.in_flight >= lane.allowance:
            return
        if not self.is_paused(lane, self._now_ms()):
            self.rotation.add(lane)
            self._can_send()

    def _refill(self, lane: Lane) -> None:
        if not self._is_stopping and not self.is_paused(lane, self._now_ms()):
            lane.is_refilling = True
            task = asyncio.get_running_loop().create_task(self._read(lane))
            self._refills.add(task)
            task.add_done_callback(self._refills.discard)

    async def _read(self, lane: Lane) -> None:
        """Read what is due for a spilled lane, on from the last page. The spill ends when one page from the beginning saw
        everything that had been left."""
        spills, after = lane.spills, lane.read_to
        limit = REFILL + (len(lane.held) if after == BEGINNING else 0)
        try:
            page = await self._queue.due(self._holder, lane.endpoint, _LIVE, self._now_ms(), limit, after)
        except (StoreUnavailable, StorageFull) as error:
            log.error("refill.waits", problem=error.slug)
            lane.refilled()
            self.wake_at(lane, self._now_ms() + RETRY_MS)
            return
        if self._lanes.get(lane.endpoint) is not lane:
            return
        took_all = True
        for claim in page.claims:
            took_all &= lane.offer(claim, EventView(claim.event))
        lane.refilled()
        lane.read_to = page.end if took_all and not page.is_all else BEGINNING
        if after == BEGINNING and page.is_all and took_all and lane.spills == spills:
            lane.is_spilled = False
        if page.next_due_at is not None:
            self.wake_at(lane, page.next_due_at)
        if took_all or lane.ready or lane.in_flight:
            self.list(lane)
        else:
            self.wake_at(lane, self._now_ms() + RETRY_MS)
