"""An intake that is not the one that the store takes from, and one that is full: nothing goes in or out, and the reason is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import nats
import pytest
from tests.intake.given import CLOUD_EVENT, asked, cloud_event, outcomes, receipt, report
from tests.kit.links import Link
from tests.kit.nats import NatsCluster
from tests.kit.server import Server
from tests.kit.waiting import until


async def test_a_stream_that_was_made_anew_is_not_taken_from(
    nats_alone: NatsCluster, start: Callable[..., Server], settings: dict[str, str]
) -> None:
    server = await asyncio.to_thread(start, nats=nats_alone.urls[0])
    assert outcomes(await asked(server.post, "/v1/jobs/reports", report("job-1"))) == ["changed"]
    client = await nats.connect(nats_alone.urls[0])
    try:
        jetstream = client.jetstream()
        name = settings["nats_stream"]
        info = await jetstream.stream_info(name)
        await jetstream.delete_stream(name)
        await until(lambda: server.get("/readyz").status == 503)
        assert "The intake is gone" in (await asked(server.get, "/readyz")).json["problems"][0]
        refused = await asked(server.post, "/v1/jobs/reports", report("job-2"))
        assert (refused.status, refused.json["type"]) == (503, "/problems/intake-unavailable")
        other = info.config.evolve(metadata={"tocsin-incarnation": "another"})
        await jetstream.add_stream(other)
        await jetstream.publish(f"{name}.1", b"whatever it is")
        await until(lambda: "another" in server.get("/readyz").json["problems"][0])
        refused = await asked(server.post, "/v1/jobs/reports", report("job-2"))
        assert refused.status == 503
        assert "The intake is another one" in refused.json["detail"]
        assert (await asked(server.get, "/v1/jobs")).status == 200
        await asyncio.to_thread(server.stop)
        again = await asyncio.to_thread(start, nats=nats_alone.urls[0])
        assert (await asked(again.get, "/readyz")).status == 503
        assert (await asked(again.post, "/v1/jobs/reports", report("job-2"))).status == 503
        assert await asyncio.to_thread(again.rows, "SELECT max(sequence) FROM intake") == [(1,)]
    finally:
        await client.close()


async def test_a_stream_that_lost_its_end_is_not_taken_from(
    nats_alone: NatsCluster, start: Callable[..., Server], settings: dict[str, str]
) -> None:
    """As after its servers were set back to a copy of an earlier day: the same name, the same incarnation, and less in it."""
    server = await asyncio.to_thread(start, nats=nats_alone.urls[0])
    for number in range(3):
        assert outcomes(await asked(server.post, "/v1/jobs/reports", report(f"job-{number}"))) == ["changed"]
    await asyncio.to_thread(server.stop)
    client = await nats.connect(nats_alone.urls[0])
    try:
        jetstream = client.jetstream()
        info = await jetstream.stream_info(settings["nats_stream"])
        await jetstream.delete_stream(settings["nats_stream"])
        await jetstream.add_stream(info.config)
    finally:
        await client.close()
    again = await asyncio.to_thread(start, nats=nats_alone.urls[0])
    assert "has lost something" in (await asked(again.get, "/readyz")).json["problems"][0]


@pytest.mark.parametrize(("fault", "words"), [({"discard": "old"}, "discard"), ({"max_age": 60.0}, "forgets")])
async def test_a_stream_that_would_lose_something_is_not_used(
    nats_alone: NatsCluster,
    start: Callable[..., Server],
    settings: dict[str, str],
    fault: dict[str, object],
    words: str,
) -> None:
    name = settings["nats_stream"]
    client = await nats.connect(nats_alone.urls[0])
    try:
        made = {"discard": "new", "storage": "file"} | fault
        await client.jetstream().add_stream(name=name, subjects=[f"{name}.*"], **made)
    finally:
        await client.close()
    server = await asyncio.to_thread(start, nats=nats_alone.urls[0])
    assert words in (await asked(server.get, "/readyz")).json["problems"][0]
    assert (await asked(server.post, "/v1/jobs/reports", report("job-1"))).status == 503


async def test_a_full_stream_has_producers_come_back(
    nats_alone: NatsCluster, behind: dict[str, str], start: Callable[..., Server], link: Link
) -> None:
    server = await asyncio.to_thread(start, **(behind | {"nats": nats_alone.urls[0], "nats_max_bytes": "64KiB"}))
    link.cut()
    event = cloud_event(1, data="x" * 20_000)
    first = await asked(server.post, "/v1/events", event, headers=CLOUD_EVENT)
    assert outcomes(first) == ["queued"]
    answers = [await asked(server.post, "/v1/events", event, headers=CLOUD_EVENT) for _ in range(4)]
    full = answers[-1]
    assert (full.status, full.json["type"]) == (429, "/problems/overloaded")
    assert int(full.headers["retry-after"]) > 0
    link.heal()
    await receipt(server, first.json["receipt_id"], "accepted")
    assert await asyncio.to_thread(server.rows, "SELECT count(*) FROM event") == [(1,)]


async def test_a_stream_without_atomic_batches_does_as_well(
    nats_alone: NatsCluster, start: Callable[..., Server], settings: dict[str, str]
) -> None:
    """As servers before 2.12 have it: one message for each, side by side."""
    name = settings["nats_stream"]
    client = await nats.connect(nats_alone.urls[0])
    try:
        await client.jetstream().add_stream(name=name, subjects=[f"{name}.*"], discard="new", storage="file")
    finally:
        await client.close()
    server = await asyncio.to_thread(start, nats=nats_alone.urls[0])

    def produce(producer: int) -> None:
        for number in range(10):
            event = cloud_event(number, source=f"/p{producer}", subject=str(producer), data=number)
            assert outcomes(server.post("/v1/events", event, headers=CLOUD_EVENT)) == ["accepted"]

    await asyncio.gather(*(asyncio.to_thread(produce, producer) for producer in range(6)))
    rows = await asyncio.to_thread(server.rows, "SELECT subject_id, data FROM event ORDER BY position")
    for producer in range(6):
        assert [int(data) for subject, data in rows if subject == str(producer)] == list(range(10))
    large = cloud_event(99, data="x" * 2_000_000)
    refused = await asked(server.post, "/v1/events", large, headers=CLOUD_EVENT)
    assert refused.status == 413
    assert "max_payload" in refused.json["detail"]
