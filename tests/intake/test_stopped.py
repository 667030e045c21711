"""An intake that is not the one that the store takes from, and one that is full: nothing goes in or out, and the reason is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import nats
import pytest
from tests.intake.given import CLOUD_EVENT, asked, cloud_event, outcomes, receipt, report
from tests.kit.links import Link
from tests.kit.nats import NatsCluster
from tests.kit.server import Server
from tests.kit.waiting import until

from tocsin.cli.main import main


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


def renewed(capsys: pytest.CaptureFixture[str], settings: dict[str, str], *words: str) -> tuple[int, Any, str]:
    """Exit code, what is told, and what is told of a fault."""
    capsys.readouterr()
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    code = main(["intake", "renew", *words, *flags, "--output", "json"])
    told = capsys.readouterr()
    return code, json.loads(told.out) if told.out else None, told.err


async def test_what_was_set_back_is_gone_on_with_and_nothing_is_accepted_twice(
    nats_alone: NatsCluster,
    start: Callable[..., Server],
    settings: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings |= {"nats": nats_alone.urls[0]}
    name = settings["nats_stream"]
    server = await asyncio.to_thread(start)
    for number in range(4):
        change = {"action": "create", "record": {"id": f"r{number}", "data": {}}}
        assert (await asked(server.post, "/v1/records/changes", change)).json["results"][0]["event_ids"]
    assert (await asyncio.to_thread(renewed, capsys, settings, "--yes"))[0] == 4  # a server runs
    await asyncio.to_thread(server.stop)
    code, told, _ = await asyncio.to_thread(renewed, capsys, settings, "--yes")
    assert (code, told["why"], told["is_done"]) == (0, None, False)
    client = await nats.connect(nats_alone.urls[0])
    try:
        jetstream = client.jetstream()
        info = await jetstream.stream_info(name)
        kept = [await jetstream.get_msg(name, sequence) for sequence in (1, 2)]
        await jetstream.delete_stream(name)
        await jetstream.add_stream(info.config)
        for message in kept:
            await jetstream.publish(str(message.subject), message.data or b"")
    finally:
        await client.close()
    code, told, fault = await asyncio.to_thread(renewed, capsys, settings)
    assert (code, told["taken"], told["held"], told["is_done"]) == (2, 4, 2, False)
    assert "has lost something" in fault
    stopped = await asyncio.to_thread(start)
    assert (await asked(stopped.get, "/readyz")).status == 503
    await asyncio.to_thread(stopped.stop)
    code, told, _ = await asyncio.to_thread(renewed, capsys, settings, "--yes")
    assert (code, told["is_done"]) == (0, True)
    again = await asyncio.to_thread(start)
    assert outcomes(await asked(again.post, "/v1/events", cloud_event(9), headers=CLOUD_EVENT)) == ["accepted"]
    assert (await asked(again.get, "/readyz")).status == 200
    assert await asyncio.to_thread(again.rows, "SELECT max(sequence) FROM intake") == [(3,)]
    assert await asyncio.to_thread(again.rows, "SELECT count(*) FROM event") == [(5,)]
    entry = (await asked(again.get, "/v1/audit?action=intake.renewed")).json["items"][0]
    assert (entry["before"]["taken"], entry["after"]["held"]) == (4, 2)


async def test_a_stream_that_is_gone_is_made_when_that_is_wanted(
    nats_alone: NatsCluster,
    start: Callable[..., Server],
    settings: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings |= {"nats": nats_alone.urls[0]}
    server = await asyncio.to_thread(start)
    assert outcomes(await asked(server.post, "/v1/jobs/reports", report("job-1"))) == ["changed"]
    await asyncio.to_thread(server.stop)
    client = await nats.connect(nats_alone.urls[0])
    try:
        await client.jetstream().delete_stream(settings["nats_stream"])
        code, told, fault = await asyncio.to_thread(renewed, capsys, settings)
        assert (code, told["held"]) == (2, None)
        assert "The intake is gone" in fault
        code, told, _ = await asyncio.to_thread(renewed, capsys, settings, "--yes")
        assert (code, told["is_done"], told["held"]) == (0, True, 0)
        again = await asyncio.to_thread(start)
        assert outcomes(await asked(again.post, "/v1/jobs/reports", report("job-2"))) == ["changed"]
        await asyncio.to_thread(again.stop)
        await client.jetstream().delete_stream(settings["nats_stream"])
        made = {"discard": "old", "storage": "file"}
        await client.jetstream().add_stream(
            name=settings["nats_stream"], subjects=[settings["nats_stream"] + ".*"], **made
        )
        code, _, fault = await asyncio.to_thread(renewed, capsys, settings, "--yes")
        assert code == 4
        assert "discard must be new" in fault
    finally:
        await client.close()
    nats_alone.servers[0].kill()
    assert (await asyncio.to_thread(renewed, capsys, settings, "--yes"))[0] == 3
    del settings["nats"]
    assert (await asyncio.to_thread(renewed, capsys, settings, "--yes"))[0] == 2


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
