"""Operational events over the real server: told to those that name them, never to the endpoint concerned."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.kit.program import Program
from tests.kit.server import Client, Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer

from tocsin import wiring

MINUTE_MS = 60_000


class StoppedClock:
    """At the beginning of a minute of the wall clock, and goes on by hand; milliseconds."""

    def __init__(self) -> None:
        self.now = time.time_ns() // 1_000_000 // MINUTE_MS * MINUTE_MS

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StoppedClock:
    made = StoppedClock()
    monkeypatch.setattr(wiring, "now_ms", made)
    return made


def emit(server: Client, number: int = 1) -> None:
    event = {"specversion": "1.0", "id": f"n{number}", "source": "/t", "type": "order.created", "subject": str(number)}
    headers = {"Content-Type": "application/cloudevents+json"}
    assert server.post("/v1/events", json.dumps(event).encode(), headers=headers).status == 202


def told(web: WebServer) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in list(web.asked)]


async def test_an_endpoint_that_is_gone_is_told_to_the_others(server: Server) -> None:
    with WebServer(lambda _: Say()) as watch, WebServer(lambda _: Say(410)) as gone:
        server.endpoint(watch.url, filters=[{"event_types": ["endpoint.*"]}])
        concerned = server.endpoint(gone.url, filters=[{}, {"subject_types": ["endpoint"]}])
        emit(server)
        (event,) = await until(lambda: told(watch) or None)
        assert (event["type"], event["subject"]) == ("endpoint.disabled", concerned["id"])
        assert event["data"]["reason"] == "gone"
        assert event["data"]["endpoint_id"] == concerned["id"]
        shown = server.get(f"/v1/endpoints/{concerned['id']}").json
        assert (shown["enabled"], shown["state"], shown["state_reason"]) == (False, "disabled", "gone")
        assert [json.loads(one.body)["type"] for one in gone.asked] == ["order.created"]


async def test_a_pause_and_the_recovery_are_told(server: Server) -> None:
    says = [Say(429, headers=(("Retry-After", "1"),))]
    with WebServer(lambda _: Say()) as watch, WebServer(lambda _: says.pop() if says else Say()) as paused:
        server.endpoint(watch.url, filters=[{"subject_types": ["endpoint"]}])
        concerned = server.endpoint(paused.url)
        emit(server)
        events = await until(lambda: seen if len(seen := told(watch)) == 2 else None)
        assert [event["type"] for event in events] == ["endpoint.paused", "endpoint.recovered"]
        assert {event["subject"] for event in events} == {concerned["id"]}
        assert events[0]["data"]["paused_until"] is not None


async def test_what_is_given_up_on_within_a_minute_is_told_once_also_over_a_restart(
    clock: StoppedClock, start_server: Callable[..., Server]
) -> None:
    server = start_server()
    with WebServer(lambda _: Say()) as watch, WebServer(lambda _: Say(500)) as failing:
        watching = server.endpoint(watch.url, filters=[{"event_types": ["delivery.dead"]}])
        concerned = server.endpoint(failing.url, retry={"schedule_seconds": []}, filters=[{"verbs": ["created"]}])
        for number in range(5):
            emit(server, number)
        dead = f"/v1/deliveries?endpoint={concerned['id']}&state=dead"
        await until(lambda: len(server.get(dead).json["items"]) == 5)
        await asyncio.to_thread(server.stop)
        server.start()
        emit(server, 6)
        await until(lambda: len(server.get(dead).json["items"]) == 6)
        assert told(watch) == []
        ids = {item["id"] for item in server.get(dead).json["items"]}
        clock.now += MINUTE_MS
        (event,) = await until(lambda: told(watch) or None)
        assert (event["type"], event["data"]["endpoint_id"]) == ("delivery.dead", concerned["id"])
        assert event["data"]["count"] == 6
        assert set(event["data"]["delivery_ids"]) == ids
        assert event["data"]["reasons"] == {"schedule exhausted (status 500)": 6}
        assert server.get(f"/v1/deliveries?endpoint={watching['id']}").json["items"][0]["event_type"] == "delivery.dead"


async def test_what_was_to_be_told_when_the_process_was_killed_is_told_once(
    tmp_path: Path, start_server: Callable[..., Server], clock: StoppedClock
) -> None:
    """What was given up on in the minute of the kill; an endpoint that is gone, a replay that is over."""
    database = tmp_path / "killed.db"
    program = Program(database)
    try:
        with WebServer(lambda _: Say()) as watch, WebServer(lambda _: Say(500)) as failing, WebServer(_gone) as gone:
            program.endpoint(watch.url, filters=[{"subject_types": ["delivery", "endpoint", "replay"]}])
            orders = [{"subject_types": ["order"]}]
            dying = program.endpoint(failing.url, retry={"schedule_seconds": []}, filters=orders)
            ended = program.endpoint(gone.url, filters=orders)
            emit(program, 1)
            emit(program, 2)
            listed = f"/v1/deliveries?state=dead&endpoint={dying['id']}"
            dead = await until(lambda: d if len(d := program.get(listed).json["items"]) == 2 else None)
            await until(lambda: program.get(f"/v1/endpoints/{ended['id']}").json["state"] == "disabled")
            replay = program.post("/v1/replays", {"endpoint_id": dying["id"], "only": "dead"}).json
            await until(lambda: program.get(f"/v1/replays/{replay['id']}").json["state"] == "finished")
            program.kill()
            clock.now += 2 * MINUTE_MS
            for _ in range(2):
                server = start_server(database)
                await until(lambda: len(by_id(watch)) >= 3)
                await asyncio.to_thread(server.stop)
            found = {event["type"]: event for event in by_id(watch).values() if event["type"] != "delivery.dead"}
            assert set(found) == {"endpoint.disabled", "replay.finished"}
            assert (found["endpoint.disabled"]["subject"], found["replay.finished"]["subject"]) == (
                ended["id"],
                replay["id"],
            )
            notices = [event for event in by_id(watch).values() if event["type"] == "delivery.dead"]
            assert len({event["time"] for event in notices}) <= 2, "one for each minute"
            assert sum(event["data"]["count"] for event in notices) == 4
            assert {one["id"] for one in dead} <= {one for event in notices for one in event["data"]["delivery_ids"]}
    finally:
        program.kill()


def _gone(_: Asked) -> Say:
    return Say(410)


def by_id(web: WebServer) -> dict[str, dict[str, Any]]:
    """What came, each event once: a kill may have one sent again."""
    return {event["id"]: event for event in told(web)}


async def test_operational_events_cannot_feed_themselves(server: Server) -> None:
    def types() -> list[str]:
        return [event["type"] for event in server.get("/v1/events?limit=100").json["items"]]

    def refuse(asked: Asked) -> Say:
        return (
            Say(429, headers=(("Retry-After", "600"),))
            if json.loads(asked.body)["type"].startswith("order")
            else Say(410)
        )

    with WebServer(refuse) as one, WebServer(refuse) as other:
        filters = [{"subject_types": ["order", "endpoint", "delivery"]}]
        first, second = (server.endpoint(web.url, filters=filters) for web in (one, other))
        server.post(f"/v1/endpoints/{second['id']}/disable")
        emit(server)
        await until(lambda: types().count("endpoint.paused") == 1)
        server.post(f"/v1/endpoints/{second['id']}/enable")
        emit(server, 2)
        await until(lambda: len(other.asked) >= 1)

        await until(lambda: types().count("endpoint.paused") == 2)
        assert types().count("endpoint.disabled") == 0
        assert first["id"] != second["id"]


async def test_the_end_of_a_replay_is_told(server: Server) -> None:
    with WebServer(lambda _: Say()) as watch, WebServer(lambda _: Say()) as web:
        server.endpoint(watch.url, filters=[{"subject_types": ["replay"]}])
        endpoint = server.endpoint(web.url, filters=[{}, {"subject_types": ["replay"]}])
        emit(server)
        await until(lambda: len(web.asked) == 1)
        replay = server.post("/v1/replays", {"endpoint_id": endpoint["id"]}).json
        (event,) = await until(lambda: told(watch) or None)
        assert (event["type"], event["subject"]) == ("replay.finished", replay["id"])
        assert (event["data"]["done"], event["data"]["state"]) == (1, "finished")
        assert [json.loads(one.body)["type"] for one in web.asked] == ["order.created", "order.created"]
