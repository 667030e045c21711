"""How fast requests may follow one another: no window of a limit ever sees more than the limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.model.endpoint import RateLimit
from tocsin.rules.rates import Pace

START = 1_800_000_000_000
FAST = RateLimit(requests=50, per_seconds=1)
SLOW = RateLimit(requests=120, per_seconds=60)


def sends(pace: Pace, *, until: int, now: int = START, silences: tuple[tuple[int, int], ...] = ()) -> list[int]:
    """When requests go out, if there is always one to send but in the silences (start and length in ms from `now`)."""
    at: list[int] = []
    end = now + until
    quiet = {now + start: length for start, length in silences}
    while now < end:
        if now in quiet:
            now += quiet.pop(now)
        wait = pace.wait_ms(now)
        if wait == 0:
            pace.sent()
            at.append(now)
        else:
            now = min([now + wait, *(start for start in quiet if start > now)])
    return at


def most_in(at: list[int], window_ms: float) -> int:
    """The most in any window of this length that is closed at both ends."""
    most, first = 0, 0
    for last, moment in enumerate(at):
        while moment - at[first] > window_ms:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.parametrize(
    ("limit", "until", "count"),
    [
        (FAST, 10_000, 450),
        (SLOW, 600_000, 1080),
        (RateLimit(requests=1, per_seconds=1), 100_000, 90),
        (RateLimit(requests=1, per_seconds=3600), 36_000_001, 9),
        (RateLimit(requests=5000, per_seconds=1), 2_000, 9000),
        (RateLimit(requests=3, per_seconds=0.5), 10_000, 54),
    ],
)
def test_a_limit_is_kept_and_used(limit: RateLimit, until: int, count: int) -> None:
    at = sends(Pace([limit], START), until=until)
    assert most_in(at, limit.per_seconds * 1000) <= limit.requests
    assert count * 0.97 <= len(at) <= count + 1


@given(
    requests=st.integers(1, 200),
    per_seconds=st.sampled_from([0.25, 1, 2.5, 60]),
    silences=st.lists(st.tuples(st.integers(0, 9_999), st.integers(1, 5_000)), max_size=4),
)
def test_no_window_sees_more_after_a_silence_either(
    requests: int, per_seconds: float, silences: list[tuple[int, int]]
) -> None:
    limit = RateLimit(requests=requests, per_seconds=per_seconds)
    at = sends(Pace([limit], START), until=10_000, silences=tuple(silences))
    assert most_in(at, per_seconds * 1000) <= requests


def test_a_burst_is_at_most_what_flows_in_a_second() -> None:
    hourly = Pace([RateLimit(requests=36_000, per_seconds=3600)], START)
    assert len(sends(hourly, until=1, now=START + 3_600_000)) == 9


def test_it_begins_with_nothing() -> None:
    assert sends(Pace([FAST], START), until=22) == []
    assert len(sends(Pace([FAST], START), until=24)) == 1


def test_of_several_limits_each_is_kept() -> None:
    at = sends(
        Pace([RateLimit(requests=2, per_seconds=1), RateLimit(requests=90, per_seconds=60)], START), until=300_000
    )
    assert most_in(at, 1000) <= 2
    assert most_in(at, 60_000) <= 90
    assert len(at) > 300 * 1.5 * 0.85


def test_a_clock_that_steps_back_neither_gives_nor_takes() -> None:
    pace = Pace([FAST], START)
    assert len(sends(pace, until=1000)) in {44, 45}
    assert sends(pace, until=10, now=START - 3_600_000) == []
    assert len(sends(pace, until=1000, now=START - 3_600_000)) in {44, 45}
