"""The clock by which everything is stored follows that of the store."""

from __future__ import annotations

from tocsin.workers.store_clock import SLACK_MS, StoreClock

HOUR = 3_600_000


def test_one_that_is_an_hour_ahead_is_put_right_and_stays_so_when_it_is_set() -> None:
    wall = [HOUR]
    clock = StoreClock(lambda: wall[0])
    assert clock() == HOUR
    clock.compare(HOUR, 10, HOUR + 20)
    assert clock() == 0
    wall[0] = 5_000
    clock.compare(5_000, 5_010, 5_020)
    assert clock() == 5_000


def test_what_may_be_the_time_that_the_answer_took_changes_nothing() -> None:
    clock = StoreClock(lambda: 0)
    for there in (-SLACK_MS, 0, 300, 400 + SLACK_MS):
        clock.compare(0, there, 400)
        assert clock() == 0
    clock.compare(0, 401 + SLACK_MS, 400)
    assert clock() == 201 + SLACK_MS


def test_an_answer_that_took_long_and_a_clock_that_was_set_meanwhile_say_nothing() -> None:
    clock = StoreClock(lambda: 0)
    clock.compare(0, 100 * HOUR, HOUR)
    clock.compare(HOUR, 100 * HOUR, 0)
    assert clock() == 0
