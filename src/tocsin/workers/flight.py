"""What is out: deliveries whose request is under way, or whose outcome is not written down yet."""

from __future__ import annotations

from collections.abc import Iterable

from tocsin.model.delivery import Claim
from tocsin.model.event import order_keys
from tocsin.model.ids import Millis
from tocsin.pipeline.prepare import Preparation
from tocsin.workers.cold import Dial
from tocsin.workers.lanes import Lane


class Flight:
    """Over all endpoints: the numbers of the deliveries that are `out`, and how many are out or `unsettled`."""

    __slots__ = ("out", "unsettled")

    def __init__(self) -> None:
        self.out: set[int] = set()
        self.unsettled = 0


class Out:
    """A delivery whose request is out. `is_slow`: it takes one of the places of slow endpoints; `dial`: a connection is opened for it."""

    __slots__ = ("began", "claim", "dial", "is_slow", "lane", "preparation")

    def __init__(self, lane: Lane, preparation: Preparation, claim: Claim, began: Millis, *, is_slow: bool) -> None:
        self.lane = lane
        self.preparation = preparation
        self.claim = claim
        self.began = began
        self.is_slow = is_slow
        self.dial: Dial | None = None


class Hold:
    """What one batch holds of its lane: its deliveries, and their order keys, which several of them may share."""

    __slots__ = ("_flight", "_keys", "_lane")

    def __init__(self, flight: Flight, lane: Lane) -> None:
        self._flight = flight
        self._lane = lane
        self._keys: dict[int, tuple[str, ...]] = {}

    def take(self, claims: Iterable[Claim]) -> None:
        """These are held from now on."""
        is_ordered = self._lane.outlet.is_ordered
        for claim in claims:
            number = claim.delivery.number
            keys = order_keys(claim.event) if is_ordered else ()
            self._keys[number] = keys
            self._flight.out.add(number)
            self._flight.unsettled += 1
            self._lane.held.add(number)
            self._lane.outlet.keys_out.update(keys)

    def may_take(self, claim: Claim) -> bool:
        """Whether nobody else has it, or one of its order keys, at the moment."""
        lane = self._lane
        if claim.delivery.number in lane.held or claim.delivery.number in lane.withheld:
            return False
        return lane.outlet.keys_out.difference(*self._keys.values()).isdisjoint(order_keys(claim.event))

    def let_go(self, numbers: Iterable[int] | None = None) -> None:
        """These are held no longer; None: nothing is."""
        keys: set[str] = set()
        for number in tuple(self._keys) if numbers is None else numbers:
            keys.update(self._keys.pop(number))
            self._flight.out.discard(number)
            self._flight.unsettled -= 1
            self._lane.settled(number)
        self._lane.outlet.keys_out.difference_update(keys.difference(*self._keys.values()))
