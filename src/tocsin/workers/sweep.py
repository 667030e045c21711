"""The slow sweep of a process that is not alone: what is due for long, and that nobody seems to have, is delivered and counted as a
defect; what ended elsewhere without a word lets go of its order keys."""

from __future__ import annotations

import asyncio
from typing import Final

from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.ports import Fenced
from tocsin.telemetry import log
from tocsin.workers.delivery import DeliveryWorker
from tocsin.workers.held import Held

EVERY_SECONDS: Final = 15.0


class Sweep:
    """Looks in time, through everything that is held."""

    def __init__(self, delivery: DeliveryWorker, held: Held) -> None:
        self._delivery = delivery
        self._held = held
        self._stop = asyncio.Event()

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        while not self._stop.is_set():
            try:
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._stop.wait()
            except TimeoutError:
                await self._look()

    async def _look(self) -> None:
        try:
            if self._held.partitions:
                await self._delivery.sweep()
        except (StoreUnavailable, StorageFull) as error:
            log.error("sweep.waits", problem=error.slug)
        except Fenced:
            log.error("sweep.fenced")  # the next beat says so as well
