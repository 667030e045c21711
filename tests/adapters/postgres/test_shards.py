"""Tallies of several processes: each counts in a shard of its own, none waits for another, and what is told is the sum."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.contracts.given import NOTHING, Clock, deciding, delivery, endpoint, entry, settlement, submission
from tests.kit.postgres import PostgresServer
from tests.kit.stores import PostgresPlace, SqlitePlace, close, held, moves, position

from tocsin.adapters.postgres.database import connect, prepare_database
from tocsin.adapters.postgres.store import PostgresStore
from tocsin.model.delivery import Step
from tocsin.model.ids import IdMint
from tocsin.operations.transfer import Transfer
from tocsin.ports import Cursor, StatsQuery, StatsView, StripQuery

MINUTE = 60_000


@pytest.fixture
def clock() -> Clock:
    made = Clock()
    made.now = made.now // MINUTE * MINUTE
    return made


@pytest.fixture
def mint(clock: Clock) -> IdMint:
    return IdMint(clock, os.urandom)


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.fresh("store", prepare_database)


class Nodes:
    """Opens stores over the same database, as several nodes do."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.url = url
        self._clock = clock
        self._open: list[PostgresStore] = []

    async def open(self, *, alone: bool = False) -> PostgresStore:
        self._open.append(await PostgresStore.open(self.url, self._clock, time.monotonic, alone=alone))
        return self._open[-1]

    async def close(self) -> None:
        while self._open:
            await self._open.pop(0).close()

    async def close_first(self) -> None:
        await self._open.pop(0).close()

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        return await PostgresPlace(self.url).rows(query)


@pytest.fixture
async def nodes(url: str, clock: Clock) -> AsyncIterator[Nodes]:
    made = Nodes(url, clock)
    yield made
    await made.close()


async def accepted(store: PostgresStore, mint: IdMint, count: int) -> None:
    await store.log.accept([(submission("acme"), NOTHING)], deciding(mint, count))


async def fanned(store: PostgresStore, mint: IdMint, clock: Clock, count: int) -> list[int]:
    """So many deliveries of endpoint 1, by a new holder of everything."""
    holder, cursor = await held(store)
    made = [delivery(mint, 1, n, tenant="acme", at=clock.now) for n in range(1, count + 1)]
    revision, _ = await store.directory.endpoints()
    end = Cursor(position=max(cursor.position, count))
    placed = await store.queue.fan(holder, moves(store, cursor, end), made, directory_revision=revision)
    assert placed is not None
    assert await position(store, holder) == end
    return [one.number for one in placed]


async def settled(store: PostgresStore, mint: IdMint, clock: Clock, numbers: list[int], step: Step) -> None:
    holder, _ = await held(store)
    await store.queue.settle(holder, [settlement(mint, n, 1, step=step, at=clock.now, reason="x") for n in numbers])


async def shards_of(nodes: Nodes) -> list[object]:
    return [shard for (shard,) in await nodes.rows("SELECT DISTINCT shard FROM tally ORDER BY 1")]


async def test_what_one_makes_and_another_settles_is_told_as_one(nodes: Nodes, clock: Clock, mint: IdMint) -> None:
    first, second = await nodes.open(), await nodes.open()
    await first.directory.add_endpoint(endpoint(mint, "acme"), entry(mint))
    start = clock.now // MINUTE
    await accepted(first, mint, 3)
    await accepted(second, mint, 2)
    numbers = await fanned(first, mint, clock, 5)
    clock.now += 2 * MINUTE
    await settled(second, mint, clock, numbers[:2], Step.SUCCEED)
    await settled(second, mint, clock, numbers[2:3], Step.GIVE_UP)
    clock.now += MINUTE
    await accepted(first, mint, 4)
    await settled(second, mint, clock, numbers[3:4], Step.SUCCEED)
    assert await shards_of(nodes) == [0, 1]
    for store in (first, second):
        view = await store.views.stats(StatsQuery(tenant="acme", minutes=range(start, start + 5), failing=5))
        assert (view.now.pending, view.now.dead) == (1, 1)
        assert [point.events for point in view.points] == [5, 0, 0, 4]
        assert [point.delivered for point in view.points] == [0, 0, 2, 1]
        assert [point.pending for point in view.points] == [5, 5, 2, 1]
        assert [point.oldest_at for point in view.points] == [start * MINUTE] * 4
        assert [(one.pending, one.dead, one.failures, one.attempts) for one in view.failing] == [(1, 1, 1, 4)]
        strips = await store.views.strips(
            StripQuery(endpoints=(1,), minutes=range(start, start + 5), step=1, tenant="acme")
        )
        assert [(cell.delivered, cell.failed) for cell in strips[1].cells] == [(0, 0), (0, 0), (2, 1), (1, 0)]
        assert (strips[1].pending, strips[1].dead) == (1, 1)


