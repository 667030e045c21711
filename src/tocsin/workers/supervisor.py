"""All loops of the server: started together, watched, stopped in the order that loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Final, Protocol

from tocsin.operations.api_keys import ApiKeys
from tocsin.pipeline.accept import Accept
from tocsin.telemetry import log
from tocsin.workers.consent import ConsentWorker
from tocsin.workers.delivery import DeliveryWorker
from tocsin.workers.fanout import FanoutWorker
from tocsin.workers.holding import HoldingWorker
from tocsin.workers.notices import NoticeWorker
from tocsin.workers.replay import ReplayWorker

DRAIN_SECONDS: Final = 5.0
"""How long requests that are out may take to finish when the server stops."""
_FLUSH_SECONDS: Final = 30.0


class Background(Protocol):
    """A loop that nothing waits for."""

    async def run(self) -> None: ...

    def stop(self) -> None: ...


class Supervisor:
    """Runs the loops, those of the `background` by name. One that fails ends the server: it sets `stop`, and `Supervisor.stop` raises what happened."""

    def __init__(
        self,
        *,
        holding: HoldingWorker,
        accept: Accept,
        fanout: FanoutWorker,
        delivery: DeliveryWorker,
        consent: ConsentWorker,
        replay: ReplayWorker,
        notices: NoticeWorker,
        background: Mapping[str, Background],
        keys: ApiKeys,
        stop: asyncio.Event,
    ) -> None:
        self._holding = holding
        self._accept = accept
        self._fanout = fanout
        self._delivery = delivery
        self._consent = consent
        self._replay = replay
        self._notices = notices
        self._background = background
        self._keys = keys
        self._stop = stop
        self._loops: list[asyncio.Task[None]] = []
        self._beating: asyncio.Task[None] | None = None
        self._flushing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._holding.start()
        self._beating = self._watched(self._holding.run(), "holding")
        self._loops = [
            self._watched(self._fanout.run(), "fanout"),
            self._watched(self._delivery.run(), "delivery"),
            self._watched(self._consent.run(), "consent"),
            self._watched(self._replay.run(), "replay"),
            self._watched(self._notices.run(), "notices"),
            *(self._watched(loop.run(), name) for name, loop in self._background.items()),
        ]
        self._flushing = asyncio.create_task(self._flush(), name="keys")

    def problems(self) -> list[str]:
        """What keeps the server from being ready; empty when it is."""
        problems = self._holding.problems()
        if self._beating is None or any(loop.done() for loop in (self._beating, *self._loops)):
            problems.append("a loop of the server has stopped")
        if self._delivery.is_stalled():
            problems.append("outcomes cannot be written")
        if self._accept.is_full:
            problems.append("less of the disk is free than the reserve")
        return problems

    async def stop(self) -> None:
        """No new submissions arrive any more. What was taken is answered, what is out may finish, outcomes are written; then
        others may go on."""
        self._holding.close()
        for loop in self._background.values():
            loop.stop()
        await self._accept.idle()
        self._fanout.stop()
        self._replay.stop()
        await self._consent.stop()
        await self._delivery.stop(DRAIN_SECONDS)
        self._notices.stop()
        ended = await asyncio.gather(*self._loops, return_exceptions=True)
        await self._holding.leave()
        if self._beating is not None:
            ended += await asyncio.gather(self._beating, return_exceptions=True)
        if self._flushing is not None:
            self._flushing.cancel()
        await self._flush_keys()
        for error in ended:
            if isinstance(error, BaseException):
                raise error

    def _watched(self, work: Awaitable[None], name: str) -> asyncio.Task[None]:
        async def loop() -> None:
            try:
                await work
            except Exception as error:
                log.critical("loop.failed", loop=name, exc_info=error)
                self._stop.set()
                raise

        return asyncio.create_task(loop(), name=name)

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            await self._flush_keys()

    async def _flush_keys(self) -> None:
        try:
            await self._keys.flush()
        except Exception as error:  # noqa: BLE001  # only a time of last use is late
            log.warning("keys.flush", error=type(error).__name__)
