"""The loop of delivery: take what is ready, prepare, send, settle; refill what was left to the store; wait for what is due.

There is no task for an idle delivery: tasks exist for requests that are out, one timer serves all endpoints.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Final

from tocsin.errors import Conflict, StorageFull, StoreUnavailable
from tocsin.model.attempt import Settlement
from tocsin.model.delivery import Claim, Delivery
from tocsin.model.endpoint import Standing
from tocsin.model.event_view import EventView
from tocsin.model.ids import IdMint, Millis
from tocsin.pipeline.fanout import Fan
from tocsin.pipeline.prepare import Preparation
from tocsin.pipeline.send import send
from tocsin.pipeline.settle import Settle
from tocsin.ports import Fanned, Holder, Queue, Sender
from tocsin.rules.health import standing_after
from tocsin.rules.outcome import Settled, settlement_of
from tocsin.telemetry import Metrics, log
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.lanes import Budget, Lane
from tocsin.workers.rotation import Rotation

SLOTS: Final = 512
"""Requests that may be out at once, over all endpoints."""
CREDITS: Final = 2048
"""Deliveries that may be out or waiting to be settled: what a crash can send twice, at most (DELIVERY G5)."""
REFILL: Final = 256
_LIVE: Final = 0
_TICK_SECONDS: Final = 1.0
_REFILL_RETRY_MS: Final = 500


class DeliveryWorker:
    """Delivers to every endpoint of this process. `disable` is told the number of an endpoint that is gone (410)."""

    def __init__(
        self,
        *,
        queue: Queue,
        holder: Holder,
        sender: Sender,
        endpoints: Endpoints,
        mint: IdMint,
        now_ms: Callable[[], Millis],
        jitter: Callable[[], float],
        metrics: Metrics,
        disable: Callable[[int], Awaitable[None]],
    ) -> None:
        self._queue = queue
        self._holder = holder
        self._sender = sender
        self._endpoints = endpoints
        self._mint = mint
        self._now_ms = now_ms
        self._jitter = jitter
        self._metrics = metrics
        self._disable = disable
        self._settle = Settle(queue, holder, self._settled)
        self._budget = Budget()
        self._lanes: dict[int, Lane] = {}
        self._rotation = Rotation()
        self._slots: set[asyncio.Task[None]] = set()
        self._background: set[asyncio.Task[None]] = set()
        self._out: set[int] = set()
        self._unsettled = 0
        self._due: list[tuple[Millis, int]] = []
        self._wake = asyncio.Event()
        self._is_stopping = False
        endpoints.changed = self.endpoint_changed

    async def start(self) -> None:
        """Find what was pending when the process began: it comes back from the store."""
        for waiting in await self._queue.waiting(self._holder):
            lane = self._lane(waiting.endpoint)
            if lane is not None:
                self._wake_at(lane, waiting.due_at)
        for number, standing in self._endpoints.standings.items():
            if standing.gone and number in self._endpoints.prepared:
                await self._stop_sending(number)

    async def run(self) -> None:
        """The timer: wakes endpoints whose earliest delivery or pause is due. It looks at the wall clock every second at
        least, so that a step of the clock is noticed (DELIVERY H3)."""
        while not self._is_stopping:
            self._wake.clear()
            now = self._now_ms()
            while self._due and self._due[0][0] <= now:
                due_at, number = heapq.heappop(self._due)
                lane = self._lanes.get(number)
                if lane is not None and lane.wakes_at == due_at:
                    lane.wakes_at = None
                    lane.spill()
                    self._list(lane)
            self._open_slot()
            self._metrics.in_flight.set(len(self._out))
            left = (self._due[0][0] - now) / 1000 if self._due else _TICK_SECONDS
            try:
                async with asyncio.timeout(min(left, _TICK_SECONDS)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def stop(self, limit_seconds: float) -> None:
        """Start nothing more, let what is out finish up to a limit, settle it."""
        self._is_stopping = True
        self._wake.set()
        if self._slots:
            await asyncio.wait(self._slots, timeout=limit_seconds)
        for task in (*self._slots, *self._background):
            task.cancel()
        if not self._settle.is_stalled:
            await self._settle.idle()

    def pushed(self, fan: Fan, fanned: Sequence[Fanned]) -> None:
        """Deliveries were created: those that are ready go straight to their endpoint's queue while there is room."""
        for new, placed, view in zip(fan.deliveries, fanned, fan.views, strict=True):
            if placed.blocked:
                continue
            lane = self._lane(new.endpoint)
            if lane is None:
                continue
            delivery = Delivery(
                number=placed.number,
                id=new.id,
                tenant=new.tenant,
                endpoint=new.endpoint,
                lane=new.lane,
                created_at=new.created_at,
            )
            if lane.is_spilled:
                lane.spill()
            else:
                lane.offer(Claim(delivery=delivery, event=view.event), view)
            self._list(lane)

    def take(self, claims: Sequence[Claim]) -> None:
        """Deliveries of ordered endpoints became ready."""
        now = self._now_ms()
        for claim in claims:
            lane = self._lane(claim.delivery.endpoint)
            if lane is None:
                continue
            if lane.is_spilled or self._is_paused(lane, now):
                lane.spill()
            else:
                lane.offer(claim, EventView(claim.event))
            self._list(lane)

    def wake(self, endpoint: int) -> None:
        """Something became due for this endpoint that is only in the store."""
        lane = self._lane(endpoint)
        if lane is not None:
            lane.spill()
            self._list(lane)

    def is_stalled(self) -> bool:
        """Whether outcomes cannot be written at the moment."""
        return self._settle.is_stalled

    def in_flight(self, delivery: int) -> bool:
        """Whether a request for this delivery is out."""
        return delivery in self._out

    async def cancel(self, endpoint: int, delivery: int, reason: str) -> None:
        """Give up a pending delivery. It is kept from starting until that is stored; one that is out keeps its order keys
        until its exchange is over."""
        lane = self._lane(endpoint)
        is_out = delivery in self._out
        if lane is not None and not is_out:
            lane.withheld.add(delivery)
            lane.put_back(lambda number: number == delivery)
        try:
            out = frozenset({delivery}) if is_out else frozenset[int]()
            self.take(await self._queue.cancel((delivery,), out, reason, self._now_ms()))
        finally:
            if lane is not None:
                lane.withheld.discard(delivery)
                self._list(lane)

    def endpoint_changed(self, number: int, before: Preparation | None) -> None:
        """An endpoint is new, changed or removed."""
        if number not in self._endpoints.prepared:
            lane = self._lanes.pop(number, None)
            if lane is not None:
                lane.put_back(lambda _: True)
            return
        lane = self._lane(number)
        if lane is None:
            return
        config = self._endpoints.prepared[number].endpoint.config
        if config.enabled:
            if before is not None and not before.endpoint.config.enabled:
                self._begin_anew(number)
            lane.allowance = max(1, min(lane.allowance, config.max_in_flight))
        else:
            lane.put_back(lambda _: True)
            lane.allowance = 1
        lane.spill()
        self._list(lane)

    def _begin_anew(self, number: int) -> None:
        """An endpoint that is enabled again after a 410 has a clean standing."""
        standing = self._endpoints.standings.get(number)
        if standing is not None and standing.gone:
            self._stand(Standing(endpoint=number))

    def _lane(self, number: int) -> Lane | None:
        lane = self._lanes.get(number)
        if lane is None:
            preparation = self._endpoints.prepared.get(number)
            if preparation is None:
                return None
            endpoint = preparation.endpoint
            lane = Lane(number, endpoint.tenant, self._budget, endpoint.config.max_in_flight)
            self._lanes[number] = lane
        return lane

    def _is_paused(self, lane: Lane, now: Millis) -> bool:
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
        self._wake_at(lane, standing.paused_until)
        return True

    def _list(self, lane: Lane) -> None:
        """Put a lane in the rotation when it can send, and see to it that its queue is filled."""
        if lane.is_spilled and not lane.is_refilling and len(lane.ready) < REFILL // 4:
            self._refill(lane)
        if lane.is_listed or not lane.ready or lane.in_flight >= lane.allowance:
            return
        if not self._is_paused(lane, self._now_ms()):
            self._rotation.add(lane)
            self._open_slot()

    def _open_slot(self) -> None:
        if self._rotation and len(self._slots) < SLOTS and self._has_credit():
            slot = asyncio.get_running_loop().create_task(self._run_slot())
            self._slots.add(slot)
            slot.add_done_callback(self._slots.discard)

    def _has_credit(self) -> bool:
        return self._unsettled < CREDITS and not self._settle.is_stalled and not self._is_stopping

    async def _run_slot(self) -> None:
        """Send one delivery after another while there are some; each time it is the next endpoint's turn."""
        while self._rotation and self._has_credit():
            lane = self._rotation.next()
            if not lane.ready or lane.in_flight >= lane.allowance:
                continue
            preparation = self._endpoints.prepared.get(lane.endpoint)
            if preparation is None or self._is_paused(lane, self._now_ms()):
                continue
            claim, view = lane.take()
            self._unsettled += 1
            self._list(lane)
            await self._deliver(lane, preparation, claim, view)

    async def _deliver(self, lane: Lane, preparation: Preparation, claim: Claim, view: EventView) -> None:
        delivery = claim.delivery
        started_at = self._now_ms()
        if not preparation.renderer.expresses(view):
            await self._give_back(lane, delivery.number)
            return
        request = preparation.request(delivery, view, started_at)
        self._out.add(delivery.number)
        exchange = await send(self._sender, request)
        lane.in_flight -= 1
        self._out.discard(delivery.number)
        settled = settlement_of(
            delivery=delivery,
            config=preparation.endpoint.config,
            exchange=exchange,
            request=request,
            started_at=started_at,
            now=self._now_ms(),
            jitter=self._jitter(),
            attempt_id=self._mint.attempt(),
        )
        self._metrics.attempts.labels(settled.settlement.attempt.outcome).inc()
        self._follow(lane, preparation, settled)
        self._settle.add(settled.settlement)
        self._list(lane)

    async def _give_back(self, lane: Lane, delivery: int) -> None:
        """The format was changed since fan-out and has no words for this event any more."""
        self._unsettled -= 1
        lane.in_flight -= 1
        try:
            await self.cancel(lane.endpoint, delivery, "the endpoint's format cannot express the event")
        except (StoreUnavailable, StorageFull) as error:
            log.error("cancel.waits", problem=error.slug)
            self._wake_at(lane, self._now_ms() + _REFILL_RETRY_MS)
        lane.settled(delivery)

    def _follow(self, lane: Lane, preparation: Preparation, settled: Settled) -> None:
        """What an exchange means for the endpoint: its standing, and how many requests may be out."""
        limit = preparation.endpoint.config.max_in_flight
        if settled.settlement.attempt.outcome == "delivered":
            if lane.allowance < limit:
                lane.allowance += 1
        elif settled.effect != "none":
            lane.allowance = 1
        before = self._endpoints.standings.get(lane.endpoint) or Standing(endpoint=lane.endpoint)
        after = standing_after(before, settled, self._now_ms())
        if after is before:
            return
        if after.paused_until != before.paused_until or after.failing_since != before.failing_since or after.gone:
            self._stand(after)
        else:
            self._endpoints.standings[lane.endpoint] = after
        if after.gone and not before.gone:
            self._in_background(self._stop_sending(lane.endpoint))

    async def _stop_sending(self, endpoint: int) -> None:
        try:
            await self._disable(endpoint)
        except (StoreUnavailable, StorageFull, Conflict) as error:
            log.error("endpoint.not_disabled", problem=error.slug)

    def _stand(self, standing: Standing) -> None:
        """How an endpoint stands from now on; it is stored as well."""
        self._endpoints.standings[standing.endpoint] = standing
        self._in_background(self._keep(standing))

    async def _keep(self, standing: Standing) -> None:
        try:
            await self._endpoints.keep(standing)
        except (StoreUnavailable, StorageFull) as error:
            log.error("standing.not_kept", problem=error.slug)

    def _settled(self, settlements: Sequence[Settlement], ready: Sequence[Claim]) -> None:
        for settlement in settlements:
            self._unsettled -= 1
            lane = self._lanes.get(settlement.endpoint)
            if lane is None:
                continue
            lane.settled(settlement.delivery)
            if not settlement.ends:
                self._wake_at(lane, settlement.due_at)
        self.take(ready)
        self._open_slot()

    def _wake_at(self, lane: Lane, due_at: Millis) -> None:
        if lane.wakes_at is None or due_at < lane.wakes_at:
            lane.wakes_at = due_at
            heapq.heappush(self._due, (due_at, lane.endpoint))
            if self._due[0] == (due_at, lane.endpoint):
                self._wake.set()

    def _refill(self, lane: Lane) -> None:
        if not self._is_stopping and not self._is_paused(lane, self._now_ms()):
            lane.is_refilling = True
            self._in_background(self._refilled(lane))

    async def _refilled(self, lane: Lane) -> None:
        """Read what is due for a spilled lane. The spill ends when the read saw everything that had been left."""
        spills = lane.spills
        try:
            limit = REFILL + len(lane.held)
            page = await self._queue.due(self._holder, lane.endpoint, _LIVE, self._now_ms(), limit)
        except (StoreUnavailable, StorageFull) as error:
            log.error("refill.waits", problem=error.slug)
            lane.is_refilling = False
            lane.is_spilled = False
            self._wake_at(lane, self._now_ms() + _REFILL_RETRY_MS)
            return
        lane.is_refilling = False
        if self._lanes.get(lane.endpoint) is not lane:
            return
        took_all = True
        for claim in page.claims:
            took_all &= lane.offer(claim, EventView(claim.event))
        if page.is_all and took_all and lane.spills == spills:
            lane.is_spilled = False
        if page.next_due_at is not None:
            self._wake_at(lane, page.next_due_at)
        if took_all or lane.ready or lane.in_flight:
            self._list(lane)
        else:
            self._wake_at(lane, self._now_ms() + _REFILL_RETRY_MS)

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
