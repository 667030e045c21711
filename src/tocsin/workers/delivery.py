"""The loop of delivery: take what is ready, prepare, send, settle; follow how each endpoint stands.

There is no task for an idle delivery: tasks exist for requests that are out, one timer serves all endpoints.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from tocsin.authorizing.oauth2 import Token
from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.formats import Rendered, Unrendered
from tocsin.model.attempt import Settlement
from tocsin.model.audit import AuditEntry
from tocsin.model.delivery import Claim, Delivery
from tocsin.model.endpoint import Batched
from tocsin.model.event import order_keys
from tocsin.model.event_view import EventView
from tocsin.model.exchange import Outbound
from tocsin.model.ids import IdMint, Millis
from tocsin.model.replay import Replay
from tocsin.pipeline.exchanges import INEXPRESSIBLE, Exchanges, Judge, Sent
from tocsin.pipeline.fanout import Fan
from tocsin.pipeline.prepare import Preparation
from tocsin.pipeline.settle import Settle
from tocsin.ports import Batches, Fanned, Holder, Queue
from tocsin.telemetry import Metrics, log
from tocsin.workers.batches import BatchSending
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.lanes import LIVE, Lane
from tocsin.workers.ready import RETRY_MS, Ready
from tocsin.workers.rendering import Rendering
from tocsin.workers.rotation import CREDITS, SLOTS, Burst, SlowShare
from tocsin.workers.standings import Standings
from tocsin.workers.withdrawing import Withdrawing, Write

_TICK_SECONDS: Final = 1.0


class DeliveryWorker:
    """Delivers to every endpoint of this process."""

    def __init__(
        self,
        *,
        queue: Queue,
        batches: Batches,
        holder: Holder,
        exchanges: Exchanges,
        endpoints: Endpoints,
        mint: IdMint,
        now_ms: Callable[[], Millis],
        judge: Judge,
        metrics: Metrics,
        standings: Standings,
    ) -> None:
        self._queue = queue
        self._batches = batches
        self._holder = holder
        self._exchanges = exchanges
        self._endpoints = endpoints
        self._now_ms = now_ms
        self._judge = judge
        self._metrics = metrics
        self._standings = standings
        self._ready = Ready(queue, batches, holder, endpoints, now_ms, self._open_slot)
        self._flight = self._ready.flight
        self.requests_out = self._ready.requests_out
        self._rendering = Rendering(exchanges.templates, endpoints, self._ready, now_ms)
        self._batch_sending = BatchSending(
            store=batches,
            holder=holder,
            ready=self._ready,
            standings=standings,
            mint=mint,
            now_ms=now_ms,
            judge=judge,
            exchanges=exchanges,
            rendering=self._rendering,
            give_up=self._give_up,
        )
        self._settle = Settle(queue, holder, self._settled)
        self._burst = Burst(self._open_slot)
        self._slots: set[asyncio.Task[None]] = set()
        self.withdrawing = Withdrawing(self._ready, self._settle)
        self._keys: dict[int, tuple[str, ...]] = {}
        self._slow = SlowShare(self._ready.list_all)
        self._is_stopping = False
        endpoints.followers.append(self.endpoint_changed)

    async def start(self) -> None:
        """Find what was pending when the process began: it comes back from the store."""
        for waiting in await self._queue.waiting(self._holder):
            if (lane := self._ready.lane(waiting.endpoint, waiting.lane)) is not None:
                self._ready.wake_at(lane, waiting.due_at)
        for waiting in await self._batches.waiting(self._holder):
            lane = self._ready.lane(waiting.endpoint, waiting.lane)
            if lane is not None:
                lane.was_batching = True
                self._ready.wake_at(lane, waiting.due_at)
        await self._standings.start()

    async def run(self) -> None:
        """The timer. It looks at the wall clock every second at least, so that a step of the clock is noticed."""
        while not self._is_stopping:
            self._ready.news.clear()
            now = self._now_ms()
            next_at = self._ready.wake_due(now)
            self._slow.offer()
            self._open_slot()
            self._metrics.in_flight.set(len(self._flight.out))
            wait = _TICK_SECONDS if next_at is None else min((next_at - now) / 1000, _TICK_SECONDS)
            try:
                async with asyncio.timeout(wait):
                    await self._ready.news.wait()
            except TimeoutError:
                continue

    async def stop(self, limit_seconds: float) -> None:
        """Start nothing more, let what is out finish up to a limit, settle it."""
        self._is_stopping = True
        self._ready.stop()
        self._ready.news.set()
        if self._slots:
            await asyncio.wait(self._slots, timeout=limit_seconds)
        for task in self._slots:
            task.cancel()
        await self._standings.close()
        if not self._settle.is_stalled:
            await self._settle.idle()

    def pushed(self, fan: Fan, fanned: Sequence[Fanned]) -> None:
        """Deliveries were created."""
        self._ready.pushed(fan, fanned)

    def wake(self, endpoint: int, lane: int = LIVE) -> None:
        """Something became due for this endpoint that is only in the store."""
        self._ready.wake(endpoint, lane)

    def take(self, claims: Sequence[Claim]) -> None:
        """Deliveries became ready because others ended."""
        self._ready.take(claims)

    def replay_changed(self, replay: Replay) -> None:
        """A replay runs or is held."""
        self._ready.replay_changed(replay)

    def replay_ended(self, replay: Replay) -> None:
        """Nothing more comes from its lane."""
        self._ready.remove_lane(replay.endpoint, replay.number)

    def all_in_flight(self) -> frozenset[int]:
        """The numbers of all deliveries whose request is out."""
        return frozenset(self._flight.out)

    def is_stalled(self) -> bool:
        """Whether outcomes cannot be written at the moment."""
        return self._settle.is_stalled

    def in_flight(self, delivery: int) -> bool:
        """Whether a request for this delivery is out."""
        return delivery in self._flight.out

    def limit_in_force(self, endpoint: int) -> int | None:
        """How many requests to this endpoint may be out at once now; None: it has not been sent to yet."""
        lane = self._ready.known_lane(endpoint)
        return None if lane is None else lane.outlet.allowance.limit

    async def cancel(self, endpoint: int, numbers: Sequence[int], reason: str, entry: AuditEntry | None = None) -> int:
        """Give up what is pending of these; gives how many that were."""
        now, cancelled = self._now_ms() if entry is None else entry.at, [0]

        async def write(out: frozenset[int]) -> list[Claim]:
            count, ready = await self._queue.cancel(numbers, out, reason, now, entry)
            cancelled.append(count)
            return ready

        self._rendering.withdraw(numbers)
        await self.give_up(endpoint, frozenset(numbers), write)
        return sum(cancelled)

    async def give_up(self, endpoint: int, numbers: frozenset[int], write: Write) -> None:
        """Give up pending deliveries, as `write` stores it."""
        await self.withdrawing.give_up(endpoint, numbers, write)

    def endpoint_changed(self, number: int, before: Preparation | None) -> None:
        """An endpoint is new, changed or removed. A new one has nothing to send yet."""
        prepared = self._endpoints.prepared.get(number)
        if before is None and prepared is not None and prepared.endpoint.revision == 1:
            return
        live = self._ready.lane(number)
        if live is None or prepared is None:
            self._ready.remove(number)
            return
        config = prepared.endpoint.config
        outlet = live.outlet
        outlet.is_ordered = config.ordering == "subject"
        outlet.allowance.bounded(config.max_in_flight)
        self._ready.paced_anew(number)
        if config.enabled:
            if before is not None and not before.endpoint.config.enabled:
                self._standings.begin_anew(number)
        else:
            outlet.allowance.restart()
        for lane in self._ready.lanes(number):
            if lane.batching is not None:
                lane.was_batching = True
                lane.put_back(lambda _: False)
            lane.batching = config.delivery if isinstance(config.delivery, Batched) else None
            if not config.enabled:
                lane.put_back(lambda _: True)
            lane.spill()
            self._ready.list(lane)

    def consent_changed(self, number: int) -> None:
        """The receiver consented or does not any more, or allows another rate."""
        self._ready.paced_anew(number)
        for lane in self._ready.lanes(number):
            lane.spill()
            self._ready.list(lane)

    def _open_slot(self) -> None:
        if self._burst.has_room and self._ready.rotation and len(self._slots) < SLOTS and self._has_credit():
            slot = asyncio.get_running_loop().create_task(self._run_slot())
            self._slots.add(slot)
            slot.add_done_callback(self._slots.discard)

    def _has_credit(self) -> bool:
        return self._flight.unsettled < CREDITS and not self._settle.is_stalled and not self._is_stopping

    async def _run_slot(self) -> None:
        """Send one delivery after another while there are some; each time it is the next endpoint's turn."""
        while self._ready.rotation and self._has_credit() and self._burst.begin():
            outlet, now = self._ready.rotation.next(), self._now_ms()
            lane = outlet.next_lane(now) if outlet.has_room else None
            if lane is None:
                continue
            preparation = self._endpoints.prepared.get(outlet.endpoint)
            if preparation is None or not self._ready.may_send(lane, now):
                continue
            is_slow = outlet.allowance.is_slow
            if is_slow and not self._slow.take(outlet):
                continue
            if lane.batches or lane.batching is not None:
                await self._deliver_batch(lane, preparation)
            elif (taken := lane.take()) is not None:
                if outlet.pace is not None:
                    outlet.pace.sent()
                self._flight.unsettled += 1
                if outlet.is_ordered:
                    self._keys[taken[0].delivery.number] = order_keys(taken[0].event)
                self._ready.list_all(outlet)
                await self._deliver(lane, preparation, *taken)
            if is_slow:
                self._slow.leave()

    async def _deliver_batch(self, lane: Lane, preparation: Preparation) -> None:
        """A batch that is due again, else a new one of what has gathered."""
        outlet = lane.outlet
        again = lane.take_batch_again()
        taken = lane.take_batch(lane.batching) if again is None and lane.batching is not None else []
        if again is None and not taken:
            return
        if outlet.pace is not None:
            outlet.pace.sent()
        self._ready.list_all(outlet)
        try:
            if again is not None:
                await self._batch_sending.send_again(lane, preparation, again)
            else:
                await self._batch_sending.send_new(lane, preparation, taken)
        finally:
            outlet.in_flight -= 1
            self._ready.list_all(outlet)

    async def _deliver(self, lane: Lane, preparation: Preparation, claim: Claim, view: EventView) -> None:
        delivery = claim.delivery
        started_at = self._now_ms()
        self._flight.out.add(delivery.number)
        sent = await self._sent(lane, preparation, delivery, view, started_at)
        lane.outlet.in_flight -= 1
        self._flight.out.discard(delivery.number)
        if isinstance(sent, Unrendered):
            await self._give_up(lane, preparation, claim, sent)
            self._flight.unsettled -= 1
            lane.settled(delivery.number, self._keys.pop(delivery.number, ()))
            self._ready.list_all(lane.outlet)
            return
        settled = self._judge.judged(delivery, preparation.endpoint.config, sent, started_at)
        self._standings.follow(lane.outlet, preparation.endpoint, (claim,), settled)
        self._settle.add(settled.settlement)
        self._ready.list_all(lane.outlet)

    async def _sent(
        self, lane: Lane, preparation: Preparation, delivery: Delivery, view: EventView, began: Millis
    ) -> Sent | Unrendered:
        rendered: Rendered | None = None
        if preparation.template is not None:
            made = await self._rendering.rendered(lane, preparation, delivery.number, view)
            if isinstance(made, Unrendered):
                return made
            rendered = made
        replay = lane.replay

        def make(now: Millis, token: Token | None) -> Outbound | Unrendered:
            if preparation.renderer.expresses(view):
                return preparation.request(delivery, view, now, token, replay, rendered)
            return INEXPRESSIBLE

        return await self._exchanges.exchange(preparation, make, began, self._ready.turn(lane.outlet))

    async def _give_up(self, lane: Lane, _: Preparation, claim: Claim, why: Unrendered) -> None:
        """There is nothing to send: the delivery is cancelled, or dead if that is a failure; or it is tried later."""
        number = claim.delivery.number
        self._flight.out.discard(number)
        try:
            if why.is_failure:
                self._ready.take(await self._queue.give_up(number, why.reason, self._now_ms()))
            elif why.cause == "busy":
                lane.spill()
                self._ready.wake_at(lane, self._now_ms() + RETRY_MS)
            else:
                await self.cancel(lane.endpoint, (number,), why.reason)
        except (StoreUnavailable, StorageFull) as error:
            log.error("cancel.waits", problem=error.slug)
            self._ready.wake_at(lane, self._now_ms() + RETRY_MS)

    def _settled(self, settlements: Sequence[Settlement], ready: Sequence[Claim] | None) -> None:
        for settlement in settlements:
            self._flight.unsettled -= 1
            lane = self._ready.known_lane(settlement.endpoint, settlement.lane)
            if lane is None:
                self._ready.let_go(settlement.endpoint, self._keys.pop(settlement.delivery, ()))
                continue
            lane.settled(settlement.delivery, self._keys.pop(settlement.delivery, ()))
            if not settlement.ends:
                self._ready.wake_at(lane, settlement.due_at)
            if lane.outlet.is_held_up:
                lane.outlet.is_held_up = False
                self._ready.list_all(lane.outlet)
            if ready is None:
                self._ready.wake(settlement.endpoint, settlement.lane)
        self._ready.take(ready or ())
        self._open_slot()
