"""Retention over the real server: delivery goes on, a crash in the middle costs nothing, and what people see stays true."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.kit.old_rows import age, old_database, rows
from tests.kit.program import Program
from tests.kit.server import Client, Server
from tests.kit.waiting import until
from tests.kit.web import Say, WebServer
from tests.pipeline.test_clock import SteppingClock

from tocsin import wiring

MANY = 50_000
ONLY_ROWS = {"keep_bodies": "never", "keep_attempts": "never", "keep_rows": "30d"}
Start = Callable[..., Server]


def post(server: Client, name: str, **fields: object) -> Any:
    event = {"specversion": "1.0", "id": name, "source": "/test", "type": "order.created", "data": {"name": name}}
    return server.post("/v1/events", event | fields, headers={"Content-Type": "application/cloudevents+json"})


def of_endpoint(server: Client, endpoint: str, state: str, count: int) -> Callable[[], list[dict[str, Any]] | None]:
    """Its deliveries, once so many are in a state."""

    def look() -> list[dict[str, Any]] | None:
        items = server.get(f"/v1/deliveries?endpoint={endpoint}&state={state}").json["items"]
        return items if len(items) == count else None

    return look


def progress(server: Client) -> dict[str, Any]:
    return server.get("/v1/retention").json["progress"]


async def test_delivery_goes_on_while_much_is_removed(tmp_path: Path, start_server: Start) -> None:
    old_database(tmp_path / "old.db", MANY, days=40)
    server = start_server(tmp_path / "old.db", **ONLY_ROWS)
    with WebServer(lambda _: Say()) as receiver:
        server.endpoint(receiver.url)
        meanwhile = 0
        for number in range(2000):
            assert (await asyncio.to_thread(post, server, f"e{number}")).status == 202
            await until(lambda expected=number + 1: len(receiver.asked) >= expected)
            if (await asyncio.to_thread(progress, server))["removed"].get("events", 0) >= MANY:
                break
            meanwhile += 1
        assert meanwhile > 3, "it was over before anything else had a turn"
        removed = progress(server)["removed"]
        assert (removed["events"], removed["deliveries"], removed["attempts"]) == (MANY, MANY, MANY)
    shown = server.get("/v1/retention").json
    assert shown["oldest_event"]["position"] == MANY + 1
    assert [one["what"] for one in shown["progress"]["passes"]] == ["rows"]
    metrics = server.get("/metrics").body.decode()
    assert f'tocsin_retention_removed_total{{what="events"}} {float(MANY)}' in metrics


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Program]:
    old_database(tmp_path / "old.db", 20_000, days=400)
    made = Program(tmp_path / "old.db")
    yield made
    made.kill()


async def test_kill_9_in_the_middle_and_it_goes_on(killed: Program, tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    for what in ("bodies", "attempts"):
        await until(lambda what=what: progress(killed)["removed"].get(what, 0) > 500, seconds=60)
        await asyncio.to_thread(killed.kill)
        assert rows(path, "PRAGMA integrity_check") == [("ok",)]
        await asyncio.to_thread(killed.start)
    await until(lambda: killed.get("/v1/retention").json["oldest_event"]["position"] == 20_000, seconds=60)
    await until(lambda: progress(killed)["unused_bytes"] < 4_200_000)
    await asyncio.to_thread(killed.stop)
    assert rows(path, "SELECT count(*) FROM event") == [(1,)]
    assert rows(path, "SELECT count(*) FROM delivery WHERE position NOT IN (SELECT position FROM event)") == [(0,)]
    assert rows(path, "SELECT count(*) FROM attempt WHERE place >> 20 NOT IN (SELECT number FROM delivery)") == [(0,)]
    assert rows(path, "SELECT * FROM retention_left WHERE what = 'remains'") == []


async def test_what_people_see_of_it(tmp_path: Path, start_server: Start) -> None:
    database = tmp_path / "seen.db"
    kept = {"keep_bodies": "7d", "keep_attempts": "30d", "keep_rows": "90d"}
    server = start_server(database, **kept)

    def answer(_: object) -> Say:
        return Say(503 if len(receiver.asked) == 1 else 200, body=b"thanks")

    with WebServer(answer) as receiver:
        endpoint = server.endpoint(receiver.url, retry={"schedule_seconds": [0.01, 0.01]})["id"]
        accepted = post(server, "first").json["results"][0]["event_id"]
        (listed,) = await until(of_endpoint(server, endpoint, "delivered", 1))
        path = f"/v1/deliveries/{listed['id']}"
        before = server.get(path).json
        assert [attempt["bodies_removed"] for attempt in before["attempts"]] == [False, False]
        post(server, "last")
        await until(lambda: len(receiver.asked) == 3)

        async def aged(days: float, look: Callable[[], object]) -> None:
            await asyncio.to_thread(server.stop)
            age(database, days=days)
            await asyncio.to_thread(server.start)
            await until(look)

        await aged(8, lambda: all(attempt["bodies_removed"] for attempt in server.get(path).json["attempts"]))
        shown = server.get(path).json
        assert shown["attempt_count"] == 2
        for attempt, earlier in zip(shown["attempts"], before["attempts"], strict=True):
            assert (attempt["request"]["body"], attempt["response"]["body"]) == (None, None)
            assert attempt["request"]["body_bytes"] == earlier["request"]["body_bytes"] > 0
            assert attempt["response"]["body_bytes"] == earlier["response"]["body_bytes"] == 6
            assert attempt["request"]["headers"] == earlier["request"]["headers"]
        assert server.get(f"/v1/events/{accepted}").status == 200

        await aged(25, lambda: server.get(path).json["attempts"] == [])
        assert server.get(path).json["attempt_count"] == 2

        await aged(70, lambda: server.get(f"/v1/events/{accepted}").status == 404)
        assert server.get(path).status == 404
        assert server.post(f"{path}/resend").status == 404
        again = post(server, "first").json["results"][0]
        assert (again["outcome"], again["event_id"]) == ("duplicate", accepted), "its key has a time of its own"


async def test_jobs_that_ended_and_replays_that_are_over_go(tmp_path: Path, start_server: Start) -> None:
    database = tmp_path / "jobs.db"
    server = start_server(database)
    with WebServer(lambda _: Say()) as receiver:
        endpoint = server.endpoint(receiver.url, filters=[{"verbs": ["succeeded"]}])["id"]
        for job, parent, state in (
            ("alone", None, "succeeded"),
            ("parent", None, "succeeded"),
            ("child", "parent", "running"),
        ):
            told = {"job_id": job, "job_type": "load", "state": state, "parent_job_id": parent}
            assert server.post("/v1/jobs/reports", told).status == 202
        await until(of_endpoint(server, endpoint, "delivered", 2))
        replay = server.post("/v1/replays", {"endpoint_id": endpoint}).json["id"]
        await until(lambda: server.get(f"/v1/replays/{replay}").json["state"] == "finished")
        post(server, "last")
        server.post("/v1/jobs/reports", {"job_id": "last", "job_type": "load", "state": "succeeded"})
        await until(of_endpoint(server, endpoint, "delivered", 5))
        await asyncio.to_thread(server.stop)
        age(database, days=100)
        await asyncio.to_thread(server.start)
        await until(lambda: server.get("/v1/jobs/alone").status == 404)
        assert server.get(f"/v1/replays/{replay}").status == 404
        assert [server.get(f"/v1/jobs/{job}").status for job in ("parent", "child", "last")] == [200] * 3
        assert server.get("/v1/events").json["items"][0]["subject_id"] == "last"


async def test_what_is_pending_for_too_long_dies_visibly(
    tmp_path: Path, start_server: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SteppingClock()
    monkeypatch.setattr(wiring, "now_ms", clock)
    database = tmp_path / "pending.db"
    server = start_server(database, keep_pending="30d")
    with WebServer(lambda asked: Say(503 if b"order." in asked.body else 200)) as receiver:
        endpoint = server.endpoint(receiver.url, retry={"schedule_seconds": [3600]})["id"]
        listed = f"/v1/deliveries?endpoint={endpoint}"
        for name in ("old", "older"):
            post(server, name)
        await until(lambda: sum(row["attempt_count"] for row in server.get(listed).json["items"]) == 2)
        server.call("POST", f"/v1/endpoints/{endpoint}/disable")
        await asyncio.to_thread(server.stop)
        age(database, days=31)
        await asyncio.to_thread(server.start)
        dead = await until(of_endpoint(server, endpoint, "dead", 2))
        assert {(row["state"], row["reason"]) for row in dead} == {("dead", "expired")}
        assert [len(server.get(f"/v1/deliveries/{row['id']}").json["attempts"]) for row in dead] == [1, 1]
        clock.ahead += 60_000
        (told,) = await until(lambda: server.get("/v1/events?type=delivery.dead").json["items"] or None)
        assert (told["data"]["count"], told["data"]["reasons"]) == (2, {"expired": 2})


async def test_below_the_reserve_nothing_is_accepted_and_what_is_pending_is_delivered(
    tmp_path: Path, start_server: Start
) -> None:
    database = tmp_path / "full.db"
    server = start_server(database)
    healthy = False
    with WebServer(lambda _: Say(200 if healthy else 503)) as receiver:
        endpoint = server.endpoint(receiver.url, retry={"schedule_seconds": [1, 1, 1, 1, 1]})["id"]
        post(server, "before")
        await until(lambda: bool(receiver.asked))
        await asyncio.to_thread(server.stop)
        healthy = True
        full = start_server(database, disk_reserve="1000000TiB")
        refused = post(full, "after")
        assert (refused.status, refused.json["type"]) == (507, "/problems/storage-full")
        assert full.post("/v1/jobs/reports", {"job_id": "j", "job_type": "t", "state": "running"}).status == 507
        ready = full.get("/readyz")
        assert (ready.status, ready.json["problems"]) == (503, ["less of the disk is free than the reserve"])
        (row,) = await until(of_endpoint(full, endpoint, "delivered", 1))
        assert len(full.get(f"/v1/deliveries/{row['id']}").json["attempts"]) == row["attempt_count"]
        assert "tocsin_disk_free_bytes" in full.get("/metrics").body.decode()
        assert full.get("/v1/stats").json["last_position"] == 1
        await asyncio.to_thread(full.stop)
        await asyncio.to_thread(server.start)
        assert (server.get("/readyz").status, post(server, "after").status) == (200, 202)
