"""kill -9 at any moment: what was accepted arrives, in order where asked, and only what was out is sent twice."""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import MASTER_KEY
from tests.kit.apart import apart
from tests.kit.postgres import PostgresServer
from tests.kit.program import Program
from tests.kit.stores import place_of
from tests.kit.waiting import until

from tocsin.adapters.postgres.database import prepare_database
from tocsin.receiver import Receiver

KILLS = 4
SUBJECTS = 5


class Load:
    """Posts events one after another over a few threads, and keeps the ids that were acknowledged. A request whose answer
    did not come is repeated until it gets one: the same source and id, so that it is accepted once."""

    def __init__(self, program: Program) -> None:
        self.acknowledged: list[str] = []
        self._program = program
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._post, args=(n,), daemon=True) for n in range(SUBJECTS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def _post(self, subject: int) -> None:
        number = 0
        while not self._stop.is_set():
            event_id = f"{subject}-{number}"
            event = {
                "specversion": "1.0", "id": event_id, "source": "/load", "type": "load.went",
                "subject": f"s{subject}", "data": {"n": number},
            }  # fmt: skip
            headers = {"Content-Type": "application/cloudevents+json"}
            try:
                answer = self._program.post("/v1/events", event, headers=headers)
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)
                continue
            if answer.status == 202:
                self.acknowledged.append(event_id)
                number += 1


@pytest.fixture
def program(tmp_path: Path, kept_in: str, request: pytest.FixtureRequest) -> Iterator[Program]:
    settings: dict[str, str] = {}
    if kept_in == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.fresh("store", prepare_database)
        settings = {"TOCSIN_DATABASE": url, "TOCSIN_MASTER_KEY": MASTER_KEY}
    made = Program(tmp_path / "crash.db", **settings)
    yield made
    made.kill()


@pytest.mark.both_stores
async def test_kill_9_under_load_loses_nothing_and_keeps_the_order(program: Program) -> None:
    chance = random.Random(20261122)
    async with Receiver(keep=200_000) as ordered, Receiver(keep=200_000, fail="10%", status=500, seed=1) as shaky:
        retry = {"schedule_seconds": [0.05] * 50}
        program.endpoint(ordered.url, ordering="subject", retry=retry)
        program.endpoint(shaky.url, retry=retry)
        load = Load(program)
        try:
            for _ in range(KILLS):
                await asyncio.sleep(0.4 + chance.random() * 0.8)
                await asyncio.to_thread(program.kill)
                await asyncio.to_thread(program.start)
            await asyncio.sleep(0.3)
        finally:
            await asyncio.to_thread(load.stop)
        await until(lambda: program.get("/v1/stats").json["pending_deliveries"] == 0, seconds=60)

        sent = set(load.acknowledged)
        assert len(sent) > 20
        for receiver in (ordered, shaky):
            taken = Counter(json.loads(a.body)["id"] for a in receiver.arrivals if a.status < 300)
            assert sent - set(taken) == set(), "lost"
            twice = sum(count - 1 for count in taken.values())
            assert twice <= KILLS * 2048, "more was sent twice than a crash may leave unsettled"
        first: dict[str, list[int]] = defaultdict(list)
        seen: set[str] = set()
        for arrival in ordered.arrivals:
            event = json.loads(arrival.body)
            if arrival.status < 300 and event["id"] not in seen:
                seen.add(event["id"])
                first[event["subject"]].append(event["data"]["n"])
        assert len(first) == SUBJECTS
        for numbers in first.values():
            assert numbers == sorted(numbers)
        assert program.get("/v1/deliveries?state=dead").json["items"] == []
        numbers = program.get("/v1/stats").json
        await asyncio.to_thread(program.kill)
        assert (numbers["deliveries"]["delivered"], numbers["attempts"]["total"], numbers["events"]) == counted(program)


def counted(program: Program) -> tuple[int, ...]:
    """Deliveries, attempts and events that a killed server left."""
    place = place_of(program.database)
    numbers = [apart(place.rows(f"SELECT count(*) FROM {t}")) for t in ("delivery", "attempt", "event")]
    return tuple(int(str(count)) for ((count,),) in numbers)


async def test_an_acknowledged_event_is_there_after_an_immediate_kill(program: Program) -> None:
    async with Receiver() as receiver:
        program.endpoint(receiver.url)
        for number in range(3):
            answer = await asyncio.to_thread(
                program.post,
                "/v1/jobs/reports",
                {"job_id": f"j{number}", "job_type": "load_source", "state": "running"},
            )
            program.kill()
            assert answer.status == 202
            await asyncio.to_thread(program.start)
            for event_id in answer.json["results"][0]["event_ids"]:
                assert program.get(f"/v1/events/{event_id}").status == 200
        await until(lambda: len({a.webhook_id for a in receiver.arrivals}) == 6)


@pytest.mark.both_stores
async def test_sigterm_ends_cleanly_with_requests_out(program: Program) -> None:
    async with Receiver(delay=0.5) as receiver:
        program.endpoint(receiver.url)
        event = {"specversion": "1.0", "id": "x", "source": "/s", "type": "a.b", "data": 1}
        await asyncio.to_thread(
            program.post, "/v1/events", event, headers={"Content-Type": "application/cloudevents+json"}
        )
        await until(lambda: receiver.connections == 1)
        began = time.monotonic()
        assert await asyncio.to_thread(program.stop) == 0
        assert time.monotonic() - began < 10
        await asyncio.to_thread(program.start)
        await until(lambda: program.get("/v1/stats").json["pending_deliveries"] == 0)
        assert receiver.total == 1
