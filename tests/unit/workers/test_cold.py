"""Endpoints that wait to be dialled: whose turn it is, and how many connections may be opened at once."""

from __future__ import annotations

from itertools import count

import pytest

from tocsin.workers.cold import DIALS, DIALS_OF_TENANT, Cold, Dial
from tocsin.workers.lanes import Outlet


class Room:
    """Turns in which a second passes between two dials, so that only the places are a bound."""

    def __init__(self) -> None:
        self.again = 0
        seconds = count()
        self.cold = Cold(self._called, lambda: (float(next(seconds)), 0.0))
        self._numbers = count(1)

    def _called(self) -> None:
        self.again += 1

    def add(self, tenant: str, endpoints: int) -> None:
        for _ in range(endpoints):
            self.cold.add(Outlet(next(self._numbers), tenant, 8, is_ordered=False))

    def dial(self, most: int = 10_000) -> list[tuple[str, Dial]]:
        begun: list[tuple[str, Dial]] = []
        while len(begun) < most and self.cold.tenants and self.cold.has_turn:
            outlet = self.cold.next()
            assert outlet is not None
            begun.append((outlet.tenant, self.cold.dial(outlet)))
        return begun


def test_tenants_take_turns() -> None:
    room = Room()
    room.add("many", 3)
    room.add("one", 1)
    room.add("two", 2)
    assert [tenant for tenant, _ in room.dial()] == ["many", "one", "two", "many", "two", "many"]


def test_one_that_waits_is_not_added_again_and_one_that_had_its_turn_is() -> None:
    room = Room()
    outlet = Outlet(1, "acme", 8, is_ordered=False)
    room.cold.add(outlet)
    room.cold.add(outlet)
    assert room.cold.next() is outlet
    assert not room.cold.tenants
    room.cold.add(outlet)
    assert room.cold.next() is outlet


@pytest.mark.parametrize("is_late", [False, True])
def test_a_tenant_whose_endpoints_all_hang_leaves_places_to_others(is_late: bool) -> None:
    room = Room()
    room.add("hanging", DIALS)
    if not is_late:
        room.add("other", 1)
    begun = [tenant for tenant, _ in room.dial()]
    if is_late:
        room.add("other", 1)
        begun += [tenant for tenant, _ in room.dial()]
    assert (begun.count("hanging"), begun.count("other")) == (DIALS_OF_TENANT, 1)


def test_all_together_have_no_more_than_there_are() -> None:
    room = Room()
    for tenant in range(10):
        room.add(f"t{tenant}", 100)
    assert len(room.dial()) == DIALS


def test_a_place_that_is_free_is_offered_when_somebody_waited_for_one() -> None:
    room = Room()
    room.add("hanging", DIALS)
    (_, first), (_, second), *_ = room.dial()
    first.over()
    assert room.again == 1
    first.over()
    assert room.again == 1
    assert len(room.dial()) == 1
    room.add("other", DIALS)
    assert len(room.dial()) == DIALS - DIALS_OF_TENANT
    second.over()
    assert room.again == 2
    assert [tenant for tenant, _ in room.dial()] in (["hanging"], ["other"])


def test_the_share_of_a_tenant_counts_what_came_after_it_was_used_up() -> None:
    room = Room()
    room.add("hanging", DIALS_OF_TENANT)
    dials = [dial for _, dial in room.dial()]
    room.add("hanging", 1)
    assert not room.dial()
    dials[0].over()
    assert len(room.dial()) == 1
