"""What is due and that nobody has is found by the slow sweep, and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.conftest import MASTER_KEY
from tests.kit.apart import apart
from tests.kit.postgres import PostgresServer
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.nodes.test_two_nodes import emit, measured, states

from tocsin.adapters.postgres.database import prepare_database
from tocsin.receiver import Receiver
from tocsin.workers import openings, sweep


@pytest.fixture
def server(postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(sweep, "EVERY_SECONDS", 0.2)
    monkeypatch.setattr(openings, "OVERDUE_MS", 500)
    url = postgres_server.fresh("store", prepare_database)
    made = Server(tmp_path / "none.db", database=url, master_key=MASTER_KEY)
    yield made
    made.stop()


def execute(server: Server, text: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(server.url_of_database)
        try:
            await connection.execute(text)
        finally:
            await connection.close()

    apart(run())


async def test_what_is_due_and_that_nobody_has_is_delivered_and_counted(server: Server) -> None:
    async with Receiver(fail=1, status=500) as receiver:
        server.endpoint(receiver.url, tenant="t1", retry={"schedule_seconds": [3600]})
        await asyncio.to_thread(emit, server, "t1", "a")
        await receiver.wait_for_count(1)
        await until(lambda: server.rows("SELECT 1 FROM delivery WHERE attempts = 1"))
        await asyncio.to_thread(execute, server, "UPDATE delivery SET due_at = 1")
        await until(lambda: states(server, "t1") == {"delivered": 1})
        assert measured(server, "tocsin_swept_total") == 1


async def test_nothing_that_is_out_or_waits_its_turn_is_taken_for_forgotten(server: Server) -> None:
    async with Receiver(delay=2.0) as receiver:
        server.endpoint(receiver.url, tenant="t1", max_in_flight=1)
        server.endpoint(receiver.url, tenant="t1", ordering="subject")
        await asyncio.to_thread(emit, server, "t1", "a", "b")
        await until(lambda: states(server, "t1") == {"delivered": 4})
        assert measured(server, "tocsin_swept_total") == 0
