"""Reading back: jobs, events, records, deliveries, the catalogue, numbers."""

import json
from typing import Any

import pytest
from tests.api.callers import Caller, problem_of
from tests.kit.server import Server
from tests.kit.waiting import until

from tocsin.formats import KINDS
from tocsin.receiver import Receiver


def report(caller: Caller, job_id: str, state: str, **fields: object) -> None:
    answer = caller.post("/v1/jobs/reports", {"job_id": job_id, "job_type": "load", "state": state} | fields)
    assert answer.status == 202, answer


def test_a_job_with_its_history_and_children(shared_server: Server) -> None:
    caller = Caller(shared_server)
    report(caller, "top/1", "pending", labels={"team": "x"}, attributes={"n": 1})
    report(caller, "top/1", "running", details="step 1")
    report(caller, "child", "running", parent_job_id="top/1")
    report(caller, "other", "failed")
    job = caller.get("/v1/jobs/top%2F1", role="producer").json
    assert (job["state"], job["previous_state"], job["details"], job["tenant"]) == (
        "running",
        "pending",
        "step 1",
        caller.tenant,
    )
    assert [past["state"] for past in job["history"]] == ["pending"]
    assert (job["labels"], job["attributes"]) == ({"team": "x"}, {"n": 1})
    assert [(child["job_id"], child["state"]) for child in job["children"]] == [("child", "running")]
    assert caller.get("/v1/jobs/top/1").json == job
    child = caller.get("/v1/jobs/child").json
    assert (child["parent_job_id"], child["root_job_id"], child["children"]) == ("top/1", "top/1", [])

    def ids(query: str) -> list[str]:
        return [item["job_id"] for item in caller.get(f"/v1/jobs{query}").json["items"]]

    assert ids("") == ["other", "child", "top/1"]
    assert ids("?state=running") == ["child", "top/1"]
    assert ids("?job_type=load&limit=1") == ["other"]
    assert ids("?job_type=none") == []
    assert ids("?parent_job_id=top/1") == ["child"]
    assert problem_of(caller.get("/v1/jobs?state=done")) == ("invalid-request", 422, ["state"])
    assert problem_of(caller.get("/v1/jobs/nobody"))[:2] == ("not-found", 404)
    assert problem_of(Caller(shared_server).get("/v1/jobs/child"))[:2] == ("not-found", 404)


def test_events_by_type_subject_and_time(shared_server: Server) -> None:
    caller = Caller(shared_server)
    report(caller, "j", "running")
    report(caller, "j", "succeeded")
    caller.post("/v1/data-versions", {"data_category_id": "c", "data_version": "1"})

    def types(query: str) -> list[str]:
        return [item["type"] for item in caller.get(f"/v1/events{query}", role="producer").json["items"]]

    everything = ["data_version.published", "job.succeeded", "job.running", "job.created"]
    assert types("") == everything
    assert types("?type=job.running") == ["job.running"]
    assert types("?subject_type=job") == everything[1:]
    assert types("?subject_type=job&subject_id=j&limit=2") == everything[1:3]
    items = caller.get("/v1/events").json["items"]
    accepted = items[1]["accepted_at"]
    assert "job.succeeded" in types(f"?since={accepted}")
    assert "job.succeeded" not in types(f"?until={accepted}")
    positions = [item["position"] for item in items]
    assert positions == sorted(positions, reverse=True)
    shown = caller.get(f"/v1/events/{items[1]['id']}").json
    assert shown == items[1] | {"deliveries": []}
    assert shown["data"]["previous_state"] == "running"
    assert problem_of(Caller(shared_server).get(f"/v1/events/{items[1]['id']}"))[:2] == ("not-found", 404)
    seen: list[int] = []
    query = "?limit=3"
    for _ in range(2):
        page = caller.get(f"/v1/events{query}").json
        seen += [item["position"] for item in page["items"]]
        query = f"?limit=3&cursor={page['next_cursor']}"
    assert seen == positions
    assert page["next_cursor"] is None


