"""Giving up deliveries for their age, endpoint by endpoint, a few at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from tocsin.model.delivery import Claim
from tocsin.model.ids import Millis
from tocsin.ports import Aged, Expired, Holder, RetentionStore
from tocsin.workers.delivery import DeliveryWorker

_AT_ONCE: Final = 128


class Expiring:
    """Part of the loop of retention. `rest` lets others go on."""

    def __init__(
        self,
        store: RetentionStore,
        delivery: DeliveryWorker,
        now_ms: Callable[[], Millis],
        rest: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._delivery = delivery
        self._now_ms = now_ms
        self._rest = rest

    async def expire(self, aged: Sequence[Aged], until: Millis) -> int:
        """Those of these that are still pending are dead, unless they are out or held elsewhere; gives how many that were."""
        by_endpoint: dict[int, list[int]] = {}
        for one in aged:
            by_endpoint.setdefault(one.endpoint, []).append(one.number)
        count = 0
        for endpoint, numbers in by_endpoint.items():
            for at in range(0, len(numbers), _AT_ONCE):
                count += await self._expire_of(endpoint, numbers[at : at + _AT_ONCE], until)
                await self._rest()
        return count

    async def _expire_of(self, endpoint: int, numbers: Sequence[int], until: Millis) -> int:
        expired: list[Expired] = []

        async def write(holder: Holder | None, out: frozenset[int]) -> list[Claim]:
            gone, ready = await self._store.expire(holder, numbers, until, out, self._now_ms())
            expired.extend(gone)
            return ready

        await self._delivery.give_up(endpoint, frozenset(numbers), write)
        return len(expired)
