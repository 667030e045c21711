"""Tails on a shared store: what is read of the log and told by others, and what is lost when there is too much of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from tests.contracts.given import NOTHING, Clock, deciding, submission
from tests.kit.postgres import PostgresServer

from tocsin.adapters.postgres.database import prepare_database
from tocsin.adapters.postgres.store import PostgresStore
from tocsin.model.event import Event
from tocsin.model.ids import IdMint
from tocsin.model.watch import Watch
from tocsin.operations.tails import Tails
from tocsin.operations.watchers import Watcher
from tocsin.ports import Hint
from tocsin.workers.tailing import TOLD, WAITING, SharedTails


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(postgres_server: PostgresServer, clock: Clock) -> AsyncIterator[PostgresStore]:
    opened = await PostgresStore.open(postgres_server.fresh("store", prepare_database), clock, lambda: 0.0)
    yield opened
    await opened.close()


class World:
    """Tails that are fed from the store, with what they told and how often they asked to be seen."""

    def __init__(self, store: PostgresStore) -> None:
        self.tails = Tails(lambda _: None)
        self.told: list[Hint] = []
        self.looks = 0
        self.shared = SharedTails(self.tails, store.log, store.watched, tell=self.told.append, look=self._look)
        self.tails.shared = self.shared

    def _look(self) -> None:
        self.looks += 1


@pytest.fixture
async def world(store: PostgresStore) -> AsyncIterator[World]:
    made = World(store)
    running = asyncio.create_task(made.shared.run())
    yield made
    made.shared.stop()
    await running


async def accept(store: PostgresStore, mint: IdMint, count: int, tenant: str = "acme") -> None:
    await store.log.accept([(submission(tenant), NOTHING)], deciding(mint, count))


async def positions(watcher: Watcher, count: int) -> list[int]:
    found: list[int] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            await watcher.wait(1)
            while (seen := watcher.take()) is not None:
                assert isinstance(seen.what, Event)
                found.append(seen.what.position)
    return found


async def test_events_of_the_log_are_shown_once_from_where_a_watcher_began(
    store: PostgresStore, world: World, clock: Clock
) -> None:
    mint = IdMint(clock, os.urandom)
    await accept(store, mint, 3)
    watcher = world.tails.watch(Watch(tenant="acme"), "acme")
    assert await world.tails.begin() == 3
    await accept(store, mint, 2)
    await accept(store, mint, 2, "other")
    await accept(store, mint, 1)
    world.shared.heard(Hint(partitions=(1,)))
    assert await positions(watcher, 3) == [4, 5, 8]
    await accept(store, mint, 1)  # of this one nobody tells
    assert await positions(watcher, 1) == [9]
    world.tails.leave(watcher)
    again = world.tails.watch(Watch(tenant=None), None)
    await accept(store, mint, 1)
    head = await world.tails.begin()
    assert head == 10
    await accept(store, mint, 1)
    world.shared.committed()
    assert (await positions(again, 1))[-1] == 11
    assert world.looks >= 1


async def test_what_cannot_be_told_in_time_is_counted_and_said_to_be_lost(world: World) -> None:
    names = [(number, 1) for number in range(1, TOLD + 11)]
    world.shared.settled(names)
    world.shared.settled([(7, 2)])
    assert [(len(hint.settled), hint.untold) for hint in world.told] == [(TOLD, 10), (0, 1)]
    attempts, events = (world.tails.watch(Watch(tenant=None, kind=kind), None) for kind in ("attempt", "event"))
    world.shared.heard(Hint(untold=3))
    assert (attempts.take_missed(), attempts.take_missed(), events.take_missed()) == (True, False, False)
    world.shared.heard(Hint(settled=tuple((number, 1) for number in range(WAITING + 1))))
    assert attempts.take_missed()


async def test_what_waits_of_a_tenant_is_let_go_when_something_of_it_is_erased_elsewhere(
    store: PostgresStore, world: World, clock: Clock
) -> None:
    mint = IdMint(clock, os.urandom)
    watcher = world.tails.watch(Watch(tenant="acme"), "acme")
    await world.tails.begin()
    await accept(store, mint, 2)
    world.shared.committed()
    assert await watcher.wait(20)
    world.shared.heard(Hint(erased=("other",)))
    assert watcher.forgotten == 0
    world.shared.heard(Hint(erased=("acme",)))
    assert (watcher.forgotten, watcher.take()) == (1, None)
    world.tails.let_go("acme")
    assert world.told == [Hint(erased=("acme",))]


async def test_without_watchers_nothing_is_kept_of_what_others_tell(world: World) -> None:
    world.shared.heard(Hint(settled=((1, 1),), untold=2))
    watcher = world.tails.watch(Watch(tenant=None), None)
    assert not watcher.take_missed()
