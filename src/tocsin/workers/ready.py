"""What may be sent now, over all endpoints: their lanes, whose turn it is, when a lane wakes, and the refill of spilled lanes."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Final

from tocsin.model.delivery import Claim, Delivery
from tocsin.model.endpoint import Batched
from tocsin.model.event_view import EventView
from tocsin.model.ids import Millis
from tocsin.model.replay import Replay, ReplayState
from tocsin.pipeline.fanout import Fan
from tocsin.pipeline.prepare import Preparation
from tocsin.ports import Batches, Fanned, Holder, Queue
from tocsin.rules.consent import holds_back, rates_for
from tocsin.rules.rates import Pace
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.flight import Flight
from tocsin.workers.lanes import LIVE, Budget, Lane, Outlet
from tocsin.workers.refills import Refills
from tocsin.workers.rotation import Rotation, turn_again

_LOOK_SECONDS: Final = 0.02
_PACE: Final = -1
"""In place of a lane: the time is when the endpoint's pace lets the next request go."""


class Ready:
    """Endpoints by number, with their lanes. `rotation` holds those that can send now; `can_send` is called when one was
    added. `flight` is what was taken and is out."""

    def __init__(  # noqa: PLR0917 (what it reads from, and whom it asks and tells)
        self,
        queue: Queue,
        batches: Batches,
        holder: Holder,
        endpoints: Endpoints,
        now_ms: Callable[[], Millis],
        can_send: Callable[[], None],
        is_open: Callable[[int, str], bool],
        fenced: Callable[[], None],
    ) -> None:
        self._endpoints = endpoints
        self._now_ms = now_ms
        self._can_send = can_send
        self._is_open = is_open
        self._replays: dict[tuple[int, int], Replay] = {}
        self._budget = Budget()
        self._outlets: dict[int, Outlet] = {}
        self._due: list[tuple[Millis, int, int]] = []
        self._refills = Refills(queue, batches, holder, now_ms, self, fenced)
        self.flight = Flight()
        self.rotation = Rotation()
        self.news = asyncio.Event()
        """Set when the earliest time to wake a lane has changed."""

    def lane(self, number: int, lane: int = LIVE) -> Lane | None:
        """A lane of an endpoint; None when there is no such endpoint (any more), or it is not delivered to from here."""
        outlet = self._outlets.get(number)
        if outlet is None:
            preparation = self._endpoints.prepared.get(number)
            if preparation is None:
                return None
            endpoint = preparation.endpoint
            if not self._is_open(number, endpoint.tenant):
                return None
            outlet = self._outlets[number] = Outlet(
                number,
                endpoint.tenant,
                endpoint.config.max_in_flight,
                is_ordered=endpoint.config.ordering == "subject",
            )
            self._pace(outlet, preparation)
        found = outlet.lanes.get(lane)
        if found is None:
            found = outlet.lanes[lane] = Lane(outlet, lane, self._budget)
            delivery = self._endpoints.prepared[number].endpoint.config.delivery
            found.batching = delivery if isinstance(delivery, Batched) else None
            if (replay := self._replays.get((number, lane))) is not None:
                found.replay, found.is_held = replay, replay.state is not ReplayState.RUNNING
        return found

    def paced_anew(self, number: int) -> None:
        """The limits of an endpoint may have changed."""
        outlet, preparation = self._outlets.get(number), self._endpoints.prepared.get(number)
        if outlet is not None and preparation is not None:
            self._pace(outlet, preparation)

    def _pace(self, outlet: Outlet, preparation: Preparation) -> None:
        standing = self._endpoints.standings.get(outlet.endpoint)
        limits = rates_for(preparation.endpoint.config.rate_limit, standing.consent if standing is not None else None)
        if not limits:
            outlet.pace = None
        elif outlet.pace is None or outlet.pace.limits != limits:
            outlet.pace = Pace(limits, self._now_ms())

    def known_lane(self, number: int, lane: int = LIVE) -> Lane | None:
        """A lane of an endpoint, if it has it already."""
        outlet = self._outlets.get(number)
        return None if outlet is None else outlet.lanes.get(lane)

    def lanes(self, number: int) -> list[Lane]:
        """Every lane of an endpoint."""
        outlet = self._outlets.get(number)
        return [] if outlet is None else list(outlet.lanes.values())

    def requests_out(self, tenant: str | None, endpoint: int | None) -> int:
        """How many requests are out: of a tenant (None: of all), or of one endpoint."""
        if endpoint is not None:
            outlet = self._outlets.get(endpoint)
            return 0 if outlet is None else outlet.in_flight
        return sum(o.in_flight for o in self._outlets.values() if tenant is None or o.tenant == tenant)

    def remove(self, number: int) -> None:
        """The endpoint is no more."""
        outlet = self._outlets.pop(number, None)
        if outlet is not None:
            for lane in outlet.lanes.values():
                lane.put_back(lambda _: True)
            outlet.lanes.clear()

    def remove_those(self, is_meant: Callable[[str], bool]) -> list[Lane]:
        """The endpoints of these tenants are delivered to from here no more; gives their lanes, for what is out."""
        gone = [outlet for outlet in self._outlets.values() if is_meant(outlet.tenant)]
        lanes = [lane for outlet in gone for lane in outlet.lanes.values()]
        for outlet in gone:
            self.remove(outlet.endpoint)
        return lanes

    async def over(self, lanes: Sequence[Lane]) -> None:
        """Wait until nothing of these lanes, which were removed, is out or being read or withheld."""
        while any(lane.outlet.in_flight or lane.withheld for lane in lanes):  # noqa: ASYNC110  # each ends within its time limit
            await asyncio.sleep(_LOOK_SECONDS)
        await self._refills.over(lanes)

    def forget(self) -> None:
        """Nothing is delivered from here any more."""
        self._refills.stop()
        for number in tuple(self._outlets):
            self.remove(number)
        self._due.clear()
        self.flight.out.clear()
        self.flight.unsettled = 0

    def remove_lane(self, number: int, lane: int) -> None:
        """A replay is over."""
        self._replays.pop((number, lane), None)
        gone = self.known_lane(number, lane)
        if gone is not None and lane != LIVE:
            gone.put_back(lambda _: True)
            del gone.outlet.lanes[lane]

    def let_go(self, number: int, keys: Sequence[str]) -> None:
        """What a lane that is over had out has ended: its order keys hold up nothing any more."""
        outlet = self._outlets.get(number)
        if outlet is not None and keys:
            outlet.keys_out.difference_update(keys)
            self.list_all(outlet)

    def replay_changed(self, replay: Replay) -> None:
        """A replay runs or is held; what waits in its lane stays in the store meanwhile."""
        self._replays[replay.endpoint, replay.number] = replay
        lane = self.lane(replay.endpoint, replay.number)
        if lane is None:
            return
        lane.replay = replay
        lane.is_held = replay.state is not ReplayState.RUNNING
        if lane.is_held:
            lane.put_back(lambda _: True)
        self.wake(replay.endpoint, replay.number)

    def stop(self) -> None:
        """Read nothing more from the store."""
        self._refills.stop()

    def pushed(self, fan: Fan, fanned: Sequence[Fanned]) -> None:
        """Deliveries were created: those that are ready go straight to their endpoint's queue while there is room."""
        lanes: dict[Lane, None] = {}
        for new, placed, view in zip(fan.deliveries, fanned, fan.views, strict=True):
            lane = self.known_lane(new.endpoint, new.lane) if placed.blocked else self.lane(new.endpoint, new.lane)
            if lane is None:
                continue
            if placed.blocked:
                if lane.batching is None:
                    continue
                lane.followed(new.keys)
            elif lane.is_spilled or lane.outlet.releasing:
                lane.spill()
            else:
                delivery = Delivery(
                    number=placed.number,
                    id=new.id,
                    tenant=new.tenant,
                    endpoint=new.endpoint,
                    lane=new.lane,
                    created_at=new.created_at,
                    accepted_at=view.event.accepted_at if new.lane == LIVE else None,
                )
                lane.offer(Claim(delivery=delivery, event=view.event), view)
            lanes[lane] = None
        self._list_each(lanes)

    def take(self, claims: Sequence[Claim]) -> None:
        """Deliveries of ordered endpoints became ready."""
        now, lanes = self._now_ms(), dict[Lane, None]()
        for claim in claims:
            lane = self.lane(claim.delivery.endpoint, claim.delivery.lane)
            if lane is None:
                continue
            if lane.is_spilled or lane.outlet.releasing or self.is_paused(lane, now):
                lane.spill()
            else:
                lane.offer(claim, EventView(claim.event))
            lanes[lane] = None
        self._list_each(lanes)

    def wake(self, number: int, lane: int = LIVE) -> None:
        """Something became due in this lane that is only in the store."""
        found = self.lane(number, lane)
        if found is not None:
            found.spill()
            self.list(found)

    def wake_at(self, lane: Lane, due_at: Millis) -> None:
        """One entry per lane: its earliest time. Later ones are found again by the refill."""
        if lane.wakes_at is None or due_at < lane.wakes_at:
            lane.wakes_at = due_at
            self._wake_at(due_at, lane.endpoint, lane.lane)

    def _wake_at(self, *entry: *tuple[Millis, int, int]) -> None:
        heapq.heappush(self._due, entry)
        if self._due[0] == entry:
            self.news.set()

    def wake_due(self, now: Millis) -> Millis | None:
        """Wake the lanes whose time has come; gives when the next one's will."""
        while self._due and self._due[0][0] <= now:
            due_at, number, lane_number = heapq.heappop(self._due)
            if lane_number == _PACE:
                self._let_go(number, due_at)
                continue
            lane = self.known_lane(number, lane_number)
            if lane is not None and lane.wakes_at == due_at:
                lane.wakes_at = None
                self.wake(number, lane_number)
        return self._due[0][0] if self._due else None

    def may_send(self, lane: Lane, now: Millis) -> bool:
        """Neither paused nor too early for the endpoint's pace; when it is, the endpoint is looked at again in time."""
        if self.is_paused(lane, now):
            return False
        outlet = lane.outlet
        if outlet.pace is None and not outlet.allowance.rests:
            return True
        rest = outlet.allowance.rest_ms(now)
        wait = max(rest, outlet.pace.wait_ms(now) if outlet.pace is not None else 0)
        if wait and (outlet.paced_until is None or now + wait < outlet.paced_until):
            outlet.paced_until = now + wait
            self._wake_at(now + wait, outlet.endpoint, _PACE)
        return wait == 0

    def turn(self, outlet: Outlet) -> Callable[[], Awaitable[None]] | None:
        """How a request that was held up waits for its endpoint's pace again; None where there is no pace."""
        pace = outlet.pace
        return None if pace is None else partial(turn_again, pace, self._now_ms)

    def _let_go(self, number: int, at: Millis) -> None:
        outlet = self._outlets.get(number)
        if outlet is not None and outlet.paced_until == at:
            outlet.paced_until = None
            self.list_all(outlet)

    def is_paused(self, lane: Lane, now: Millis) -> bool:
        """Disabled, stopped, held, without a consent that is needed, or paused, by the receiver or an open circuit: then the
        lane wakes when that is over."""
        if lane.is_held:
            return True
        preparation = self._endpoints.prepared.get(lane.endpoint)
        if preparation is None or not preparation.endpoint.config.enabled:
            return True
        standing = self._endpoints.standings.get(lane.endpoint)
        if standing is None:
            return False
        if standing.stopped or (standing.consent is not None and holds_back(standing.consent)):
            return True
        until = max(standing.paused_until or 0, standing.circuit.probe_at or 0)
        if until <= now:
            return False
        self.wake_at(lane, until)
        return True

    def list(self, lane: Lane) -> None:
        """Put a lane in the rotation when it can send, and see to it that its queue is filled."""
        self._list(lane)
        if self.rotation.tenants:
            self._can_send()

    def _list(self, lane: Lane) -> None:
        if lane.is_spilled:
            self._keep_filled(lane)
        outlet = lane.outlet
        if outlet.is_listed or not (lane.ready or lane.batches) or not outlet.has_room:
            return
        now = self._now_ms()
        if lane.batching is not None and not lane.can_send(now):
            self.wake_at(lane, lane.gathered_at(lane.batching))
        elif self.may_send(lane, now):
            self.rotation.add(outlet)

    def list_all(self, outlet: Outlet) -> None:
        """The same for every lane of an endpoint, but for those that have nothing to send."""
        for lane in tuple(outlet.lanes.values()):
            if lane.ready or lane.is_spilled or lane.batches:
                self._list(lane)
        if self.rotation.tenants:
            self._can_send()

    def list_again(self, outlet: Outlet) -> None:
        """The same for an endpoint that is at work. Whether it may send is looked at in its turn, and not here as well. One that
        is listed has a turn, and comes here again in it."""
        if outlet.is_listed:
            return
        for lane in tuple(outlet.lanes.values()):
            if lane.batching is not None:
                self._list(lane)
                continue
            if lane.is_spilled:
                self._keep_filled(lane)
            if (lane.ready or lane.batches) and outlet.has_room:
                self.rotation.add(outlet)

    def _list_each(self, lanes: Iterable[Lane]) -> None:
        """Only when all that came together is there: so it goes together where it is sent in batches."""
        for lane in lanes:
            self._list(lane)
        if self.rotation.tenants:
            self._can_send()

    def _keep_filled(self, lane: Lane) -> None:
        if not lane.is_refilling and len(lane.ready) < lane.low and not self.is_paused(lane, self._now_ms()):
            self._refills.start(lane)
