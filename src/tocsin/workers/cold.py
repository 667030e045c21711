"""Cold endpoints: to send to one, a connection has to be opened first. They have turns of their own, so that whoever has a connection
does not wait for them; and not more of them are dialled than leaves the event loop time for others."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from time import monotonic, thread_time
from typing import Final

from tocsin.rules.dialling import DialRate
from tocsin.workers.lanes import Outlet
from tocsin.workers.rotation import SLOTS

DIALS: Final = SLOTS // 2
"""Connections that may be opened at once, over all endpoints: the other slots are for those who have one."""
DIALS_OF_TENANT: Final = DIALS * 3 // 4
"""Of these, how many one tenant may have, so that its endpoints that hang do not keep others from being dialled."""
_WAIT_SECONDS: Final = 0.002


def clock() -> tuple[float, float]:
    """The time, and how much of it this thread has worked, in seconds."""
    return monotonic(), thread_time()


class Dial:
    """A connection that is being opened, until it is there or has failed, whichever way it is told."""

    __slots__ = ("_over", "_tenant")

    def __init__(self, tenant: str, over: Callable[[str], None]) -> None:
        self._tenant = tenant
        self._over: Callable[[str], None] | None = over

    def over(self) -> None:
        over, self._over = self._over, None
        if over is not None:
            over(self._tenant)


class Cold:
    """Those that wait to be dialled, in turns: tenant, then endpoint. `tenants` are theirs; `again` is called when more may be."""

    __slots__ = ("_again", "_by_tenant", "_clock", "_dialled", "_dials", "_rate", "_timer", "tenants")

    def __init__(self, again: Callable[[], None], clock: Callable[[], tuple[float, float]] = clock) -> None:
        self._again = again
        self._clock = clock
        self._by_tenant: dict[str, deque[Outlet]] = {}
        self.tenants: deque[str] = deque()
        self._rate = DialRate(*clock())
        self._dials = 0
        self._dialled: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def has_turn(self) -> bool:
        """Whether it makes sense to ask for the next one."""
        return self._timer is None and self._dials < DIALS

    def add(self, outlet: Outlet) -> None:
        """It waits, once. Meanwhile it may have turns as one that has a connection."""
        if outlet.is_cold:
            return
        outlet.is_cold = True
        outlets = self._by_tenant.get(outlet.tenant)
        if outlets is None:
            outlets = self._by_tenant[outlet.tenant] = deque()
            if self._dialled[outlet.tenant] < DIALS_OF_TENANT:
                self.tenants.append(outlet.tenant)
        outlets.append(outlet)

    def next(self) -> Outlet | None:
        """Take out the endpoint whose turn it is to be dialled; None when none may be now: then `again` is called in time."""
        if not self._rate.may_dial(*self._clock()):
            self._timer = asyncio.get_running_loop().call_later(_WAIT_SECONDS, self._look_again)
            return None
        tenant = self.tenants.popleft()
        outlets = self._by_tenant[tenant]
        outlet = outlets.popleft()
        outlet.is_cold = False
        if outlets:
            self.tenants.append(tenant)
        else:
            del self._by_tenant[tenant]
        return outlet

    def dial(self, outlet: Outlet) -> Dial:
        """A connection to this one is opened from now on."""
        self._rate.dialled()
        tenant = outlet.tenant
        self._dials += 1
        self._dialled[tenant] += 1
        if self._dialled[tenant] == DIALS_OF_TENANT and tenant in self._by_tenant:
            self.tenants.remove(tenant)
        return Dial(tenant, self._over)

    def _over(self, tenant: str) -> None:
        had_all = self._dials == DIALS
        if self._dialled[tenant] == DIALS_OF_TENANT and tenant in self._by_tenant:
            self.tenants.append(tenant)
            had_all = True
        self._dials -= 1
        self._dialled[tenant] -= 1
        if not self._dialled[tenant]:
            del self._dialled[tenant]
        if had_all and self.tenants:
            self._again()

    def _look_again(self) -> None:
        self._timer = None
        self._again()
