"""Waits of the schedule, and what receivers ask for by Retry-After."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.model.endpoint import Retry
from tocsin.rules.backoff import retry_after_ms, wait_after

NOW = 1_795_000_000_000
"""2026-11-18T11:06:40Z."""
DAY = 86_400_000


@pytest.mark.parametrize(
    ("step", "jitter", "wait"),
    [
        (0, 0.5, 5.0),
        (0, 0.0, 4.0),
        (1, 0.5, 30.0),
        (1, 0.75, 33.0),
        (7, 0.5, 86400.0),
        (7, 0.0, 69120.0),
        (8, 0.5, None),
    ],
)
def test_waits_of_the_default_schedule(step: int, jitter: float, wait: float | None) -> None:
    found = wait_after(step, Retry(), jitter)
    assert found == (None if wait is None else pytest.approx(wait))


def test_fractions_and_an_empty_schedule() -> None:
    assert wait_after(0, Retry(schedule_seconds=(0.05,)), 0.5) == pytest.approx(0.05)
    assert wait_after(0, Retry(schedule_seconds=(0,)), 0.9) == 0
    assert wait_after(0, Retry(schedule_seconds=()), 0.5) is None


@given(st.lists(st.floats(0, 604800), min_size=1, max_size=5), st.integers(0, 10), st.floats(0, 1, exclude_max=True))
def test_the_wait_is_within_a_fifth_of_the_schedule(schedule: list[float], step: int, jitter: float) -> None:
    wait = wait_after(step, Retry(schedule_seconds=tuple(schedule)), jitter)
    if step >= len(schedule):
        assert wait is None
    else:
        assert wait is not None
        assert schedule[step] * 0.8 <= wait * 1.000001
        assert wait <= schedule[step] * 1.2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", NOW),
        ("1", NOW + 1000),
        ("0120", NOW + 120_000),
        (" \t7 ", NOW + 7000),
        ("86400", NOW + DAY),
        ("86401", NOW + DAY),
        ("9" * 5000, NOW + DAY),
        ("0" * 5000 + "3", NOW + 3000),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("1e3", None),
        ("", None),
        ("soon", None),
        ("١٢", None),
        ("12, 13", None),
        ("Wed, 18 Nov 2026 11:06:50 GMT", NOW + 10_000),
        ("Wednesday, 18-Nov-26 11:06:50 GMT", NOW + 10_000),
        ("Wed Nov 18 11:06:50 2026", NOW + 10_000),
        ("Sun, 06 Nov 1994 08:49:37 GMT", NOW),
        ("Sunday, 06-Nov-94 08:49:37 GMT", NOW),
        ("Sun Nov  6 08:49:37 1994", NOW),
        ("Fri, 20 Nov 2026 11:06:50 GMT", NOW + DAY),
        ("Wed, 18 Nov 2026 11:06:60 GMT", NOW + 19_000),
        ("Wed, 31 Nov 2026 11:06:50 GMT", None),
        ("Wed, 18 Nov 2026 25:46:50 GMT", None),
        ("Wed, 18 Nov 2026 11:06:50 CET", None),
        ("Wed, 18 Nov 2026 11:06:50", None),
        ("18 Nov 2026 11:06:50 GMT", None),
        ("2026-11-18T11:06:50Z", None),
    ],
)
def test_retry_after(text: str, expected: int | None) -> None:
    assert retry_after_ms((("Content-Type", "text/plain"), ("retry-AFTER", text)), NOW) == expected


def test_two_digit_years_lie_at_most_fifty_years_ahead() -> None:
    ahead = "Wednesday, 18-Nov-76 00:00:00 GMT"
    behind = "Thursday, 18-Nov-77 00:00:00 GMT"
    long = 100 * 366 * DAY
    assert (
        retry_after_ms((("Retry-After", ahead),), NOW, long)
        == int(datetime(2076, 11, 18, tzinfo=UTC).timestamp()) * 1000
    )
    assert retry_after_ms((("Retry-After", behind),), NOW, long) == NOW


def test_without_the_header_and_with_another_limit() -> None:
    assert retry_after_ms((("Date", "Wed, 18 Nov 2026 11:06:50 GMT"),), NOW) is None
    assert retry_after_ms((("Retry-After", "120"),), NOW, 60_000) == NOW + 60_000
    assert retry_after_ms((("Retry-After", "5"), ("Retry-After", "9")), NOW) == NOW + 5000


@given(st.text(max_size=40))
def test_no_text_raises_or_leaves_the_range(text: str) -> None:
    at = retry_after_ms((("Retry-After", text),), NOW)
    assert at is None or NOW <= at <= NOW + DAY
