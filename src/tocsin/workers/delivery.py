"""The loop of delivery, as others see it: what is pushed, woken, cancelled or changed, and the one timer that serves all endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from tocsin.model.audit import AuditEntry
from tocsin.model.delivery import Claim
from tocsin.model.endpoint import Batched
from tocsin.model.ids import IdMint, Millis
from tocsin.model.replay import Replay
from tocsin.operations.tails import Tails
from tocsin.pipeline.exchanges import Exchanges, Judge
from tocsin.pipeline.fanout import Fan
from tocsin.pipeline.prepare import Preparation
from tocsin.ports import Batches, Fanned, Holder, Queue
from tocsin.telemetry import Metrics
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.lanes import LIVE
from tocsin.workers.sending import Sending
from tocsin.workers.standings import Standings
from tocsin.workers.withdrawing import Write

_TICK_SECONDS: Final = 1.0


class DeliveryWorker:
    """Delivers to every endpoint of this process."""

    def __init__(  # noqa: PLR0913 (everything that a delivery meets on its way)
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
        tails: Tails,
    ) -> None:
        self._queue = queue
        self._batches = batches
        self._holder = holder
        self._endpoints = endpoints
        self._now_ms = now_ms
        self._metrics = metrics
        self._standings = standings
        self._sending = Sending(
            queue=queue,
            batches=batches,
            holder=holder,
            exchanges=exchanges,
            endpoints=endpoints,
            mint=mint,
            now_ms=now_ms,
            judge=judge,
            standings=standings,
            tails=tails,
        )
        self._ready = self._sending.ready
        self._flight = self._ready.flight
        self.requests_out = self._ready.requests_out
        self.withdrawing = self._sending.withdrawing
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
            self._sending.slow.offer()
            self._sending.begin()
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
        self._ready.news.set()
        await self._sending.stop(limit_seconds)
        await self._standings.close()
        if not self._sending.settle.is_stalled:
            await self._sending.settle.idle()

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
        return self._sending.settle.is_stalled

    def in_flight(self, delivery: int) -> bool:
        """Whether a request for this delivery is out."""
        return delivery in self._flight.out

    async def cancel(self, endpoint: int, numbers: Sequence[int], reason: str, entry: AuditEntry | None = None) -> int:
        """Give up what is pending of these; gives how many that were."""
        now = self._now_ms() if entry is None else entry.at
        return await self._sending.cancel(endpoint, numbers, reason, now, entry)

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
