"""Deliveries are withdrawn: kept from starting until the store says that they are cancelled."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from tocsin.model.delivery import Claim
from tocsin.pipeline.settle import Settle
from tocsin.ports import Fenced, Holder
from tocsin.workers.ready import Ready

_LOOK_SECONDS: Final = 0.02
Write = Callable[[Holder | None, frozenset[int]], Awaitable[Sequence[Claim]]]
"""Stores that deliveries are given up, told who holds them here (None: nobody) and which of them are out; gives those that became ready by it."""


class Withdrawing:
    """Part of the loop of delivery."""

    def __init__(self, ready: Ready, settle: Settle, holder: Holder) -> None:
        self.holder = holder
        self._ready = ready
        self._settle = settle
        self._out = ready.flight.out

    async def give_up(self, endpoint: int, numbers: frozenset[int], write: Write) -> None:
        """Give up these deliveries of an endpoint, as `write` stores it. One that is out keeps its order keys until its exchange is
        over; when that was before `write` was done, its outcome did not let go of them, so `write` does."""
        self._ready.lane(endpoint)
        async with self.withheld((endpoint, number) for number in numbers) as in_flight:
            self._ready.take(await write(self.holder, in_flight))
            if not in_flight <= self._out:
                with suppress(Fenced):  # it is written all the same, and the next holder releases the keys
                    self._ready.take(await write(self.holder, in_flight & self._out))

    @asynccontextmanager
    async def withheld(self, deliveries: Iterable[tuple[int, int]]) -> AsyncIterator[frozenset[int]]:
        """Keep these (endpoint and delivery, by number) from starting meanwhile, alone or in a batch; gives which of them are out
        already. What a refill has read of them until then is old."""
        numbers: dict[int, set[int]] = {}
        for endpoint, number in deliveries:
            numbers.setdefault(endpoint, set()).add(number)
        in_flight = frozenset(number for here in numbers.values() for number in here if number in self._out)
        lanes = [(lane, here) for endpoint, here in numbers.items() for lane in self._ready.lanes(endpoint)]
        for lane, here in lanes:
            lane.withheld.update(here)
            lane.put_back((here - in_flight).__contains__)
        try:
            yield in_flight
        except BaseException:
            # It may be written all the same: what became ready by it is only in the store.
            for lane, _ in lanes:
                lane.spill()
            raise
        finally:
            for lane, here in lanes:
                lane.withheld -= Counter(here)
                if lane.is_refilling:
                    lane.released |= here
                    lane.withdrawn |= here
                if lane.is_refilling or lane.batching is not None:
                    lane.spill()
                self._ready.list(lane)

    async def over(self, deliveries: Sequence[int]) -> None:
        """Wait until none of these is out, and what came of it is written."""
        while not self._out.isdisjoint(deliveries):  # noqa: ASYNC110  # each ends by itself, within its time limit
            await asyncio.sleep(_LOOK_SECONDS)
        await self._settle.written()

    def take(self, claims: Sequence[Claim]) -> None:
        """Deliveries became ready because others were withdrawn."""
        self._ready.take(claims)
