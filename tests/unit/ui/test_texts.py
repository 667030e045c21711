"""Times, spans, sizes, numbers and ids as people read them."""

from __future__ import annotations

import pytest

from tocsin.ui.texts import ago, clock, cut, due, duration, number, percent, short, size, utc

NOW = 1_795_687_204_120


@pytest.mark.parametrize(
    ("millis", "text"),
    [
        (None, "\u2013"), (0, "0 ms"), (0.25, "0.2 ms"), (0.04, "<0.1 ms"), (5.74, "5.7 ms"), (12.3, "12 ms"), (999, "999 ms"), (1000, "1 s"), (4200, "4.2 s"),
        (12_700, "12 s"), (60_000, "1 min"), (200_000, "3 min"), (3_600_000, "1 h"), (5_400_000, "1.5 h"), (86_400_000, "1 d"),
    ],
)  # fmt: skip
def test_durations(millis: float | None, text: str) -> None:
    assert duration(millis) == text


@pytest.mark.parametrize(
    ("apart", "text"),
    [(0, "now"), (999, "now"), (-999, "now"), (-4000, "4 s ago"), (-4900, "4 s ago"), (240_000, "in 4 min"), (-7_200_000, "2 h ago")],
)  # fmt: skip
def test_how_long_ago(apart: int, text: str) -> None:
    assert ago(NOW + apart, NOW) == text


@pytest.mark.parametrize(("apart", "text"), [(240_000, "in 4 min"), (0, "now"), (-240_000, "now")])
def test_what_is_late_is_due_now(apart: int, text: str) -> None:
    assert due(NOW + apart, NOW) == text


def test_exact_times() -> None:
    assert utc("2026-11-26T10:00:04.120Z") == "2026-11-26 10:00:04.120 UTC"
    assert utc(NOW) == "2026-11-26 10:00:04.120 UTC"
    assert clock(NOW) == "10:00:04"


@pytest.mark.parametrize(
    ("count", "text"), [(None, "\u2013"), (0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1229, "1.2 KiB"), (10 << 20, "10 MiB"), (72 << 30, "72 GiB")]
)  # fmt: skip
def test_sizes(count: int | None, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "\u2013"), (0, "0 %"), (1, "100 %"), (0.9999, "99.9 %"), (0.00001, "0.1 %"), (0.809, "80.9 %")],
)
def test_shares_are_never_rounded_to_all_or_nothing(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_numbers_and_names() -> None:
    assert number(1284567) == "1\u202f284\u202f567"
    assert number(0.257, 2) == "0.26"
    assert short("dlv_01a21834-437d-75e2-937f-5712fcfe33f0") == "dlv_01a2\u202633f0"
    assert short("nightly-load") == "nightly-load"
    assert cut("x" * 61) == "x" * 59 + "\u2026"
