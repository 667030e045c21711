"""Tallies as they are read: a row of them, and what happened between two moments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import sub
from typing import cast

from tocsin.adapters.storing.tally_changes import FIELDS, PACKED
from tocsin.adapters.storing.values import Row
from tocsin.model.ids import Millis
from tocsin.model.tally import ERROR_KINDS, Percentiles, Span, Tally
from tocsin.rules import histograms
from tocsin.rules.ranges import MINUTE_MS

_SHARES = (0.5, 0.95, 0.99)
_NAMES = {"pending", "dead", "oldest_at"}


def tally_of(row: Row, packed: Sequence[bytes], oldest_at: Millis | None = None) -> Tally:
    """From the columns of `tally.sql` behind the minute, the packed ones uncompressed."""
    counts = cast("tuple[int, ...]", row[:PACKED])
    values = (*counts, *(int.from_bytes(part, "little") for part in packed))
    return Tally(**dict(zip(FIELDS, values, strict=True)), oldest_at=oldest_at)


def together(parts: Iterable[Tally]) -> Tally:
    """The sum of parts of a tally, but for the oldest."""
    sums = dict.fromkeys(FIELDS, 0)
    for part in parts:
        for name in FIELDS:
            sums[name] += getattr(part, name)
    return Tally(**sums)


def between(since: int, before: Tally, until: int, after: Tally) -> Span:
    """What happened between two moments, given as minutes."""
    differences = {name: sub(getattr(after, name), getattr(before, name)) for name in FIELDS if name not in _NAMES}
    errors = histograms.counts(differences.pop("errors"))
    attempt_ms, delivered_ms = differences.pop("attempt_ms"), differences.pop("delivered_ms")
    return Span(
        **differences,
        since=since * MINUTE_MS,
        until=until * MINUTE_MS,
        errors={kind: count for kind, count in zip(ERROR_KINDS, errors, strict=False) if count},
        attempt_ms=_percentiles(attempt_ms),
        delivered_ms=_percentiles(delivered_ms),
        pending=after.pending,
        oldest_at=after.oldest_at,
    )


def _percentiles(histogram: int) -> Percentiles:
    p50, p95, p99 = histograms.percentiles(histogram, _SHARES)
    return Percentiles(p50=p50, p95=p95, p99=p99)
