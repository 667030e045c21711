"""Position order is commit order: with several who append, a slow one among them, nobody who follows positions skips an event."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
from tests.contracts.given import NOTHING, Clock, deciding, new_event, submission
from tests.kit.postgres import PostgresServer

from tocsin.adapters.postgres.database import connect, prepare_database
from tocsin.adapters.postgres.statements import Connection, read_one
from tocsin.adapters.postgres.store import PostgresStore
from tocsin.adapters.storing.rows import new_event_row
from tocsin.model.ids import IdMint
from tocsin.model.submission import Accepted, Facts, Needs, Submission, Verdict
from tocsin.rules.partitions import PARTITIONS, partition_of

NODES = 4
CLOCK = Clock()
MINT = IdMint(CLOCK, os.urandom)
Opener = Callable[[], Awaitable[PostgresStore]]


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.fresh("store", prepare_database)


@pytest.fixture
async def node(url: str) -> AsyncIterator[Opener]:
    """Opens stores over the same database, as several nodes would."""
    opened: list[PostgresStore] = []

    async def open_one() -> PostgresStore:
        opened.append(await PostgresStore.open(url, CLOCK, time.monotonic, alone=False))
        return opened[-1]

    yield open_one
    for store in opened:
        await store.close()


async def appended(connection: Connection, count: int) -> int:
    """Append within an open transaction; gives the position before."""
    rows = [(*new_event_row(new_event(MINT)), partition_of("acme", PARTITIONS)) for _ in range(count)]
    columns = [list(column) for column in zip(*rows, strict=True)]
    row = await read_one(connection, "add_events", (CLOCK.now, count, *([[]] * 4), *columns))
    assert row is not None
    assert isinstance(row[0], int)
    return row[0]


async def one_waits_for_a_lock(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(20):
            while not await connection.fetchval(
                "SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid"
                " WHERE NOT l.granted AND a.datname = current_database()"
            ):
                continue
    finally:
        await connection.close()


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
async def test_nobody_gets_past_a_slow_transaction(url: str, node: Opener, end: str) -> None:
    quick, reader = await node(), await node()
    slow = await connect(url, seconds=30)
    await slow.execute("BEGIN")
    assert await appended(slow, 2) == 0
    accepting = asyncio.create_task(quick.log.accept([(submission(), NOTHING)], deciding(MINT, 3)))
    await one_waits_for_a_lock(url)
    assert (await reader.log.head(), await reader.log.read(0, 100)) == (0, [])
    await slow.execute(end)
    (answer,) = await accepting
    assert isinstance(answer, Accepted)
    first = 3 if end == "COMMIT" else 1
    assert [event.position for event in answer.events] == [first, first + 1, first + 2]
    assert [event.position for event in await reader.log.read(0, 100)] == list(range(1, first + 3))
    await slow.close()


async def test_a_reader_that_follows_never_skips_one(url: str, node: Opener) -> None:
    """Some of those who append linger between their append and their COMMIT, and some roll back."""
    chance = random.Random(7)
    stores = [await node() for _ in range(NODES)]
    reader = await node()
    wanted = 0

    async def many(store: PostgresStore) -> None:
        nonlocal wanted
        for _ in range(30):
            sizes = [chance.randint(0, 3) for _ in range(chance.randint(1, 4))]
            answers = await store.log.accept([(submission(), NOTHING)] * len(sizes), deciding(MINT, *sizes, 0))
            assert all(isinstance(answer, Accepted) for answer in answers)
            wanted += sum(sizes)

    async def linger() -> None:
        nonlocal wanted
        connection = await connect(url, seconds=30)
        for turn in range(20):
            await connection.execute("BEGIN")
            await appended(connection, 2)
            await connection.fetch("SELECT pg_sleep(0.005)")
            await connection.execute("COMMIT" if turn % 3 else "ROLLBACK")
            wanted += 2 if turn % 3 else 0
        await connection.close()

    seen: list[int] = []
    times: list[int] = []

    async def follow() -> None:
        while not (writing.done() and len(seen) == wanted):
            for event in await reader.log.read(seen[-1] if seen else 0, 7):
                seen.append(event.position)
                times.append(event.accepted_at)
            CLOCK.now += chance.choice((1, 1, -3))

    writing = asyncio.gather(*map(many, stores), linger())
    async with asyncio.timeout(60):
        await follow()
    await writing
    assert seen == list(range(1, wanted + 1))
    assert times == sorted(times)


async def test_two_nodes_do_not_take_the_same_thing_twice(node: Opener) -> None:
    """The same key, and the same event by source and id, at once on two nodes: one of them finds what the other wrote."""
    nodes = [await node(), await node()]
    seen = (b"h" * 16,)

    def decide(submitted: Submission, facts: Facts) -> Verdict:
        if facts.seen:
            return Verdict(status=202, body=b"duplicate")
        event = new_event(MINT)
        return Verdict(status=202, body=b"first", events=(event,), seen=((seen[0], event.id),))

    by_id = await asyncio.gather(*(one.log.accept([(submission(), Needs(seen=seen))], decide) for one in nodes))
    assert sorted(answer.verdict.body for (answer,) in by_id if isinstance(answer, Accepted)) == [
        b"duplicate",
        b"first",
    ]
    keyed = [(submission(key="k"), NOTHING)]
    by_key = await asyncio.gather(*(one.log.accept(keyed, deciding(MINT, 1)) for one in nodes))
    assert sorted(len(answer.events) for (answer,) in by_key if isinstance(answer, Accepted)) == [0, 1]
    assert await nodes[0].log.head() == 2


async def test_versions_of_a_tenant_are_given_once(node: Opener) -> None:
    nodes = [await node(), await node()]
    given: list[int] = []

    def decide(submitted: Submission, facts: Facts) -> Verdict:
        facts.counter += 1
        given.append(facts.counter)
        return Verdict(status=202, body=b"")

    many = [one.log.accept([(submission(), Needs(counter=True))], decide) for one in nodes for _ in range(10)]
    await asyncio.gather(*many)
    assert sorted(given) == list(range(1, 21))
