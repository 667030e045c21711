"""Batches over the real server: gathered, retried as they are, split when a part is at fault."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.kit.program import Program
from tests.kit.server import Client, Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer
from tests.pipeline.test_replays import given_events

BATCH = {"mode": "batch", "max_events": 10, "max_wait_seconds": 0.2}


def numbers(asked: Asked) -> list[int]:
    return [event["data"]["n"] for event in json.loads(asked.body)]


def deliveries(server: Client, endpoint: dict[str, Any], state: str) -> list[dict[str, Any]]:
    items = server.get(f"/v1/deliveries?endpoint={endpoint['id']}&state={state}&limit=500").json["items"]
    assert isinstance(items, list)
    return items


async def test_events_are_gathered_up_to_a_number_and_a_time(server: Server) -> None:
    with WebServer(lambda _: Say()) as web:
        endpoint = server.endpoint(web.url, delivery=BATCH)
        given_events(server, 25)
        await until(lambda: len(deliveries(server, endpoint, "delivered")) == 25)
        asked = list(web.asked)
        assert sorted(n for one in asked for n in numbers(one)) == list(range(25))
        assert all(1 <= len(numbers(one)) <= 10 for one in asked)
        assert {one.headers["content-type"] for one in asked} == {"application/cloudevents-batch+json"}
        ids = [one.headers["webhook-id"] for one in asked]
        assert len(set(ids)) == len(ids)
        assert all(one.startswith("bat_") for one in ids)
        shown = server.get(f"/v1/deliveries/{deliveries(server, endpoint, 'delivered')[0]['id']}").json
        assert shown["batch_id"] in ids
        assert [attempt["number"] for attempt in shown["attempts"]] == [1]
        assert shown["attempts"][0]["request"]["headers"]["webhook-id"] == shown["batch_id"]


@pytest.mark.both_stores
async def test_a_retry_has_the_same_members_and_bytes(server: Server) -> None:
    says = [Say(503), Say(500)]
    with WebServer(lambda _: says.pop() if says else Say()) as web:
        endpoint = server.endpoint(web.url, delivery=BATCH, retry={"schedule_seconds": [0.05, 0.05]})
        given_events(server, 6)
        await until(lambda: len(deliveries(server, endpoint, "delivered")) == 6)
        first = web.asked[0]
        same = [one for one in web.asked if one.headers["webhook-id"] == first.headers["webhook-id"]]
        assert len(same) >= 2
        assert {one.body for one in same} == {first.body}
        assert [one.headers["webhook-attempt"] for one in same] == [str(n + 1) for n in range(len(same))]


@pytest.mark.parametrize("status", [413, 422, 500])
async def test_one_event_at_fault_does_not_take_its_neighbours_with_it(server: Server, status: int) -> None:
    def answer(asked: Asked) -> Say:
        return Say(status if 3 in numbers(asked) else 200)

    with WebServer(answer) as web:
        endpoint = server.endpoint(
            web.url, delivery=BATCH, retry={"schedule_seconds": [0.02]}, circuit={"failures": 1000}
        )
        given_events(server, 10)
        await until(lambda: len(deliveries(server, endpoint, "delivered")) == 9)
        (dead,) = await until(lambda: deliveries(server, endpoint, "dead") or None)
        assert dead["subject_id"] == "s3"
        accepted = Counter(n for one in web.asked if 3 not in numbers(one) for n in numbers(one))
        assert accepted == Counter(n for n in range(10) if n != 3)
        shown = server.get(f"/v1/deliveries/{dead['id']}").json
        assert [attempt["number"] for attempt in shown["attempts"]] == list(range(1, len(shown["attempts"]) + 1))
        assert len(numbers(web.asked[-1])) >= 1


async def test_bytes_are_bounded(server: Server) -> None:
    with WebServer(lambda _: Say()) as web:
        endpoint = server.endpoint(web.url, delivery={**BATCH, "max_bytes": 450})
        given_events(server, 12)
        await until(lambda: len(deliveries(server, endpoint, "delivered")) == 12)
        assert all(len(one.body) <= 450 or len(numbers(one)) == 1 for one in web.asked)
        assert len(web.asked) > 3


async def test_formats_without_a_form_for_several_are_refused(server: Server) -> None:
    for kind in (
        {"kind": "telmai"},
        {"kind": "visier"},
        {"kind": "standard_webhooks"},
        {"kind": "cloudevents", "mode": "binary"},
    ):
        refused = server.post(
            "/v1/endpoints", {"name": "n", "url": "http://127.0.0.1:9/", "format": kind, "delivery": BATCH}
        )
        assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/delivery/mode"), refused


async def test_kill_9_loses_nothing_of_a_batch(tmp_path: Path) -> None:
    program = Program(tmp_path / "batched.db")
    is_ill = True
    try:
        with WebServer(lambda _: Say(503 if is_ill else 200)) as web:
            endpoint = program.endpoint(
                web.url,
                delivery={**BATCH, "max_events": 50},
                retry={"schedule_seconds": [0.1] * 50},
                circuit={"failures": 10_000},
            )
            given_events(program, 400)
            await until(lambda: len(web.asked) > 5)
            program.kill()
            program.start()
            await until(lambda: len(web.asked) > 15)
            is_ill = False
            await until(lambda: len(deliveries(program, endpoint, "delivered")) == 400)
            members: dict[str, set[bytes]] = {}
            for one in web.asked:
                members.setdefault(one.headers["webhook-id"], set()).add(one.body)
            assert all(len(bodies) == 1 for bodies in members.values())
            assert {n for one in web.asked for n in numbers(one)} == set(range(400))
    finally:
        program.stop()
