"""Processes whose clocks differ go by the clock of the store."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from tests.conftest import MASTER_KEY
from tests.kit.postgres import PostgresServer
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.nodes.test_two_nodes import emit, states

from tocsin import wiring
from tocsin.adapters.postgres.database import prepare_database
from tocsin.receiver import Receiver

HOUR_MS = 3_600_000


async def test_what_one_with_a_clock_an_hour_ahead_leaves_is_delivered_by_the_next_one_in_time(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_server.fresh("store", prepare_database)
    true_time = wiring.now_ms
    monkeypatch.setattr(wiring, "now_ms", lambda: true_time() + HOUR_MS)
    ahead = Server(tmp_path / "none.db", database=url, master_key=MASTER_KEY)
    monkeypatch.undo()
    async with Receiver(fail=1, status=500) as receiver:
        ahead.endpoint(receiver.url, tenant="t1", retry={"schedule_seconds": [3]})
        await asyncio.to_thread(emit, ahead, "t1", "a")
        await until(lambda: ahead.rows("SELECT 1 FROM delivery WHERE attempts = 1"))
        await asyncio.to_thread(ahead.stop)
        right = await asyncio.to_thread(Server, tmp_path / "none.db", database=url, master_key=MASTER_KEY)
        try:
            await until(lambda: states(right, "t1") == {"delivered": 1})
            ((accepted_at,),) = right.rows("SELECT accepted_at FROM event")
            assert abs(accepted_at - time.time() * 1000) < HOUR_MS / 2
        finally:
            await asyncio.to_thread(right.stop)
