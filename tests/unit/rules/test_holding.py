"""Who may be fenced, and what a fair share is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tocsin.rules.holding import Observed, observed, share, silent, too_much

LEASE = 900


def look(beats: Sequence[tuple[int, dict[int, int]]]) -> Observed:
    """After own beats at these times that showed so much of the others."""
    found: Observed | None = None
    for at, seen in beats:
        found = observed(found, seen, at, LEASE)
    assert found is not None
    return found


def test_one_that_does_not_beat_for_a_lease_may_be_fenced_and_not_a_moment_before() -> None:
    steps = [(at, {7: 3, 8: at}) for at in range(0, 1200, 300)]
    assert silent(look(steps[:3]), LEASE) == []
    assert silent(look(steps), LEASE) == [7]


def test_a_beat_begins_its_lease_anew() -> None:
    assert silent(look([(0, {7: 3}), (300, {7: 3}), (600, {7: 4}), (900, {7: 4}), (1200, {7: 4})]), LEASE) == []


def test_after_a_gap_of_ones_own_everything_begins_anew() -> None:
    """The store may have been away for all of them: whoever is back first must not take everything."""
    before = [(0, {7: 3}), (300, {7: 3})]
    assert silent(look([*before, (901, {7: 3})]), LEASE) == []
    assert silent(look([*before, (901, {7: 3}), (1201, {7: 3}), (1501, {7: 3})]), LEASE) == []
    assert silent(look([*before, (901, {7: 3}), (1201, {7: 3}), (1501, {7: 3}), (1801, {7: 3})]), LEASE) == [7]


def test_one_that_left_is_forgotten_and_an_epoch_that_is_new_is_seen_first_now() -> None:
    found = look([(0, {7: 3}), (300, {}), (600, {7: 3})])
    assert found.seen[7].since == 600


@pytest.mark.parametrize(
    ("partitions", "nodes", "fair"), [(64, 1, 64), (64, 2, 32), (64, 3, 22), (64, 65, 1), (1, 0, 1)]
)
def test_a_fair_share_is_rounded_up_so_that_nothing_is_left_over(partitions: int, nodes: int, fair: int) -> None:
    assert share(partitions, nodes) == fair


def test_what_is_too_much_is_given_back_from_the_end() -> None:
    assert too_much({5, 0, 9, 3}, 2) == [5, 9]
    assert too_much({5, 0}, 2) == []
