"""The loop of delivery: take what is ready, prepare, send, settle; follow how each endpoint stands.

There is no task for an idle delivery: tasks exist for requests that are out, one timer serves all endpoints.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from tocsin.authorizing.oauth2 import Token
from tocsin.authorizing.tokens import Tokens
from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.formats import Rendered, Unrendered
from tocsin.model.attempt import Settlement
from tocsin.model.audit import AuditEntry
from tocsin.model.delivery import Claim, Delivery
from tocsin.model.event import order_keys
from tocsin.model.event_view import EventView
from tocsin.model.exchange import OutboundRequest, TransportFailure
from tocsin.model.ids import IdMint, Millis
from tocsin.model.replay import Replay, ReplayState
from tocsin.pipeline.fanout import Fan
from tocsin.pipeline.prepare import Preparation
from tocsin.pipeline.send import not_sent, send
from tocsin.pipeline.settle import Settle
from tocsin.ports import Fanned, Holder, Queue, Sender, Templates
from tocsin.rules.outcome import settlement_of
from tocsin.telemetry import Metrics, log
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.lanes import LIVE, Lane, Outlet
from tocsin.workers.ready import HELD_UP_MS, RETRY_MS, Ready
from tocsin.workers.rendering import Rendering
from tocsin.workers.standings import Standings

SLOTS: Final = 512
"""Requests that may be out at once, over all endpoints."""
SLOW_SLOTS: Final = SLOTS // 2
"""Of these, how many all endpoints together may have that take over a second to answer."""
CREDITS: Final = 2048
"""Deliveries that may be out or waiting to be settled: what a crash can send twice, at most."""
_TICK_SECONDS: Final = 1.0


class DeliveryWorker:
    """Delivers to every endpoint of this process."""

    def __init__(  # noqa: PLR0913 (one of each part that it drives)
        self,
        *,
        queue: Queue,
        holder: Holder,
        sender: Sender,
        tokens: Tokens,
        templates: Templates,
        endpoints: Endpoints,
        mint: IdMint,
        now_ms: Callable[[], Millis],
        jitter: Callable[[], float],
        metrics: Metrics,
        standings: Standings,
    ) -> None:
        self._queue = queue
        self._holder = holder
        self._sender = sender
        self._tokens = tokens
        self._endpoints = endpoints
        self._mint = mint
        self._now_ms = now_ms
        self._jitter = jitter
        self._metrics = metrics
        self._standings = standings
        self._ready = Ready(queue, holder, endpoints, now_ms, self._open_slot)
        self._rendering = Rendering(templates, endpoints, self._ready, now_ms)
        self._settle = Settle(queue, holder, self._settled)
        self._slots: set[asyncio.Task[None]] = set()
        self._out: set[int] = set()
        self._unsettled = 0
        self._replays: dict[int, Replay] = {}
        self._keys: dict[int, tuple[str, ...]] = {}
        self._slow_out = 0
        self._slow_waiting: deque[Outlet] = deque()
        self._is_stopping = False
        endpoints.followers.append(self.endpoint_changed)

    async def start(self) -> None:
        """Find what was pending when the process began: it comes back from the store."""
        for waiting in await self._queue.waiting(self._holder):
            lane = self._ready.lane(waiting.endpoint, waiting.lane)
            if lane is not None:
                self._ready.wake_at(lane, waiting.due_at)
        await self._standings.start()

    async def run(self) -> None:
        """The timer. It looks at the wall clock every second at least, so that a step of the clock is noticed."""
        while not self._is_stopping:
            self._ready.news.clear()
            now = self._now_ms()
            next_at = self._ready.wake_due(now)
            self._open_slot()
            self._metrics.in_flight.set(len(self._out))
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
        self._standings.close()
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
        """A replay runs or is held; what waits in its lane stays in the store meanwhile."""
        lane = self._ready.lane(replay.endpoint, replay.number)
        if lane is None:
            return
        self._replays[replay.number] = replay
        lane.is_held = replay.state is not ReplayState.RUNNING
        if lane.is_held:
            lane.put_back(lambda _: True)
        self._ready.wake(replay.endpoint, replay.number)

    def replay_ended(self, replay: Replay) -> None:
        """Nothing more comes from its lane."""
        self._ready.remove_lane(replay.endpoint, replay.number)
        self._replays.pop(replay.number, None)

    def all_in_flight(self) -> frozenset[int]:
        """The numbers of all deliveries whose request is out."""
        return frozenset(self._out)

    def is_stalled(self) -> bool:
        """Whether outcomes cannot be written at the moment."""
        return self._settle.is_stalled

    def in_flight(self, delivery: int) -> bool:
        """Whether a request for this delivery is out."""
        return delivery in self._out

    async def cancel(self, endpoint: int, delivery: int, reason: str, entry: AuditEntry | None = None) -> None:
        """Give up a pending delivery. It is kept from starting until that is stored; one that is out keeps its order keys
        until its exchange is over."""
        self._ready.lane(endpoint)
        lanes = self._ready.lanes(endpoint)
        is_out = delivery in self._out
        self._rendering.withdraw(delivery)
        for lane in () if is_out else lanes:
            lane.withheld.add(delivery)
            lane.put_back(lambda number: number == delivery)
        try:
            out = frozenset({delivery}) if is_out else frozenset[int]()
            now = self._now_ms() if entry is None else entry.at
            self._ready.take(await self._queue.cancel((delivery,), out, reason, now, entry))
        finally:
            for lane in lanes:
                lane.withheld.discard(delivery)
                self._ready.list(lane)

    def endpoint_changed(self, number: int, before: Preparation | None) -> None:
        """An endpoint is new, changed or removed."""
        live = self._ready.lane(number)
        if live is None or number not in self._endpoints.prepared:
            self._ready.remove(number)
            return
        config = self._endpoints.prepared[number].endpoint.config
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
        if self._ready.rotation and len(self._slots) < SLOTS and self._has_credit():
            slot = asyncio.get_running_loop().create_task(self._run_slot())
            self._slots.add(slot)
            slot.add_done_callback(self._slots.discard)

    def _has_credit(self) -> bool:
        return self._unsettled < CREDITS and not self._settle.is_stalled and not self._is_stopping

    async def _run_slot(self) -> None:
        """Send one delivery after another while there are some; each time it is the next endpoint's turn."""
        while self._ready.rotation and self._has_credit():
            outlet = self._ready.rotation.next()
            lane = outlet.next_lane() if outlet.has_room else None
            if lane is None:
                continue
            preparation = self._endpoints.prepared.get(outlet.endpoint)
            if preparation is None or not self._ready.may_send(lane, self._now_ms()):
                continue
            is_slow = outlet.allowance.is_slow
            if is_slow and self._slow_out >= SLOW_SLOTS:
                self._slow_waiting.append(outlet)
                continue
            taken = lane.take()
            if taken is None:
                continue
            if outlet.pace is not None:
                outlet.pace.sent()
            self._unsettled += 1
            self._slow_out += is_slow
            if outlet.is_ordered:
                self._keys[taken[0].delivery.number] = order_keys(taken[0].event)
            self._ready.list_all(outlet)
            await self._deliver(lane, preparation, *taken)
            if is_slow:
                self._slow_ended()

    def _slow_ended(self) -> None:
        """A place for slow endpoints is free."""
        self._slow_out -= 1
        if self._slow_waiting:
            self._ready.list_all(self._slow_waiting.popleft())

    async def _deliver(self, lane: Lane, preparation: Preparation, claim: Claim, view: EventView) -> None:
        delivery = claim.delivery
        started_at = self._now_ms()
        self._out.add(delivery.number)
        rendered: Rendered | Unrendered | None = None
        if preparation.template is not None:
            rendered = await self._rendering.rendered(lane, preparation, delivery.number, view)
        if isinstance(rendered, Unrendered):
            await self._give_back(lane, preparation, claim, rendered)
            return
        source = preparation.token_source
        granted = None if source is None else await self._tokens.token(source)
        token, failure = (None, granted) if isinstance(granted, TransportFailure) else (granted, None)
        now = started_at if source is None else self._now_ms()
        if lane.outlet.pace is not None and self._now_ms() - started_at > HELD_UP_MS:
            await self._ready.turn_again(lane.outlet.pace)
            now = self._now_ms()
        replay = self._replays.get(lane.lane)
        request = self._prepared(preparation, delivery, view, now, token=token, replay=replay, rendered=rendered)
        if isinstance(request, Unrendered):
            await self._give_back(lane, preparation, claim, request)
            return
        exchange = await send(self._sender, request) if failure is None else not_sent(failure, now - started_at)
        lane.outlet.in_flight -= 1
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
            may_refresh=token is not None and not token.is_second,
        )
        if source is not None and token is not None:
            self._tokens.follow(source, token, exchange)
        self._metrics.attempts[settled.settlement.attempt.outcome].inc()
        self._standings.follow(lane.outlet, preparation.endpoint, claim, settled)
        self._settle.add(settled.settlement)
        self._ready.list_all(lane.outlet)

    @staticmethod
    def _prepared(
        preparation: Preparation,
        delivery: Delivery,
        view: EventView,
        now: Millis,
        *,
        token: Token | None,
        replay: Replay | None,
        rendered: Rendered | None,
    ) -> OutboundRequest | Unrendered:
        """The request, or why there is none: the format was changed since fan-out, or the event cannot be rendered."""
        try:
            if preparation.renderer.expresses(view):
                return preparation.request(delivery, view, now, token, replay, rendered)
        except Exception as error:  # noqa: BLE001  # one event must neither hang nor stop the others
            log.error("prepare.fault", delivery=delivery.id, exc_info=error)
            return Unrendered(cause="nothing", reason="the request could not be prepared")
        return Unrendered(cause="nothing", reason="the endpoint's format cannot express the event")

    async def _give_back(self, lane: Lane, preparation: Preparation, claim: Claim, why: Unrendered) -> None:
        """There is nothing to send: the delivery is cancelled, or dead if that is a failure; or it is tried later."""
        number = claim.delivery.number
        self._out.discard(number)
        self._unsettled -= 1
        lane.outlet.in_flight -= 1
        try:
            if why.is_failure:
                self._ready.take(await self._queue.give_up(number, why.reason, self._now_ms()))
                self._standings.gave_up(preparation.endpoint, claim, "the template failed")
            elif why.cause == "busy":
                lane.spill()
                self._ready.wake_at(lane, self._now_ms() + RETRY_MS)
            else:
                await self.cancel(lane.endpoint, number, why.reason)
        except (StoreUnavailable, StorageFull) as error:
            log.error("cancel.waits", problem=error.slug)
            self._ready.wake_at(lane, self._now_ms() + RETRY_MS)
        lane.settled(number, self._keys.pop(number, ()))
        self._ready.list_all(lane.outlet)

    def _settled(self, settlements: Sequence[Settlement], ready: Sequence[Claim]) -> None:
        for settlement in settlements:
            self._unsettled -= 1
            lane = self._ready.known_lane(settlement.endpoint, settlement.lane)
            if lane is None:
                continue
            lane.settled(settlement.delivery, self._keys.pop(settlement.delivery, ()))
            if not settlement.ends:
                self._ready.wake_at(lane, settlement.due_at)
        self._ready.take(ready)
        self._open_slot()
