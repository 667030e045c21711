"""The preview of an endpoint: what matches among the newest events, and how it would look."""

import json
from typing import Any

from tests.api.callers import Caller, problem_of
from tests.kit.server import Server
from tests.kit.waiting import until


def given_jobs(caller: Caller, *states: str) -> None:
    for number, state in enumerate(states):
        report = {"job_id": f"job-{number}", "job_type": "load_source", "state": state}
        assert caller.post("/v1/jobs/reports", report).status == 202


def test_it_shows_which_events_match_and_how_they_would_look(shared_server: Server) -> None:
    caller = Caller(shared_server)
    given_jobs(caller, "running", "failed", "succeeded")
    endpoint = caller.endpoint(enabled=False, filters=[{"where": "data.state == 'failed'", "verbs": ["failed"]}])
    answer = caller.post(f"/v1/endpoints/{endpoint['id']}/preview", {})
    assert answer.status == 200, answer
    preview = answer.json
    types = [item["type"] for item in preview["items"]]
    assert types == ["job.succeeded", "job.created", "job.failed", "job.created", "job.running", "job.created"]
    assert (preview["looked_at"], preview["matching"]) == (6, 1)
    matching = [item for item in preview["items"] if item["matches"]]
    assert [item["subject_id"] for item in matching] == ["job-1"]
    assert matching[0]["why_not"] is None
    request = matching[0]["request"]
    assert request["content_type"].startswith("application/cloudevents+json")
    assert json.loads(request["body"])["data"]["state"] == "failed"
    assert {item["why_not"] for item in preview["items"] if not item["matches"]} == {"no filter matches"}


def test_filters_and_format_can_be_tried_before_they_are_saved(shared_server: Server) -> None:
    caller = Caller(shared_server)
    given_jobs(caller, "running", "failed")
    endpoint = caller.endpoint(filters=[{"verbs": ["nothing"]}])
    path = f"/v1/endpoints/{endpoint['id']}"
    tried = {"filters": [], "format": {"kind": "tamr"}, "events": 4, "shown": 1}
    preview = caller.post(f"{path}/preview", tried).json
    assert (preview["looked_at"], preview["matching"]) == (4, 2)
    assert [item["why_not"] for item in preview["items"]] == [None, "the format cannot express it"] * 2
    assert [item["request"] is not None for item in preview["items"]] == [True, False, False, False]
    assert caller.get(path).json == endpoint | {"signing": caller.get(path).json["signing"]}


def test_what_is_tried_is_checked(shared_server: Server) -> None:
    caller = Caller(shared_server)
    path = f"/v1/endpoints/{caller.endpoint()['id']}/preview"
    for body, pointer in (
        ({"filters": [{"where": "data.x >"}]}, "/filters/0/where"),
        ({"filters": [{"nothing": 1}]}, "/filters/0/nothing"),
        ({"format": {"kind": "x"}}, "/format/kind"),
        ({"events": 501}, "/events"),
        ({"url": "http://127.0.0.1/"}, "/url"),
    ):
        assert problem_of(caller.post(path, body)) == ("invalid-request", 422, [pointer])
    assert Caller(shared_server).post(path, {}).status == 404
    assert caller.post(path, {}, role="viewer").status == 200
    assert caller.post(path, {}, role="producer").status == 403


async def test_a_filter_by_expression_decides_what_is_delivered(shared_server: Server) -> None:
    caller = Caller(shared_server)
    wanted = caller.endpoint(filters=[{"where": "type == 'job.failed' && attributes.team == 'mdm'"}])
    all_of_them = caller.endpoint(filters=[{"event_types": ["job.failed"]}])
    report = {"job_id": "j", "job_type": "load", "state": "failed", "attributes": {"team": "mdm"}}
    assert caller.post("/v1/jobs/reports", [report, report | {"job_id": "k", "attributes": {}}]).status == 202

    def subjects(endpoint: dict[str, Any]) -> list[str]:
        items = caller.get(f"/v1/deliveries?endpoint={endpoint['id']}").json["items"]
        return sorted(item["subject_id"] for item in items)

    await until(lambda: subjects(all_of_them) == ["j", "k"])
    assert subjects(wanted) == ["j"]
    preview = caller.post(f"/v1/endpoints/{wanted['id']}/preview", {}).json
    assert [item["subject_id"] for item in preview["items"] if item["matches"]] == ["j"]
