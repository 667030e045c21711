"""Replays over the real server: what is sent again, how far it is, and that a restart neither skips nor doubles."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.kit.program import Program
from tests.kit.server import Client, Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer


def given_events(server: Client, count: int, *, first: int = 0, subjects: int = 1000) -> None:
    for start in range(first, first + count, 500):
        batch = [
            {
                "specversion": "1.0",
                "id": f"e{n}",
                "source": "/test",
                "type": "order.created",
                "subject": f"s{n % subjects}",
                "data": {"n": n},
            }
            for n in range(start, min(start + 500, first + count))
        ]
        headers = {"Content-Type": "application/cloudevents-batch+json"}
        answer = server.post("/v1/events", json.dumps(batch).encode(), headers=headers)
        assert answer.status == 202, answer


def numbers(asked: list[Asked]) -> list[int]:
    return [json.loads(one.body)["data"]["n"] for one in asked]


def of_replay(web: WebServer, replay: dict[str, Any]) -> list[Asked]:
    return [one for one in list(web.asked) if one.headers.get("webhook-replay") == replay["id"]]


def replayed(server: Client, endpoint: dict[str, Any], **fields: object) -> dict[str, Any]:
    answer = server.post("/v1/replays", {"endpoint_id": endpoint["id"], **fields})
    assert answer.status == 202, answer
    return answer.json


async def finished(server: Client, replay: dict[str, Any]) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        shown = server.get(f"/v1/replays/{replay['id']}").json
        return shown if shown["state"] == "finished" else None

    return await until(look)


async def settled(server: Client, endpoint: dict[str, Any], state: str, count: int) -> None:
    path = f"/v1/deliveries?endpoint={endpoint['id']}&state={state}&limit=500"
    await until(lambda: len(server.get(path).json["items"]) == count)


@pytest.mark.both_stores
async def test_everything_of_a_range_is_sent_again_with_the_same_ids(server: Server) -> None:
    with WebServer(lambda _: Say()) as web:
        endpoint = server.endpoint(web.url)
        given_events(server, 30)
        await settled(server, endpoint, "delivered", 30)
        first = {one.headers["webhook-id"] for one in web.asked}
        dry = server.post("/v1/replays?dry_run=true", {"endpoint_id": endpoint["id"]})
        assert (dry.status, dry.json) == (200, {"total": 30})
        assert server.get("/v1/replays").json["items"] == []
        replay = replayed(server, endpoint)
        assert (replay["total"], replay["state"]) == (30, "running")
        shown = await finished(server, replay)
        assert (shown["total"], shown["done"], shown["failed"]) == (30, 30, 0)
        again = of_replay(web, replay)
        assert sorted(numbers(again)) == list(range(30))
        assert {one.headers["webhook-id"] for one in again} == first
        assert len(web.asked) == 60
        forced = replayed(server, endpoint, new_webhook_ids=True, filters=[{"where": "data.n == 7"}])
        assert (await finished(server, forced))["total"] == 1
        assert of_replay(web, forced)[0].headers["webhook-id"] not in first


async def test_only_what_is_missing_or_dead(server: Server) -> None:
    is_ill = True

    def answer(asked: Asked) -> Say:
        return Say(500 if is_ill and json.loads(asked.body)["data"]["n"] % 2 else 200)

    with WebServer(answer) as web:
        given_events(server, 10)
        endpoint = server.endpoint(web.url, retry={"schedule_seconds": []})
        given_events(server, 10, first=10)
        await settled(server, endpoint, "dead", 5)
        is_ill = False
        missing = replayed(server, endpoint, only="missing")
        assert (await finished(server, missing))["done"] == 10
        assert sorted(numbers(of_replay(web, missing))) == list(range(10))
        dead = replayed(server, endpoint, only="dead")
        assert (await finished(server, dead))["done"] == 5
        assert sorted(numbers(of_replay(web, dead))) == [11, 13, 15, 17, 19]
        for only in ("missing", "dead"):
            again = server.post("/v1/replays?dry_run=true", {"endpoint_id": endpoint["id"], "only": only})
            assert again.json == {"total": 0}


async def test_what_fails_again_is_counted_as_failed(server: Server) -> None:
    with WebServer(lambda _: Say(500)) as web:
        endpoint = server.endpoint(web.url, retry={"schedule_seconds": []}, circuit={"failures": 1000})
        given_events(server, 4)
        await settled(server, endpoint, "dead", 4)
        shown = await finished(server, replayed(server, endpoint, only="dead"))
        assert (shown["total"], shown["done"], shown["failed"]) == (4, 0, 4)
        assert len(web.asked) == 8


async def test_a_rate_of_one_in_many_seconds_begins_at_once(server: Server) -> None:
    with WebServer(lambda _: Say()) as web:
        endpoint = server.endpoint(web.url)
        given_events(server, 2)
        await settled(server, endpoint, "delivered", 2)
        replay = replayed(server, endpoint, rate_per_second=0.01)
        await until(lambda: len(of_replay(web, replay)) == 1)
        server.post(f"/v1/replays/{replay['id']}/cancel")


async def test_pause_resume_and_cancel(server: Server) -> None:
    with WebServer(lambda _: Say()) as web:
        endpoint = server.endpoint(web.url, filters=[{"verbs": ["created"]}])
        given_events(server, 200)
        await settled(server, endpoint, "delivered", 200)
        replay = replayed(server, endpoint, rate_per_second=50)
        path = f"/v1/replays/{replay['id']}"
        await until(lambda: len(of_replay(web, replay)) >= 5)
        assert server.post(f"{path}/pause").json["state"] == "paused"
        assert server.post(f"{path}/pause").status == 200
        held = (await until(lambda: _still(lambda: len(of_replay(web, replay)))))[0]
        assert held < 200
        given_events(server, 1, first=900)
        await until(lambda: 900 in numbers(list(web.asked)))
        assert len(of_replay(web, replay)) == held
        assert server.post(f"{path}/resume").json["state"] == "running"
        await until(lambda: len(of_replay(web, replay)) > held)
        cancelled = server.post(f"{path}/cancel")
        assert (cancelled.status, cancelled.json["state"]) == (200, "cancelled")
        shown = await until(lambda: (found := server.get(path).json)["finished_at"] and found)
        pending = server.get(f"/v1/deliveries?endpoint={endpoint['id']}&state=pending").json["items"]
        assert pending == []
        assert shown["done"] < 200
        for step in ("pause", "resume"):
            assert server.post(f"{path}/{step}").status == 409


def _still(look: Callable[[], int]) -> tuple[int] | None:
    """A number that three looks in a row agree on."""
    seen = []
    for _ in range(3):
        seen.append(look())
        threading.Event().wait(0.1)
    return (seen[0],) if len(set(seen)) == 1 else None


async def test_what_is_refused(server: Server) -> None:
    endpoint = server.endpoint("http://127.0.0.1:9/", enabled=False)
    assert server.post("/v1/replays", {"endpoint_id": endpoint["id"]}).status == 409
    assert server.post("/v1/replays", {"endpoint_id": "end_unknown"}).status == 404
    for body, pointer in (
        ({}, "/endpoint_id"),
        ({"endpoint_id": "x", "only": "some"}, "/only"),
        ({"endpoint_id": "x", "rate_per_second": 0}, "/rate_per_second"),
        ({"endpoint_id": endpoint["id"], "filters": [{"where": "1 +"}]}, "/filters/0/where"),
        ({"endpoint_id": endpoint["id"], "since": "yesterday"}, "/since"),
    ):
        refused = server.post("/v1/replays", body)
        assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, pointer), refused
    assert server.get("/v1/replays/rpl_unknown").status == 404


async def test_a_count_and_a_replay_do_not_share_an_idempotency_key(server: Server) -> None:
    endpoint = server.endpoint("http://127.0.0.1:9/")
    body, key = {"endpoint_id": endpoint["id"]}, {"Idempotency-Key": "once"}
    assert server.post("/v1/replays?dry_run=true", body, headers=key).json == {"total": 0}
    assert server.post("/v1/replays?dry_run=true", body, headers=key).json == {"total": 0}
    assert server.post("/v1/replays", body, headers=key).status == 422


async def test_order_holds_within_a_replay(server: Server) -> None:
    with WebServer(lambda _: Say()) as web:
        endpoint = server.endpoint(web.url, ordering="subject")
        given_events(server, 60, subjects=3)
        await settled(server, endpoint, "delivered", 60)
        replay = replayed(server, endpoint)
        await finished(server, replay)
        again = numbers(of_replay(web, replay))
        for subject in range(3):
            assert [n for n in again if n % 3 == subject] == list(range(subject, 60, 3))


async def test_kill_9_neither_skips_nor_doubles(tmp_path: Path) -> None:
    program = Program(tmp_path / "replayed.db")
    try:
        with WebServer(lambda _: Say()) as web:
            given_events(program, 1500)
            endpoint = program.endpoint(web.url)
            wanted = {"endpoint_id": endpoint["id"], "only": "missing"}
            await until(lambda: program.post("/v1/replays?dry_run=true", wanted).json["total"] == 1500)
            replay = replayed(program, endpoint, only="missing")
            for part in (100, 500, 900):
                await until(lambda part=part: len(of_replay(web, replay)) > part)
                program.kill()
                program.start()
            shown = await finished(program, replay)
            assert (shown["total"], shown["done"], shown["failed"]) == (1500, 1500, 0)
            counts = Counter(numbers(of_replay(web, replay)))
            assert set(counts) == set(range(1500))
            assert program.post(
                "/v1/replays?dry_run=true", {"endpoint_id": endpoint["id"], "only": "missing"}
            ).json == {"total": 0}
    finally:
        program.stop()
