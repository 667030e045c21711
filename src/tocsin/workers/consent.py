"""The loop that asks receivers for their consent: at once when an endpoint needs it, and again after growing waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Final

from tocsin.model.ids import Millis
from tocsin.operations.consent import Consents
from tocsin.pipeline.prepare import Preparation
from tocsin.ports import Taken
from tocsin.telemetry import log
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.held import Held

QUESTIONS: Final = 16
"""Receivers that are asked at once."""
_TICK_SECONDS: Final = 1.0
_AFTER_FAULT_MS: Final = 60_000


class ConsentWorker:
    """Follows every endpoint of the partitions that are held whose `validation` is not `off`."""

    def __init__(self, consents: Consents, held: Held, endpoints: Endpoints, now_ms: Callable[[], Millis]) -> None:
        self._consents = consents
        self._held = held
        self._endpoints = endpoints
        self._now_ms = now_ms
        self._due: dict[int, Millis] = {}
        self._asking: dict[int, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        self._is_stopping = False
        endpoints.followers.append(self.endpoint_changed)

    async def taken(self, taken: Sequence[Taken]) -> None:
        """What the store remembers may be of another URL or origin; that is known before anything is sent."""
        partitions = {one.partition for one in taken}
        if self._held.is_shared:
            await self._endpoints.reload()
            await self._endpoints.stand_anew(lambda tenant: self._held.partition_of(tenant) in partitions)
        for number in self._those_of(partitions):
            self._follow(number)

    async def giving_back(self, partitions: frozenset[int]) -> None:
        """Ask nobody there any more; what was asked is answered."""
        numbers = self._those_of(partitions)
        for number in numbers:
            self._due.pop(number, None)
        if tasks := [self._asking[number] for number in numbers if number in self._asking]:
            await asyncio.wait(tasks)

    def lost(self) -> None:
        self._due.clear()
        for task in tuple(self._asking.values()):
            task.cancel()

    def _those_of(self, partitions: Collection[int]) -> list[int]:
        return [
            number
            for number, preparation in self._endpoints.prepared.items()
            if self._held.partition_of(preparation.endpoint.tenant) in partitions
        ]

    def endpoint_changed(self, number: int, before: Preparation | None) -> None:
        """An endpoint is new, changed or removed: without consent its receiver is asked at once."""
        del before
        self._follow(number, anew=True)

    async def run(self) -> None:
        """Until stopped. It looks at the clock every second at least, so that a step of it is noticed."""
        while not self._is_stopping:
            self._news.clear()
            now = self._now_ms()
            for number in [number for number, at in self._due.items() if at <= now]:
                if len(self._asking) < QUESTIONS and number not in self._asking:
                    del self._due[number]
                    self._ask(number)
            later = [at for at in self._due.values() if at > now]
            wait = min((min(later) - now) / 1000, _TICK_SECONDS) if later else _TICK_SECONDS
            try:
                async with asyncio.timeout(wait):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def stop(self) -> None:
        """Ask nobody any more."""
        self._is_stopping = True
        self._news.set()
        await self._consents.close()
        for task in tuple(self._asking.values()):
            task.cancel()

    def _follow(self, number: int, *, anew: bool = False) -> None:
        """When its receiver is to be asked."""
        preparation = self._endpoints.prepared.get(number)
        if preparation is not None and not self._held.holds(preparation.endpoint.tenant):
            self._due.pop(number, None)
            return
        consent = self._consents.follow(number, anew=anew)
        if consent is None or consent.next_at is None or not self._endpoints.prepared[number].endpoint.config.enabled:
            self._due.pop(number, None)
        else:
            self._due[number] = consent.next_at
            self._news.set()

    def _ask(self, number: int) -> None:
        task = self._asking[number] = asyncio.get_running_loop().create_task(self._asked(number), name="consent")
        task.add_done_callback(lambda _: self._ended(number))

    def _ended(self, number: int) -> None:
        del self._asking[number]
        self._news.set()

    async def _asked(self, number: int) -> None:
        """Somebody else may have asked meanwhile, or the receiver has called back."""
        consent = self._consents.follow(number)
        try:
            if consent is not None and consent.next_at is not None and consent.next_at <= self._now_ms():
                await self._consents.ask(number)
        except Exception as error:  # noqa: BLE001  # a fault with one receiver must not end the loop for all
            log.error("consent.fault", endpoint=number, exc_info=error)
            self._due[number] = self._now_ms() + _AFTER_FAULT_MS
        else:
            self._follow(number)
