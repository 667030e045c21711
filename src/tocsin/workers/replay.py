"""The loop of replays: past events become deliveries in the replay's own lane, a few hundred ahead of what was sent."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.model.delivery import NewDelivery
from tocsin.model.event import order_keys
from tocsin.model.ids import IdMint, Millis
from tocsin.model.notice import Notice
from tocsin.model.replay import Replay, ReplayState
from tocsin.operations.endpoint_codec import with_fields
from tocsin.operations.replays import at_all_times, chosen
from tocsin.ports import Fenced, Hint, Holder, Replays, Revisions, Taken
from tocsin.rules.notices import replay_notice
from tocsin.telemetry import log
from tocsin.workers.delivery import DeliveryWorker
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.held import Held
from tocsin.workers.notices import NoticeWorker

AHEAD: Final = 1024
"""Unsettled deliveries of a replay, at most: the rest waits in the log."""
_STEP: Final = 256
_LOOK_SECONDS: Final = 0.2
_LATE_SECONDS: Final = 0.02
_AHEAD_SECONDS: Final = 2.0
_WAIT_SECONDS: Final = 1.0
_SPEED_EVERY_MS: Final = 500
_SPEED_OVER_MS: Final = 20_000


class Speed:
    """How fast a replay goes: how much of it was settled at moments of the last while (ms)."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: deque[tuple[Millis, int]] = deque()

    def look(self, now: Millis, settled: int) -> None:
        seen = self._seen
        if seen and now < seen[-1][0] + _SPEED_EVERY_MS:
            return
        seen.append((now, settled))
        while now - seen[0][0] > _SPEED_OVER_MS:
            seen.popleft()

    @property
    def per_second(self) -> float | None:
        (began, first), (ended, last) = self._seen[0], self._seen[-1]
        return round((last - first) * 1000 / (ended - began), 2) if ended > began and last > first else None


