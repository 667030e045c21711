"""How fast a replay goes: over the last while, not since it began."""

from __future__ import annotations

from tocsin.workers.replay import Speed


def looked(*seen: tuple[int, int]) -> float | None:
    speed = Speed()
    for now, settled in seen:
        speed.look(now, settled)
    return speed.per_second


def test_nothing_is_known_before_it_has_moved() -> None:
    assert looked((0, 0)) is None
    assert looked((0, 5), (2000, 5)) is None


def test_it_is_the_rate_between_the_oldest_and_the_newest_look() -> None:
    assert looked((0, 10), (1000, 20), (4000, 50)) == 10.0
    assert looked((0, 0), (3000, 1)) == 0.33


def test_looks_that_follow_close_upon_one_another_are_one() -> None:
    assert looked((0, 0), (100, 90), (499, 99)) is None
    assert looked((0, 0), (100, 90), (500, 100)) == 200.0


def test_what_was_long_ago_does_not_count() -> None:
    slow = [(second * 1000, second) for second in range(60)]
    fast = [((60 + second) * 1000, 60 + 100 * second) for second in range(21)]
    assert looked(*slow, *fast) == 100.0


def test_a_pause_of_the_loop_leaves_the_newest_look() -> None:
    assert looked((0, 0), (1000, 10), (100_000, 20)) is None
