"""Ready queues: what may be sent now, by endpoint, in bounds.

A lane's ready queue is fed by push (right after fan-out, while there is room) and by refill (from the store, when the lane
was spilled). A delivery that is in the queue, in flight or not settled yet is *held*: nothing takes it twice.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from tocsin.model.batch import BatchClaim
from tocsin.model.delivery import Claim
from tocsin.model.endpoint import Batched
from tocsin.model.event import order_keys
from tocsin.model.event_view import EventView
from tocsin.model.ids import Millis
from tocsin.model.replay import Replay
from tocsin.ports import BEGINNING
from tocsin.rules.allowance import Allowance
from tocsin.rules.rates import Pace

READY_LIMIT: Final = 1024
"""Deliveries in the ready queue of one lane, at most."""
BUDGET_BYTES: Final = 64 * 1024 * 1024
"""What all ready queues together may hold, but for one delivery of each; a lane spills when it has more than is left."""
_OVERHEAD_BYTES: Final = 2048
LIVE: Final = 0
"""The lane of live traffic; every other one is a replay's."""
REPLAY_TURN: Final = 4
_LOOK_PAST: Final = 64
LOW: Final = 128
"""When fewer are ready in a spilled lane, more are read from the store."""
Taken = tuple[Claim, EventView]


class Budget:
    """The bytes that all ready queues share."""

    __slots__ = ("left",)

    def __init__(self, total: int = BUDGET_BYTES) -> None:
        self.left = total


