"""Histograms of durations, small enough to be kept by the minute, and percentiles read from them.

Each bucket's upper bound is 1.1 times its lower one, and a duration is shown as the middle of its bucket (the geometric
one), so that it is at most 5 % from the true one; below 0.1 ms there is one bucket. A histogram is one whole number with 40 bits
for each bucket: adding two histograms is adding two numbers, and so is taking one from another that contains it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate
from typing import Final

LANE_BITS: Final = 40
"""Room for a million million in each bucket."""
_LANE_BYTES: Final = LANE_BITS // 8
_FIRST_MS: Final = 0.1
_RATIO: Final = 1.1
_LONGEST_MS: Final = 30 * 86_400_000
BOUNDS: Final = tuple(
    _FIRST_MS * _RATIO**n for n in range(math.ceil(math.log(_LONGEST_MS / _FIRST_MS) / math.log(_RATIO)) + 1)
)
"""Where buckets end, in ms; whatever is longer than a month is in the last one."""


def of(durations: Iterable[float]) -> int:
    """The histogram of durations in ms. One that a clock made negative counts as none at all."""
    found = 0
    for index, count in Counter([bisect_right(BOUNDS, duration) for duration in durations]).items():
        found += count << LANE_BITS * index
    return found


def one_of(index: int) -> int:
    """The same for a count by kind: one in the lane of this index."""
    return 1 << LANE_BITS * index


def counts(histogram: int) -> list[int]:
    """How many there are in each bucket, up to the last that has some."""
    lanes = -(-histogram.bit_length() // LANE_BITS)
    plain = histogram.to_bytes(lanes * _LANE_BYTES, "little")
    return [int.from_bytes(plain[at : at + _LANE_BYTES], "little") for at in range(0, len(plain), _LANE_BYTES)]


def percentiles(histogram: int, shares: Sequence[float]) -> list[float | None]:
    """For each share (rising, 0 to 1) the duration in ms that this share of all does not pass; None of nothing."""
    if not histogram:
        return [None for _ in shares]
    first = ((histogram & -histogram).bit_length() - 1) // LANE_BITS  # what is empty below is not looked at
    passed = list(accumulate(counts(histogram >> first * LANE_BITS)))
    ranks = [max(1, math.ceil(share * passed[-1])) for share in shares]
    return [_middle(first + bisect_left(passed, rank)) for rank in ranks]


def at_most(histogram: int, limits: Sequence[float]) -> list[int]:
    """For each limit (rising, in ms) how many durations lie in buckets that do not begin beyond it."""
    buckets = counts(histogram)
    ends = [bisect_right(BOUNDS, limit) for limit in limits]
    return [sum(buckets[: end + 1]) for end in ends]


def total_ms(histogram: int) -> float:
    """The durations added up, as precisely as the buckets tell."""
    return sum(count * _middle(index) for index, count in enumerate(counts(histogram)) if count)


@cache
def _middle(index: int) -> float:
    if index == 0:
        return round(_FIRST_MS / 2, 3)
    if index == len(BOUNDS):
        return BOUNDS[-1]
    middle = math.sqrt(BOUNDS[index - 1] * BOUNDS[index])
    return round(middle, 3 - math.floor(math.log10(middle)))
