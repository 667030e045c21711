"""The loop of delivery, as others see it: what is pushed, woken, cancelled or changed, and the one timer that serves all endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
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
from tocsin.ports import Batches, Fanned, Fenced, Hint, Holder, Queue, Taken
from tocsin.telemetry import Metrics, log
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.held import Held
from tocsin.workers.lanes import LIVE
from tocsin.workers.openings import Openings
from tocsin.workers.sending import Sending
from tocsin.workers.standings import Standings
from tocsin.workers.withdrawing import Withdrawing, Write

_TICK_SECONDS: Final = 1.0
_SETTLE_SECONDS: Final = 2.0
"""At the end of the process: how much longer than requests the writing of their outcomes may take."""


class DeliveryWorker:
    """Delivers to every endpoint of the partitions that are held. `fenced` is called when others have taken over, `tell` is told what other
    processes should notice."""

    def __init__(  # noqa: PLR0913 (everything that a delivery meets on its way)
        self,
        *,
        queue: Queue,
        batches: Batches,
        held: Held,
        exchanges: Exchanges,
        endpoints: Endpoints,
        mint: IdMint,
        now_ms: Callable[[], Millis],
        judge: Judge,
        metrics: Metrics,
        standings: Standings,
        tails: Tails,
        fenced: Callable[[Holder], None],
        tell: Callable[[Hint], None],
    ) -> None:
        self._queue = queue
        self._held = held
        self._endpoints = endpoints
        self._now_ms = now_ms
        self._metrics = metrics
        self._standings = standings
        self._tell = tell
        self._fenced = fenced
        self._openings = Openings(
            queue=queue, batches=batches, held=held, endpoints=endpoints, ready=lambda: self._ready, fenced=fenced
        )
        self._make = partial(
            Sending,
            queue=queue,
            batches=batches,
            exchanges=exchanges,
            endpoints=endpoints,
            mint=mint,
            now_ms=now_ms,
            judge=judge,
            standings=standings,
            tails=tails,
            may_send=held.may_send,
            is_open=self._openings.is_open,
            fenced=fenced,
        )
        self._is_stopping = False
        self._sending = self._make(holder=held.holder)
        self._ready = self._sending.ready
        self._flight = self._ready.flight
        endpoints.followers.append(self.endpoint_changed)

    def _renew(self) -> None:
        """What is out from now on belongs to the present holder, should that be another one."""
        if self._sending.holder is self._held.holder:
            return
        news = self._ready.news
        self._sending = self._make(holder=self._held.holder)
        self._ready = self._sending.ready
        self._flight = self._ready.flight
        news.set()

    async def taken(self, taken: Sequence[Taken]) -> None:
        """Find what is pending there: it comes back from the store."""
        self._renew()
        partitions = {one.partition for one in taken}
        await self._openings.taken(taken)
        self._standings.start(self._openings.numbers_in(partitions))
        self._ready.news.set()

    async def giving_back(self, partitions: frozenset[int]) -> None:
        """Begin nothing more there, wait for what is out, settle it."""
        self._openings.close(partitions)
        lanes = self._ready.remove_those(lambda tenant: self._held.partition_of(tenant) in partitions)
        await self._ready.over(lanes)
        await self._sending.settle.written()
        await self._standings.written()

    def lost(self) -> None:
        """Others deliver now. What is out here ends, and nobody hears of it."""
        self._openings.close_all()
        self._sending.abandon()
        self._standings.abandon()

    def heard(self, hint: Hint) -> None:
        """Another process tells that something became due, or ended, in these lanes."""
        if len(hint.partitions) == self._held.count:
            self.look_again()
        for endpoint, lane in hint.lanes:
            if self.is_here(endpoint):
                for known in self._ready.lanes(endpoint):
                    known.put_back(lambda _: True)
                    self._ready.wake(endpoint, known.lane)
                self._ready.wake(endpoint, lane)
                self._openings.look_at(endpoint)

    def look_again(self) -> None:
        """Deliveries may have been created, or have ended, without a word."""
        self._openings.look_again()

    async def sweep(self) -> None:
        """Look for what is due and that nobody has, and for what ended elsewhere without a word."""
        await self._openings.sweep(self._metrics.swept.inc, self._now_ms())

    def is_here(self, endpoint: int) -> bool:
        """Whether an endpoint is delivered to from here. On the embedded store one that was deleted is, too: its requests may be out."""
        preparation = self._endpoints.prepared.get(endpoint)
        if preparation is None:
            return not self._held.is_shared
        return self._openings.is_open(endpoint, preparation.endpoint.tenant)

    @property
    def withdrawing(self) -> Withdrawing:
        """How deliveries are kept from starting, at the moment."""
        return self._sending.withdrawing

    def requests_out(self, tenant: str | None, endpoint: int | None) -> int:
        """How many requests are out from here: of a tenant (None: of all), or of one endpoint."""
        return self._ready.requests_out(tenant, endpoint)

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
        """Start nothing more, let what is out finish up to a limit, and settle it: what is not written is sent again by whoever goes on,
        so a store that is slow, or comes back at once, is waited for."""
        self._is_stopping = True
        end = asyncio.get_running_loop().time() + limit_seconds + _SETTLE_SECONDS
        self._ready.news.set()
        self._openings.close_all()
        await self._sending.stop(limit_seconds)
        await self._standings.close()
        try:
            async with asyncio.timeout_at(end):
                await self._sending.settle.written()
        except TimeoutError:
            log.error("settle.left_unwritten")

    def pushed(self, fan: Fan, fanned: Sequence[Fanned]) -> None:
        """Deliveries were created."""
        self._ready.pushed(fan, fanned)

    def wake(self, endpoint: int, lane: int = LIVE) -> None:
        """Something became due for this endpoint that is only in the store."""
        self._ready.wake(endpoint, lane)
        if not self.is_here(endpoint):
            self._tell(Hint(lanes=((endpoint, lane),)))

    def take(self, claims: Sequence[Claim]) -> None:
        """Deliveries became ready because others ended."""
        self._ready.take(claims)

    def replay_changed(self, replay: Replay) -> None:
        """A replay runs or is held."""
        self._renew()
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

    def limit_in_force(self, endpoint: int) -> int | None:
        """How many requests to this endpoint may be out at once now; None: it has not been sent to yet."""
        lane = self._ready.known_lane(endpoint)
        return None if lane is None else lane.outlet.allowance.limit

    async def cancel(self, endpoint: int, numbers: Sequence[int], reason: str, entry: AuditEntry | None = None) -> int:
        """Give up what is pending of these; gives how many that were."""
        now = self._now_ms() if entry is None else entry.at
        if self.is_here(endpoint):
            sending = self._sending
            try:
                return await sending.cancel(endpoint, numbers, reason, now, entry)
            except Fenced:
                self._fenced(sending.holder)
        count, _ = await self._queue.cancel(None, numbers, frozenset(), reason, now, entry)
        self._tell(Hint(lanes=((endpoint, LIVE),)))
        return count

    async def give_up(self, endpoint: int, numbers: frozenset[int], write: Write) -> None:
        """Give up pending deliveries, as `write` stores it."""
        if self.is_here(endpoint):
            withdrawing = self.withdrawing
            try:
                await withdrawing.give_up(endpoint, numbers, write)
            except Fenced:
                self._fenced(withdrawing.holder)
            else:
                return
        await write(None, numbers)

    def endpoint_changed(self, number: int, before: Preparation | None) -> None:
        """An endpoint is new, changed or removed. A new one has nothing to send yet."""
        prepared = self._endpoints.prepared.get(number)
        if before is None and prepared is not None and prepared.endpoint.revision == 1:
            return
        if (
            before is not None
            and prepared is not None
            and prepared.endpoint.config.enabled
            and not before.endpoint.config.enabled
            and self._held.holds(prepared.endpoint.tenant)
        ):
            self._standings.begin_anew(number)
        live = self._ready.lane(number)
        if live is None or prepared is None:
            self._ready.remove(number)
            return
        config = prepared.endpoint.config
        outlet = live.outlet
        outlet.is_ordered = config.ordering == "subject"
        outlet.allowance.bounded(config.max_in_flight)
        self._ready.paced_anew(number)
        if not config.enabled:
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

    def resume(self, number: int) -> None:
        """Whatever an endpoint was paused for is over."""
        self._standings.begin_anew(number)
        for lane in self._ready.lanes(number):
            self._ready.list(lane)
        if not self.is_here(number):
            self._tell(Hint(changed=True))

    def consent_changed(self, number: int) -> None:
        """The receiver consented or does not any more, or allows another rate."""
        self._ready.paced_anew(number)
        for lane in self._ready.lanes(number):
            lane.spill()
            self._ready.list(lane)
