"""Percentiles are as near to the true ones as promised, and histograms add and subtract."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.model.exchange import ErrorKind
from tocsin.model.tally import ERROR_KINDS
from tocsin.rules import histograms

DURATIONS = st.lists(st.floats(0, 30 * 86_400_000), min_size=1, max_size=60)
SHARES = (0.5, 0.95, 0.99)


@given(DURATIONS)
def test_a_percentile_is_at_most_five_percent_from_the_true_one(durations: list[float]) -> None:
    ordered = sorted(durations)
    true = [ordered[max(1, math.ceil(share * len(ordered))) - 1] for share in SHARES]
    for found, expected in zip(histograms.percentiles(histograms.of(durations), SHARES), true, strict=True):
        assert found == pytest.approx(expected, rel=0.05, abs=0.051)


@given(DURATIONS, DURATIONS)
def test_adding_numbers_adds_histograms(some: list[float], more: list[float]) -> None:
    both = histograms.of(some) + histograms.of(more)
    assert both == histograms.of([*some, *more])
    assert both - histograms.of(more) == histograms.of(some)
    assert sum(histograms.counts(both)) == len(some) + len(more)


def test_of_nothing_there_are_no_percentiles() -> None:
    assert histograms.percentiles(histograms.of([]), SHARES) == [None, None, None]
    assert histograms.counts(0) == []


def test_what_is_shown_to_prometheus_lies_below_its_limits() -> None:
    histogram = histograms.of([1, 2, 20, 2e12, -5])
    assert histograms.at_most(histogram, (5, 50, 1000)) == [3, 4, 4]
    assert histograms.total_ms(histograms.of([10, 100])) == pytest.approx(110, rel=0.05)


def test_kinds_of_errors_keep_their_place_in_files() -> None:
    """A new kind comes last: the numbers of a database that is there must not change their meaning."""
    assert tuple(ErrorKind) == ERROR_KINDS
    assert ERROR_KINDS[:11] == (
        "dns", "connect", "reset", "timeout", "tls", "blocked", "proxy", "token", "protocol", "too_large", "status"
    )  # fmt: skip
