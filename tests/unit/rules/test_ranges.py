"""Which points a range has, and that there are tallies for all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.rules.ranges import KEPT_MINUTES, MINUTE_MS, MOST_POINTS, NAMED, range_of

NOW = 1_800_000_123_456
DAY_MS = 1440 * MINUTE_MS


@pytest.mark.parametrize(
    ("name", "every", "step", "points"),
    [("1h", 1, 1, 61), ("24h", 10, 10, 145), ("7d", 60, 60, 169), ("30d", 360, 60, 121)],
)
def test_named_ranges(name: str, every: int, step: int, points: int) -> None:
    found = range_of(NOW - NAMED[name] * MINUTE_MS, NOW, NOW)
    assert (found.every, found.step, len(found.minutes) - 1) == (every, step, points)


@given(st.integers(0, 799 * DAY_MS), st.integers(1, 799 * DAY_MS))
def test_a_range_is_covered_by_points_that_were_kept(age: int, length: int) -> None:
    since = NOW - age - 1
    until = min(since + length, NOW)
    found = range_of(since, until, NOW)
    assert until <= found.last * MINUTE_MS
    assert found.first * MINUTE_MS <= since or found.first - found.every < NOW // MINUTE_MS - KEPT_MINUTES[1440]
    assert 1 <= len(found.minutes) - 1 <= MOST_POINTS
    assert found.every % found.step == 0
    assert found.first % found.every == found.last % found.every == 0
    assert found.first >= NOW // MINUTE_MS - KEPT_MINUTES[found.step] or found.first + found.every == found.last
