"""The watch over the replicated intake: whether it is the one that the store takes from, whether both are there, and what of it can go."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from tocsin.errors import IntakeUnavailable, StorageFull, StoreUnavailable
from tocsin.model.ids import Millis
from tocsin.model.intake import IntakeCursor, IntakeState
from tocsin.ports.intake import Intake, IntakeStore
from tocsin.rules.intake import mismatch
from tocsin.rules.partitions import PARTITIONS
from tocsin.telemetry import Metrics, log

LOOK_SECONDS: Final = 1.0
UNREACHABLE_SECONDS: Final = 10.0
"""So long its servers may not answer before the process is not ready: they choose a leader in less."""
DROP_SECONDS: Final = 30.0
DROP_AFTER_SECONDS: Final = 120.0
"""What was accepted stays so much longer."""
RECEIPTS_MS: Final = 24 * 3600 * 1000
_RECEIPTS_AT_ONCE: Final = 1000


class IntakeWatch:
    """`holds` tells which partitions this process holds: of those it drops what was accepted."""

    def __init__(
        self,
        intake: Intake,
        store: IntakeStore,
        *,
        holds: Callable[[], frozenset[int]],
        metrics: Metrics,
        now_ms: Callable[[], Millis],
        monotonic: Callable[[], float],
    ) -> None:
        self._intake = intake
        self._store = store
        self._holds = holds
        self._metrics = metrics
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._answered_at = monotonic()
        self._dropped_at = monotonic()
        self._past: deque[tuple[float, dict[int, IntakeCursor]]] = deque()
        self._dropped: dict[int, int] = {}
        self._stopping = asyncio.Event()
        self.measure: Callable[[], Awaitable[int]] | None = None
        """How much this process has not accepted of what it holds."""
        self.incarnation: str | None = None
        """Of the intake that the store takes from; None until that is known."""
        self.cursors: dict[int, IntakeCursor] = {}
        self.state: IntakeState | None = None
        """As it was last seen."""
        self.fault: str | None = None
        """Why nothing goes in or out until somebody has looked at it."""
        self.behind = 0
        self.is_store_away = False

    def problem(self) -> str | None:
        """Why nothing can be handed in."""
        if self.fault is not None:
            return self.fault
        return None if self.incarnation is not None else "The intake has not been reached yet."

    def problems(self) -> list[str]:
        """What keeps the process from being ready."""
        if (problem := self.problem()) is not None:
            return [problem]
        if self._monotonic() - self._answered_at > UNREACHABLE_SECONDS:
            return ["the servers of the intake do not answer"]
        return []

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        while not self._stopping.is_set():
            await self.look()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Once. What cannot be reached is seen the next time."""
        known = await self._look_at_store()
        try:
            if known and self.incarnation is None:
                made = await self._intake.make()
                if mismatch(None, 0, made) is None:
                    await self._store.adopt(made.incarnation, PARTITIONS)
                    await self._look_at_store()
            self.judge(await self._intake.state())
            self._answered_at = self._monotonic()
            if self.measure is not None:
                self.behind = await self.measure()
            self._show()
            if known and self.fault is None:
                await self._tidy()
        except IntakeUnavailable as problem:
            log.warning("intake.waits", why=problem.detail)
        except (StoreUnavailable, StorageFull):
            self.is_store_away = True

    def judge(self, state: IntakeState | None) -> None:
        """Whether this is the intake that the store takes from."""
        self.state = state or self.state
        highest = max((cursor.sequence for cursor in self.cursors.values()), default=0)
        fault = mismatch(self.incarnation, highest, state)
        if fault != self.fault:
            if fault is not None:
                log.critical("intake.stopped", why=fault)
            else:
                log.warning("intake.goes_on")
        self.fault = fault

    async def _look_at_store(self) -> bool:
        try:
            incarnation, cursors = await self._store.cursors()
        except (StoreUnavailable, StorageFull):
            self.is_store_away = True
            return False
        self.incarnation, self.cursors, self.is_store_away = incarnation, cursors, False
        return True

    def _show(self) -> None:
        state = self.state
        self._metrics.intake_behind.set(self.behind)
        if state is not None:
            self._metrics.intake_bytes.set(state.held_bytes)
            self._metrics.intake_in_sync.set(state.in_sync)

    async def _tidy(self) -> None:
        """Drop what was accepted a while ago, and receipts that are old."""
        now = self._monotonic()
        if now - self._dropped_at < DROP_SECONDS:
            return
        self._dropped_at = now
        self._past.append((now, self.cursors))
        while self._past and now - self._past[0][0] >= DROP_AFTER_SECONDS:
            _, cursors = self._past.popleft()
            for partition in sorted(self._holds()):
                upto = cursors[partition].sequence if partition in cursors else 0
                if upto > self._dropped.get(partition, 0):
                    await self._intake.drop(partition, upto)
                    self._dropped[partition] = upto
        if 0 in self._holds():
            await self._store.remove_receipts(self._now_ms() - RECEIPTS_MS, _RECEIPTS_AT_ONCE)
