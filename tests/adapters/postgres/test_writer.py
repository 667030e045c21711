"""The writer: honest about what was written, whatever happens to its connection; and alone where it has to be."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest
from tests.contracts.given import NOTHING, Clock, deciding, submission
from tests.kit.postgres import PostgresServer
from tests.kit.relays import Relay

from tocsin.adapters.postgres.database import connect, hang_up, prepare_database
from tocsin.adapters.postgres.statements import Connection, statement, write_rows
from tocsin.adapters.postgres.store import PostgresStore
from tocsin.adapters.postgres.writer import Writer
from tocsin.adapters.storing.ranks import DataRefusedError, Rank
from tocsin.errors import StoreUnavailable
from tocsin.model.ids import IdMint
from tocsin.model.submission import Accepted

MINT = IdMint(Clock(), os.urandom)


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.fresh("store", prepare_database)


@pytest.fixture
async def writer(url: str) -> AsyncIterator[Writer]:
    made = Writer(url, alone=False)
    await made.open()
    yield made
    await made.close()


def through(relay: Relay, url: str) -> str:
    host, _, database = url.rpartition("/")
    return f"{host.rpartition(':')[0]}:{relay.port}/{database}"


def port_of(url: str) -> int:
    return int(url.rpartition("/")[0].rpartition(":")[2])


async def tenants(connection: Connection) -> list[str]:
    return [str(*row) for row in await connection.fetch("SELECT name FROM tenant ORDER BY name")]


async def add(connection: Connection, name: str) -> str:
    await write_rows(connection, "save_tenant", [(name, 0, 0)])
    return name


@pytest.mark.parametrize("how", ["before", "after"])
async def test_after_a_commit_without_an_answer_it_is_known_what_became_of_it(url: str, how: str) -> None:
    clock = Clock()
    async with Relay(port_of(url), b"COMMIT\0") as relay:
        store = await PostgresStore.open(through(relay, url), clock, time.monotonic)
        relay.cut = how  # type: ignore[assignment]  # one of the two
        accepting = store.log.accept([(submission(), NOTHING)], deciding(MINT, 2))
        if how == "before":
            with pytest.raises(StoreUnavailable):
                await accepting
        else:
            (answer,) = await accepting
            assert isinstance(answer, Accepted)
            assert [event.position for event in answer.events] == [1, 2]
        assert relay.cuts == 1
        (again,) = await store.log.accept([(submission(), NOTHING)], deciding(MINT, 1))
        assert isinstance(again, Accepted)
        assert await store.log.head() == (3 if how == "after" else 1)
        assert len(await store.log.read(0, 10)) == (3 if how == "after" else 1)
        await store.close()


async def test_what_became_of_a_commit_is_known_after_a_crash_of_the_server() -> None:
    with PostgresServer(durable=True) as server:
        url = await asyncio.to_thread(server.fresh, "store", prepare_database)
        writer = Writer(url, alone=False)
        await writer.open()
        await writer.run(Rank.REST, lambda connection: add(connection, "a"))
        await asyncio.to_thread(server.stop, "immediate")
        await asyncio.to_thread(server.start)
        writer._discard(writer._connection)  # type: ignore[arg-type]  # it is open
        assert await writer._came_through()
        writer._number += 1  # one that the server never heard of
        assert not await writer._came_through()
        await writer.close()


async def test_a_commit_that_is_under_way_is_waited_for(url: str, writer: Writer) -> None:
    await writer.run(Rank.REST, lambda connection: add(connection, "a"))
    writer._number += 1
    zombie = await asyncpg.connect(url)
    await zombie.execute("BEGIN")
    await zombie.execute(statement("number_commit"), writer._name, writer._number)
    asked = asyncio.create_task(writer._came_through())
    async with asyncio.timeout(20):
        while not await zombie.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            continue
    assert not asked.done()
    await zombie.execute("COMMIT")
    assert await asked
    await zombie.close()


async def test_names_of_writers_that_are_gone_are_forgotten(url: str, writer: Writer) -> None:
    other = await asyncpg.connect(url)
    await other.execute("INSERT INTO committed VALUES ('old', 1, now() - interval '2 days'), ('new', 1, now())")
    await writer.run(Rank.REST, lambda connection: add(connection, "a"))
    again = Writer(url, alone=False)
    await again.open()
    await again.close()
    assert {row[0] for row in await other.fetch("SELECT writer FROM committed")} == {"new", writer._name}
    await other.close()


async def test_a_connection_that_the_server_ended_is_replaced(url: str, writer: Writer) -> None:
    other = await asyncpg.connect(url)
    await writer.run(Rank.REST, lambda connection: add(connection, "a"))
    await other.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with pytest.raises(StoreUnavailable):
        await writer.run(Rank.REST, lambda connection: add(connection, "b"))
    assert await writer.run(Rank.REST, tenants) == ["a"]
    await other.close()


async def test_a_fault_of_one_part_is_not_its_neighbours(writer: Writer) -> None:
    """They wait together, and share a COMMIT when nothing is wrong."""

    async def faulty(connection: Connection) -> None:
        await add(connection, "lost")
        raise LookupError("mine")

    async def late(connection: Connection) -> None:
        await add(connection, "late")
        raise StoreUnavailable("Another process holds the deliveries now.")

    async def refused(connection: Connection) -> None:
        await connection.execute("INSERT INTO cursor VALUES (0, 0, 0, 0)")

    outcomes = await asyncio.gather(
        writer.run(Rank.REST, lambda connection: add(connection, "a")),
        writer.run(Rank.REST, faulty),
        writer.run(Rank.SETTLE, refused),
        writer.run(Rank.SETTLE, late),
        writer.run(Rank.FANOUT, lambda connection: add(connection, "b")),
        return_exceptions=True,
    )
    assert [type(one) for one in outcomes] == [str, LookupError, DataRefusedError, StoreUnavailable, str]
    assert await writer.run(Rank.REST, tenants) == ["a", "b"]


async def test_a_deadlock_is_only_a_delay(url: str, writer: Writer) -> None:
    other = await connect(url, seconds=30)
    for name in ("a", "b"):
        await add(other, name)
    await other.execute("BEGIN")
    await other.execute("UPDATE tenant SET created_at = 1 WHERE name = 'b'")
    entered = asyncio.Event()

    async def both(connection: Connection) -> None:
        await connection.execute("SET LOCAL deadlock_timeout = '10ms'")
        await connection.execute("UPDATE tenant SET created_at = 2 WHERE name = 'a'")
        entered.set()
        await connection.execute("UPDATE tenant SET created_at = 2 WHERE name = 'b'")

    running = asyncio.create_task(writer.run(Rank.REST, both))
    await entered.wait()
    await other.execute("SET LOCAL deadlock_timeout = '1min'")
    await other.execute("UPDATE tenant SET created_at = 1 WHERE name = 'a'")
    await other.execute("COMMIT")
    await running
    assert {row[0] for row in map(tuple, await other.fetch("SELECT created_at FROM tenant"))} == {2}
    await other.close()


async def test_what_waits_is_finished_before_it_closes(url: str) -> None:
    writer = Writer(url, alone=False)
    await writer.open()
    waiting = [
        asyncio.create_task(writer.run(Rank.REST, lambda connection, n=n: add(connection, f"t{n}"))) for n in range(40)
    ]
    await asyncio.sleep(0)
    await writer.close()
    assert len(await asyncio.gather(*waiting)) == 40
    with pytest.raises(StoreUnavailable):
        await writer.run(Rank.REST, tenants)


async def test_a_client_that_froze_holds_nobody_up_for_long(url: str) -> None:
    """Every connection has limits of seconds; here the one for silence within a transaction is shorter still."""
    frozen = await connect(url, seconds=30)
    shown = [await frozen.fetchrow(f"SHOW {name}") for name in ("lock_timeout", "tcp_user_timeout")]
    assert [tuple(row or ()) for row in shown] == [("5s",), ("10000",)]
    assert tuple(await frozen.fetchrow("SHOW idle_in_transaction_session_timeout") or ()) == ("3s",)
    await frozen.execute("SET idle_in_transaction_session_timeout = '50ms'")
    await frozen.execute("BEGIN")
    await frozen.execute("UPDATE log_head SET position = position + 1")
    store = await PostgresStore.open(url, Clock(), time.monotonic)
    (answer,) = await store.log.accept([(submission(), NOTHING)], deciding(MINT, 1))
    assert isinstance(answer, Accepted)
    assert answer.events[0].position == 1
    await store.close()
    await hang_up(frozen)


async def test_a_node_that_lost_its_connection_writes_no_more_to_what_was_moved_meanwhile(url: str) -> None:
    store = await PostgresStore.open(url, Clock(), time.monotonic)
    other = await connect(url, seconds=30)
    await other.execute("INSERT INTO transfer VALUES (1, 'trf_1', 'source', 'elsewhere', 1, 1)")
    (answer,) = await store.log.accept([(submission(), NOTHING)], deciding(MINT, 1))
    assert isinstance(answer, Accepted)
    await other.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await store.log.accept([(submission(), NOTHING)], deciding(MINT, 1))
    await other.execute("UPDATE transfer SET side = 'target'")
    (answer,) = await store.log.accept([(submission(), NOTHING)], deciding(MINT, 1))
    assert isinstance(answer, Accepted)
    assert answer.events[0].position == 2
    await store.close()
    await hang_up(other)