class Outlet:
    """An endpoint as the loop of delivery sees it: its lanes, and what they share. `keys_out` are the order keys of what is
    out or not settled yet, over all lanes; only an ordered endpoint has some. It `is_held_up` while a lane could send but for
    a key that another lane has out; it `is_cold` while it waits to be dialled. `pace` None: as fast as the allowance lets them; `paced_until` is when it lets the next
    request go. While the store lets go of what ended elsewhere (`releasing`), nothing new may come into memory: what was read before
    it was over, by the count of `releases`, is old."""

    __slots__ = (
        "_turn",
        "allowance",
        "endpoint",
        "in_flight",
        "is_cold",
        "is_held_up",
        "is_listed",
        "is_ordered",
        "keys_out",
        "lanes",
        "pace",
        "paced_until",
        "releases",
        "releasing",
        "tenant",
    )

    def __init__(self, endpoint: int, tenant: str, ceiling: int, *, is_ordered: bool) -> None:
        self.endpoint = endpoint
        self.tenant = tenant
        self.allowance = Allowance(ceiling)
        self.is_ordered = is_ordered
        self.in_flight = self.releases = self.releasing = 0
        self.is_listed = False
        self.is_held_up = False
        self.is_cold = False
        self.lanes: dict[int, Lane] = {}
        self.keys_out: set[str] = set()
        self.pace: Pace | None = None
        self.paced_until: Millis | None = None
        self._turn = 0

    @property
    def has_room(self) -> bool:
        return self.in_flight < self.allowance.limit

    def next_lane(self, now: Millis) -> Lane | None:
        """The lane whose turn it is: live traffic, except that each fourth turn is for replays when there are some."""
        live = self.lanes.get(LIVE)
        if len(self.lanes) == 1 and live is not None:
            return live if live.can_send(now) else None
        self._turn += 1
        able = [lane for lane in self.lanes.values() if not lane.is_held and lane.can_send(now)]
        free = [lane for lane in able if lane.is_free()]
        self.is_held_up |= len(free) < len(able)
        replays = [lane for lane in free if lane.lane != LIVE]
        if live is not None and live in free and (not replays or self._turn % REPLAY_TURN):
            return live
        return replays[self._turn // REPLAY_TURN % len(replays)] if replays else None


class Lane:
    """One lane of an endpoint: its ready queue and what it holds.

    `spills` counts the deliveries that were left to the store; a refill that saw all of them ends the spill. `released` are
    those settled while a refill reads: what it read of them is old, and `batches_released` the same of batches; `withheld` says how
    many keep a delivery from starting; `withdrawn` are members of batches that were withheld while it reads; `read_to` is where the next refill goes on. A lane that
    `is_held` sends nothing: its replay is paused. With `batching`, what is ready is gathered; `batches` are those that were
    formed before and are due again, and `behind` is how many deliveries of an ordered endpoint are thought to wait for those
    that gather, so that they may go with them; `gathering` are the keys of all these, and `later` is how many came meanwhile that
    wait for what is out. A lane that `was_batching` may have
    batches in the store that are to be dissolved.
    """

    __slots__ = (
        "_budget",
        "batches",
        "batches_held",
        "batches_released",
        "batching",
        "behind",
        "endpoint",
        "gathering",
        "held",
        "is_held",
        "is_refilling",
        "is_spilled",
        "lane",
        "later",
        "more_batches",
        "outlet",
        "read_to",
        "ready",
        "ready_bytes",
        "released",
        "replay",
        "spills",
        "wakes_at",
        "was_batching",
        "withdrawn",
        "withheld",
    )

    def __init__(self, outlet: Outlet, lane: int, budget: Budget) -> None:
        self._budget = budget
        self.outlet = outlet
        self.endpoint = outlet.endpoint
        self.lane = lane
        self.ready: deque[Taken] = deque()
        self.ready_bytes = 0
        self.batching: Batched | None = None
        self.batches: deque[BatchClaim] = deque()
        self.batches_held: set[int] = set()
        self.batches_released: set[int] = set()
        self.was_batching = False
        self.behind = 0
        self.later = 0
        self.gathering: set[str] = set()
        self.more_batches = False
        self.held: set[int] = set()
        self.read_to = BEGINNING
        self.released: set[int] = set()
        self.withheld: Counter[int] = Counter()
        self.withdrawn: set[int] = set()
        self.is_held = False
        self.replay: Replay | None = None
        self.is_refilling = False
        self.is_spilled = False
        self.spills = 0
        self.wakes_at: Millis | None = None

    def can_send(self, now: Millis) -> bool:
        """Whether there is something to send now."""
        if self.batches:
            return True
        batching = self.batching
        if batching is None or not self.ready:
            return bool(self.ready)
        return (
            len(self.ready) + self.behind >= batching.max_events
            or self.ready_bytes >= batching.max_bytes
            or now >= self.gathered_at(batching)
        )

    def gathered_at(self, batching: Batched) -> Millis:
        """When the first that is ready has waited long enough for others."""
        return self.ready[0][0].delivery.created_at + round(batching.max_wait_seconds * 1000)

    @property
    def low(self) -> int:
        """When fewer are ready than this, more are read from the store."""
        return max(LOW, self.batching.max_events if self.batching is not None else 0)

    def take_batch(self, batching: Batched) -> list[Taken]:
        """The next ones, to be sent together: so many, or so many bytes of data, but one at least."""
        taken: list[Taken] = []
        room = batching.max_bytes
        while len(taken) < batching.max_events and self._turn_to_free():
            room -= len(self.ready[0][0].event.data)
            if taken and room < 0:
                break
            taken.append(self._pop())
        if taken:
            self.outlet.in_flight += 1
        if self.outlet.is_ordered:
            self.gathering = {key for claim, _ in self.ready for key in order_keys(claim.event)}
        return taken

    def take_batch_again(self) -> BatchClaim | None:
        """A batch that is due again and shares no order key with what is out."""
        for _ in range(len(self.batches)):
            keys = _keys_of(self.batches[0]) if self.outlet.is_ordered else ()
            if self.outlet.keys_out.isdisjoint(keys):
                self.outlet.in_flight += 1
                return self.batches.popleft()
            self.batches.rotate(-1)
        return None

    def followed(self, keys: Sequence[str]) -> None:
        """A delivery came that waits for others: maybe only for such as gather now, and then it can go with them."""
        if not self.gathering.isdisjoint(keys):
            self.behind += 1
            self.gathering.update(keys)
        elif not self.outlet.keys_out.isdisjoint(keys):
            self.later += 1

    def is_free(self) -> bool:
        """Whether something that can be sent shares no order key with what is out."""
        out = self.outlet.keys_out
        if not self.outlet.is_ordered or not out:
            return True
        return any(out.isdisjoint(_keys_of(batch)) for batch in islice(self.batches, _LOOK_PAST)) or any(
            out.isdisjoint(order_keys(claim.event)) for claim, _ in islice(self.ready, _LOOK_PAST)
        )

    def offer_batch(self, batch: BatchClaim) -> None:
        """A batch that is due again, unless it is held already, or its members are: then it is just being formed. With a member that is withheld, or was since it was read, it is
        left to the store: it may not be what it was."""
        number = batch.batch.number
        members = {member.delivery.number for member in batch.members}
        if not (members.isdisjoint(self.withheld) and members.isdisjoint(self.withdrawn)):
            self.spill()
        elif members.isdisjoint(self.held) and number not in self.batches_held and number not in self.batches_released:
            self.batches_held.add(number)
            self.batches.append(batch)

    def release_batch(self, number: int) -> None:
        """The outcome of a batch is stored, or it is left to the store: to be dissolved, should there be no batches any more."""
        self.batches_held.discard(number)
        self.was_batching = True
        if self.is_refilling:
            self.batches_released.add(number)

    def offer(self, claim: Claim, view: EventView) -> bool:
        """Take a ready delivery in, or leave it to the store. Gives whether it is held now."""
        number = claim.delivery.number
        if number in self.held or number in self.released:
            return True
        size, ready = _size(claim), len(self.ready)
        # It may have as much as it leaves to others: so nobody has all of it. One is always taken.
        too_much = size + self.ready_bytes + ready * _OVERHEAD_BYTES > self._budget.left and ready
        if number in self.withheld or ready >= READY_LIMIT or too_much:
            self.spill()
            return False
        self._budget.left -= size
        self.held.add(number)
        self.ready.append((claim, view))
        self.ready_bytes += len(claim.event.data)
        if self.batching is not None and self.outlet.is_ordered:
            self.gathering.update(order_keys(claim.event))
        return True

    def spill(self) -> None:
        """Something ready is only in the store."""
        self.is_spilled = True
        self.spills += 1

    def take(self) -> Taken | None:
        """The next one, to be sent; None when each of the first few waits for one of the same subject that another lane has
        out."""
        if not (self._turn_to_free() if self.outlet.is_ordered else self.ready):
            return None
        self.outlet.in_flight += 1
        return self._pop()

    def _turn_to_free(self) -> bool:
        """Bring one to the front that shares no order key with what is out, if there is one among the first few."""
        outlet = self.outlet
        if not outlet.is_ordered:
            return bool(self.ready)
        for _ in range(min(len(self.ready), _LOOK_PAST)):
            if outlet.keys_out.isdisjoint(order_keys(self.ready[0][0].event)):
                return True
            self.ready.rotate(-1)
        outlet.is_held_up |= bool(self.ready)
        return False

    def _pop(self) -> Taken:
        taken = self.ready.popleft()
        self.ready_bytes -= len(taken[0].event.data)
        self._budget.left += _size(taken[0])
        if self.outlet.is_ordered:
            self.outlet.keys_out.update(order_keys(taken[0].event))
        return taken

    def settled(self, number: int, keys: Sequence[str] = ()) -> None:
        """The outcome is stored: the delivery is held no longer, nor are its keys."""
        self.held.discard(number)
        if keys:
            self.outlet.keys_out.difference_update(keys)
        if self.is_refilling:
            self.released.add(number)

    def refilled(self) -> None:
        """A refill is over."""
        self.is_refilling = False
        self.released.clear()
        self.withdrawn.clear()
        self.batches_released.clear()

    def put_back(self, numbers: Callable[[int], bool]) -> None:
        """Leave ready deliveries to the store again, and all batches."""
        for batch in self.batches:
            self.batches_held.discard(batch.batch.number)
            self.spill()
        self.batches.clear()
        kept: deque[Taken] = deque()
        for taken in self.ready:
            number = taken[0].delivery.number
            if numbers(number):
                self._budget.left += _size(taken[0])
                self.ready_bytes -= len(taken[0].event.data)
                self.held.discard(number)
                self.spill()
            else:
                kept.append(taken)
        self.ready = kept


def _keys_of(batch: BatchClaim) -> set[str]:
    return {key for member in batch.members for key in order_keys(member.event)}


def _size(claim: Claim) -> int:
    return len(claim.event.data) + _OVERHEAD_BYTES
