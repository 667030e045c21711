"""Whose turn it is: tenant, then endpoint, then delivery, round robin."""

from __future__ import annotations

from collections import deque

from tocsin.workers.lanes import Outlet


class Rotation:
    """Endpoints that have something to send and room to send it. Each is in it at most once."""

    __slots__ = ("_by_tenant", "_tenants")

    def __init__(self) -> None:
        self._tenants: deque[str] = deque()
        self._by_tenant: dict[str, deque[Outlet]] = {}

    def __bool__(self) -> bool:
        return bool(self._tenants)

    def add(self, outlet: Outlet) -> None:
        if outlet.is_listed:
            return
        outlet.is_listed = True
        outlets = self._by_tenant.get(outlet.tenant)
        if outlets is None:
            outlets = self._by_tenant[outlet.tenant] = deque()
            self._tenants.append(outlet.tenant)
        outlets.append(outlet)

    def next(self) -> Outlet:
        """Take out the endpoint whose turn it is; it is added again if it has more. IndexError when there is none."""
        tenant = self._tenants.popleft()
        outlets = self._by_tenant[tenant]
        outlet = outlets.popleft()
        outlet.is_listed = False
        if outlets:
            self._tenants.append(tenant)
        else:
            del self._by_tenant[tenant]
        return outlet
