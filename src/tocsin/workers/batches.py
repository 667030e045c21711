"""Sends batches: gathers, fixes the members in the store, sends them in one request, settles or splits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence

import msgspec

from tocsin.authorizing.oauth2 import Token
from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.formats import Unrendered
from tocsin.model.batch import Batch, BatchClaim, BatchSettlement
from tocsin.model.delivery import Claim
from tocsin.model.endpoint import Batched
from tocsin.model.event import order_keys
from tocsin.model.event_view import EventView
from tocsin.model.exchange import Outbound
from tocsin.model.ids import IdMint, Millis
from tocsin.operations.tails import Tails
from tocsin.pipeline.exchanges import INEXPRESSIBLE, NOT_NOW, UNPREPARED, Exchanges, Judge
from tocsin.pipeline.prepare import Preparation
from tocsin.pipeline.settle import without_texts, written
from tocsin.ports import Batches, Fenced, Holder
from tocsin.rules.splitting import batch_settlement_of
from tocsin.telemetry import log
from tocsin.workers.flight import Hold
from tocsin.workers.lanes import Lane, Taken
from tocsin.workers.ready import Ready
from tocsin.workers.refills import RETRY_MS
from tocsin.workers.rendering import Rendering
from tocsin.workers.standings import Standings


class BatchSending:
    """What the loop of delivery does for endpoints that take batches. `give_up` is told of a delivery that cannot be
    rendered, and why."""

    def __init__(  # noqa: PLR0913 (what the loop of delivery shares with it)
        self,
        *,
        store: Batches,
        holder: Holder,
        ready: Ready,
        standings: Standings,
        tails: Tails,
        mint: IdMint,
        now_ms: Callable[[], Millis],
        judge: Judge,
        exchanges: Exchanges,
        rendering: Rendering,
        may_send: Callable[[], bool],
        give_up: Callable[[Lane, Claim, Unrendered], Awaitable[None]],
    ) -> None:
        self._store = store
        self._holder = holder
        self._ready = ready
        self._standings = standings
        self._tails = tails
        self._mint = mint
        self._now_ms = now_ms
        self._judge = judge
        self._exchanges = exchanges
        self._rendering = rendering
        self._may_send = may_send
        self._give_up = give_up

    def send_new(self, lane: Lane, preparation: Preparation, taken: Sequence[Taken]) -> Coroutine[None, None, None]:
        """Fix a batch of these deliveries and of those that wait for them only, and send it. What does not fit into it waits for the
        next one. They are held from the call on."""
        hold = Hold(self._ready.flight, lane)
        hold.take(claim for claim, _ in taken)
        return _held(hold, self._send_new(hold, lane, preparation, taken))

    def send_again(self, lane: Lane, preparation: Preparation, claim: BatchClaim) -> Coroutine[None, None, None]:
        """Send a batch whose members are fixed; they are held from the call on."""
        hold = Hold(self._ready.flight, lane)
        hold.take(claim.members)
        return _held(hold, self._send_again(hold, lane, preparation, claim))

    async def _send_again(self, hold: Hold, lane: Lane, preparation: Preparation, claim: BatchClaim) -> None:
        bodies: list[bytes] = []
        unfit: list[tuple[Claim, Unrendered]] = []
        for member in claim.members:
            made = await self._body(lane, preparation, member, EventView(member.event))
            if isinstance(made, bytes):
                bodies.append(made)
            elif made.cause == "busy":
                lane.release_batch(claim.batch.number)
                self._ready.wake_at(lane, self._now_ms() + RETRY_MS)
                return
            else:
                unfit.append((member, made))
        if unfit:
            await self._dissolve(hold, lane, claim, unfit)
        else:
            await self._send(hold, lane, preparation, claim, bodies)

    async def _send_new(self, hold: Hold, lane: Lane, preparation: Preparation, taken: Sequence[Taken]) -> None:
        setting = preparation.endpoint.config.delivery
        waiting = list(taken)
        if lane.outlet.is_ordered and isinstance(setting, Batched):
            waiting = await self._with_followers(hold, lane, setting, taken)
        limit = setting.max_bytes if isinstance(setting, Batched) else 1
        claims: list[Claim] = []
        bodies: list[bytes] = []
        left: list[Claim] = []
        size = 2
        for position, (claim, view) in enumerate(waiting):
            body = await self._body(lane, preparation, claim, view)
            if isinstance(body, Unrendered) and body.cause != "busy":
                await self._give_up(lane, claim, body)
                hold.let_go((claim.delivery.number,))
                continue
            if isinstance(body, Unrendered) or (claims and size + len(body) + 1 > limit):
                left = [one for one, _ in waiting[position:]]
                if isinstance(body, Unrendered):
                    self._ready.wake_at(lane, self._now_ms() + RETRY_MS)
                break
            claims.append(claim)
            bodies.append(body)
            size += len(body) + 1
        formed = await self._formed(lane, preparation, claims, left)
        kept = {member.delivery.number for member in formed.members}
        gone = [claim.delivery.number for claim in (*claims, *left) if claim.delivery.number not in kept]
        if gone:
            hold.let_go(gone)
            lane.spill()
        if kept:
            pairs = zip(claims, bodies, strict=True)
            kept_bodies = [body for claim, body in pairs if claim.delivery.number in kept]
            await self._send(hold, lane, preparation, formed, kept_bodies)

    async def _with_followers(self, hold: Hold, lane: Lane, setting: Batched, taken: Sequence[Taken]) -> list[Taken]:
        """These, and what waits for nobody else, in order."""
        room = setting.max_events - len(taken)
        room_bytes = setting.max_bytes - sum(len(claim.event.data) for claim, _ in taken)
        numbers = [claim.delivery.number for claim, _ in taken]
        together = list(taken)
        lane.behind = 0
        if room > 0 and room_bytes > 0:
            try:
                found = await self._store.following(numbers, self._now_ms(), room, room_bytes)
            except (StoreUnavailable, StorageFull) as error:
                log.error("followers.unknown", problem=error.slug)
                return together
            for claim in found.claims:
                if not hold.may_take(claim):
                    break
                hold.take((claim,))
                together.append((claim, EventView(claim.event)))
            lane.behind += found.more
        return sorted(together, key=lambda one: one[0].delivery.number)

    async def _body(self, lane: Lane, preparation: Preparation, claim: Claim, view: EventView) -> bytes | Unrendered:
        if preparation.template is not None:
            made = await self._rendering.rendered(lane, preparation, claim.delivery.number, view)
            return made if isinstance(made, Unrendered) else made.body
        try:
            return preparation.member(view) if preparation.renderer.expresses(view) else INEXPRESSIBLE
        except Exception as error:  # noqa: BLE001  # one event must neither hang nor stop the others
            log.error("prepare.fault", delivery=claim.delivery.id, exc_info=error)
            return UNPREPARED

    async def _formed(
        self, lane: Lane, preparation: Preparation, claims: Sequence[Claim], left: Sequence[Claim]
    ) -> BatchClaim:
        endpoint = preparation.endpoint
        new = Batch(
            number=0,
            id=self._mint.batch(),
            tenant=endpoint.tenant,
            endpoint=endpoint.number,
            lane=lane.lane,
            created_at=self._now_ms(),
        )
        numbers = [claim.delivery.number for claim in claims]
        others = [claim.delivery.number for claim in left]
        formed = await written(lambda: self._store.form(self._holder, new, numbers, others))
        self._ready.take(formed.ready)
        if formed.members:
            lane.batches_held.add(formed.batch.number)
        members = set(formed.members)
        return BatchClaim(batch=formed.batch, members=tuple(c for c in claims if c.delivery.number in members))

    async def _send(
        self, hold: Hold, lane: Lane, preparation: Preparation, claim: BatchClaim, bodies: Sequence[bytes]
    ) -> None:
        batch, started_at = claim.batch, self._now_ms()
        replay = lane.replay

        def make(now: Millis, token: Token | None) -> Outbound | Unrendered:
            if self._may_send():
                return preparation.batch_request(batch, preparation.batched(claim.members, bodies), now, token, replay)
            return NOT_NOW

        sent = await self._exchanges.exchange(preparation, make, started_at, self._ready.turn(lane.outlet))
        if isinstance(sent, Unrendered):
            await self._unsent(hold, lane, claim, sent)
            return
        settled = self._judge.judged(batch.as_delivery(), preparation.endpoint.config, sent, started_at)
        is_ordered = lane.outlet.is_ordered
        members = [(m.delivery.number, order_keys(m.event) if is_ordered else ()) for m in claim.members]
        settlement = batch_settlement_of(batch, settled, preparation.endpoint.config.retry, members, self._mint.batch)
        self._standings.follow(lane.outlet, preparation.endpoint, claim.members, settled)
        settled_now = await self._settled(settlement)
        if self._tails.is_watched:
            self._tails.batch_settled(settlement, claim.members)
        freed, ready = settled_now or ((), ())
        lane.release_batch(batch.number)
        hold.let_go()
        for other in freed if lane.batching is not None else ():
            lane.offer_batch(other)
        if lane.batching is None or settled_now is None:
            lane.spill()
        elif settlement.state == "pending":
            self._ready.wake_at(lane, settlement.due_at)
        elif lane.more_batches and not lane.batches:
            lane.spill()
        if settlement.state in {"delivered", "dead"}:
            lane.behind += lane.later
            lane.later = 0
        self._ready.take(ready)

    async def _unsent(self, hold: Hold, lane: Lane, claim: BatchClaim, why: Unrendered) -> None:
        """Nothing went out: later, or never."""
        if why is NOT_NOW:
            lane.release_batch(claim.batch.number)
            hold.let_go()
            self._ready.wake_at(lane, self._now_ms() + RETRY_MS)
        else:
            await self._dissolve(hold, lane, claim, [(member, why) for member in claim.members])

    async def _settled(self, settlement: BatchSettlement) -> tuple[list[BatchClaim], list[Claim]] | None:
        try:
            return await written(lambda: self._store.settle(self._holder, settlement))
        except Fenced:
            raise
        except Exception as error:  # noqa: BLE001  # data that the store refuses: what came from outside is left out
            log.error("settle.refused", batch=settlement.batch.id, exc_info=error)
            bare = msgspec.structs.replace(settlement, reason=None, attempt=without_texts(settlement.attempt))
            return await written(lambda: self._store.settle(self._holder, bare))

    async def _dissolve(
        self,
        hold: Hold,
        lane: Lane,
        claim: BatchClaim,
        unfit: Sequence[tuple[Claim, Unrendered]],
    ) -> None:
        """Some members cannot be sent at all: there is no such batch any more, and the others go in another one."""
        number = claim.batch.number
        ready = await written(lambda: self._store.dissolve(self._holder, (number,), self._now_ms()))
        lane.release_batch(number)
        for member, why in unfit:
            await self._give_up(lane, member, why)
        hold.let_go()
        lane.spill()
        self._ready.take(ready)


async def _held(hold: Hold, work: Coroutine[None, None, None]) -> None:
    try:
        await work
    finally:
        hold.let_go()
