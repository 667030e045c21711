"""The database server dies under load and comes back: nothing is lost, and Tocsin goes on by itself."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import MASTER_KEY
from tests.end_to_end.test_crash import Load
from tests.kit.postgres import PostgresServer
from tests.kit.program import Program
from tests.kit.waiting import until

from tocsin.adapters.postgres.database import prepare_database
from tocsin.receiver import Receiver

CRASHES = 3


@pytest.fixture
def durable() -> Iterator[PostgresServer]:
    with PostgresServer(durable=True) as server:
        yield server


async def more(load: Load) -> None:
    """So many more are accepted than were before."""
    before = len(load.acknowledged)
    await until(lambda: len(load.acknowledged) > before + 30, seconds=60)


async def test_a_database_that_dies_loses_nothing(durable: PostgresServer, tmp_path: Path) -> None:
    url = durable.fresh("store", prepare_database)
    program = Program(tmp_path / "none.db", TOCSIN_DATABASE=url, TOCSIN_MASTER_KEY=MASTER_KEY)
    try:
        async with Receiver(keep=200_000) as ordered, Receiver(keep=200_000, fail="10%", status=500, seed=1) as shaky:
            retry = {"schedule_seconds": [0.05] * 50}
            program.endpoint(ordered.url, ordering="subject", retry=retry)
            program.endpoint(shaky.url, retry=retry)
            load = Load(program)
            try:
                for _ in range(CRASHES):
                    await more(load)
                    await asyncio.to_thread(durable.stop, "immediate")
                    await asyncio.to_thread(durable.start)
                await more(load)
            finally:
                await asyncio.to_thread(load.stop)
            await until(lambda: program.get("/v1/stats").json["pending_deliveries"] == 0, seconds=60)
            for receiver in (ordered, shaky):
                taken = Counter(json.loads(a.body)["id"] for a in receiver.arrivals if a.status < 300)
                assert set(load.acknowledged) - set(taken) == set(), "lost"
            assert program.get("/v1/deliveries?state=dead").json["items"] == []
        assert await asyncio.to_thread(program.stop) == 0
    finally:
        program.kill()
