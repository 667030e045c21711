"""Places of slow endpoints: none stays empty while somebody who can send waits for one."""

from __future__ import annotations

from tocsin.workers.lanes import Outlet
from tocsin.workers.rotation import SLOW_SLOTS, SlowShare


def outlet(number: int) -> Outlet:
    return Outlet(number, "acme", 8, is_ordered=False)


def test_who_cannot_send_any_more_does_not_use_up_somebody_elses_turn() -> None:
    able, unable = outlet(1), outlet(2)
    listed: list[int] = []

    def list_all(one: Outlet) -> None:
        listed.append(one.endpoint)
        one.is_listed = one is able

    share = SlowShare(list_all)
    assert all(share.take(outlet(9)) for _ in range(SLOW_SLOTS))
    assert not share.take(unable)
    assert not share.take(able)
    assert not share.take(unable)
    share.leave()
    assert listed == [2, 1]
    assert share.take(able)
    assert not share.take(outlet(3))


def test_a_turn_that_was_not_used_is_offered_again() -> None:
    waiting = [outlet(number) for number in range(3)]
    listed: list[int] = []

    def list_all(one: Outlet) -> None:
        listed.append(one.endpoint)
        one.is_listed = True

    share = SlowShare(list_all)
    assert all(share.take(outlet(9)) for _ in range(SLOW_SLOTS))
    assert not any(share.take(one) for one in waiting)
    share.leave()
    assert listed == [0]
    share.offer()
    assert listed == [0, 1]
    share.leave()
    assert listed == [0, 1, 2]


def test_who_takes_the_place_at_once_leaves_none_for_the_others() -> None:
    asked: list[int] = []

    def list_all(one: Outlet) -> None:
        asked.append(one.endpoint)
        assert len(asked) == 1, "there was one place"
        share.take(one)

    share = SlowShare(list_all)
    assert all(share.take(outlet(9)) for _ in range(SLOW_SLOTS))
    assert not any(share.take(outlet(number)) for number in range(3))
    share.leave()
    assert asked == [0]
