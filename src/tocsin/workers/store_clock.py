"""The clock by which everything is stored: where several processes share a store, they go by that of the store, so that what one of
them made due is due for whoever takes over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tocsin.model.ids import Millis
from tocsin.telemetry import log

SLACK_MS: Final = 100
"""Clocks that differ by no more are as good as the same: nothing jitters where they are kept right."""
_LONGEST_MS: Final = 2_000
"""An answer that took longer says too little."""


class StoreClock:
    """The wall clock of this machine, with what that of the store is ahead of it, as far as that was told."""

    __slots__ = ("_ahead", "wall")

    def __init__(self, wall: Callable[[], Millis]) -> None:
        self.wall = wall
        self._ahead = 0

    def __call__(self) -> Millis:
        return self.wall() + self._ahead

    def compare(self, before: Millis, there: Millis | None, after: Millis) -> None:
        """The store looked at its clock between two looks at `wall`; None: nobody else goes by it."""
        if there is None or not 0 <= after - before <= _LONGEST_MS:
            return
        least, most = there - after, there - before
        if least - SLACK_MS <= self._ahead <= most + SLACK_MS:
            return
        self._ahead = (least + most) // 2
        log.warning("clock.differs", store_is_ahead_ms=self._ahead)
