"""What producers are answered whose submissions go through the replicated intake: the same as without one."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.intake.given import CLOUD_EVENT, cloud_event, outcomes, report
from tests.kit.nats import NatsCluster
from tests.kit.server import Server


@pytest.fixture
async def server(nats_alone: NatsCluster, start: Callable[..., Server]) -> Server:
    return await asyncio.to_thread(start, nats=nats_alone.urls[0])


async def test_reports_have_their_verdicts(server: Server) -> None:
    def ask() -> None:
        post = server.post
        assert outcomes(post("/v1/jobs/reports", report("job-1"))) == ["changed"]
        assert outcomes(post("/v1/jobs/reports", report("job-1"))) == ["unchanged"]
        assert outcomes(post("/v1/jobs/reports", report("job-1", "succeeded"))) == ["changed"]
        refused = post("/v1/jobs/reports", report("job-1", "failed"))
        assert (refused.status, refused.json["type"]) == (409, "/problems/illegal-transition")
        assert refused.json["current_state"] == "succeeded"
        assert refused.headers["content-type"] == "application/problem+json"
        several = post("/v1/jobs/reports", [report("job-2"), report("job-1", "failed"), {"job_id": 3}])
        assert outcomes(several) == ["changed", "refused", "refused"]
        assert several.json["results"][1]["problem"]["status"] == 409
        assert server.get("/v1/jobs/job-1").json["state"] == "succeeded"

    await asyncio.to_thread(ask)


async def test_changes_have_their_versions_and_conflicts(server: Server) -> None:
    def ask() -> None:
        change = {"action": "create", "record": {"id": "r1", "data": {"name": "Ann"}}, "version_id": 7}
        first = server.post("/v1/records/changes", change)
        assert first.json["results"][0]["version_id"] == 7
        assert server.post("/v1/records/changes", change).json == first.json
        other = server.post("/v1/records/changes", change | {"record": {"id": "r1", "data": {"name": "Eve"}}})
        assert (other.status, other.json["type"]) == (409, "/problems/version-conflict")
        assert other.json["errors"][0]["pointer"] == "/version_id"
        assert server.post("/v1/data-versions", {"data_category_id": "c", "data_version": "1"}).status == 202

    await asyncio.to_thread(ask)


async def test_cloudevents_in_every_mode(server: Server) -> None:
    def ask() -> None:
        assert outcomes(server.post("/v1/events", cloud_event(1), headers=CLOUD_EVENT)) == ["accepted"]
        assert outcomes(server.post("/v1/events", cloud_event(1), headers=CLOUD_EVENT)) == ["duplicate"]
        batch = {"Content-Type": "application/cloudevents-batch+json"}
        assert outcomes(server.post("/v1/events", [cloud_event(1), cloud_event(2)], headers=batch)) == [
            "duplicate",
            "accepted",
        ]
        attributes = {"ce-specversion": "1.0", "ce-id": "3", "ce-source": "/shop", "ce-type": "order.created"}
        binary = attributes | {"ce-subject": "ä-1".encode().decode("latin-1"), "Content-Type": "text/plain"}
        answer = server.post("/v1/events", b"as it is", headers=binary)
        assert outcomes(answer) == ["accepted"]
        event = server.get(f"/v1/events/{answer.json['results'][0]['event_id']}").json
        assert event["type"] == "order.created"

    await asyncio.to_thread(ask)


async def test_lineage_is_answered_as_its_clients_expect(server: Server) -> None:
    def ask() -> None:
        run = {
            "eventType": "START",
            "eventTime": "2026-11-22T10:00:00Z",
            "run": {"runId": "0190a0a0-0000-7000-8000-000000000001"},
            "job": {"namespace": "n", "name": "j"},
            "producer": "https://example.com/p",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
        }
        answer = server.post("/api/v1/lineage", run)
        assert (answer.status, outcomes(answer)) == (201, ["changed"])

    await asyncio.to_thread(ask)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/jobs/reports", b"{", 400),
        ("/v1/jobs/reports", {"job_id": "job-1", "state": "flying"}, 422),
        ("/v1/records/changes", {"action": "merge", "record": {"id": "r1", "data": {}}}, 422),
        ("/v1/records/changes", [{"action": "merge", "record": {"id": "r1", "data": {}}}], 422),
        ("/v1/events", {"specversion": "1.0", "id": "1", "source": "/x", "type": "job.created"}, 422),
    ],
)
async def test_bad_input_is_refused_at_the_door(server: Server, path: str, body: Any, status: int) -> None:
    def ask() -> None:
        kind = CLOUD_EVENT if path == "/v1/events" else {}
        assert server.post(path, body, headers=kind).status == status
        assert server.rows("SELECT sum(sequence) FROM intake") == [(0,)]

    await asyncio.to_thread(ask)


async def test_an_idempotency_key_keeps_its_answer(server: Server) -> None:
    def ask() -> None:
        key = {"Idempotency-Key": "once"}
        first = server.post("/v1/jobs/reports", report("job-1"), headers=key)
        assert server.post("/v1/jobs/reports", report("job-1"), headers=key).json == first.json
        assert server.post("/v1/jobs/reports", report("job-2"), headers=key).status == 422

    await asyncio.to_thread(ask)


async def test_a_body_larger_than_a_message_of_the_servers_comes_through_whole(server: Server) -> None:
    def ask() -> None:
        data = "x" * (3 * 1024 * 1024)
        body = cloud_event(1, data=data)
        kind = CLOUD_EVENT | {"Content-Encoding": "gzip"}
        answer = server.post("/v1/events", gzip.compress(json.dumps(body).encode()), headers=kind)
        assert outcomes(answer) == ["accepted"]
        event = server.get(f"/v1/events/{answer.json['results'][0]['event_id']}").json
        assert event["data"] == data
        assert outcomes(server.post("/v1/jobs/reports", report("job-1"))) == ["changed"]

    await asyncio.to_thread(ask)


async def test_the_submissions_of_a_tenant_are_accepted_in_their_order(server: Server) -> None:
    """Many producers at once, each one after another; what they say is in the log in that order."""

    def produce(producer: int) -> None:
        for number in range(20):
            event = cloud_event(number, source=f"/p{producer}", subject=f"{producer}", data=number)
            assert outcomes(server.post("/v1/events", event, headers=CLOUD_EVENT)) == ["accepted"]

    await asyncio.gather(*(asyncio.to_thread(produce, producer) for producer in range(8)))
    rows = await asyncio.to_thread(server.rows, "SELECT subject_id, data FROM event ORDER BY position")
    for producer in range(8):
        told = [int(data) for subject, data in rows if subject == str(producer)]
        assert told == list(range(20))


async def test_a_server_on_sqlite_says_what_it_needs(nats_alone: NatsCluster, start: Callable[..., Server]) -> None:
    with pytest.raises(Exception, match="needs PostgreSQL"):
        await asyncio.to_thread(start, nats=nats_alone.urls[0], database="sqlite:///x.db")
