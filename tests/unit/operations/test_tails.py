"""The hub of the live tail: who is offered what, what is lost when there is no room, and what it costs when nobody watches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tocsin.errors import TooManyWatchers
from tocsin.model.event import Event
from tocsin.model.ids import EndpointId, EventId
from tocsin.model.watch import Watch
from tocsin.operations import tails as hub
from tocsin.operations.tails import WAITING, WATCHERS, WATCHERS_OF_ONE, Tails
from tocsin.operations.watchers import BUFFERED, BUFFERED_BYTES, Watcher


def event(position: int, *, tenant: str = "acme", size: int = 2) -> Event:
    return Event(
        id=EventId(f"evt_{position}"),
        tenant=tenant,
        type="order.made",
        subject_type="order",
        subject_id="o",
        verb="made",
        time=0,
        data=b"x" * size,
        position=position,
        accepted_at=0,
    )


class Committing:
    """Hands events over as accept does; `heard` are those that fan-out heard of."""

    def __init__(self) -> None:
        self.tails = Tails(lambda number: EndpointId(f"end_{number}"))
        self.heard: list[Event] = []
        self._told = self.tails.tapped(self.heard.extend)

    async def commit(self, events: Sequence[Event]) -> None:
        self._told(events)
        while self.tails._task is not None:
            await self.tails._task


def taken(watcher: Watcher) -> list[int]:
    found: list[int] = []
    while (seen := watcher.take()) is not None:
        assert isinstance(seen.what, Event)
        found.append(seen.what.position)
    return found


async def test_nothing_is_kept_when_nobody_watches_and_fanout_always_hears() -> None:
    committing = Committing()
    await committing.commit([event(1)])
    watcher = committing.tails.watch(Watch(tenant="acme"), "acme")
    await committing.commit([event(2)])
    committing.tails.leave(watcher)
    committing.tails.leave(watcher)
    await committing.commit([event(3)])
    assert taken(watcher) == [2]
    assert not committing.tails.is_watched
    assert [one.position for one in committing.heard] == [1, 2, 3]


async def test_each_is_offered_what_its_tenant_may_see() -> None:
    committing = Committing()
    acme, other, everything = (committing.tails.watch(Watch(tenant=tenant), None) for tenant in ("acme", "other", None))
    await committing.commit([event(1), event(2, tenant="other"), event(3)])
    assert (taken(acme), taken(other), taken(everything)) == ([1, 3], [2], [1, 2, 3])


async def test_the_oldest_are_lost_and_counted() -> None:
    committing = Committing()
    watcher = committing.tails.watch(Watch(tenant="acme"), "acme")
    await committing.commit([event(position) for position in range(BUFFERED + 7)])
    assert (watcher.take_dropped(), watcher.take_dropped()) == (7, 0)
    assert taken(watcher) == list(range(7, BUFFERED + 7))
    await committing.commit([event(1, size=BUFFERED_BYTES // 2 + 1), event(2, size=BUFFERED_BYTES // 2)])
    assert (watcher.take_dropped(), taken(watcher)) == (1, [2])
    # One that is larger than all the room there is comes through by itself.
    await committing.commit([event(3, size=2 * BUFFERED_BYTES)])
    assert (watcher.take_dropped(), taken(watcher)) == (0, [3])


async def test_what_is_not_even_looked_through_counts_for_those_who_may_see_it() -> None:
    committing = Committing()
    acme, other = (committing.tails.watch(Watch(tenant=tenant), tenant) for tenant in ("acme", "other"))
    await committing.commit([event(position) for position in range(WAITING + 5)])
    assert acme.take_dropped() == 5 + WAITING - BUFFERED
    assert other.take_dropped() == 0
    assert taken(acme) == list(range(WAITING + 5 - BUFFERED, WAITING + 5))


async def test_a_large_commit_group_is_looked_through_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "SLICE_SECONDS", 0.0)
    committing = Committing()
    watcher = committing.tails.watch(Watch(tenant="acme"), "acme")
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    committing.tails.tapped(lambda _: None)([event(position) for position in range(500)])
    assert await watcher.wait(10)
    assert len(taken(watcher)) < 500
    await committing.commit([event(500)])
    task.cancel()
    assert turns > 1


async def test_nothing_of_a_tenant_waits_once_it_is_let_go() -> None:
    committing = Committing()
    acme, other = (committing.tails.watch(Watch(tenant=tenant), tenant) for tenant in ("acme", "other"))
    await committing.commit([event(1), event(2, tenant="other")])
    committing.tails.tapped(lambda _: None)([event(3), event(4, tenant="other")])
    committing.tails.let_go("acme")
    await committing.commit([event(5)])
    assert (acme.take_dropped(), taken(acme)) == (2, [5])
    assert (other.take_dropped(), taken(other)) == (0, [2, 4])


async def test_nothing_of_any_tenant_waits_once_something_was_missed() -> None:
    committing = Committing()
    watchers = [committing.tails.watch(Watch(tenant=tenant), tenant) for tenant in ("acme", None)]
    await committing.commit([event(1)])
    committing.tails.tapped(lambda _: None)([event(2), event(3, tenant="other")])
    committing.tails.let_go_here(None)
    await committing.commit([event(4)])
    assert [(watcher.take_dropped(), taken(watcher)) for watcher in watchers] == [(2, [4]), (3, [4])]


async def test_there_are_so_many_watchers_with_keys_of_one_tenant_and_in_all() -> None:
    tails = Committing().tails
    first = [tails.watch(Watch(tenant="acme"), "acme") for _ in range(WATCHERS_OF_ONE)]
    with pytest.raises(TooManyWatchers):
        tails.watch(Watch(tenant="acme"), "acme")
    # An operator's counts among those of operators, whatever it is shown.
    tails.watch(Watch(tenant="acme"), None)
    tails.leave(first[0])
    tails.watch(Watch(tenant="acme"), "acme")
    for number in range(WATCHERS - WATCHERS_OF_ONE - 1):
        tails.watch(Watch(tenant=f"t{number}"), f"t{number}")
    with pytest.raises(TooManyWatchers):
        tails.watch(Watch(tenant="last"), "last")


async def test_the_end_reaches_all_and_those_who_come_after() -> None:
    committing = Committing()
    watcher = committing.tails.watch(Watch(tenant="acme"), "acme")
    await committing.commit([event(1)])
    committing.tails.end()
    assert await watcher.wait(10)
    assert (watcher.ended, watcher.take(), watcher.take_dropped()) == ("stopping", None, 1)
    late = committing.tails.watch(Watch(tenant="acme"), "acme")
    assert late.ended == "stopping"
    assert await late.wait(10)
