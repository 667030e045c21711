"""The loop of fan-out: from its cursor to the end of the log, chunk by chunk, then wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.model.event import Event
from tocsin.model.event_view import EventView
from tocsin.model.ids import IdMint, Millis
from tocsin.pipeline.fanout import Fan, fan_out
from tocsin.ports import Cursor, Fanned, Holder, Log, Queue
from tocsin.telemetry import Metrics, log
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.recent import Recent

EVENTS: Final = 128
"""Events matched in one go: well under a millisecond of the loop each time."""
_PAUSE_SECONDS: Final = 0.2


class FanoutWorker:
    """Reads always from its cursor; `pushed` hears of each chunk after its commit."""

    def __init__(
        self,
        *,
        reader: Log,
        queue: Queue,
        holder: Holder,
        cursor: Cursor,
        head: int,
        endpoints: Endpoints,
        mint: IdMint,
        now_ms: Callable[[], Millis],
        metrics: Metrics,
        pushed: Callable[[Fan, Sequence[Fanned]], None],
    ) -> None:
        self._log = reader
        self._queue = queue
        self._holder = holder
        self._cursor = cursor
        self._endpoints = endpoints
        self._mint = mint
        self._now_ms = now_ms
        self._metrics = metrics
        self._pushed = pushed
        self._recent = Recent()
        self._head = head
        self._wake = asyncio.Event()
        self._is_stopping = False

    def committed(self, events: Sequence[Event]) -> None:
        """Events were appended."""
        self._recent.add(events)
        self._head = events[-1].position
        self._wake.set()

    @property
    def position(self) -> int:
        """Every event up to here has its deliveries."""
        return self._cursor.position

    def let_go(self) -> None:
        """Keep nothing in memory of events that have their deliveries."""
        self._recent.after(self._cursor.position, 0)

    def stop(self) -> None:
        self._is_stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Until stopped. The chunk under way is finished."""
        while not self._is_stopping:
            self._wake.clear()
            try:
                while await self._advance():
                    continue
            except (StoreUnavailable, StorageFull) as error:
                log.error("fanout.waits", problem=error.slug)
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            self._metrics.fanout_lag.set(max(0, self._head - self._cursor.position))
            await self._wake.wait()

    async def _advance(self) -> bool:
        """One chunk; False at the end of the log."""
        if self._is_stopping or self._cursor.position >= self._head:
            return False
        views = self._recent.after(self._cursor.position, EVENTS)
        if not views:
            views = [EventView(event) for event in await self._log.read(self._cursor.position, EVENTS)]
        if not views:
            return False
        seen = self._endpoints
        fan = fan_out(self._cursor, views, seen.interests, seen.renderers, self._mint, self._now_ms())
        fanned = await self._queue.fan(
            self._holder, self._cursor, fan.cursor, fan.deliveries, directory_revision=seen.revision
        )
        if fanned is None:
            await seen.reload()
            holds = await self._queue.position(self._holder)
            if holds is None:
                raise RuntimeError("Another process fans out now.")
            self._cursor = holds
            return True
        self._cursor = fan.cursor
        self._metrics.fanned.inc(len(fanned))
        if fanned:
            self._pushed(fan, fanned)
        return True
