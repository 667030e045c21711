"""PostgreSQL is away: producers are served all the same, and everything is accepted and delivered when it is there again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from tests.intake.given import CLOUD_EVENT, asked, cloud_event, outcomes, receipt, report
from tests.kit.links import Link
from tests.kit.nats import NatsCluster
from tests.kit.server import Answer, Server
from tests.kit.waiting import until

from tocsin.receiver import Receiver


@pytest.fixture
async def server(nats_alone: NatsCluster, behind: dict[str, str], start: Callable[..., Server]) -> Server:
    return await asyncio.to_thread(start, **(behind | {"nats": nats_alone.urls[0]}))


def queued(answer: Answer) -> str:
    """The id of the receipt."""
    assert set(outcomes(answer)) == {"queued"}, answer
    return str(answer.json["receipt_id"])


async def test_what_is_queued_is_accepted_and_delivered_when_it_is_back(server: Server, link: Link) -> None:
    async with Receiver() as receiver:
        await asyncio.to_thread(server.endpoint, receiver.url, ordering="subject")
        link.cut()
        sent = [cloud_event(n, subject="s") for n in range(20)]
        answers = [await asked(server.post, "/v1/events", event, headers=CLOUD_EVENT) for event in sent]
        receipts = [queued(answer) for answer in answers]
        assert answers[0].json["results"] == [{"id": "0", "outcome": "queued", "event_id": None}]
        assert len(set(receipts)) == 20
        link.heal()
        await until(lambda: len(receiver.arrivals) >= 20)
        assert [json.loads(one.body)["id"] for one in receiver.arrivals] == [str(n) for n in range(20)]
        shown = await receipt(server, receipts[3], "accepted")
        assert shown["answer"]["results"][0]["outcome"] == "accepted"
        event = await asked(server.get, f"/v1/events/{shown['answer']['results'][0]['event_id']}")
        assert event.json["subject_id"] == "s"


async def test_every_route_has_an_answer_of_its_own(server: Server, link: Link) -> None:
    link.cut()
    several = [report("job-1"), {"job_id": 3}]
    reports = await asked(server.post, "/v1/jobs/reports", several)
    assert reports.status == 202
    assert [one["outcome"] for one in reports.json["results"]] == ["queued", "refused"]
    change = {"action": "create", "record": {"id": "r1", "data": {}}}
    changes = await asked(server.post, "/v1/records/changes", [change, change | {"version_id": 9}])
    assert [one["version_id"] for one in changes.json["results"]] == [None, 9]
    queued(changes)
    queued(await asked(server.post, "/v1/data-versions", {"data_category_id": "c", "data_version": "1"}))
    run = {
        "eventType": "START",
        "eventTime": "2026-11-22T10:00:00Z",
        "run": {"runId": "0190a0a0-0000-7000-8000-000000000001"},
        "job": {"namespace": "n", "name": "j"},
        "producer": "https://example.com/p",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
    }
    lineage = await asked(server.post, "/api/v1/lineage", run)
    assert lineage.status == 201
    last = queued(lineage)
    link.heal()
    await receipt(server, last, "accepted")
    jobs = await asked(server.get, "/v1/jobs")
    assert len(jobs.json["items"]) == 2
    assert len((await asked(server.get, "/v1/records/default/r1/history")).json["items"]) == 2


async def test_known_keys_are_good_and_unknown_ones_may_be(server: Server, link: Link) -> None:
    made = await asked(server.post, "/v1/api-keys", {"name": "p", "role": "producer", "tenant": "acme"})
    link.cut()
    await until(lambda: server.post("/v1/jobs/reports", report("a"), key="nobody-knows-this-one").status == 503)
    known = await asked(server.post, "/v1/jobs/reports", report("b"), key=made.json["value"])
    queued(known)
    stranger = await asked(server.get, "/v1/jobs", key="nobody-knows-this-one")
    assert (stranger.status, stranger.json["type"]) == (503, "/problems/store-unavailable")
    assert int(stranger.headers["retry-after"]) > 0
    assert (await asked(server.get, "/v1/jobs", key=None)).status == 401
    assert (await asked(server.get, "/v1/jobs")).status == 503
    assert (await asked(server.get, "/readyz")).status == 200
    link.heal()
    await until(lambda: server.get("/v1/jobs", key="nobody-knows-this-one").status == 401)


async def test_a_refusal_that_comes_late_is_told(server: Server, link: Link) -> None:
    async with Receiver() as receiver:
        filters = [{"event_types": ["report.refused"]}]
        await asyncio.to_thread(server.endpoint, receiver.url, filters=filters)
        assert outcomes(await asked(server.post, "/v1/jobs/reports", report("job-1", "succeeded"))) == ["changed"]
        link.cut()
        whole = queued(await asked(server.post, "/v1/jobs/reports", report("job-1", "failed")))
        parts = queued(await asked(server.post, "/v1/jobs/reports", [report("job-2"), report("job-1", "failed")]))
        good = queued(await asked(server.post, "/v1/jobs/reports", report("job-3")))
        link.heal()
        shown = await receipt(server, whole, "refused")
        assert shown["problem"]["type"] == "/problems/illegal-transition"
        assert shown["answer"] is None
        shown = await receipt(server, parts, "accepted")
        assert [one["outcome"] for one in shown["answer"]["results"]] == ["changed", "refused"]
        await receipt(server, good, "accepted")
        await until(lambda: len(receiver.arrivals) >= 2)
        told = {event["subject"]: event for event in (json.loads(one.body) for one in receiver.arrivals)}
        assert told.keys() == {whole, parts}
        assert {event["type"] for event in told.values()} == {"report.refused"}
        assert told[whole]["data"]["problem"]["current_state"] == "succeeded"
        assert told[whole]["data"]["route"] == "/v1/jobs/reports"
        assert told[parts]["data"]["problem"] is None
        assert [one["index"] for one in told[parts]["data"]["refused"]] == [1]


async def test_a_receipt_is_its_tenants(server: Server, link: Link) -> None:
    keys = [
        (await asked(server.post, "/v1/api-keys", {"name": "p", "role": "producer", "tenant": tenant})).json["value"]
        for tenant in ("acme", "bolt")
    ]
    link.cut()
    mine = queued(await asked(server.post, "/v1/jobs/reports", report("job-1"), key=keys[0]))
    link.heal()
    await receipt(server, mine, "accepted", key=keys[0])
    assert (await asked(server.get, f"/v1/receipts/{mine}", key=keys[1])).status == 404
    assert (await asked(server.get, f"/v1/receipts/{mine}?tenant=bolt")).status == 404
    assert (await asked(server.get, f"/v1/receipts/{mine}?tenant=acme")).json["state"] == "accepted"
    assert (await asked(server.get, "/v1/receipts/rcp_0")).status == 404
    later = mine[:-18] + "f" + mine[-17:]
    assert (await asked(server.get, f"/v1/receipts/{later}", key=keys[0])).status == 404


async def test_the_loss_of_the_store_ends_no_loop(server: Server, link: Link) -> None:
    """Each of them has looked at least once, and none is over: the process would have ended."""
    for _ in range(3):
        link.cut()
        last = queued(await asked(server.post, "/v1/jobs/reports", report("job-1", time="2026-11-22T10:00:00Z")))
        await asyncio.sleep(1.5)  # longer than any of the loops waits before it looks again
        link.heal()
        await receipt(server, last, "accepted")
        await until(lambda: server.get("/v1/jobs").status == 200)
        await until(lambda: server.get("/readyz").status == 200)
