"""A process that finds its right to write gone forgets what is out, joins again, and goes on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import MASTER_KEY
from tests.kit.postgres import PostgresServer
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.nodes.test_sweep import execute, server
from tests.nodes.test_two_nodes import emit, measured, states

from tocsin.adapters.postgres.database import prepare_database
from tocsin.model.endpoint import LONGEST_SECONDS
from tocsin.model.times import from_text
from tocsin.receiver import Receiver

__all__ = ["server"]
FENCE = "UPDATE cursor SET holder = NULL, fenced_at = clock_timestamp(); DELETE FROM node"
ANSWERED_SECONDS = 1.2
BATCHED = {"mode": "batch", "max_events": 2, "max_wait_seconds": 0.1}


@pytest.mark.parametrize("fields", [{}, {"delivery": BATCHED}], ids=["single", "batch"])
async def test_what_was_out_is_settled_by_the_next_term_only(server: Server, fields: dict[str, object]) -> None:
    async with Receiver(delay=ANSWERED_SECONDS) as receiver:
        server.endpoint(receiver.url, tenant="t1", ordering="subject", timeout_seconds=2, **fields)
        server.endpoint(receiver.url + "/loose", tenant="t1", timeout_seconds=2, **fields)
        for event in "abcd":
            await asyncio.to_thread(emit, server, "t1", event)
        await receiver.wait_for_count(2)
        await asyncio.to_thread(execute, server, FENCE)
        await asyncio.to_thread(emit, server, "t1", "e")  # it is noticed at once, not at the next beat
        await until(lambda: measured(server, "tocsin_fenced_total") == 1)
        await until(lambda: states(server, "t1") == {"delivered": 10})
        assert server.get("/readyz").status == 200
        assert measured(server, "tocsin_swept_total") == 0
        ordered = [a for a in receiver.arrivals if not a.path.endswith("/loose")]
        bodies = [json.loads(arrival.body) for arrival in ordered]
        came = [one["id"] for body in bodies for one in (body if isinstance(body, list) else [body])]
        assert list(dict.fromkeys(came)) == list("abcde")
        assert fields or came == sorted(came), "one came after its successor"
        assert ordered[1].at - ordered[0].at > ANSWERED_SECONDS, "sent while a request of the term before was out"
        await asyncio.to_thread(emit, server, "t1", "f")
        await until(lambda: states(server, "t1") == {"delivered": 12})


async def test_an_erasure_waits_until_nothing_of_the_term_before_can_be_out(server: Server) -> None:
    await asyncio.to_thread(emit, server, "t1", "a", subject="bea")
    began = time.time()
    await asyncio.to_thread(execute, server, FENCE.replace("clock_timestamp()", "clock_timestamp() - interval '56 s'"))
    await asyncio.to_thread(emit, server, "t1", "b")
    await until(lambda: measured(server, "tocsin_fenced_total") == 1)
    asked = {"subject_type": "record", "subject_id": "t/bea"}
    made = (await asyncio.to_thread(server.post, "/v1/erasures?tenant=t1", asked)).json
    await until(lambda: server.get(f"/v1/erasures/{made['id']}").json["state"] == "finished")
    ended = server.get(f"/v1/erasures/{made['id']}").json["finished_at"]
    assert from_text(ended) / 1000 - began > LONGEST_SECONDS - 56


@pytest.fixture
def rarely(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Server]:
    """It beats every 40 seconds: what somebody asks finds out first."""
    url = postgres_server.fresh("store", prepare_database)
    made = Server(tmp_path / "none.db", database=url, master_key=MASTER_KEY, lease_seconds="120")
    yield made
    made.stop()


async def test_what_somebody_cancels_at_a_node_that_was_fenced_is_cancelled_all_the_same(rarely: Server) -> None:
    server = rarely
    async with Receiver(fail=1, status=500) as receiver:
        server.endpoint(receiver.url, tenant="t1", ordering="subject", retry={"schedule_seconds": [3600]})
        await asyncio.to_thread(emit, server, "t1", "a", "b")
        await until(lambda: server.rows("SELECT 1 FROM delivery WHERE attempts = 1"))
        stuck = server.get("/v1/deliveries?tenant=t1").json["items"][-1]
        await asyncio.to_thread(execute, server, FENCE)
        answer = await asyncio.to_thread(server.post, f"/v1/deliveries/{stuck['id']}/cancel?tenant=t1")
        assert (answer.status, answer.json["state"]) == (200, "cancelled")
        assert measured(server, "tocsin_fenced_total") == 1
        await until(lambda: states(server, "t1") == {"cancelled": 1, "delivered": 1})
        entries = server.get("/v1/audit?tenant=t1&action=delivery.cancelled").json["items"]
        assert [entry["target"] for entry in entries] == [stuck["id"]]


async def test_what_somebody_enables_at_a_node_that_was_fenced_stays_enabled(rarely: Server) -> None:
    server = rarely
    async with Receiver(fail=1, status=410) as receiver:
        made = server.endpoint(receiver.url, tenant="t1")
        address = f"/v1/endpoints/{made['id']}"
        await asyncio.to_thread(emit, server, "t1", "a")
        await until(lambda: server.get(address).json["state"] == "disabled")
        await asyncio.to_thread(execute, server, FENCE)
        answer = await asyncio.to_thread(server.call, "PATCH", address, {"enabled": True})
        assert answer.status == 200
        await until(lambda: measured(server, "tocsin_fenced_total") == 1)
        await until(lambda: states(server, "t1") == {"delivered": 1})
        await until(lambda: server.get(address).json["state"] == "healthy")
        await until(lambda: server.rows("SELECT count(*) FROM standing_wish") == [(0,)])
