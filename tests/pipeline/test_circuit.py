"""The circuit of an endpoint over the real server: what opens it, what is shown and told of it, and over kill -9."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.kit.program import Program
from tests.kit.server import Client, Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer
from tests.pipeline.test_delivery import deliveries, emit, in_state

CIRCUIT = {"failures": 4, "deliveries": 2, "cool_down_seconds": 4}
OFTEN = {"schedule_seconds": [0.05] * 60}


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path / "circuit.db")
    yield made
    made.kill()


def shown(client: Client, endpoint: Any) -> Any:
    return client.get(f"/v1/endpoints/{endpoint['id']}").json


def in_circuit(client: Client, endpoint: Any, state: str) -> Callable[[], Any]:
    return lambda: found if (found := shown(client, endpoint))["circuit_state"]["state"] == state else None


def told(web: WebServer) -> list[str]:
    """The types of the events that came, each once: a kill may have one sent again."""
    events = [json.loads(asked.body) for asked in tuple(web.asked)]
    return list({event["id"]: event["type"] for event in events}.values())


async def test_it_opens_is_seen_and_told_outlives_a_kill_and_closes_by_a_probe(program: Program) -> None:
    is_back = False
    with WebServer(lambda _: Say()) as watch, WebServer(lambda _: Say(200 if is_back else 500)) as web:
        program.endpoint(watch.url, filters=[{"event_types": ["endpoint.*"]}])
        endpoint = program.endpoint(web.url, circuit=CIRCUIT, retry=OFTEN, filters=[{"subject_types": ["order"]}])
        assert (endpoint["circuit"]["failures"], endpoint["circuit_state"]) == (
            4,
            {"state": "closed", "failures": 0, "opened_at": None, "probe_at": None, "openings": 0},
        )
        await asyncio.to_thread(emit, program, "a", subject="1")
        await asyncio.to_thread(emit, program, "b", subject="2")
        opened = await until(in_circuit(program, endpoint, "open"))
        circuit = opened["circuit_state"]
        assert (opened["state"], opened["paused_until"]) == ("paused", circuit["probe_at"])
        reason = f"The circuit is open after {circuit['failures']} failures in a row. The receiver answered 500."
        assert opened["state_reason"] == reason
        assert circuit["failures"] >= 4
        assert circuit["opened_at"] < circuit["probe_at"]
        (listed,) = [e for e in program.get("/v1/endpoints").json["items"] if e["id"] == endpoint["id"]]
        assert listed["circuit_state"] == circuit
        await until(lambda: told(watch) == ["endpoint.paused"])
        said = json.loads(watch.asked[0].body)["data"]
        assert (said["endpoint_id"], said["paused_until"]) == (endpoint["id"], circuit["probe_at"])
        assert said["reason"].startswith("The circuit is open after 4 failures in a row.")
        asked = len(web.asked)

        await asyncio.to_thread(program.kill)
        await asyncio.to_thread(program.start)
        assert shown(program, endpoint)["circuit_state"]["opened_at"] == circuit["opened_at"]
        again = await until(lambda: f if (f := shown(program, endpoint)["circuit_state"])["openings"] > 1 else None)
        assert len(web.asked) - asked <= again["openings"] - circuit["openings"] + 1, "one request at a time asks"
        is_back = True
        closed = await until(in_circuit(program, endpoint, "closed"))
        assert (closed["state"], closed["circuit_state"]["openings"]) == ("healthy", 0)
        await until(lambda: len(program.get("/v1/deliveries?state=delivered").json["items"]) == 4)
        assert told(watch) == ["endpoint.paused", "endpoint.recovered"]


async def test_half_open_is_shown_while_the_probe_is_out(server: Server) -> None:
    probe, answered = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def answer(_: Asked) -> Say:
        if not opened.done():
            return Say(500)
        loop.call_soon_threadsafe(probe.set)
        asyncio.run_coroutine_threadsafe(answered.wait(), loop).result(20)
        return Say()

    opened: asyncio.Future[None] = loop.create_future()
    with WebServer(answer) as web:
        circuit = {"failures": 1, "deliveries": 1, "cool_down_seconds": 0.5}
        endpoint = server.endpoint(web.url, circuit=circuit, retry=OFTEN)
        await asyncio.to_thread(emit, server, "a")
        await until(in_circuit(server, endpoint, "open"))
        opened.set_result(None)
        await asyncio.wait_for(probe.wait(), 20)
        half = await asyncio.to_thread(shown, server, endpoint)
        assert (half["circuit_state"]["state"], half["state"], half["paused_until"]) == ("half_open", "failing", None)
        answered.set()
        await until(in_circuit(server, endpoint, "closed"))


async def test_one_bad_event_among_good_ones_neither_opens_it_nor_ends_the_endpoint(server: Server) -> None:
    """However often it fails, and however soon the endpoint would be disabled if it only failed."""

    def answer(asked: Asked) -> Say:
        return Say(500 if json.loads(asked.body)["id"] == "bad" else 200)

    with WebServer(answer) as web:
        circuit = {"failures": 3, "deliveries": 2, "disable_after_seconds": 0.001}
        endpoint = server.endpoint(web.url, circuit=circuit, retry={"schedule_seconds": [0.05] * 12})
        await asyncio.to_thread(emit, server, "bad", subject="bad")
        number = 0
        while not (dead := deliveries(server, state="dead")):
            number += 1
            await asyncio.to_thread(emit, server, f"good-{number}", subject="good")
            await until(in_state(server, "delivered", number))
            assert shown(server, endpoint)["circuit_state"]["state"] == "closed"
        assert dead[0]["attempt_count"] == 13
        assert shown(server, endpoint)["state"] != "disabled"
        alone = server.endpoint(web.url, circuit=circuit, retry=OFTEN | {"schedule_seconds": [0.02] * 9}, tenant="lone")
        await asyncio.to_thread(emit, server, "bad", subject="bad", tenant="lone")
        await until(in_state(server, "dead", 1, endpoint=alone["id"]))
        assert shown(server, alone)["enabled"] is True


async def test_an_endpoint_that_only_fails_is_disabled_told_and_goes_on_when_it_is_enabled(server: Server) -> None:
    is_back = False
    with WebServer(lambda _: Say()) as watch, WebServer(lambda _: Say(200 if is_back else 500)) as web:
        server.endpoint(watch.url, filters=[{"event_types": ["endpoint.disabled"]}])
        circuit = {"failures": 100, "disable_after_seconds": 0.3}
        endpoint = server.endpoint(web.url, circuit=circuit, retry=OFTEN, filters=[{"subject_types": ["order"]}])
        await asyncio.to_thread(emit, server, "a", subject="1")
        await asyncio.to_thread(emit, server, "b", subject="2")
        ended = await until(lambda: f if (f := shown(server, endpoint))["state"] == "disabled" else None)
        assert (ended["enabled"], ended["state_reason"]) == (False, "failing")
        (event,) = await until(lambda: [json.loads(asked.body) for asked in tuple(watch.asked)] or None)
        assert (event["subject"], event["data"]["reason"]) == (endpoint["id"], "failing")
        assert event["data"]["failing_since"] is not None
        waiting = deliveries(server, endpoint=endpoint["id"])
        assert [d["state"] for d in waiting] == ["pending", "pending"]
        refused = server.post(f"/v1/deliveries/{waiting[0]['id']}/resend")
        assert (refused.status, refused.json["detail"]) == (409, "The endpoint of this delivery is disabled.")
        is_back = True
        enabled = server.post(f"/v1/endpoints/{endpoint['id']}/enable").json
        assert (enabled["state"], enabled["circuit_state"]["failures"]) == ("healthy", 0)
        await until(in_state(server, "delivered", 2, endpoint=endpoint["id"]))
