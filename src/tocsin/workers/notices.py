"""The loop that tells operational events: what was stored to be told is handed to accept, on the same path as everything else.

They cannot feed themselves: what becomes of an operational event's own delivery is told to nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from tocsin.errors import TocsinError
from tocsin.model.ids import Millis
from tocsin.model.notice import GivenUp, Notice, Notices
from tocsin.model.submission import Accepted, Submission
from tocsin.ports import NoticeStore
from tocsin.rules.notices import dead_notice
from tocsin.telemetry import log
from tocsin.workers.held import Held

PAGE: Final = 100
LOOK_SECONDS: Final = 1.0
"""How often it looks whether something is to be told, when nobody wakes it."""


class NoticeWorker:
    """Tells in order, in one process only. What a crash leaves is told after it; what was told and not struck out before it is recognised by
    accept. `name_of` gives the name of an endpoint, by number."""

    def __init__(
        self,
        store: NoticeStore,
        accept: Callable[[Submission], Awaitable[Accepted]],
        now_ms: Callable[[], Millis],
        name_of: Callable[[int], str],
        held: Held,
    ) -> None:
        self._store = store
        self._held = held
        self._accept = accept
        self._now_ms = now_ms
        self._name_of = name_of
        self._news = asyncio.Event()
        self._is_stopping = False

    def wake(self) -> None:
        """Something was stored to be told."""
        self._news.set()

    def stop(self) -> None:
        """Tell what waits, then end."""
        self._is_stopping = True
        self._news.set()

    async def run(self) -> None:
        while True:
            self._news.clear()
            is_last = self._is_stopping
            try:
                if self._held.runs_once:
                    await self._store.gather(self._now_ms(), self._given_up)
                while self._held.runs_once and (waiting := await self._store.waiting(PAGE)):
                    await self._tell(waiting)
            except TocsinError as problem:
                log.error("notices.wait", problem=problem.slug)
            if is_last:
                return
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                continue

    def _given_up(self, given_up: GivenUp) -> Notice:
        return dead_notice(given_up, self._name_of(given_up.endpoint), self._now_ms())

    async def _tell(self, waiting: Sequence[tuple[int, Notice]]) -> None:
        by_tenant: dict[str, list[tuple[int, Notice]]] = {}
        for number, notice in waiting:
            by_tenant.setdefault(notice.tenant, []).append((number, notice))
        for tenant, theirs in by_tenant.items():
            body = Notices(items=tuple(notice for _, notice in theirs))
            await self._accept(Submission(tenant=tenant, received_at=self._now_ms(), body=body))
            await self._store.told([number for number, _ in theirs])
