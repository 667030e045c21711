"""How fast connections may be opened: the rate follows how much there is to do, within bounds."""

from __future__ import annotations

import pytest

from tocsin.rules.dialling import BUSY, FEWEST, DialRate


def dialled(rate: DialRate, since: float, seconds: float, busy: float) -> int:
    """How many were opened in this time by somebody who asks every millisecond, while so much of it is work."""
    count = 0
    for step in range(1, round(seconds * 1000) + 1):
        now = since + step / 1000
        while rate.may_dial(now, busy * now):
            rate.dialled()
            count += 1
    return count


def test_the_first_few_do_not_wait_and_the_next_do() -> None:
    rate = DialRate(0.0, 0.0)
    begun = 0
    while rate.may_dial(0.0, 0.0):
        rate.dialled()
        begun += 1
    assert begun == 8
    assert rate.may_dial(0.0011, 0.0)


def test_it_grows_while_somebody_waits_and_there_is_little_to_do() -> None:
    rate = DialRate(0.0, 0.0)
    assert dialled(rate, 0.0, 1.0, busy=0.1) > 10_000


def test_it_falls_while_there_is_much_to_do_but_never_below_the_fewest() -> None:
    rate = DialRate(0.0, 0.0)
    dialled(rate, 0.0, 1.0, busy=0.1)
    dialled(rate, 1.0, 1.0, busy=0.95)
    assert rate.per_second == FEWEST
    assert dialled(rate, 2.0, 1.0, busy=0.95) == pytest.approx(FEWEST, abs=10)


def test_it_settles_where_the_work_of_dialling_itself_makes_it_busy() -> None:
    cost, worked, rate = 0.0002, 0.0, DialRate(0.0, 0.0)
    counts = [0, 0]
    for step in range(4000):
        while rate.may_dial(step / 1000, worked):
            rate.dialled()
            worked += cost
            counts[step // 2000] += 1
    assert counts[1] * cost / 2 == pytest.approx(BUSY, rel=0.15)


def test_after_a_rest_it_begins_as_at_first() -> None:
    rate = DialRate(0.0, 0.0)
    dialled(rate, 0.0, 1.0, busy=0.1)
    assert rate.may_dial(5.0, 0.1)
    assert rate.per_second == 1000


def test_a_rest_does_not_make_it_faster_than_it_was() -> None:
    rate = DialRate(0.0, 0.0)
    dialled(rate, 0.0, 1.0, busy=0.95)
    assert rate.may_dial(5.0, 0.95)
    assert rate.per_second == FEWEST
