"""RFC 3339 times, read strictly and written to the millisecond."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.model.times import from_text, to_text

YEAR_1 = -62_135_596_800_000
YEAR_10000 = 253_402_300_800_000


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("1970-01-01T00:00:00.000Z", 0),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01z", 1000),
        ("1970-01-01 00:00:01Z", 1000),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2026-11-22T10:00:00.123Z", 1_795_341_600_123),
        ("2026-11-22T12:00:00.123456789+02:00", 1_795_341_600_123),
        ("2026-11-22T08:30:00.1-01:30", 1_795_341_600_100),
        ("2016-12-31T23:59:60Z", 1_483_228_799_999),
        ("2016-12-31T23:59:60.000Z", 1_483_228_799_999),
        ("2024-02-29T00:00:00.000Z", 1_709_164_800_000),
    ],
)
def test_times_that_are_read(text: str, millis: int) -> None:
    assert from_text(text) == millis


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-22",
        "2026-11-22T10:00:00",
        "2026-11-22T10:00:00.000",
        "2026-11-22T10:00:00,000Z",
        "2026-W47-7T10:00:00.000Z",
        "2026-02-30T10:00:00.000Z",
        "2026-11-22T24:00:00.000Z",
        "2026-11-22T10:60:00.000Z",
        "2026-11-22T10:00:00.000+24:00",
        "2026-11-22T10:00:00.000+0100",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        "٢٠٢٦-11-22T10:00:00.000Z",
        "2026-11-22T10:00:00.000Z\n",
        "1795341600123",
    ],
)
def test_times_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (the kind is the contract, the text is for people)
        from_text(text)


@given(st.integers(YEAR_1, YEAR_10000 - 1))
def test_what_is_written_is_read_again(millis: int) -> None:
    text = to_text(millis)
    assert len(text) == len("2026-11-22T10:00:00.000Z")
    assert from_text(text) == millis


@given(st.integers(YEAR_1, YEAR_10000 - 1), st.integers(YEAR_1, YEAR_10000 - 1))
def test_texts_sort_as_times_do(one: int, other: int) -> None:
    assert (to_text(one) < to_text(other)) == (one < other)
