"""Begins what may begin, and follows what comes of it. A request for which a connection is open needs no task: it is written at once,
and its outcome is judged in the turn of the event loop in which the answer came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Final

from tocsin.authorizing.oauth2 import Token
from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.formats import Rendered, Unrendered
from tocsin.model.attempt import Settlement
from tocsin.model.audit import AuditEntry
from tocsin.model.delivery import Claim
from tocsin.model.event import order_keys
from tocsin.model.event_view import EventView
from tocsin.model.exchange import Exchange, Outbound
from tocsin.model.ids import IdMint, Millis
from tocsin.operations.tails import Tails
from tocsin.pipeline.exchanges import INEXPRESSIBLE, NOT_NOW, Exchanges, Judge, Sent
from tocsin.pipeline.prepare import Preparation
from tocsin.pipeline.settle import Settle
from tocsin.ports import Batches, Fenced, Holder, Queue
from tocsin.telemetry import log
from tocsin.workers.batches import BatchSending
from tocsin.workers.cold import Cold, Dial
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.flight import Out
from tocsin.workers.lanes import Lane, Outlet
from tocsin.workers.ready import Ready
from tocsin.workers.refills import RETRY_MS
from tocsin.workers.rendering import Rendering
from tocsin.workers.rotation import CREDITS, SLOTS, Burst, SlowShare
from tocsin.workers.standings import Standings
from tocsin.workers.withdrawing import Withdrawing

_LATE: Final = 0.05


class Sending:
    """Sends for every endpoint that is open here, as `ready` says what is ready and `settle` can write, by the right of one holder: for another
    one there is another object, so that nothing of the old one is taken for its own."""

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
        standings: Standings,
        tails: Tails,
        may_send: Callable[[], bool],
        is_open: Callable[[int, str], bool],
        fenced: Callable[[Holder], None],
    ) -> None:
        self.holder = holder
        self._may_send = may_send
        self._fenced = partial(fenced, holder)
        self._queue = queue
        self._exchanges = exchanges
        self._endpoints = endpoints
        self._now_ms = now_ms
        self._judge = judge
        self._standings = standings
        self._tails = tails
        self.ready = Ready(queue, batches, holder, endpoints, now_ms, self.begin, is_open, self._fenced)
        self._flight = self.ready.flight
        self.rendering = Rendering(exchanges.templates, endpoints, self.ready, now_ms)
        self._batch_sending = BatchSending(
            store=batches,
            holder=holder,
            ready=self.ready,
            standings=standings,
            tails=tails,
            mint=mint,
            now_ms=now_ms,
            judge=judge,
            exchanges=exchanges,
            rendering=self.rendering,
            may_send=may_send,
            give_up=self._give_up,
        )
        self.settle = Settle(queue, holder, self._settled, self._fenced)
        self.withdrawing = Withdrawing(self.ready, self.settle, holder)
        self.slow = SlowShare(self.ready.list_all)
        self.cold = Cold(self.begin)
        self._has_connection = exchanges.has_connection
        self._burst = Burst(self.begin, may_send)
        self._keys: dict[int, tuple[str, ...]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._written = 0
        self._is_beginning = self._is_stopping = self._is_over = False

    async def stop(self, limit_seconds: float) -> None:
        """Begin nothing more; let what is out finish, up to a limit, and settle it."""
        self._is_stopping = True
        self.ready.stop()
        try:
            async with asyncio.timeout(limit_seconds):
                if self._tasks:
                    await asyncio.wait(self._tasks)
                while self._written:  # noqa: ASYNC110  # only at the end: who is out says nothing on each return for its sake
                    await asyncio.sleep(_LATE)
        except TimeoutError:
            self._is_over = True
        for task in self._tasks:
            task.cancel()

    def abandon(self) -> None:
        """Others have taken over: begin nothing more, and forget what is out; what comes of it is theirs to find out."""
        self._is_stopping = self._is_over = True
        self.settle.abandon()
        self.ready.forget()
        for task in self._tasks:
            task.cancel()

    def begin(self) -> None:
        """Begin one request after another while there are some; each time it is the next endpoint's turn."""
        if self._is_beginning or self._is_stopping or self.settle.is_stalled:
            return
        self._is_beginning = True
        rotation, flight, cold, tasks, now = self.ready.rotation, self._flight, self.cold, self._tasks, self._now_ms()
        try:
            while (
                (rotation.tenants or (cold.tenants and cold.has_turn))
                and flight.unsettled < CREDITS
                and self._written + len(tasks) < SLOTS
                and self._burst.begin()
            ):
                if cold.tenants and cold.has_turn and (outlet := cold.next()) is not None:
                    self._begin_one(outlet, now, may_dial=True)
                elif rotation.tenants:
                    self._begin_one(rotation.next(), now, may_dial=False)
        finally:
            self._is_beginning = False

    def _begin_one(self, outlet: Outlet, now: Millis, *, may_dial: bool) -> None:
        lane = outlet.next_lane(now) if outlet.has_room else None
        if lane is None:
            return
        preparation = self._endpoints.prepared.get(outlet.endpoint)
        if preparation is None or not self.ready.may_send(lane, now):
            return
        is_cold = not self._has_connection(preparation.pool) and bool(preparation.pool)
        if may_dial or not is_cold:
            self._begin_in(lane, preparation, now, is_cold=is_cold)
        else:
            self.cold.add(outlet)

    def _begin_in(self, lane: Lane, preparation: Preparation, now: Millis, *, is_cold: bool) -> None:
        outlet = lane.outlet
        if (is_slow := outlet.allowance.is_slow) and not self.slow.take(outlet):
            return
        if lane.batches or lane.batching is not None:
            self._begin_batch(lane, preparation, is_slow=is_slow, is_cold=is_cold)
        elif (taken := lane.take()) is not None:
            claim, view = taken
            number = claim.delivery.number
            if outlet.pace is not None:
                outlet.pace.sent()
            self._flight.unsettled += 1
            self._flight.out.add(number)
            if outlet.is_ordered:
                self._keys[number] = order_keys(claim.event)
            self.ready.list_again(outlet)
            out = Out(lane, preparation, claim, now, is_slow=is_slow)
            out.dial = self.cold.dial(outlet) if is_cold else None
            if is_cold or not self._is_written(out, view):
                self._in_task(self._deliver(out, view), out.dial)
        elif is_slow:
            self.slow.leave()

    def _in_task(self, work: Coroutine[None, None, None], dial: Dial | None) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(partial(self._landed, dial))

    def _landed(self, dial: Dial | None, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if dial is not None:
            dial.over()
        self.begin()

    def _is_written(self, out: Out, view: EventView) -> bool:
        """Whether the request could be made and written without waiting for anything: no template, no token, a connection."""
        preparation = out.preparation
        if preparation.template is not None or preparation.token_source is not None:
            return False
        try:
            if not preparation.renderer.expresses(view):
                return False
            request = preparation.request(out.claim.delivery, view, out.began, None, out.lane.replay)
        except Exception:  # noqa: BLE001  # it is prepared once more, and there a fault is told
            return False
        is_written = self._exchanges.begin(request, partial(self._came, out, request))
        self._written += is_written
        return is_written

    def _came(self, out: Out, request: Outbound, exchange: Exchange) -> None:
        self._written -= 1
        if not self._is_over:
            self._ended(out, Sent(request=request, exchange=exchange, may_refresh=False))

    def _ended(self, out: Out, sent: Sent) -> None:
        outlet, claim, preparation = out.lane.outlet, out.claim, out.preparation
        try:
            settled = self._judge.judged(claim.delivery, preparation.endpoint.config, sent, out.began, claim)
            self.settle.add(settled.settlement)
            self._standings.follow(outlet, preparation.endpoint, (claim,), settled)
        finally:
            self._left(out)  # Only now: where its place is given on, others begin, and the endpoint may be paused.
        self.ready.list_again(outlet)
        if self.ready.rotation.tenants:
            self.begin()

    def _left(self, out: Out) -> None:
        """Its request is not out any more."""
        out.lane.outlet.in_flight -= 1
        self._flight.out.discard(out.claim.delivery.number)
        if out.is_slow:
            self.slow.leave()

    async def _deliver(self, out: Out, view: EventView) -> None:
        try:
            sent = await self._sent(out, view)
        except BaseException:
            self._left(out)
            raise
        if isinstance(sent, Sent):
            self._ended(out, sent)
            return
        lane, number = out.lane, out.claim.delivery.number
        try:
            await self._give_up(lane, out.claim, sent)
        finally:
            self._left(out)
        self._flight.unsettled -= 1
        lane.settled(number, self._keys.pop(number, ()))
        self.ready.list_all(lane.outlet)

    def _begin_batch(self, lane: Lane, preparation: Preparation, *, is_slow: bool, is_cold: bool) -> None:
        """A batch that is due again, else a new one of what has gathered."""
        again = lane.take_batch_again()
        taken = lane.take_batch(lane.batching) if again is None and lane.batching is not None else []
        if again is None and not taken:
            if is_slow:
                self.slow.leave()
            return
        make = self._batch_sending
        work = make.send_again(lane, preparation, again) if again else make.send_new(lane, preparation, taken)
        if lane.outlet.pace is not None:
            lane.outlet.pace.sent()
        self.ready.list_all(lane.outlet)
        dial = self.cold.dial(lane.outlet) if is_cold else None
        self._in_task(self._deliver_batch(lane, work, is_slow=is_slow), dial)

    async def _deliver_batch(self, lane: Lane, work: Coroutine[None, None, None], *, is_slow: bool) -> None:
        try:
            await work
        except Fenced:
            self._fenced()
        finally:
            lane.outlet.in_flight -= 1
            if is_slow:
                self.slow.leave()
            self.ready.list_all(lane.outlet)

    async def _sent(self, out: Out, view: EventView) -> Sent | Unrendered:
        lane, preparation, delivery = out.lane, out.preparation, out.claim.delivery
        rendered: Rendered | Unrendered | None = None
        if preparation.template is not None:
            rendered = await self.rendering.rendered(lane, preparation, delivery.number, view)
        if isinstance(rendered, Unrendered):
            return rendered
        replay = lane.replay

        def make(now: Millis, token: Token | None) -> Outbound | Unrendered:
            if not self._may_send():
                return NOT_NOW
            if preparation.renderer.expresses(view):
                return preparation.request(delivery, view, now, token, replay, rendered)
            return INEXPRESSIBLE

        opened = None if out.dial is None else out.dial.over
        return await self._exchanges.exchange(preparation, make, out.began, self.ready.turn(lane.outlet), opened)

    async def _give_up(self, lane: Lane, claim: Claim, why: Unrendered) -> None:
        """There is nothing to send: the delivery is cancelled, or dead if that is a failure; or it is tried later."""
        number, now = claim.delivery.number, self._now_ms()
        self._flight.out.discard(number)
        try:
            if why.is_failure:
                self.ready.take(await self._queue.give_up(self.holder, number, why.reason, now))
            elif why.cause == "busy":
                lane.spill()
                self.ready.wake_at(lane, now + RETRY_MS)
            else:
                await self.cancel(lane.endpoint, (number,), why.reason, now)
        except Fenced:
            self._fenced()
        except (StoreUnavailable, StorageFull) as error:
            log.error("cancel.waits", problem=error.slug)
            self.ready.wake_at(lane, self._now_ms() + RETRY_MS)
        except Exception as error:  # noqa: BLE001  # what is not let go would be held for good
            log.error("cancel.fault", delivery=claim.delivery.id, exc_info=error)
            self.ready.wake_at(lane, self._now_ms() + RETRY_MS)

    async def cancel(
        self, endpoint: int, numbers: Sequence[int], reason: str, now: Millis, entry: AuditEntry | None = None
    ) -> int:
        """Give up what is pending of these; gives how many that were. Raises Fenced: then nothing was written."""
        cancelled: list[int] = []

        async def write(holder: Holder | None, out: frozenset[int]) -> list[Claim]:
            count, ready = await self._queue.cancel(holder, numbers, out, reason, now, entry)
            cancelled.append(count)
            return ready

        self.rendering.withdraw(numbers)
        await self.withdrawing.give_up(endpoint, frozenset(numbers), write)
        return sum(cancelled)

    def _settled(self, settlements: Sequence[Settlement], ready: Sequence[Claim] | None) -> None:
        if self._tails.wants_attempts:
            self._tails.settled(settlements)
        self._flight.unsettled -= len(settlements)
        for settlement in settlements:
            keys = self._keys.pop(settlement.delivery, ())
            lane = self.ready.known_lane(settlement.endpoint, settlement.lane)
            if lane is None:
                self.ready.let_go(settlement.endpoint, keys)
                continue
            lane.settled(settlement.delivery, keys)
            if not settlement.ends:
                self.ready.wake_at(lane, settlement.due_at)
            if lane.outlet.is_held_up:
                lane.outlet.is_held_up = False
                self.ready.list_all(lane.outlet)
            if ready is None:
                self.ready.wake(settlement.endpoint, settlement.lane)
        self.ready.take(ready or ())
        self.begin()
