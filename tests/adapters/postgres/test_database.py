"""Opening a database: what is refused, and migrations, which one process at a time applies while others run."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from tests.kit.poolers import Pooler
from tests.kit.postgres import PostgresServer

from tocsin.adapters.postgres.database import prepare_database
from tocsin.adapters.storing.migrations import migrations_of
from tocsin.errors import Misconfigured

MIGRATIONS = migrations_of("tocsin.adapters.postgres")


async def nothing(url: str) -> None:
    """An empty database."""


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.fresh("empty", nothing)


async def execute(url: str, text: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(text)
    finally:
        await connection.close()


async def test_migrations_are_applied_once_however_many_start_at_a_time(url: str) -> None:
    applied = await asyncio.gather(*(prepare_database(url) for _ in range(4)))
    assert sorted(name for names in applied for name in names) == [one.name for one in MIGRATIONS]
    await execute(url, "INSERT INTO tenant VALUES ('acme', 7, 0)")
    assert await prepare_database(url) == []


async def test_a_database_of_a_newer_version_is_refused(url: str) -> None:
    await prepare_database(url)
    await execute(url, "INSERT INTO migration VALUES (9999, '9999_later.sql', 'x', 9999)")
    with pytest.raises(Misconfigured, match="9999"):
        await prepare_database(url)


async def test_a_migration_that_was_changed_afterwards_is_noticed(url: str) -> None:
    await prepare_database(url)
    await execute(url, "UPDATE migration SET checksum = 'other' WHERE number = 1")
    with pytest.raises(Misconfigured, match="0001"):
        await prepare_database(url)


async def test_a_migration_that_fails_leaves_nothing_and_is_told(url: str) -> None:
    await execute(url, "CREATE TABLE standing (other text)")
    with pytest.raises(Misconfigured, match="standing"):
        await prepare_database(url)
    await execute(url, "DROP TABLE standing")
    assert await prepare_database(url) == [one.name for one in MIGRATIONS]


async def test_a_server_that_is_not_there_is_told(url: str) -> None:
    with pytest.raises(Misconfigured, match="cannot be reached"):
        await prepare_database("postgresql://postgres@127.0.0.1:1/none")
    with pytest.raises(Misconfigured, match="cannot be reached"):
        await prepare_database(url + "_not")


async def test_what_could_lose_an_event_is_refused(postgres_server: PostgresServer, url: str) -> None:
    name = url.rpartition("/")[2]
    await execute(url, f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    with pytest.raises(Misconfigured, match="synchronous_commit"):
        await prepare_database(url)


@pytest.mark.parametrize("ignores", [False, True], ids=["refuses settings", "ignores settings"])
async def test_a_pooler_in_between_is_refused(url: str, *, ignores: bool) -> None:
    """By itself it would go well for a while."""
    head, _, name = url.rpartition("/")
    async with Pooler(int(head.rpartition(":")[2]), name, ignores=ignores) as pooler:
        pooled = f"postgresql://postgres@127.0.0.1:{pooler.port}/{name}"
        with pytest.raises(Misconfigured, match="pooler such as PgBouncer"):
            await prepare_database(pooled)
        if ignores:
            connection = await asyncpg.connect(pooled, statement_cache_size=0)
            pids = [await connection.fetchval("SELECT pg_backend_pid()") for _ in range(2)]
            await connection.close()
            assert len({*pids, connection.get_server_pid()}) == 3
            assert set(pooler.transactions) == {0, 1}
