"""Events on their way from accept to fan-out: a bounded hand-over in memory; the log has them all."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

from tocsin.model.event import Event
from tocsin.model.event_view import EventView

LIMIT_BYTES: Final = 12 * 1024 * 1024
_OVERHEAD_BYTES: Final = 1024


class Recent:
    """The newest committed events in log order. What does not fit is dropped: fan-out then reads the log."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit = limit_bytes
        self._bytes = 0
        self._views: deque[EventView] = deque()

    def add(self, events: Sequence[Event]) -> None:
        """Events of one commit group. When others wrote to the log in between, only the newer ones are kept."""
        if self._views and self._views[-1].event.position + 1 != events[0].position:
            self.clear()
        self._views.extend([EventView(event) for event in events])
        self._bytes += sum([len(event.data) for event in events]) + _OVERHEAD_BYTES * len(events)
        while self._bytes > self._limit:
            self._bytes -= _size(self._views.popleft().event)

    def clear(self) -> None:
        self._views.clear()
        self._bytes = 0

    def after(self, position: int, limit: int) -> list[EventView]:
        """Events right after a position; none when the next one is not here. Older ones are let go."""
        views = self._views
        while views and views[0].event.position <= position:
            self._bytes -= _size(views.popleft().event)
        if not views or views[0].event.position != position + 1:
            return []
        return list(islice(views, limit))


def _size(event: Event) -> int:
    return len(event.data) + _OVERHEAD_BYTES
