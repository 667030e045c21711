"""What this process holds at the moment, and until when it may send."""

from __future__ import annotations

import time
from typing import Final

from tocsin.ports import Holder
from tocsin.rules.partitions import partition_of

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime_ms() -> int:
    """A clock without steps that goes on while the machine sleeps."""
    return time.clock_gettime_ns(_CLOCK) // 1_000_000


class Held:
    """What this process holds at the moment: asked by everything that concerns only the tenants of these partitions. What is
    `leaving` is being given back: nothing more begins there."""

    __slots__ = (
        "_may_send_until",
        "count",
        "has_neighbours",
        "holder",
        "is_shared",
        "is_watched",
        "leaving",
        "partitions",
    )

    def __init__(self, count: int, *, is_shared: bool) -> None:
        self.count = count
        """How many partitions there are."""
        self.is_shared = is_shared
        self.holder = Holder(epoch=0)
        self.partitions: frozenset[int] = frozenset()
        self.leaving: frozenset[int] = frozenset()
        self.has_neighbours = False
        self.is_watched = False
        """Whether another process wants to hear what is settled here."""
        self._may_send_until = 0

    def partition_of(self, tenant: str) -> int:
        return partition_of(tenant, self.count)

    def holds(self, tenant: str) -> bool:
        """Whether its events are fanned out and delivered here."""
        return partition_of(tenant, self.count) in self.partitions

    @property
    def holds_all(self) -> bool:
        return len(self.partitions) == self.count

    @property
    def runs_once(self) -> bool:
        """Whether this is the process in which that runs of which there is one for all of them."""
        return 0 in self.partitions

    def right(self, tenant: str) -> Holder | None:
        """The right to write what only the holder of a tenant writes; None where that is another process."""
        partition = partition_of(tenant, self.count)
        return self.holder if partition in self.partitions or partition in self.leaving else None

    def may_send(self) -> bool:
        """Whether nobody can have taken over yet. To be asked once for many requests."""
        return not self.is_shared or boottime_ms() < self._may_send_until

    def beaten(self, began: int, lease: int) -> None:
        """A beat that began then was successful."""
        self._may_send_until = began + lease

    def nothing(self) -> None:
        """Nothing is held any more, and nothing may be sent."""
        self.partitions = self.leaving = frozenset()
        self._may_send_until = 0
