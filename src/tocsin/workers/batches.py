"""Sends batches: gathers, fixes the members in the store, sends them in one request, settles or splits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.formats import Unrendered
from tocsin.formats.batching import batch_content_type, batched
from tocsin.model.batch import Batch, BatchClaim, BatchSettlement
from tocsin.model.delivery import Claim
from tocsin.model.endpoint import Batched
from tocsin.model.event_view import EventView
from tocsin.model.ids import IdMint, Millis
from tocsin.pipeline.prepare import Preparation
from tocsin.ports import Batches, Holder
from tocsin.rules.splitting import batch_settlement_of
from tocsin.telemetry import log
from tocsin.workers.exchanges import INEXPRESSIBLE, UNPREPARED, Exchanges, Judge
from tocsin.workers.lanes import Lane, Taken
from tocsin.workers.ready import RETRY_MS, Ready
from tocsin.workers.rendering import Rendering
from tocsin.workers.standings import Standings

_WAIT_SECONDS: Final = 0.2
_LONGEST_WAIT_SECONDS: Final = 5.0


class BatchSending:
    """What the loop of delivery does for endpoints that take batches. `give_up` is told of a delivery that cannot be
    rendered, and why."""

    def __init__(
        self,
        *,
        store: Batches,
        holder: Holder,
        ready: Ready,
        standings: Standings,
        mint: IdMint,
        now_ms: Callable[[], Millis],
        judge: Judge,
        exchanges: Exchanges,
        rendering: Rendering,
        give_up: Callable[[Lane, Preparation, Claim, Unrendered], Awaitable[None]],
    ) -> None:
        self._store = store
        self._holder = holder
        self._ready = ready
        self._standings = standings
        self._mint = mint
        self._now_ms = now_ms
        self._judge = judge
        self._exchanges = exchanges
        self._rendering = rendering
        self._give_up = give_up

    async def send_new(self, lane: Lane, preparation: Preparation, taken: Sequence[Taken]) -> None:
        """Fix a batch of these deliveries, and send it. What does not fit into it any more waits for the next one."""
        setting = preparation.endpoint.config.delivery
        limit = setting.max_bytes if isinstance(setting, Batched) else 1
        claims: list[Claim] = []
        bodies: list[bytes] = []
        size = 2
        for position, (claim, view) in enumerate(taken):
            body = await self._body(lane, preparation, claim, view)
            if isinstance(body, Unrendered):
                await self._give_up(lane, preparation, claim, body)
                continue
            if claims and size + len(body) + 1 > limit:
                self._leave(lane, [one for one, _ in taken[position:]])
                break
            claims.append(claim)
            bodies.append(body)
            size += len(body) + 1
        formed = await self._formed(lane, preparation, claims) if claims else None
        if formed is None:
            self._leave(lane, claims)
            return
        kept = {claim.delivery.number for claim in formed.members}
        self._leave(lane, [claim for claim in claims if claim.delivery.number not in kept])
        pairs = zip(claims, bodies, strict=True)
        await self._send(lane, preparation, formed, [body for claim, body in pairs if claim.delivery.number in kept])

    async def send_again(self, lane: Lane, preparation: Preparation, claim: BatchClaim) -> None:
        """Send a batch whose members are fixed."""
        bodies: list[bytes] = []
        for member in claim.members:
            made = await self._body(lane, preparation, member, EventView(member.event))
            if isinstance(made, Unrendered):
                await self._not_now(lane, preparation, claim, made)
                return
            bodies.append(made)
        await self._send(lane, preparation, claim, bodies)

    async def _not_now(self, lane: Lane, preparation: Preparation, claim: BatchClaim, why: Unrendered) -> None:
        """A member cannot be rendered: at the moment, so the batch waits; or at all, so that there is no such batch any more."""
        lane.batches_held.discard(claim.batch.number)
        if why.cause == "busy":
            self._leave(lane, claim.members)
            self._ready.wake_at(lane, self._now_ms() + RETRY_MS)
            return
        for member in claim.members:
            await self._give_up(lane, preparation, member, why)
        await self._store.close(claim.batch, self._now_ms())

    async def _body(self, lane: Lane, preparation: Preparation, claim: Claim, view: EventView) -> bytes | Unrendered:
        if preparation.template is not None:
            made = await self._rendering.rendered(lane, preparation, claim.delivery.number, view)
            return made if isinstance(made, Unrendered) else made.body
        try:
            return preparation.rendered(view).body if preparation.renderer.expresses(view) else INEXPRESSIBLE
        except Exception as error:  # noqa: BLE001  # one event must neither hang nor stop the others
            log.error("prepare.fault", delivery=claim.delivery.id, exc_info=error)
            return UNPREPARED

    async def _formed(self, lane: Lane, preparation: Preparation, claims: Sequence[Claim]) -> BatchClaim | None:
        endpoint = preparation.endpoint
        new = Batch(
            number=0,
            id=self._mint.batch(),
            tenant=endpoint.tenant,
            endpoint=endpoint.number,
            lane=lane.lane,
            created_at=self._now_ms(),
        )
        try:
            batch, numbers = await self._store.form(self._holder, new, [claim.delivery.number for claim in claims])
        except (StoreUnavailable, StorageFull) as error:
            log.error("batch.waits", problem=error.slug)
            self._ready.wake_at(lane, self._now_ms() + RETRY_MS)
            return None
        members = tuple(claim for claim in claims if claim.delivery.number in numbers)
        lane.batches_held.add(batch.number)
        return BatchClaim(batch=batch, members=members) if members else None

    def _leave(self, lane: Lane, claims: Sequence[Claim]) -> None:
        """These are in the store only, from now on."""
        for claim in claims:
            self._ready.release(lane, claim)
        if claims:
            lane.spill()

    async def _send(self, lane: Lane, preparation: Preparation, claim: BatchClaim, bodies: Sequence[bytes]) -> None:
        batch, started_at = claim.batch, self._now_ms()
        content_type = batch_content_type(preparation.endpoint.config.format) or "application/json"
        rendered, replay = batched(bodies, content_type), lane.replay
        sent = await self._exchanges.exchange(
            preparation,
            lambda now, token: preparation.batch_request(batch, rendered, now, token, replay),
            started_at,
            self._ready.turn(lane.outlet),
        )
        if isinstance(sent, Unrendered):
            await self._not_now(lane, preparation, claim, sent)
            return
        settled = self._judge.judged(batch.as_delivery(), preparation.endpoint.config, sent, started_at)
        numbers = [member.delivery.number for member in claim.members]
        settlement = batch_settlement_of(batch, settled, preparation.endpoint.config.retry, numbers, self._mint.batch)
        self._standings.follow(
            lane.outlet,
            preparation.endpoint,
            claim.members,
            settled,
            gave_up=settlement.state == "dead",
        )
        children, ready = await self._settle(settlement)
        lane.batches_held.discard(batch.number)
        if settlement.state == "split":
            for child in children:
                lane.offer_batch(child)
        else:
            for member in claim.members:
                self._ready.release(lane, member)
        if settlement.state == "pending":
            self._ready.wake_at(lane, settlement.due_at)
        elif lane.more_batches and not lane.batches:
            lane.spill()
        self._ready.take(ready)

    async def _settle(self, settlement: BatchSettlement) -> tuple[list[BatchClaim], list[Claim]]:
        """Written down, however long that takes: until then the batch counts as held."""
        wait = _WAIT_SECONDS
        while True:
            try:
                return await self._store.settle(self._holder, settlement)
            except (StoreUnavailable, StorageFull) as error:
                log.error("settle.waits", settlements=1, problem=error.slug)
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
