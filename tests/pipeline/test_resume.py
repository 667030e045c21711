"""A paused endpoint is resumed by hand: what waited is sent at once, and the audit log has who did it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.callers import Caller, problem_of
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer


def report(caller: Caller, job: str) -> None:
    assert caller.post("/v1/jobs/reports", {"job_id": job, "job_type": "t", "state": "failed"}).status == 202


def state_of(caller: Caller, endpoint: dict[str, Any]) -> Any:
    return caller.get(f"/v1/endpoints/{endpoint['id']}").json


@pytest.mark.parametrize(
    ("status", "headers", "circuit", "sent"),
    [
        (429, (("Retry-After", "3600"),), {}, ["b"]),
        (500, (), {"failures": 1, "deliveries": 1, "cool_down_seconds": 3600}, ["a", "b"]),
    ],
    ids=["what was answered with a time keeps it", "an open circuit"],
)
async def test_what_waited_is_sent_at_once(
    shared_server: Server,
    status: int,
    headers: tuple[tuple[str, str], ...],
    circuit: dict[str, object],
    sent: list[str],
) -> None:
    is_back = False
    caller = Caller(shared_server)
    with WebServer(lambda _: Say(200) if is_back else Say(status, headers=headers)) as web:
        endpoint = caller.endpoint(
            url=web.url, circuit=circuit, retry={"schedule_seconds": [0.05]}, filters=[{"verbs": ["failed"]}]
        )
        path = f"/v1/endpoints/{endpoint['id']}"
        report(caller, "a")
        paused = await until(lambda: found if (found := state_of(caller, endpoint))["state"] == "paused" else None)
        report(caller, "b")
        is_back = True
        resumed = caller.post(f"{path}/resume")
        assert resumed.status == 200, resumed
        assert (resumed.json["state"], resumed.json["paused_until"]) == ("healthy", None)
        deliveries = f"/v1/deliveries?endpoint={endpoint['id']}&state=delivered"
        await until(lambda: sorted(one["subject_id"] for one in caller.get(deliveries).json["items"]) == sent)
    (entry,) = caller.get("/v1/audit?action=endpoint.resumed").json["items"]
    assert (entry["target"], entry["before"]["state"], entry["after"]["state"]) == (endpoint["id"], "paused", "healthy")
    assert entry["before"]["circuit_state"] == paused["circuit_state"]
    assert caller.post(f"{path}/resume").status == 200
    assert len(caller.get("/v1/audit?action=endpoint.resumed").json["items"]) == 1


async def test_it_outlives_a_restart(server: Server) -> None:
    caller = Caller(server)
    with WebServer(lambda _: Say(503, headers=(("Retry-After", "3600"),))) as web:
        endpoint = caller.endpoint(url=web.url, filters=[{"verbs": ["failed"]}], retry={"schedule_seconds": [3600]})
        report(caller, "a")
        await until(lambda: state_of(caller, endpoint)["state"] == "paused")
        assert caller.post(f"/v1/endpoints/{endpoint['id']}/resume").json["state"] == "healthy"
        server.stop()
        server.start()
        assert state_of(caller, endpoint)["paused_until"] is None


def test_what_is_disabled_or_waits_for_consent_is_not_resumed(shared_server: Server) -> None:
    caller = Caller(shared_server)
    disabled = caller.endpoint(enabled=False)
    assert problem_of(caller.post(f"/v1/endpoints/{disabled['id']}/resume"))[:2] == ("conflict", 409)

    def refuse(_: Asked) -> Say:
        return Say(200)

    with WebServer(refuse) as web:
        waiting = caller.endpoint(url=web.url, validation="required")
        resumed = caller.post(f"/v1/endpoints/{waiting['id']}/resume")
        assert (resumed.status, resumed.json["state"]) == (200, "paused")
    assert caller.get("/v1/audit?action=endpoint.resumed").json["items"] == []
    assert caller.post("/v1/endpoints/end_x/resume").status == 404
