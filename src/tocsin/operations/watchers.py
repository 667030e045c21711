"""Those who watch the live tail, each with what waits for it. What a watcher has no room for is lost to it, and counted."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Literal

from tocsin.model.watch import Sight, Watch

BUFFERED: Final = 1000
BUFFERED_BYTES: Final = 1024 * 1024
"""What waits for one watcher, at most; a single sight may be larger."""

End = Literal["stopping", "key"]
"""Why a tail ends by itself: the server stops, or its key was revoked or has expired."""


class Seen:
    """Something to see, and how it is written for watchers, once for all of them, by whether bodies are shown."""

    __slots__ = ("size", "texts", "what")

    def __init__(self, what: Sight, size: int) -> None:
        self.what = what
        self.size = size
        self.texts: dict[bool, bytes] = {}


class Watcher:
    """One who watches. The newest sights that there is room for wait to be taken; `dropped` counts the others."""

    __slots__ = ("_bytes", "_news", "_seen", "dropped", "ended", "forgotten", "group", "has_missed", "watch")

    def __init__(self, watch: Watch, group: str | None) -> None:
        self.watch = watch
        self.group = group
        self.dropped = 0
        self.has_missed = False
        """Whether some were lost of which nobody knows how many concern it."""
        self.forgotten = 0
        """How often what waits was let go: what was read of the log before that is not to be shown either."""
        self.ended: End | None = None
        self._seen: deque[Seen] = deque()
        self._bytes = 0
        self._news = asyncio.Event()

    def offer(self, seen: Seen) -> None:
        """There is this to see. It may push out what has waited for longest."""
        self._seen.append(seen)
        self._bytes += seen.size
        while len(self._seen) > BUFFERED or (self._bytes > BUFFERED_BYTES and len(self._seen) > 1):
            self._bytes -= self._seen.popleft().size
            self.dropped += 1
        self._news.set()

    def lose(self, count: int) -> None:
        """So many sights are lost."""
        self.dropped += count
        self._news.set()

    def lose_some(self) -> None:
        """Some may be lost."""
        self.has_missed = True
        self._news.set()

    def let_go(self) -> None:
        """Lose all that waits."""
        self.forgotten += 1
        self.lose(len(self._seen))
        self._seen.clear()
        self._bytes = 0

    def end(self, reason: End) -> None:
        """It is over; what still waits is lost."""
        self.let_go()
        self.ended = reason

    async def wait(self, seconds: float) -> bool:
        """Until there is news; False when there was none for so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def take_dropped(self) -> int:
        """How many were lost since this was last asked. They are older than what waits."""
        count, self.dropped = self.dropped, 0
        return count

    def take_missed(self) -> bool:
        """Whether some may have been lost since this was last asked."""
        missed, self.has_missed = self.has_missed, False
        return missed

    def take(self) -> Seen | None:
        """The oldest that waits; None: that was all."""
        if not self._seen:
            self._news.clear()
            return None
        seen = self._seen.popleft()
        self._bytes -= seen.size
        return seen
