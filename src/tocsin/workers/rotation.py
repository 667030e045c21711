"""Whose turn it is: tenant, then endpoint, then delivery, round robin."""

from __future__ import annotations

from collections import deque

from tocsin.workers.lanes import Lane


class Rotation:
    """Lanes that have something to send and room to send it. A lane is in it at most once."""

    __slots__ = ("_by_tenant", "_tenants")

    def __init__(self) -> None:
        self._tenants: deque[str] = deque()
        self._by_tenant: dict[str, deque[Lane]] = {}

    def __bool__(self) -> bool:
        return bool(self._tenants)

    def add(self, lane: Lane) -> None:
        if lane.is_listed:
            return
        lane.is_listed = True
        lanes = self._by_tenant.get(lane.tenant)
        if lanes is None:
            lanes = self._by_tenant[lane.tenant] = deque()
            self._tenants.append(lane.tenant)
        lanes.append(lane)

    def next(self) -> Lane:
        """Take the lane whose turn it is out; it is added again if it has more. IndexError when there is none."""
        tenant = self._tenants.popleft()
        lanes = self._by_tenant[tenant]
        lane = lanes.popleft()
        lane.is_listed = False
        if lanes:
            self._tenants.append(tenant)
        else:
            del self._by_tenant[tenant]
        return lane
