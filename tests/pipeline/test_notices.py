"""Operational events over the real server: told to those that name them, never to the endpoint concerned."""

from __future__ import annotations

import json
from typing import Any

from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer


def emit(server: Server, number: int = 1) -> None:
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


async def test_what_is_given_up_on_is_told_once_for_many(server: Server) -> None:
    with WebServer(lambda _: Say()) as watch, WebServer(lambda _: Say(500)) as failing:
        watching = server.endpoint(watch.url, filters=[{"event_types": ["delivery.dead"]}])
        concerned = server.endpoint(failing.url, retry={"schedule_seconds": []}, filters=[{"verbs": ["created"]}])
        for number in range(5):
            emit(server, number)
        dead = f"/v1/deliveries?endpoint={concerned['id']}&state=dead"
        await until(lambda: len(server.get(dead).json["items"]) == 5)
        ids = {item["id"] for item in server.get(dead).json["items"]}
        server.stop()
        server.start()
        (event,) = await until(lambda: told(watch) or None)
        assert (event["type"], event["data"]["endpoint_id"]) == ("delivery.dead", concerned["id"])
        assert event["data"]["count"] == 5
        assert set(event["data"]["delivery_ids"]) == ids
        assert event["data"]["reasons"] == {"schedule exhausted": 5}
        assert server.get(f"/v1/deliveries?endpoint={watching['id']}").json["items"][0]["event_type"] == "delivery.dead"


async def test_operational_events_cannot_feed_themselves(server: Server) -> None:
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
        await until(lambda: len(one.asked) == 1)
        server.post(f"/v1/endpoints/{second['id']}/enable")
        emit(server, 2)
        await until(lambda: len(other.asked) >= 1)

        def types() -> list[str]:
            return [event["type"] for event in server.get("/v1/events?limit=100").json["items"]]

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
