"""Tails on a store that several processes share: events are read from the log, whoever accepted them; attempts that are settled
elsewhere are told by name, and read. Nothing is read or told while nobody watches."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.operations.tails import Tails
from tocsin.ports import Hint, Log, WatchedStore
from tocsin.telemetry import log

EVENTS: Final = 500
"""Events read in one go."""
ATTEMPTS: Final = 200
"""Attempts read in one go."""
WAITING: Final = 4000
"""Names of attempts that wait to be read, at most."""
TOLD: Final = 480
"""Names of attempts that are told to others within `TELLING_SECONDS`; of the rest only how many there are."""
TELLING_SECONDS: Final = 0.2
LOOK_SECONDS: Final = 1.0
"""How often the log is read although nobody told of events."""
GATHERED_SECONDS: Final = 0.02
BEGIN_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 0.5


class SharedTails:
    """Feeds `tails`. `tell` tells the other processes, `look` lets them know soon whether somebody watches here."""

    def __init__(
        self,
        tails: Tails,
        reader: Log,
        store: WatchedStore,
        *,
        tell: Callable[[Hint], None],
        look: Callable[[], None],
    ) -> None:
        self._tails = tails
        self._log = reader
        self._store = store
        self._tell = tell
        self._look = look
        self._position: int | None = None
        self._begun = asyncio.Event()
        self._news = asyncio.Event()
        self._settled: deque[tuple[int, int]] = deque()
        self._window = 0.0
        self._told = 0
        self._is_stopping = False

    async def begin(self) -> int:
        """From now on; events up to this position were there before. When the store is away it takes its time."""
        if self._position is None:
            self._news.set()
            self._look()
        with contextlib.suppress(TimeoutError, StoreUnavailable):
            async with asyncio.timeout(BEGIN_SECONDS):
                head = await self._log.head()
                await self._begun.wait()
                return head
        return 0

    def committed(self) -> None:
        """Events were accepted here, or attempts written down."""
        self._news.set()

    def heard(self, hint: Hint) -> None:
        """Another process has settled attempts, accepted events for these partitions, or erases something."""
        if not self._tails.is_watched:
            return
        for tenant in hint.erased:
            self._tails.let_go_here(tenant)
        if hint.missed:
            self._tails.let_go_here(None)
        if hint.untold:
            self._tails.lose_some()
        room = WAITING - len(self._settled)
        self._settled.extend(hint.settled[:room])
        if len(hint.settled) > room:
            self._tails.lose_some()
        if hint.settled or hint.partitions:
            self._news.set()

    def settled(self, names: Sequence[tuple[int, int]]) -> None:
        """Attempts were written down here, and others want to hear of them."""
        now = monotonic()
        if now - self._window > TELLING_SECONDS:
            self._window, self._told = now, 0
        told = names[: max(0, TOLD - self._told)]
        self._told += len(told)
        self._tell(Hint(settled=tuple(told), untold=len(names) - len(told)))

    def let_go(self, tenant: str) -> None:
        """Something of a tenant is being erased."""
        self._tell(Hint(erased=(tenant,)))

    def stop(self) -> None:
        self._is_stopping = True
        self._news.set()

    async def run(self) -> None:
        """Until stopped."""
        while not self._is_stopping:
            await self._rest()
            self._news.clear()
            if not self._tails.is_watched:
                self._forget()
                continue
            try:
                later, names = self._tails.take_later(), len(self._settled)
                await self._read_events()
                self._tails.show(later)
                await self._read_attempts(names)
            except (StoreUnavailable, StorageFull) as error:
                log.warning("tails.wait", problem=error.slug)
                self._tails.lose_some()
                await asyncio.sleep(RETRY_SECONDS)
                self._news.set()

    async def _rest(self) -> None:
        """Until there is news. Without watchers only a new one is."""
        if self._position is None:
            await self._news.wait()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self._news.wait()
        await asyncio.sleep(GATHERED_SECONDS)

    def _forget(self) -> None:
        if self._position is not None:
            self._look()
        self._position = None
        self._settled.clear()
        self._begun.clear()

    async def _read_events(self) -> None:
        if self._position is None:
            self._position = await self._log.head()
            self._begun.set()
        while self._tails.is_watched and not self._is_stopping:
            events = await self._log.read(self._position, EVENTS)
            if not events:
                return
            self._position = events[-1].position
            self._tails.accepted(events)
            if len(events) < EVENTS:
                return

    async def _read_attempts(self, count: int) -> None:
        """Those that were told of before the events were read."""
        while count and self._tails.is_watched:
            names = [self._settled.popleft() for _ in range(min(ATTEMPTS, count))]
            count -= len(names)
            self._tails.made(await self._store.made(names))
