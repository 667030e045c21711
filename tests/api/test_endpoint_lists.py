"""Lists of endpoints: by state, format and text; how they did in the last day; the last attempts of one."""

from __future__ import annotations

from typing import Any

from tests.api.callers import Caller, problem_of
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer

from tocsin.formats import FORMATS


def names(caller: Caller, query: str = "") -> list[str]:
    answer = caller.get(f"/v1/endpoints{query}")
    assert answer.status == 200, answer
    stats = caller.get(f"/v1/endpoints/stats{query}").json
    assert [one["endpoint_id"] for one in stats["items"]] == [one["id"] for one in answer.json["items"]]
    assert stats["next_cursor"] == answer.json["next_cursor"]
    return [one["name"] for one in answer.json["items"]]


def test_endpoints_are_found_by_state_format_and_text(shared_server: Server) -> None:
    caller = Caller(shared_server)
    caller.endpoint(name="CRM Äpfel", format={"kind": "tamr"})
    caller.endpoint(name="billing", url="http://127.0.0.1:9/CRM", enabled=False)
    caller.endpoint(name="lake")
    assert names(caller) == ["lake", "billing", "CRM Äpfel"]
    assert names(caller, "?state=disabled") == ["billing"]
    assert names(caller, "?state=healthy") == ["lake", "CRM Äpfel"]
    assert names(caller, "?state=paused") == []
    assert names(caller, "?format=tamr") == ["CRM Äpfel"]
    assert names(caller, "?search=crm") == ["billing", "CRM Äpfel"]
    assert names(caller, "?search=%C3%84PFEL&state=healthy&format=tamr") == ["CRM Äpfel"]
    assert names(caller, "?search=") == ["lake", "billing", "CRM Äpfel"]
    for query, pointer in (("state=ill", "state"), ("format=xml", "format"), ("kind=tamr", "kind")):
        assert problem_of(caller.get(f"/v1/endpoints?{query}")) == ("invalid-request", 422, [pointer])


def test_every_format_can_be_asked_for(shared_server: Server) -> None:
    caller = Caller(shared_server)
    for setting in FORMATS:
        assert caller.get(f"/v1/endpoints?format={setting.__struct_config__.tag}").status == 200


def test_pages_of_what_was_found_follow_one_another(shared_server: Server) -> None:
    caller = Caller(shared_server)
    for number in range(7):
        caller.endpoint(name=f"{'even' if number % 2 == 0 else 'odd'}-{number}")
    found: list[str] = []
    cursor = ""
    for _ in range(4):
        page = caller.get(f"/v1/endpoints?search=even&limit=2{cursor}").json
        found += [one["name"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == ["even-6", "even-4", "even-2", "even-0"]
    assert cursor


async def test_the_last_day_and_the_last_attempts_are_told(shared_server: Server) -> None:
    caller = Caller(shared_server)
    retry = {"schedule_seconds": [0.01, 600]}

    def answer(asked: Asked) -> Say:
        return Say(503) if b"job.failed" in asked.body else Say(200)

    with WebServer(answer) as web:
        made = caller.endpoint(url=web.url, retry=retry, circuit={"failures": 100})
        batched = caller.endpoint(
            url=web.url, filters=[{"verbs": ["running"]}], delivery={"mode": "batch", "max_events": 2}
        )
        idle = caller.endpoint(filters=[{"verbs": ["never"]}])
        for job, state in (("a", "running"), ("b", "running"), ("c", "failed")):
            assert caller.post("/v1/jobs/reports", {"job_id": job, "job_type": "t", "state": state}).status == 202

        def attempts(endpoint: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
            return caller.get(f"/v1/endpoints/{endpoint['id']}/attempts{query}").json["items"]

        await until(lambda: len(attempts(made)) == 7 and len(attempts(batched)) == 1)
    seen = attempts(made)
    assert [one["started_at"] for one in seen] == sorted((one["started_at"] for one in seen), reverse=True)
    failed = [one for one in seen if one["outcome"] == "retry"]
    assert [(one["number"], one["status"], one["error"]["kind"]) for one in failed] == [
        (2, 503, "status"),
        (1, 503, "status"),
    ]
    assert len({one["delivery_id"] for one in failed}) == 1
    shown = caller.get(f"/v1/deliveries/{failed[0]['delivery_id']}").json
    assert [one["id"] for one in shown["attempts"]] == [failed[1]["id"], failed[0]["id"]]
    assert attempts(made, "?limit=2") == seen[:2]
    assert caller.get(f"/v1/deliveries/{attempts(batched)[0]['delivery_id']}").json["batch_id"]
    assert problem_of(caller.get(f"/v1/endpoints/{made['id']}/attempts?limit=101"))[2] == ["limit"]

    by_id = {one["endpoint_id"]: one for one in caller.get("/v1/endpoints/stats").json["items"]}
    last_day = by_id[made["id"]]
    assert len(last_day["hours"]) == 24
    assert (
        sum(hour["delivered"] for hour in last_day["hours"]),
        sum(hour["failed"] for hour in last_day["hours"]),
    ) == (5, 2)
    assert last_day["hours"][-1]["delivered"] + last_day["hours"][-2]["delivered"] == 5
    assert (last_day["pending_deliveries"], last_day["dead_deliveries"]) == (1, 0)
    assert last_day["success_rate"] == round(5 / 7, 6)
    stats = caller.get(f"/v1/endpoints/{made['id']}/stats?range=24h").json
    assert last_day["attempt_p99_ms"] == stats["attempt_ms"]["p99"]
    assert stats["limit_in_force"] >= 1
    quiet = by_id[idle["id"]]
    assert (quiet["success_rate"], quiet["attempt_p99_ms"], quiet["pending_deliveries"]) == (None, None, 0)
    assert caller.get(f"/v1/endpoints/{idle['id']}/stats").json["limit_in_force"] is None
    assert by_id[batched["id"]]["hours"][-1]["delivered"] + by_id[batched["id"]]["hours"][-2]["delivered"] == 1
