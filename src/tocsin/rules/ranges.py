"""Ranges of time for which there are tallies: how far apart their points are, and from which periods they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.model.ids import Millis
from tocsin.model.noun import Noun

MINUTE_MS: Final = 60_000
MOST_POINTS: Final = 180
NAMED: Final[Mapping[str, int]] = {"1h": 60, "24h": 1440, "7d": 10_080, "30d": 43_200}
"""Ranges that end now, in minutes."""
KEPT_MINUTES: Final[Mapping[int, int]] = {1: 3 * 60, 10: 3 * 1440, 60: 40 * 1440, 1440: 800 * 1440}
"""Periods at whose end tallies are kept, and for how long, in minutes."""
_EVERY: Final = ((1, 1), (2, 1), (5, 1), (10, 10), (20, 10), (30, 10), (60, 60), (120, 60), (360, 60), (720, 60))
"""How far apart points may be, and the periods that they are read from, in minutes."""


class Range(Noun, frozen=True, kw_only=True):
    """From the start of minute `first` to that of minute `last`, with a point every so many minutes, each a multiple of
    `every`; `step` is the length of the periods whose tallies say it."""

    first: int
    last: int
    every: int
    step: int

    @property
    def minutes(self) -> range:
        """Where points begin, and the end of the last one."""
        return range(self.first, self.last + 1, self.every)


def range_of(since: Millis, until: Millis, now: Millis) -> Range:
    """The range that covers `[since, until)`, widened to whole points: the finest for which there are tallies, with at most 180
    points. What is older than the oldest tallies is left out. `since` is before `until`."""
    first, last = since // MINUTE_MS, -(-until // MINUTE_MS)
    oldest = now // MINUTE_MS
    for every, step in _EVERY:
        widened = _widened(first, last, every)
        if len(widened) <= MOST_POINTS + 1 and widened[0] >= oldest - KEPT_MINUTES[step]:
            return Range(first=widened[0], last=widened[-1], every=every, step=step)
    every = 1440 * max(1, -(-(last - first) // (1440 * (MOST_POINTS - 1))))
    widened = _widened(first, last, every)
    kept = -((KEPT_MINUTES[1440] - oldest) // every) * every
    return Range(first=min(max(widened[0], kept), widened[-1] - every), last=widened[-1], every=every, step=1440)


def _widened(first: int, last: int, every: int) -> range:
    return range(first // every * every, (-(-last // every) + 1) * every, every)
