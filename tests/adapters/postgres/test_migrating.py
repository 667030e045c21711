"""Migrations while servers run: nothing fails, nothing is lost, and a version knows which it may run on."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import asyncpg
import pytest
from tests.conftest import MASTER_KEY
from tests.kit.postgres import PostgresServer
from tests.kit.server import Server

from tocsin.adapters.postgres.database import prepare_database
from tocsin.adapters.postgres.migrating import statements_of
from tocsin.adapters.postgres.store import PostgresStore
from tocsin.adapters.storing.migrations import Applied, Migration, migrations_of, missing
from tocsin.errors import Misconfigured, StoreUnavailable
from tocsin.receiver import Receiver

KNOWN = migrations_of("tocsin.adapters.postgres")
NEWEST = KNOWN[-1].number


def later(text: str, *, by: int = 1) -> Migration:
    return Migration(number=NEWEST + by, name=f"{NEWEST + by:04}_later.sql", text=text)


EXPAND = later(f"-- oldest: {NEWEST:04}\n\nALTER TABLE delivery ADD COLUMN flavour text NOT NULL DEFAULT 'plain';\n")
INDEX = later(
    f"""-- An index, made while everything goes on.
-- oldest: {NEWEST:04}
-- concurrently

CREATE INDEX CONCURRENTLY delivery_by_flavour ON delivery (flavour, number) WHERE flavour <> 'plain';
CREATE INDEX CONCURRENTLY audit_by_time ON audit (at);
""",
    by=2,
)
CONTRACT = later("ALTER TABLE delivery DROP COLUMN flavour;\n", by=3)


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.fresh("store", prepare_database)


async def rows(url: str, query: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return list(map(tuple, await connection.fetch(query)))
    finally:
        await connection.close()


INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
OF_FLAVOUR = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'delivery_by_flavour'::regclass"
PARTS = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'delivery'::regclass"


async def test_the_next_migrations_under_load(url: str, tmp_path: Path) -> None:
    """Reports are accepted and delivered all the while; the old version starts again on the new schema, and not on the one after."""
    server = await asyncio.to_thread(lambda: Server(tmp_path / "none.db", database=url, master_key=MASTER_KEY))
    stop = asyncio.Event()
    sent: list[str] = []

    def report(name: str) -> int:
        return server.post("/v1/jobs/reports", {"job_id": name, "job_type": "t", "state": "running"}).status

    async def produce(producer: int) -> list[int]:
        statuses = []
        while not stop.is_set():
            name = f"{producer}-{len(statuses)}"
            statuses.append(await asyncio.to_thread(report, name))
            sent.append(name)
        return statuses

    async with Receiver() as receiver:
        filters = [{"event_types": ["job.running"]}]
        await asyncio.to_thread(lambda: server.endpoint(receiver.url, filters=filters))
        producing = [asyncio.create_task(produce(n)) for n in range(3)]
        await receiver.wait_for_count(30)
        assert await prepare_database(url, [*KNOWN, EXPAND]) == [EXPAND.name]
        assert await prepare_database(url, [*KNOWN, EXPAND, INDEX]) == [INDEX.name]
        before = len(sent)
        await receiver.wait_for_count(before + 30)
        stop.set()
        statuses = [status for task in producing for status in await task]
        assert set(statuses) == {202}
        await receiver.wait_for_count(len(sent))
        assert len({arrival.headers["webhook-id"] for arrival in receiver.arrivals}) == len(sent)
        assert await rows(url, INVALID) == []
        assert await rows(url, OF_FLAVOUR) == await rows(url, PARTS)
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        assert await asyncio.to_thread(report, "again") == 202
        await receiver.wait_for_count(len(sent) + 1)
        found = await asyncio.to_thread(lambda: server.get("/v1/doctor").json["findings"])
        assert "store.ahead" in {finding["code"] for finding in found}
        await asyncio.to_thread(server.stop)
    await prepare_database(url, [*KNOWN, EXPAND, INDEX, CONTRACT])
    with pytest.raises(Misconfigured, match=f"needs a version that knows migration {CONTRACT.number}"):
        await asyncio.to_thread(server.start)


async def test_a_server_that_connects_again_notices_that_it_is_too_old(url: str) -> None:
    store = await PostgresStore.open(url, lambda: 0, time.monotonic)
    await prepare_database(url, [*KNOWN, CONTRACT.__class__(number=NEWEST + 1, name="x.sql", text="SELECT 1;")])
    await rows(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    problems = [await refusal(store) for _ in range(2)]
    await store.close()
    assert "migrated to what this version cannot run on" in problems[-1]


async def test_a_contracting_migration_waits_for_no_older_node_that_lives(url: str) -> None:
    store = await PostgresStore.open(url, lambda: 0, time.monotonic)
    holder = await store.holding.join("node-7")
    await store.holding.take(holder, 64)
    stop = asyncio.Event()

    async def beat() -> None:
        while not stop.is_set():
            await store.holding.beat(holder, is_watching=False)
            await asyncio.sleep(0.05)

    beating = asyncio.create_task(beat())
    contract = [*KNOWN, EXPAND, later("ALTER TABLE delivery DROP COLUMN flavour;\n", by=2)]
    with pytest.raises(Misconfigured, match=r"could not go on with migration \d+: node-7\."):
        await prepare_database(url, contract)
    assert await prepare_database(url, [*KNOWN, EXPAND], lease_seconds=0.5) == [EXPAND.name]
    stop.set()
    await beating
    assert await prepare_database(url, contract, lease_seconds=0.5) == [contract[-1].name]
    assert await store.holding.beat(holder, is_watching=False) is None
    assert await rows(url, "SELECT count(*) FROM cursor WHERE holder IS NULL AND fenced_at IS NOT NULL") == [(64,)]
    with pytest.raises(StoreUnavailable, match="migrated to what this version cannot run on"):
        await store.holding.join("node-7")
    await store.close()


async def refusal(store: PostgresStore) -> str:
    try:
        await store.transfers.set_mark(None)
    except Exception as error:
        return str(error)
    return ""


async def test_what_was_cut_short_is_taken_up(url: str) -> None:
    """An index that somebody left behind unfinished, one of a part that is done, and a statement that was run."""
    await prepare_database(url, [*KNOWN, EXPAND])
    part = "delivery_0_delivery_by_flavour"
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE INDEX audit_by_time ON audit (at)")
    await connection.execute(f"CREATE INDEX {part} ON delivery_0 (flavour, number) WHERE flavour <> 'plain'")
    await connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'audit_by_time'::regclass")
    await connection.close()
    before = await rows(url, f"SELECT '{part}'::regclass::oid, 'audit_by_time'::regclass::oid")
    assert await prepare_database(url, [*KNOWN, EXPAND, INDEX]) == [INDEX.name]
    after = await rows(url, f"SELECT '{part}'::regclass::oid, 'audit_by_time'::regclass::oid")
    assert (after[0][0] == before[0][0], after[0][1] == before[0][1]) == (True, False)
    assert await rows(url, INVALID) == []
    assert await rows(url, OF_FLAVOUR) == await rows(url, PARTS)


async def test_nobody_waits_long_behind_a_migration_that_waits(url: str) -> None:
    """A reader has the table; the migration asks again and again, and lets others by meanwhile."""
    reader, other = await asyncpg.connect(url), await asyncpg.connect(url)
    await reader.execute("BEGIN; SELECT 1 FROM delivery LIMIT 1")
    migrating = asyncio.create_task(prepare_database(url, [*KNOWN, EXPAND]))
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%ADD COLUMN flavour%'"
    while not await other.fetch(waits):
        await asyncio.sleep(0)
    await other.execute("SET lock_timeout = '20s'")
    assert await other.fetch("SELECT count(*) FROM delivery")
    assert not migrating.done()
    await reader.execute("COMMIT")
    assert await migrating == [EXPAND.name]
    await reader.close()
    await other.close()


async def test_several_that_start_at_once_wait_for_the_one_that_migrates(url: str) -> None:
    """An index made concurrently waits for every transaction: they must not wait within one."""
    known = [*KNOWN, EXPAND, INDEX]
    applied = await asyncio.gather(*(prepare_database(url, known) for _ in range(4)))
    assert sorted(name for names in applied for name in names) == [EXPAND.name, INDEX.name]


def test_which_version_may_run_on_what() -> None:
    applied = [Applied(number=one.number, checksum=one.checksum, oldest=one.oldest) for one in [*KNOWN, EXPAND, INDEX]]
    assert missing(KNOWN, applied) == []
    assert missing([*KNOWN, EXPAND], applied) == []
    assert missing([*KNOWN, EXPAND, INDEX, CONTRACT], applied) == [CONTRACT]
    with pytest.raises(Misconfigured, match=f"{INDEX.number}.*knows migration {NEWEST}"):
        missing(KNOWN[:-1], applied)
    gap = [one for one in applied if one.number != EXPAND.number]
    with pytest.raises(Misconfigured, match="but not"):
        missing([*KNOWN, EXPAND], gap)


def test_what_a_migration_says_of_itself() -> None:
    assert (EXPAND.oldest, EXPAND.is_concurrent) == (NEWEST, False)
    assert (INDEX.oldest, INDEX.is_concurrent) == (NEWEST, True)
    assert (CONTRACT.oldest, CONTRACT.is_concurrent) == (CONTRACT.number, False)
    assert statements_of(INDEX.text) == [
        "CREATE INDEX CONCURRENTLY delivery_by_flavour ON delivery (flavour, number) WHERE flavour <> 'plain'",
        "CREATE INDEX CONCURRENTLY audit_by_time ON audit (at)",
    ]