async def test_nobody_waits_for_a_writer_that_stands_still(nodes: Nodes, clock: Clock, mint: IdMint) -> None:
    first, second = await nodes.open(), await nodes.open()
    await accepted(first, mint, 1)
    frozen = await connect(nodes.url, seconds=30)
    try:
        await frozen.execute("BEGIN")
        await frozen.execute("UPDATE tally SET events = events WHERE shard = 0")
        async with asyncio.timeout(20):
            await accepted(second, mint, 1)
    finally:
        await frozen.execute("ROLLBACK")
        await frozen.close()


async def test_a_shard_goes_on_when_its_process_is_gone(nodes: Nodes, clock: Clock, mint: IdMint) -> None:
    first, second = await nodes.open(), await nodes.open()
    await accepted(first, mint, 1)
    await accepted(second, mint, 2)
    await nodes.close_first()
    third = await nodes.open()
    await accepted(third, mint, 4)
    await accepted(third, mint, 8)
    assert await shards_of(nodes) == [0, 1]
    assert (await events_of(third)).now.events == 15


async def events_of(store: PostgresStore) -> StatsView:
    return await store.views.stats(StatsQuery(tenant="acme"))


async def test_blocks_that_come_to_nothing_together_go(nodes: Nodes, clock: Clock, mint: IdMint) -> None:
    first, second = await nodes.open(), await nodes.open()
    await first.directory.add_endpoint(endpoint(mint, "acme"), entry(mint))
    await accepted(first, mint, 3)
    numbers = await fanned(first, mint, clock, 3)
    await settled(second, mint, clock, numbers, Step.SUCCEED)
    clock.now += MINUTE
    again = await fanned(first, mint, clock, 1)
    rows = await nodes.rows("SELECT sum(pending), count(*) FROM pending_block WHERE endpoint = 1")
    assert rows == [(1, 1)]
    await settled(second, mint, clock, again, Step.SUCCEED)
    assert (await events_of(first)).now.oldest_at is None


async def test_the_shards_are_folded_when_all_goes_elsewhere(
    nodes: Nodes, clock: Clock, mint: IdMint, tmp_path: Path
) -> None:
    """Whatever was asked of the many is answered by the one, for every minute."""
    first, second = await nodes.open(), await nodes.open()
    await first.directory.add_endpoint(endpoint(mint, "acme"), entry(mint))
    start, chance = clock.now // MINUTE, random.Random(1)
    waiting: list[int] = []
    for _ in range(30):
        store = chance.choice((first, second))
        await accepted(store, mint, chance.randint(1, 3))
        waiting += await fanned(store, mint, clock, chance.randint(1, 3))
        done, waiting = waiting[:2], waiting[2:]
        await settled(chance.choice((first, second)), mint, clock, done, chance.choice((Step.SUCCEED, Step.GIVE_UP)))
        clock.now += chance.choice((0, MINUTE, 3 * MINUTE))
    ((last,),) = await nodes.rows("SELECT max(position) FROM event")
    holder, cursor = await held(first)
    revision, _ = await first.directory.endpoints()
    end = moves(first, cursor, Cursor(position=int(str(last))))
    assert await first.queue.fan(holder, end, [], directory_revision=revision) == []
    queries = [
        StatsQuery(tenant=tenant, minutes=range(start // step * step, start + 120, step), step=step)
        for tenant in (None, "acme")
        for step in (1, 10)
    ]
    before = [await first.views.stats(query) for query in queries]
    await nodes.close()
    source = await nodes.open(alone=True)
    place = SqlitePlace(tmp_path / "a.db")
    target = await place.open(clock)
    try:
        names = (nodes.url, place.url)
        moved = Transfer(source.transfers, target.transfers, names, new_id=mint.uuid, now_ms=clock, tell=lambda _: None)
        assert (await moved.run()).is_over
        assert [await target.views.stats(query) for query in queries] == before
        assert [await source.views.stats(query) for query in queries] == before
    finally:
        await close(target)
