"""Attempts by the hour, once their marks are read."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from tocsin.ports import Strip, StripCell, StripQuery
from tocsin.rules import histograms

Mark = tuple[int, int, int, int]
"""Attempts that were delivered, to be made again and rejected so far, and the histogram of how long they took."""
_EMPTY: Final[Mark] = (0, 0, 0, 0)


def strip_of(query: StripQuery, now: Mark, minute: int, past: Mapping[int, Mark], pending: int, dead: int) -> Strip:
    """As for `stats`: what changed last before a mark is in the history, or is the current row."""
    at = [past.get(mark, _EMPTY) if mark <= minute else now for mark in query.minutes]
    cells = tuple(
        StripCell(minute=mark, delivered=after[0] - before[0], failed=sum(after[1:3]) - sum(before[1:3]))
        for mark, (before, after) in zip(query.minutes, pairwise(at), strict=False)
    )
    (p99,) = histograms.percentiles(at[-1][3] - at[0][3], (0.99,))
    return Strip(cells=cells, attempt_p99_ms=p99, pending=pending, dead=dead)
