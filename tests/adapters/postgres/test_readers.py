"""Reading connections: whatever the server has against a query is trouble of the store, and is over when the server is right again."""

from __future__ import annotations

import time

import asyncpg
import pytest
from tests.contracts.given import Clock
from tests.kit.postgres import PostgresServer

from tocsin.adapters.postgres.database import prepare_database
from tocsin.adapters.postgres.store import PostgresStore
from tocsin.errors import StoreUnavailable


async def test_a_table_that_goes_while_somebody_reads_ends_no_loop(postgres_server: PostgresServer) -> None:
    url = postgres_server.fresh("store", prepare_database)
    store = await PostgresStore.open(url, Clock(), time.monotonic)
    other = await asyncpg.connect(url)
    assert await store.log.head() == 0
    await other.execute("ALTER TABLE log_head RENAME TO gone")
    with pytest.raises(StoreUnavailable):
        await store.log.head()
    await other.execute("ALTER TABLE gone RENAME TO log_head")
    assert await store.log.head() == 0
    await other.close()
    await store.close()
