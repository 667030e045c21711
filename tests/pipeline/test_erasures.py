"""Erasures among deliveries: what is out is waited for, what waits behind goes on, batches go without, and a crash neither
skips nor counts twice."""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.kit.planted import files_of, found, planted
from tests.kit.program import Program
from tests.kit.server import Client, Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer

SECRET = planted("a person's data")
SLOW = {"schedule_seconds": [3600]}


def given_events(server: Client, subjects: list[str], *, size: int = 1, first: int = 0) -> None:
    batch = [
        {
            "specversion": "1.0",
            "id": f"e{first + number}",
            "source": "/test",
            "type": "person.changed",
            "subject": subject,
            "data": {"n": first + number, "text": (SECRET.text if subject == "ann" else "of others") * size},
        }
        for number, subject in enumerate(subjects)
    ]
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    answer = server.post("/v1/events", json.dumps(batch).encode(), headers=headers)
    assert answer.status == 202, answer


def begun(server: Client, subject: str = "ann") -> str:
    made = server.post("/v1/erasures", {"subject_type": "person", "subject_id": subject})
    assert made.status == 202, made
    identifier: str = made.json["id"]
    return identifier


async def over(server: Client, erasure: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        shown: dict[str, Any] = server.get(f"/v1/erasures/{erasure}").json
        return shown if shown["state"] != "running" else None

    shown = await until(look, seconds=60)
    assert (shown["state"], shown["reason"]) == ("finished", None)
    report: dict[str, Any] = shown["report"]
    return report


def states(server: Client, endpoint: dict[str, Any]) -> dict[str, str]:
    """By subject; that of what was erased is empty."""
    items = server.get(f"/v1/deliveries?endpoint={endpoint['id']}&limit=500").json["items"]
    return {item["subject_id"]: item["state"] for item in items}


def subjects(asked: Asked) -> list[str]:
    document = json.loads(asked.body)
    return [event["subject"] for event in (document if isinstance(document, list) else [document])]


async def test_a_request_that_is_out_is_finished_then_erased(server: Server) -> None:
    entered, may_go = threading.Event(), threading.Event()

    def answer(asked: Asked) -> Say:
        entered.set()
        assert may_go.wait(30)
        return Say(200, asked.body)

    with WebServer(answer) as web:
        endpoint = server.endpoint(web.url)
        given_events(server, ["ann"])
        assert await until(entered.is_set)
        erasure = begun(server)
        await until(lambda: server.get(f"/v1/erasures/{erasure}").json["report"]["deliveries_cancelled"] or None)
        assert server.get(f"/v1/erasures/{erasure}").json["state"] == "running"
        (item,) = server.get(f"/v1/deliveries?endpoint={endpoint['id']}").json["items"]
        assert (item["state"], item["in_flight"]) == ("cancelled", True)
        may_go.set()
        report = await over(server, erasure)
        assert (report["events"], report["deliveries"], report["attempts"]) == (1, 1, 1)
        shown = server.get(f"/v1/deliveries/{item['id']}")
        assert (shown.json["state"], shown.json["attempts"][0]["outcome"]) == ("delivered", "delivered")
        assert not found([SECRET], "", shown.body)


async def test_what_waits_in_memory_is_not_sent(server: Server) -> None:
    entered, may_go = threading.Event(), threading.Event()

    def answer(asked: Asked) -> Say:
        entered.set()
        assert may_go.wait(30)
        return Say(200)

    with WebServer(answer) as web:
        endpoint = server.endpoint(web.url, max_in_flight=1)
        given_events(server, ["bob", *["ann"] * 5, "eve"])
        assert await until(entered.is_set)
        report = await over(server, begun(server))
        assert (report["deliveries_cancelled"], report["attempts"]) == (5, 0)
        may_go.set()
        await until(lambda: states(server, endpoint) == {"bob": "delivered", "": "cancelled", "eve": "delivered"})
        assert [subjects(asked) for asked in web.asked] == [["bob"], ["eve"]]


async def test_what_waits_behind_goes_on(server: Server) -> None:
    with WebServer(lambda asked: Say(503 if subjects(asked) == ["people/bea"] else 200)) as web:
        endpoint = server.endpoint(web.url, ordering="subject", retry=SLOW)
        change = {"action": "update", "table": "people", "record": {"id": "bea", "data": {}}}
        merge = {"action": "merge", "table": "people", "record": {"id": "ann", "data": {}}, "retired": {"id": "bea"}}
        for body in (change, merge):
            assert server.post("/v1/records/changes", body).status == 202
        await until(lambda: states(server, endpoint) == {"people/bea": "pending", "people/ann": "pending"})
        await until(lambda: len(web.asked) == 1)
        made = server.post("/v1/erasures", {"subject_type": "record", "subject_id": "people/bea"})
        report = await over(server, made.json["id"])
        assert report["deliveries_cancelled"] == 2
        await until(lambda: states(server, endpoint) == {"": "cancelled", "people/ann": "delivered"})
        assert [subjects(asked) for asked in web.asked] == [["people/bea"], ["people/ann"]]


@pytest.mark.both_stores
async def test_a_batch_goes_on_without(server: Server) -> None:
    is_open = threading.Event()
    with WebServer(lambda asked: Say(200 if is_open.is_set() else 503, asked.body)) as web:
        batch = {"mode": "batch", "max_events": 3, "max_wait_seconds": 30}
        endpoint = server.endpoint(web.url, delivery=batch, retry={"schedule_seconds": [0.2] * 100})
        given_events(server, ["bob", "ann", "eve"])
        await until(lambda: len(web.asked) > 1)
        report = await over(server, begun(server))
        assert (report["events"], report["deliveries_cancelled"]) == (1, 1)
        assert report["batch_attempts"] > 1
        asked = len(web.asked)
        is_open.set()
        await until(lambda: states(server, endpoint) == {"": "cancelled", "bob": "delivered", "eve": "delivered"})
        assert {tuple(subjects(one)) for one in web.asked[:asked]} >= {("bob", "ann", "eve")}
        assert {tuple(subjects(one)) for one in web.asked[asked:]} == {("bob", "eve")}
        assert len({one.headers["webhook-id"] for one in web.asked}) == 1


async def test_a_batch_that_was_dissolved_is_found(server: Server) -> None:
    with WebServer(lambda asked: Say(503 if asked.body.startswith(b"[") else 200, asked.body)) as web:
        batch = {"mode": "batch", "max_events": 2, "max_wait_seconds": 30}
        endpoint = server.endpoint(web.url, delivery=batch, retry={"schedule_seconds": [0.5] * 100})
        given_events(server, ["bob", "ann"])
        await until(lambda: len(web.asked) == 1)
        changed = server.call("PATCH", f"/v1/endpoints/{endpoint['id']}", {"delivery": {"mode": "realtime"}})
        assert changed.status == 200
        await until(lambda: states(server, endpoint) == {"bob": "delivered", "ann": "delivered"})
        report = await over(server, begun(server))
        assert report["batch_attempts"] >= 1
        for item in server.get(f"/v1/deliveries?endpoint={endpoint['id']}").json["items"]:
            shown = server.get(f"/v1/deliveries/{item['id']}")
            assert len(shown.json["attempts"]) >= 2
            assert not found([SECRET], "", shown.body)
        for place, data in files_of(server.database):
            assert not found([SECRET], place, data), place


async def test_a_batch_that_only_had_it_is_closed(server: Server) -> None:
    with WebServer(lambda _: Say(503)) as web:
        batch = {"mode": "batch", "max_events": 2, "max_wait_seconds": 30}
        endpoint = server.endpoint(web.url, delivery=batch, retry={"schedule_seconds": [0.2] * 100})
        given_events(server, ["ann", "ann"])
        await until(lambda: len(web.asked) > 1)
        report = await over(server, begun(server))
        assert (report["events"], report["deliveries_cancelled"]) == (2, 2)
        asked = len(web.asked)
        given_events(server, ["bob", "bob"], first=2)
        await until(lambda: len(web.asked) > asked + 1)
        assert {tuple(subjects(one)) for one in web.asked[asked:]} == {("bob", "bob")}
        assert states(server, endpoint)[""] == "cancelled"


async def test_kill_9_neither_skips_nor_counts_twice(tmp_path: Path) -> None:
    chance = random.Random(7)
    count, kills = 100, 0
    program = Program(tmp_path / "t.db")
    try:
        with WebServer(lambda asked: Say(200 if asked.path == "/good" else 404, asked.body)) as web:
            circuit = {"failures": 10_000}
            endpoints = [program.endpoint(web.url + name, retry=SLOW, circuit=circuit) for name in ("good", "bad")]
            for first in range(0, count * 2, 100):
                given_events(program, ["ann", "bob"] * 50, size=100, first=first)
            await until(lambda: len(web.asked) == 4 * count, seconds=60)
            await until(lambda: delivered(program, endpoints[0]) == 2 * count, seconds=60)
            attempts = sum(one.body.count(SECRET.text.encode()) > 0 for one in list(web.asked))
            erasure = begun(program)
            while program.get(f"/v1/erasures/{erasure}").json["state"] == "running" and kills < 4:
                threading.Event().wait(chance.random() * 0.12)
                program.kill()
                kills += 1
                program.start()
            report = await over(program, erasure)
        assert kills >= 2, "it was over too soon to be interrupted"
        assert (report["events"], report["deliveries"]) == (count, 2 * count)
        assert report["attempts"] == attempts
        for place, data in files_of(tmp_path / "t.db"):
            assert not found([SECRET], place, data), place
        events = program.get("/v1/events?limit=500").json["items"]
        assert {event["subject_id"] for event in events} == {"", "bob"}
    finally:
        program.kill()


def delivered(server: Client, endpoint: dict[str, Any]) -> int:
    path, cursor, total = f"/v1/deliveries?endpoint={endpoint['id']}&state=delivered&limit=500", "", 0
    while cursor is not None:
        page = server.get(path + (f"&cursor={cursor}" if cursor else "")).json
        total, cursor = total + len(page["items"]), page["next_cursor"]
    return total
