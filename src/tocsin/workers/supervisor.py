"""All loops of the server: started together, watched, stopped in the order that loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from tocsin.operations.api_keys import ApiKeys
from tocsin.pipeline.accept import Accept
from tocsin.telemetry import log
from tocsin.workers.delivery import DeliveryWorker
from tocsin.workers.fanout import FanoutWorker

DRAIN_SECONDS: Final = 5.0
"""How long requests that are out may take to finish when the server stops."""
_FLUSH_SECONDS: Final = 30.0


class Supervisor:
    """Runs the loops until `stop`. A loop that fails ends the server: `failed` is called with what happened."""

    def __init__(
        self,
        *,
        accept: Accept,
        fanout: FanoutWorker,
        delivery: DeliveryWorker,
        keys: ApiKeys,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._accept = accept
        self._fanout = fanout
        self._delivery = delivery
        self._keys = keys
        self._failed = failed
        self._loops: list[asyncio.Task[None]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._delivery.start()
        self._loops = [self._watched(self._fanout.run(), "fanout"), self._watched(self._delivery.run(), "delivery")]
        self._flushing = asyncio.create_task(self._flush(), name="keys")

    def is_alive(self) -> bool:
        return bool(self._loops) and not any(loop.done() for loop in self._loops)

    async def stop(self) -> None:
        """No new submissions arrive any more. What was taken is answered, what is out may finish, outcomes are written."""
        await self._accept.idle()
        self._fanout.stop()
        await self._delivery.stop(DRAIN_SECONDS)
        await asyncio.gather(*self._loops, return_exceptions=True)
        if self._flushing is not None:
            self._flushing.cancel()
        await self._keys.flush()

    def _watched(self, work: Awaitable[None], name: str) -> asyncio.Task[None]:
        async def loop() -> None:
            try:
                await work
            except Exception as error:
                log.critical("loop.failed", loop=name, exc_info=error)
                self._failed(error)
                raise

        return asyncio.create_task(loop(), name=name)

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            try:
                await self._keys.flush()
            except Exception as error:  # noqa: BLE001  # only a time of last use is late
                log.warning("keys.flush", error=type(error).__name__)
