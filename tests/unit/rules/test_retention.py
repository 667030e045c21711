"""Retention: times as they are written, which of them counts, and the time by which ages are judged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.model.retention import RetentionRule
from tocsin.rules.retention import (
    CATCH_UP,
    Ages,
    Limits,
    Policy,
    judged_time,
    parse_size,
    parse_time,
    parse_times,
)

HOUR = 3_600_000
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("text", "ms"),
    [("7d", 7 * DAY), ("36h", 36 * HOUR), ("90m", 90 * 60_000), ("3600", HOUR), ("3600s", HOUR), ("1.5h", 90 * 60_000),
     ("0", 0), ("0d", 0), ("never", 0)],
)  # fmt: skip
def test_a_time(text: str, ms: int) -> None:
    assert parse_time(text) == ms


@pytest.mark.parametrize(
    "text", ["", "7", "59m", "3599", "-1d", "7 d", "7w", "1e9", "d", "nan", "inf", "99999d", "\u0667d"]
)
def test_what_is_no_time_or_too_short_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a time|must be 0"):
        parse_time(text)


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("", ()),
        ("7d", (("*", 7 * DAY),)),
        ("record.*=1d, *=never", (("record.*", DAY), ("*", 0))),
        ("job.failed=2d job.*=1d", (("job.failed", 2 * DAY), ("job.*", DAY))),
    ],
)
def test_times_by_event_type(text: str, times: tuple[tuple[str, int], ...]) -> None:
    assert parse_times(text) == times


@pytest.mark.parametrize("text", ["=7d", "job.*=", "job.* 7d x", "*=soon"])
def test_a_list_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_times(text)


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("64MiB", 64 * 2**20), ("1 GB", 10**9), ("5B", 5), ("2 TiB", 2**41)]
)
def test_a_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1", "1.5GB", "64 MiBi"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


def policy() -> Policy:
    limits = Limits(
        times={"bodies": parse_times("record.*=1d, *=7d"), "attempts": parse_times("job.*=3d"), "rows": ()},
        audit=9 * DAY,
    )
    own = (
        RetentionRule(event_types=("job.failed", "record.*"), rows_seconds=86400),
        RetentionRule(event_types=("job.*",), rows_seconds=0, bodies_seconds=7200),
    )
    return Policy(limits, {"acme": own, "empty": ()})


@pytest.mark.parametrize(
    ("kind", "tenant", "event_type", "keep"),
    [
        ("bodies", "other", "record.updated", DAY),
        ("bodies", "other", "job.failed", 7 * DAY),
        ("attempts", "other", "job.failed", 3 * DAY),
        ("attempts", "other", "order.made", 0),
        ("rows", "other", "order.made", 0),
        ("rows", "empty", "job.failed", 0),
        ("rows", "acme", "job.failed", DAY),
        ("rows", "acme", "job.running", 0),
        ("bodies", "acme", "job.failed", 2 * HOUR),
        ("bodies", "acme", "record.updated", DAY),
        ("attempts", "acme", "job.failed", 3 * DAY),
    ],
)
def test_the_first_that_matches_and_says_something_counts(kind: str, tenant: str, event_type: str, keep: int) -> None:
    assert policy().keep(kind, tenant, event_type) == keep  # type: ignore[arg-type]  # a table of texts


def test_there_is_a_pass_for_each_time() -> None:
    given_policy = policy()
    assert given_policy.scopes() == ("", "acme")
    assert given_policy.classes("bodies", "") == [DAY, 7 * DAY]
    assert given_policy.classes("bodies", "acme") == [2 * HOUR, DAY, 7 * DAY]
    assert given_policy.classes("rows", "") == []
    assert [given_policy.longest_of_all(kind) for kind in ("bodies", "attempts", "rows")] == [7 * DAY, 0, 0]
    assert [given_policy.longest(kind, "acme") for kind in ("bodies", "attempts", "rows")] == [7 * DAY, 0, 0]


def test_a_pass_begins_anew_when_what_it_depends_on_changes() -> None:
    before = policy()
    same = Policy(before.limits, dict(before.rules))
    other = Policy(before.limits, {"acme": before.rules["acme"][:1]})
    gone = Policy(before.limits, {})
    assert same.fingerprint("") == before.fingerprint("")
    assert same.fingerprint("acme") == before.fingerprint("acme")
    assert other.fingerprint("") == before.fingerprint("")
    assert other.fingerprint("acme") != before.fingerprint("acme")
    assert gone.fingerprint("") != before.fingerprint("")


def test_what_is_old() -> None:
    ages = Ages(policy=policy(), now=100 * DAY)
    assert ages.is_old("bodies", "other", "record.updated", 99 * DAY)
    assert not ages.is_old("bodies", "other", "record.updated", 99 * DAY + 1)
    assert not ages.is_old("bodies", "other", None, 99 * DAY)
    assert ages.is_old("bodies", "other", None, 93 * DAY)
    assert not ages.is_old("rows", "other", "order.made", 0)
    assert (ages.audit_before(), ages.seen_before()) == (91 * DAY, None)


def test_a_clock_that_jumps_ahead_makes_nothing_old_at_once() -> None:
    jumped = judged_time(10 * DAY, 4000 * DAY, 60_000)
    assert jumped == 10 * DAY + CATCH_UP * 60_000
    assert judged_time(jumped, 10 * DAY + 61_000, 1_000) == 10 * DAY + 61_000
    assert judged_time(None, 5 * DAY, 0) == 5 * DAY


@given(st.integers(0, 10**13), st.lists(st.tuples(st.integers(0, 10**13), st.floats(0, 10**9)), max_size=20))
def test_judged_time_is_never_ahead_of_the_clock_and_never_jumps(first: int, steps: list[tuple[int, float]]) -> None:
    at = first
    for wall, elapsed in steps:
        after = judged_time(at, wall, elapsed)
        assert after <= wall
        assert after <= at + elapsed * CATCH_UP + 1
        at = after