class ReplayWorker:
    """Moves every running replay on, one step each in turn. What it knows is in the store: after a crash it goes on where the
    last step ended."""

    def __init__(
        self,
        *,
        store: Replays,
        held: Held,
        endpoints: Endpoints,
        delivery: DeliveryWorker,
        notices: NoticeWorker,
        mint: IdMint,
        now_ms: Callable[[], Millis],
        tell: Callable[[Hint], None],
        fenced: Callable[[Holder], None],
    ) -> None:
        self._fenced = fenced
        self._store = store
        self._held = held
        self._endpoints = endpoints
        self._delivery = delivery
        self._notices = notices
        self._mint = mint
        self._now_ms = now_ms
        self._tell = tell
        self._replays: dict[int, Replay] = {}
        self._paid_until: dict[int, float] = {}
        self._speeds: dict[int, Speed] = {}
        self._news = asyncio.Event()
        self._moving: Replay | None = None
        self._is_to_look = self._is_stopping = False

    async def taken(self, taken: Sequence[Taken]) -> None:
        """Find what is under way there."""
        partitions = {one.partition for one in taken}
        for replay in await self._store.under_way():
            if self._held.partition_of(replay.tenant) in partitions:
                self._replays[replay.number] = replay
                self._delivery.replay_changed(replay)
        self._news.set()

    async def giving_back(self, partitions: frozenset[int]) -> None:
        """Make no more of these."""
        for replay in tuple(self._replays.values()):
            if self._held.partition_of(replay.tenant) in partitions:
                self._forget(replay)
        while (moving := self._moving) is not None and self._held.partition_of(moving.tenant) in partitions:  # noqa: ASYNC110  # a step ends within milliseconds
            await asyncio.sleep(_LATE_SECONDS)

    def lost(self) -> None:
        for replay in tuple(self._replays.values()):
            self._forget(replay)

    def moved(self, before: Revisions | None, now: Revisions) -> None:
        """Somebody changed a replay, maybe elsewhere."""
        if before is not None and before.replays != now.replays:
            self._is_to_look = True
            self._news.set()

    async def _look(self) -> None:
        """What others changed of the replays that move here."""
        self._is_to_look = False
        try:
            under_way = await self._store.under_way()
        except (StoreUnavailable, StorageFull) as error:
            log.error("replay.waits", problem=error.slug)
            self._is_to_look = True
            return
        for stored in under_way:
            known = self._replays.get(stored.number)
            if self._held.holds(stored.tenant) and (
                known is None or with_fields(stored, position=known.position, made=known.made) != known
            ):
                self.changed(stored)

    def changed(self, replay: Replay) -> None:
        """A replay is new, goes on, pauses or is cancelled."""
        if not self._held.holds(replay.tenant):
            self._tell(Hint(changed=True))
            return
        self._replays[replay.number] = replay
        self._speeds.pop(replay.number, None)
        self._delivery.replay_changed(replay)
        self._news.set()

    def rate(self, replay: Replay) -> float | None:
        """How many of its deliveries were settled a second, lately; None when it does not run here."""
        speed = self._speeds.get(replay.number)
        return None if speed is None else speed.per_second

    def stop(self) -> None:
        self._is_stopping = True
        self._news.set()

    async def run(self) -> None:
        while not self._is_stopping:
            self._news.clear()
            moved = False
            if self._is_to_look:
                await self._look()
            for replay in tuple(self._replays.values()):
                try:
                    self._moving = replay
                    moved |= self._replays.get(replay.number) is replay and await self._advance(replay)
                except (StoreUnavailable, StorageFull) as error:
                    log.error("replay.waits", replay=replay.id, problem=error.slug)
                finally:
                    self._moving = None
            if not moved and not self._is_stopping:
                wait = _LOOK_SECONDS if self._has_running() else _WAIT_SECONDS
                try:
                    async with asyncio.timeout(wait):
                        await self._news.wait()
                except TimeoutError:
                    continue

    def _has_running(self) -> bool:
        return any(replay.state is not ReplayState.PAUSED for replay in self._replays.values())

    async def _advance(self, replay: Replay) -> bool:
        """One step; gives whether there was something to do."""
        if replay.state is ReplayState.CANCELLED:
            return await self._cancel(replay)
        if replay.state is not ReplayState.RUNNING:
            return False
        preparation = self._endpoints.prepared.get(replay.endpoint)
        if preparation is None:
            await self._end(replay, ReplayState.FAILED, "the endpoint was deleted")
            return True
        pending = await self._store.pending(replay.number)
        self._speeds.setdefault(replay.number, Speed()).look(self._now_ms(), replay.made - pending)
        if replay.position >= replay.last:
            if not pending:
                await self._end(replay, ReplayState.FINISHED, None)
            return not pending
        room = min(AHEAD - pending, _STEP, self._paid(replay))
        if room < 1 or pending > AHEAD - _STEP:
            return False
        taken, end = await chosen(self._store, replay, at_all_times(preparation.endpoint), room)
        now = self._now_ms()
        is_ordered = preparation.endpoint.config.ordering == "subject"
        deliveries = [
            NewDelivery(
                id=self._mint.delivery(),
                tenant=replay.tenant,
                endpoint=replay.endpoint,
                position=view.event.position,
                created_at=now,
                lane=replay.number,
                keys=order_keys(view.event) if is_ordered else (),
                due_at=self._due(replay, now),
            )
            for view in taken
        ]
        if await self._store.move(replay.number, replay.position, end, deliveries) is None:
            return await self._look_again(replay)
        if self._replays.get(replay.number) is replay:
            self._replays[replay.number] = with_fields(replay, position=end, made=replay.made + len(deliveries))
        if deliveries:
            self._delivery.wake(replay.endpoint, replay.number)
        return True

    def _paid(self, replay: Replay) -> int:
        """How many deliveries the replay's rate lets be made now: those that fall due within the next seconds."""
        if replay.rate_per_second is None:
            return _STEP
        now = self._now_ms()
        paid_until = max(self._paid_until.get(replay.number, 0.0), now)
        return max(0, math.ceil((now + _AHEAD_SECONDS * 1000 - paid_until) / 1000 * replay.rate_per_second))

    def _due(self, replay: Replay, now: Millis) -> Millis:
        """When the next delivery is due: evenly spaced where there is a rate."""
        if replay.rate_per_second is None:
            return now
        at = max(self._paid_until.get(replay.number, 0.0), now)
        self._paid_until[replay.number] = at + 1000 / replay.rate_per_second
        return int(at)

    async def _look_again(self, replay: Replay) -> bool:
        """Somebody else changed it: what counts is in the store."""
        stored = await self._store.replay(replay.id, replay.tenant)
        if stored is None or stored.finished_at is not None:
            self._forget(replay)
        elif self._held.holds(stored.tenant):
            self._replays[replay.number] = stored
        return True

    async def _cancel(self, replay: Replay) -> bool:
        holder, out = self._delivery.withdrawing.holder, self._delivery.all_in_flight()
        try:
            ready = await self._store.cancel_pending(holder, replay, out, self._now_ms(), self._note)
        except Fenced:
            self._fenced(holder)
            return False
        if ready is None:
            self._over(replay)
        else:
            self._delivery.take(ready)
        return True

    async def _end(self, replay: Replay, state: ReplayState, reason: str | None) -> None:
        if await self._store.change(replay, state, reason, self._now_ms(), note=self._note):
            self._over(replay)
        else:
            await self._look_again(replay)

    def _note(self, replay: Replay) -> Notice:
        return replay_notice(replay, self._now_ms())

    def _over(self, replay: Replay) -> None:
        self._forget(replay)
        self._notices.wake()

    def _forget(self, replay: Replay) -> None:
        self._replays.pop(replay.number, None)
        self._paid_until.pop(replay.number, None)
        self._speeds.pop(replay.number, None)
        self._delivery.replay_ended(replay)
