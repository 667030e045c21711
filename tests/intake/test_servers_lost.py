"""NATS servers are killed and come back: producers hear of it in time or not at all, and nothing is lost or accepted twice."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable

from tests.intake.given import CLOUD_EVENT, asked, cloud_event, outcomes, report
from tests.kit.nats import NatsCluster
from tests.kit.server import Answer, Server
from tests.kit.waiting import until


class Load:
    """Producers that send one event after another, and what they were answered."""

    def __init__(self, server: Server, producers: int = 4) -> None:
        self.server = server
        self.answers: list[tuple[str, Answer]] = []
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._produce, args=(n,)) for n in range(producers)]
        for thread in self._threads:
            thread.start()

    def _produce(self, producer: int) -> None:
        while not self._over.is_set():
            number = next(self._numbers)
            event = cloud_event(number, subject=str(producer), source=f"/p{producer}")
            self.answers.append((str(number), self.server.post("/v1/events", event, headers=CLOUD_EVENT)))

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    async def more(self, count: int = 40) -> None:
        before = len(self.answers)
        await until(lambda: len(self.answers) >= before + count, seconds=60)


def ids_in_log(server: Server) -> list[str]:
    rows = server.rows("SELECT convert_from(cloud, 'UTF8')::json->>'id' FROM event ORDER BY position")
    return [row[0] for row in rows]


async def test_without_servers_producers_are_told_to_come_back(
    nats_alone: NatsCluster, start: Callable[..., Server]
) -> None:
    server = await asyncio.to_thread(start, nats=nats_alone.urls[0])
    await until(lambda: server.get("/readyz").status == 200)
    assert outcomes(await asked(server.post, "/v1/jobs/reports", report("job-1"))) == ["changed"]
    nats_alone.servers[0].kill()
    refused = await asked(server.post, "/v1/jobs/reports", report("job-1", "succeeded"))
    assert (refused.status, refused.json["type"]) == (503, "/problems/intake-unavailable")
    assert int(refused.headers["retry-after"]) > 0
    assert (await asked(server.get, "/v1/jobs/job-1")).json["state"] == "running"
    nats_alone.servers[0].start()
    await until(lambda: server.post("/v1/jobs/reports", report("job-1", "succeeded")).status == 202)
    await until(lambda: server.get("/v1/jobs/job-1").json["state"] == "succeeded")


async def test_a_server_starts_while_they_are_away(nats_alone: NatsCluster, start: Callable[..., Server]) -> None:
    nats_alone.servers[0].kill()
    server = await asyncio.to_thread(start, nats=nats_alone.urls[0])
    assert (await asked(server.post, "/v1/jobs/reports", report("job-1"))).status == 503
    assert (await asked(server.get, "/readyz")).status == 503
    nats_alone.servers[0].start()
    await until(lambda: server.get("/readyz").status == 200)
    assert outcomes(await asked(server.post, "/v1/jobs/reports", report("job-1"))) == ["changed"]


async def test_a_restart_under_load_loses_nothing(nats_alone: NatsCluster, start: Callable[..., Server]) -> None:
    server = await asyncio.to_thread(start, nats=nats_alone.urls[0])
    load = Load(server)
    try:
        await load.more()
        await nats_alone.restart(nats_alone.servers[0])
        await load.more()
        nats_alone.servers[0].kill()
        nats_alone.servers[0].start()
        await load.more()
    finally:
        await asyncio.to_thread(load.stop)
    taken = {number for number, answer in load.answers if answer.status == 202}
    assert {answer.status for _, answer in load.answers} <= {202, 503}
    await until(lambda: taken <= set(ids_in_log(server)))
    logged = await asyncio.to_thread(ids_in_log, server)
    assert len(logged) == len(set(logged))


async def test_losing_one_of_three_changes_nothing_for_producers(
    nats_three: NatsCluster, start: Callable[..., Server]
) -> None:
    """Each of them once, the one with the stream's leader and the one that the server is connected to among them."""
    server = await asyncio.to_thread(start, nats=",".join(nats_three.urls))
    load = Load(server)
    try:
        for one in nats_three.servers:
            await load.more()
            one.kill()
            await load.more()
            one.start()
            await nats_three.wait()
        await load.more()
    finally:
        await asyncio.to_thread(load.stop)
    assert {(answer.status, *outcomes(answer)) for _, answer in load.answers} <= {(202, "accepted"), (202, "queued")}
    sent = {number for number, _ in load.answers}
    await until(lambda: sent <= set(ids_in_log(server)))
    logged = await asyncio.to_thread(ids_in_log, server)
    assert sorted(logged) == sorted(sent)
    for producer in range(4):
        query = f"SELECT convert_from(cloud, 'UTF8')::json->>'id' FROM event WHERE subject_id = '{producer}' ORDER BY position"
        numbers = [int(row[0]) for row in await asyncio.to_thread(server.rows, query)]
        assert numbers == sorted(numbers)


async def test_two_of_three_are_too_few(nats_three: NatsCluster, start: Callable[..., Server]) -> None:
    server = await asyncio.to_thread(start, nats=",".join(nats_three.urls))
    await until(lambda: server.get("/readyz").status == 200)
    assert outcomes(await asked(server.post, "/v1/jobs/reports", report("job-1"))) == ["changed"]
    for one in nats_three.servers[:2]:
        one.kill()
    assert (await asked(server.post, "/v1/jobs/reports", report("job-2"))).status == 503
    for one in nats_three.servers[:2]:
        one.start()
    await nats_three.wait()
    await until(lambda: server.post("/v1/jobs/reports", report("job-2")).status == 202)