def test_the_history_of_a_record(shared_server: Server) -> None:
    caller = Caller(shared_server)
    one = {"id": "a/1", "data": {"n": 1.10}}
    body = json.dumps(
        [{"action": "create", "table": "t", "record": one}, {"action": "update", "table": "t", "record": one}]
    )
    assert caller.post("/v1/records/changes", body.encode()).status == 202
    merge = {"action": "merge", "table": "t", "record": one, "retired": {"id": "b"}}
    assert caller.post("/v1/records/changes", merge).status == 202
    for path in ("/v1/records/t/a%2F1/history", "/v1/records/t/a/1/history"):
        items = caller.get(path, role="viewer").json["items"]
        assert [(item["data"]["action"], item["data"]["record_number"]) for item in items] == [
            ("merge", 0), ("update", 0), ("create", 0),
        ]  # fmt: skip
    assert [item["type"] for item in caller.get("/v1/records/t/b/history").json["items"]] == ["record.deleted"]
    assert problem_of(caller.get("/v1/records/t/c/history"))[:2] == ("not-found", 404)


@pytest.mark.parametrize(
    ("content_type", "body", "member", "shown"),
    [
        ("application/json", b'{"a" : 1.0}', "data", {"a": 1.0}),
        ("text/plain", b"caf\xc3\xa9", "data", "caf\u00e9"),
        ("text/plain", b"\xff", "data_base64", "/w=="),
        ("image/png", b"\x89PNG\xff", "data_base64", "iVBOR/8="),
    ],
)
def test_data_of_any_kind_is_shown(
    shared_server: Server, content_type: str, body: bytes, member: str, shown: object
) -> None:
    caller = Caller(shared_server)
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "a.b", "Content-Type": content_type}
    (result,) = caller.post("/v1/events", body, headers=headers).json["results"]
    event = caller.get(f"/v1/events/{result['event_id']}").json
    assert event[member] == shown
    assert {"data", "data_base64"} & set(event) == {member}


async def test_deliveries_with_their_attempts(shared_server: Server) -> None:
    caller = Caller(shared_server)
    async with Receiver(fail=1, status=500) as receiver:

        def made() -> dict[str, Any]:
            endpoint = caller.endpoint(url=receiver.url, retry={"schedule_seconds": [0.01]})
            report(caller, "d-job", "running")
            return endpoint

        def delivered() -> list[dict[str, Any]] | None:
            items: list[dict[str, Any]] = caller.get("/v1/deliveries?state=delivered").json["items"]
            return items if len(items) == 2 else None

        endpoint: dict[str, Any] = await until(made)
        items = await until(delivered)

    by_type = {item["event_type"]: item for item in items}
    assert set(by_type) == {"job.created", "job.running"}
    tried_twice = next(item for item in items if item["attempt_count"] == 2)
    shown = caller.get(f"/v1/deliveries/{tried_twice['id']}", role="viewer").json
    attempts = shown.pop("attempts")
    assert shown == tried_twice
    assert (shown["in_flight"], shown["next_attempt_at"], shown["endpoint_id"]) == (False, None, endpoint["id"])
    assert [(a["number"], a["outcome"], a["response"]["status"]) for a in attempts] == [
        (1, "retry", 500),
        (2, "delivered", 204),
    ]
    assert attempts[0]["error"]["kind"] == "status"
    assert attempts[0]["next_attempt_at"] is not None
    assert attempts[0]["request"]["body"] == attempts[1]["request"]["body"]
    ids = {a["request"]["headers"]["webhook-id"] for a in attempts}
    assert ids == {shown["event_id"]}

    def count(query: str) -> int:
        return len(caller.get(f"/v1/deliveries?{query}").json["items"])

    assert count(f"endpoint={endpoint['id']}") == 2
    assert count("endpoint=end_none") == 0
    assert count(f"event={shown['event_id']}") == 1
    assert count("job=d-job") == 2
    assert count("job=none") == 0
    assert count("event_type=job.created&state=delivered") == 1
    assert count("state=dead") == 0
    event = caller.get(f"/v1/events/{shown['event_id']}").json
    assert event["deliveries"] == [shown]
    for path in ("/v1/deliveries", f"/v1/deliveries/{shown['id']}"):
        assert problem_of(caller.get(path, role="producer"))[:2] == ("forbidden", 403)
    assert problem_of(Caller(shared_server).get(f"/v1/deliveries/{shown['id']}"))[:2] == ("not-found", 404)


