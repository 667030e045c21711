"""Ready queues: what may be sent now, by endpoint, in bounds.

A lane's ready queue is fed by push (right after fan-out, while there is room) and by refill (from the store, when the lane
was spilled). A delivery that is in the queue, in flight or not settled yet is *held*: nothing takes it twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from tocsin.model.delivery import Claim
from tocsin.model.event_view import EventView
from tocsin.model.ids import Millis
from tocsin.ports import BEGINNING

READY_LIMIT: Final = 2048
"""Deliveries in the ready queue of one lane, at most."""
BUDGET_BYTES: Final = 64 * 1024 * 1024
"""What all ready queues together may hold, at most; beyond it every lane spills."""
_OVERHEAD_BYTES: Final = 2048
Taken = tuple[Claim, EventView]


class Budget:
    """The bytes that all ready queues share."""

    __slots__ = ("left",)

    def __init__(self, total: int = BUDGET_BYTES) -> None:
        self.left = total


class Lane:
    """One lane of an endpoint: its ready queue and what it holds.

    `spills` counts the deliveries that were left to the store; a refill that saw all of them ends the spill. `released` are
    those settled while a refill reads: what it read of them is old; `read_to` is where the next refill goes on. `allowance` is how many requests may be out at once: it begins again at one after a pause and grows with each success.
    """

    __slots__ = (
        "_budget",
        "allowance",
        "endpoint",
        "held",
        "in_flight",
        "is_listed",
        "is_refilling",
        "is_spilled",
        "read_to",
        "ready",
        "released",
        "spills",
        "tenant",
        "wakes_at",
        "withheld",
    )

    def __init__(self, endpoint: int, tenant: str, budget: Budget, allowance: int) -> None:
        self._budget = budget
        self.endpoint = endpoint
        self.tenant = tenant
        self.allowance = allowance
        self.ready: deque[Taken] = deque()
        self.held: set[int] = set()
        self.in_flight = 0
        self.read_to = BEGINNING
        self.released: set[int] = set()
        self.withheld: set[int] = set()
        self.is_listed = False
        self.is_refilling = False
        self.is_spilled = False
        self.spills = 0
        self.wakes_at: Millis | None = None

    def offer(self, claim: Claim, view: EventView) -> bool:
        """Take a ready delivery in, or leave it to the store. Gives whether it is held now."""
        number = claim.delivery.number
        if number in self.held or number in self.released:
            return True
        size = _size(claim)
        if number in self.withheld or len(self.ready) >= READY_LIMIT or self._budget.left < size:
            self.spill()
            return False
        self._budget.left -= size
        self.held.add(number)
        self.ready.append((claim, view))
        return True

    def spill(self) -> None:
        """Something ready is only in the store."""
        self.is_spilled = True
        self.spills += 1

    def take(self) -> Taken:
        """The next one, to be sent."""
        taken = self.ready.popleft()
        self._budget.left += _size(taken[0])
        self.in_flight += 1
        return taken

    def settled(self, number: int) -> None:
        """The outcome is stored: the delivery is held no longer."""
        self.held.discard(number)
        if self.is_refilling:
            self.released.add(number)

    def refilled(self) -> None:
        """A refill is over."""
        self.is_refilling = False
        self.released.clear()

    def put_back(self, numbers: Callable[[int], bool]) -> None:
        """Leave ready deliveries to the store again."""
        kept: deque[Taken] = deque()
        for taken in self.ready:
            number = taken[0].delivery.number
            if numbers(number):
                self._budget.left += _size(taken[0])
                self.held.discard(number)
                self.spill()
            else:
                kept.append(taken)
        self.ready = kept


def _size(claim: Claim) -> int:
    return len(claim.event.data) + _OVERHEAD_BYTES
