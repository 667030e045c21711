"""Whose turn it is: tenant, then endpoint, then delivery, round robin; and how many may begin in one turn of the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from tocsin.model.ids import Millis
from tocsin.rules.rates import Pace
from tocsin.workers.lanes import Outlet

SLOTS: Final = 512
"""Requests that may be out at once, over all endpoints."""
SLOW_SLOTS: Final = SLOTS // 2
"""Of these, how many all endpoints together may have that take over a second to answer."""
CREDITS: Final = 2048
"""Deliveries that may be out or waiting to be settled: what a crash can send twice, at most."""
BURST: Final = 32
"""Requests begun in one turn of the event loop, at most. More of them would make whoever has an event to report wait, and no
more would go out in a second: where the loop is the bottleneck, its turns only get longer."""


class Rotation:
    """Endpoints that have something to send and room to send it. Each is in it at most once. `tenants` are theirs, in the order of their
    turns."""

    __slots__ = ("_by_tenant", "tenants")

    def __init__(self) -> None:
        self.tenants: deque[str] = deque()
        self._by_tenant: dict[str, deque[Outlet]] = {}

    def add(self, outlet: Outlet) -> None:
        if outlet.is_listed:
            return
        outlet.is_listed = True
        outlets = self._by_tenant.get(outlet.tenant)
        if outlets is None:
            outlets = self._by_tenant[outlet.tenant] = deque()
            self.tenants.append(outlet.tenant)
        outlets.append(outlet)

    def next(self) -> Outlet:
        """Take out the endpoint whose turn it is; it is added again if it has more. IndexError when there is none."""
        tenant = self.tenants.popleft()
        outlets = self._by_tenant[tenant]
        outlet = outlets.popleft()
        outlet.is_listed = False
        if outlets:
            self.tenants.append(tenant)
        else:
            del self._by_tenant[tenant]
        return outlet


class SlowShare:
    """The places of slow endpoints, over all of them. Who finds none waits, and has a turn when one is free; `list_all` puts an
    endpoint into the rotation if it can send."""

    __slots__ = ("_list_all", "_out", "_waiting")

    def __init__(self, list_all: Callable[[Outlet], None]) -> None:
        self._list_all = list_all
        self._out = 0
        self._waiting: dict[int, Outlet] = {}

    def take(self, outlet: Outlet) -> bool:
        """Whether there was a place."""
        if self._out >= SLOW_SLOTS:
            self._waiting[outlet.endpoint] = outlet
            return False
        self._out += 1
        return True

    def leave(self) -> None:
        """A place is free again."""
        self._out -= 1
        self.offer()

    def offer(self) -> None:
        """As many of those that wait as there are places have a turn; one that cannot send now has none. It may take its place
        at once, while it is listed."""
        listed = 0
        while self._waiting and self._out + listed < SLOW_SLOTS:
            outlet = self._waiting.pop(next(iter(self._waiting)))
            self._list_all(outlet)
            listed += outlet.is_listed


class Burst:
    """Counts what begins in one turn of the event loop. When that was all that may, `again` is called in the next one. Once in each turn it asks
    whether anything `may_send`."""

    __slots__ = ("_again", "_begun", "_may_send")

    def __init__(self, again: Callable[[], None], may_send: Callable[[], bool]) -> None:
        self._again = again
        self._may_send = may_send
        self._begun = 0

    def begin(self) -> bool:
        """Whether one more may begin now."""
        if self._begun == 0:
            if not self._may_send():
                return False
            asyncio.get_running_loop().call_soon(self._next_turn)
        elif self._begun == BURST:
            return False
        self._begun += 1
        return True

    def _next_turn(self) -> None:
        was_full = self._begun == BURST
        self._begun = 0
        if was_full:
            self._again()


async def turn_again(pace: Pace, now_ms: Callable[[], Millis]) -> None:
    """A request that was held up on its way out must not go together with those that were held up with it. Its first turn
    is past: it is not given back, else all of them would have theirs now."""
    while wait := pace.wait_ms(now_ms()):  # noqa: ASYNC110  # the pace knows when, nobody tells
        await asyncio.sleep(wait / 1000)
    pace.sent()