async def test_resending_and_cancelling(shared_server: Server) -> None:
    caller = Caller(shared_server)
    async with Receiver() as receiver:

        def made() -> dict[str, Any]:
            endpoint = caller.endpoint(url=receiver.url, filters=[{"event_types": ["job.created"]}])
            report(caller, "r", "running")
            return endpoint

        def delivered(number: int) -> list[dict[str, Any]] | None:
            items: list[dict[str, Any]] = caller.get("/v1/deliveries?state=delivered").json["items"]
            return items if len(items) == number else None

        endpoint: dict[str, Any] = await until(made)
        (first,) = await until(lambda: delivered(1))
        resent = await until(lambda: caller.post(f"/v1/deliveries/{first['id']}/resend"))
        assert resent.status == 202
        assert (resent.json["resend_of"], resent.json["event_id"]) == (first["id"], first["event_id"])
        assert resent.json["id"] != first["id"]
        second, _ = await until(lambda: delivered(2))
        assert second["id"] == resent.json["id"]
        ids = [arrival.webhook_id for arrival in receiver.arrivals]
        assert ids == [first["event_id"]] * 2
    assert problem_of(caller.post(f"/v1/deliveries/{first['id']}/cancel"))[:2] == ("conflict", 409)
    assert problem_of(caller.post("/v1/deliveries/dlv_x/resend"))[:2] == ("not-found", 404)
    assert problem_of(caller.post(f"/v1/deliveries/{first['id']}/resend", role="viewer"))[:2] == ("forbidden", 403)
    caller.post(f"/v1/endpoints/{endpoint['id']}/disable")
    assert problem_of(caller.post(f"/v1/deliveries/{first['id']}/resend"))[:2] == ("conflict", 409)


async def test_a_pending_delivery_is_cancelled_once(shared_server: Server) -> None:
    caller = Caller(shared_server)
    caller.endpoint(retry={"schedule_seconds": [3600]}, filters=[{"verbs": ["running"]}])
    report(caller, "c", "running")

    def waiting() -> dict[str, Any] | None:
        items: list[dict[str, Any]] = caller.get("/v1/deliveries?state=pending").json["items"]
        return items[0] if items and items[0]["attempt_count"] == 1 and not items[0]["in_flight"] else None

    pending = await until(waiting)
    assert pending["next_attempt_at"] > pending["created_at"]
    assert caller.get("/v1/stats").json["pending_deliveries"] == 1
    for _ in range(2):
        cancelled = caller.post(f"/v1/deliveries/{pending['id']}/cancel")
        assert (cancelled.status, cancelled.json["state"], cancelled.json["next_attempt_at"]) == (
            200,
            "cancelled",
            None,
        )
    assert caller.get("/v1/stats").json["pending_deliveries"] == 0


def test_the_catalogue_has_a_schema_and_an_example_for_every_type(shared_server: Server) -> None:
    items = {item["type"]: item for item in shared_server.get("/v1/event-types").json["items"]}
    assert {"job.created", "job.succeeded", "job.sync_completed", "record.updated", "data_version.published"} <= set(
        items
    )
    for item in items.values():
        assert list(item["examples"]) == list(KINDS)
        assert item["examples"]["cloudevents"]["body"]["type"] == item["type"]
    assert items["record.updated"]["examples"]["visier"] is None
    assert items["job.succeeded"]["schema"]["$ref"] == "#/$defs/JobData"


@pytest.mark.parametrize("path", ["/v1/endpoints", "/v1/deliveries", "/v1/events", "/v1/jobs", "/v1/api-keys"])
def test_lists_refuse_what_they_do_not_know(shared_server: Server, path: str) -> None:
    for query, status, name in (
        ("limit=0", 422, ["limit"]), ("limit=501", 422, ["limit"]), ("colour=red", 422, ["colour"]), ("cursor=%00", 400, []),
    ):  # fmt: skip
        assert problem_of(shared_server.get(f"{path}?{query}"))[1:] == (status, name)
    assert shared_server.get(f"{path}?limit=500").status == 200
