"""The loop that watches how much of the disk is free: below the reserve nothing more is accepted, so that what was accepted can
still be delivered, settled and removed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from tocsin.pipeline.accept import Accept
from tocsin.telemetry import Metrics, log

LOOK_SECONDS: Final = 1.0


class DiskWatch:
    """Tells accept. `free` gives the bytes that are free, and may block."""

    def __init__(self, free: Callable[[], int], reserve: int, accept: Accept, metrics: Metrics) -> None:
        self._free = free
        self._reserve = reserve
        self._accept = accept
        self._metrics = metrics
        self._stop = asyncio.Event()

    def stop(self) -> None:
        self._stop.set()

    async def look(self) -> None:
        """See how much is free now."""
        try:
            free = await asyncio.to_thread(self._free)
        except OSError as error:
            log.error("disk.unknown", error=error.strerror)
            return
        self._metrics.free.set(free)
        is_low = free < self._reserve
        if is_low != self._accept.is_full:
            log.warning("disk.low" if is_low else "disk.enough", free=free, reserve=self._reserve)
        self._accept.is_full = is_low

    async def run(self) -> None:
        while not self._stop.is_set():
            await self.look()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._stop.wait()
            except TimeoutError:
                continue
