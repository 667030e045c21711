"""Erasures over HTTP: what is asked for, what the report says, and how what was erased is shown and refused afterwards."""

from __future__ import annotations

from typing import Any

from tests.api.callers import Caller, problem_of
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Say, WebServer

ANN, BEA = "people/ann", "people/bea"


def changed(caller: Caller, record: str, action: str = "update", **fields: Any) -> dict[str, Any]:
    change = {"action": action, "table": "people", "record": {"id": record, "data": {"name": record.upper()}}}
    answer = caller.post("/v1/records/changes", change | fields)
    assert answer.status == 202, answer
    return answer.json["results"][0]


async def erased(caller: Caller, subject_type: str, subject_id: str) -> dict[str, Any]:
    made = caller.post("/v1/erasures", {"subject_type": subject_type, "subject_id": subject_id})
    assert made.status == 202, made

    def over() -> dict[str, Any] | None:
        shown: dict[str, Any] = caller.get(f"/v1/erasures/{made.json['id']}").json
        return shown if shown["state"] != "running" else None

    shown = await until(over)
    assert (shown["state"], shown["reason"]) == ("finished", None)
    return shown


async def settled(caller: Caller, count: int) -> list[dict[str, Any]]:
    def look() -> list[dict[str, Any]] | None:
        items: list[dict[str, Any]] = caller.get("/v1/deliveries?state=delivered").json["items"]
        return items if len(items) == count else None

    return await until(look)


def test_what_is_asked_for_is_checked_and_nothing_is_begun(shared_server: Server) -> None:
    caller = Caller(shared_server)
    for body, pointers in (
        ({}, ["/subject_type"]),
        ({"subject_type": "job"}, ["/subject_id"]),
        ({"subject_type": "job", "subject_id": ""}, ["/subject_id"]),
        ({"subject_type": "job", "subject_id": 7}, ["/subject_id"]),
        ({"subject_type": "job", "subject_id": "x" * 2049}, ["/subject_id"]),
        ({"subject_type": "job", "subject_id": "x", "also": 1}, ["/also"]),
        ({"subject_type": "record", "subject_id": "ann"}, ["/subject_id"]),
    ):
        assert problem_of(caller.post("/v1/erasures", body)) == ("invalid-request", 422, pointers), body
    assert caller.get("/v1/erasures").json["items"] == []
    assert problem_of(caller.get("/v1/erasures/ers_none"))[:2] == ("not-found", 404)
    assert problem_of(caller.get("/v1/erasures?state=done")) == ("invalid-request", 422, ["state"])


async def test_a_report_tells_each_place_and_what_is_unknown_is_zero(shared_server: Server) -> None:
    caller = Caller(shared_server)
    body = {"subject_type": "person", "subject_id": "nobody"}
    made = caller.post("/v1/erasures", body, headers={"Idempotency-Key": "k"})
    again = caller.post("/v1/erasures", body, headers={"Idempotency-Key": "k"})
    assert (made.status, made.body) == (again.status, again.body)
    shown = await erased(caller, "person", "nobody")
    report = shown["report"]
    assert {name for name, count in report.items() if count not in (0, [])} == set()
    assert {"events", "deliveries", "attempts", "versions", "kept_answers", "audit_entries", "jobs"} <= set(report)
    listed = caller.get("/v1/erasures").json["items"]
    assert [item["id"] for item in listed] == [shown["id"], made.json["id"]]
    assert listed[0] == shown
    page = caller.get("/v1/erasures?limit=1").json
    assert caller.get(f"/v1/erasures?limit=1&cursor={page['next_cursor']}").json["items"] == listed[1:]
    assert caller.get("/v1/erasures?state=failed").json["items"] == []
    (entry,) = caller.get(f"/v1/audit?target={shown['id']}").json["items"]
    assert (entry["action"], entry["after"]["subject_id"], entry["before"]) == ("erasure.created", "nobody", None)


async def test_what_was_erased_is_shown_as_such_and_not_sent_again(shared_server: Server) -> None:
    caller = Caller(shared_server)
    with WebServer(lambda _: Say(200)) as receiver:
        endpoint = caller.endpoint(url=receiver.url)["id"]
        (ann,), (bea,) = (changed(caller, record)["event_ids"] for record in ("ann", "bea"))
        before = await settled(caller, 2)
        shown = await erased(caller, "record", ANN)
        assert (shown["report"]["events"], shown["report"]["deliveries"], shown["report"]["attempts"]) == (1, 1, 1)
        event = caller.get(f"/v1/events/{ann}").json
        assert (event["erased"], event["subject_id"], event["type"]) == (True, "", "record.updated")
        assert not {"data", "cloudevent"} & set(event)
        assert "erased" not in caller.get(f"/v1/events/{bea}").json
        assert problem_of(caller.get(f"/v1/records/{ANN}/history"))[:2] == ("not-found", 404)
        by_event = {item["event_id"]: item["id"] for item in before}
        (attempt,) = caller.get(f"/v1/deliveries/{by_event[ann]}").json["attempts"]
        assert (attempt["outcome"], attempt["response"]["status"]) == ("delivered", 200)
        assert (attempt["request"]["url"], attempt["request"]["body"], attempt["request"]["headers"]) == ("", "", {})
        refused = caller.post(f"/v1/deliveries/{by_event[ann]}/resend")
        assert problem_of(refused)[:2] == ("conflict", 409)
        assert "erased" in refused.json["detail"]
        assert caller.post(f"/v1/deliveries/{by_event[bea]}/resend").status == 202
        previewed = caller.post(f"/v1/endpoints/{endpoint}/preview", {}).json
        assert {item["event_id"]: item["why_not"] for item in previewed["items"]} == {
            ann: "the event was erased",
            bea: None,
        }
        assert caller.post("/v1/replays?dry_run=true", {"endpoint_id": endpoint}).json == {"total": 1}
        replay = caller.post("/v1/replays", {"endpoint_id": endpoint}).json["id"]
        await until(lambda: caller.get(f"/v1/replays/{replay}").json["state"] == "finished")
        await settled(caller, 4)
        assert [ann in asked.headers["webhook-id"] for asked in receiver.asked].count(True) == 1


async def test_what_comes_after_it_is_new(shared_server: Server) -> None:
    caller = Caller(shared_server)
    job = {"job_id": "j", "job_type": "load", "state": "running", "details": "of old", "parent_job_id": "p"}
    caller.post("/v1/jobs/reports", job)
    caller.post("/v1/jobs/reports", {"job_id": "p", "job_type": "load", "state": "running"})
    shown = await erased(caller, "job", "p")
    assert (shown["report"]["jobs"], shown["report"]["job_children"]) == (1, 1)
    assert caller.get("/v1/jobs/p").status == 404
    assert caller.get("/v1/jobs/j").json["parent_job_id"] == "p"
    await erased(caller, "job", "j")
    unknown = caller.post("/v1/jobs/reports", {"job_id": "j", "state": "succeeded"})
    assert problem_of(unknown) == ("invalid-request", 422, ["/job_type"])
    assert caller.post("/v1/jobs/reports", job | {"details": "anew"}).status == 202
    assert caller.get("/v1/jobs/j").json["history"] == []
    changed(caller, "ann")
    await erased(caller, "record", ANN)
    changed(caller, "ann")
    (event,) = caller.get(f"/v1/records/{ANN}/history").json["items"]
    assert event["data"]["new_data"] == {"name": "ANN"}


async def test_nothing_comes_back_by_a_request_that_is_repeated(shared_server: Server) -> None:
    caller = Caller(shared_server)
    key = {"Idempotency-Key": "k"}
    change = {"action": "create", "table": "people", "record": {"id": "ann", "data": {"a": 1}}, "version_id": 7}
    assert caller.post("/v1/records/changes", change, headers=key).status == 202
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "person.changed", "subject": "ann", "data": 1}
    cloud = {"Content-Type": "application/cloudevents+json"}
    first = caller.post("/v1/events", event, headers=cloud).json["results"][0]
    await erased(caller, "record", ANN)
    await erased(caller, "person", "ann")
    assert problem_of(caller.post("/v1/records/changes", change, headers=key))[:2] == ("idempotency-key-reused", 422)
    assert problem_of(caller.post("/v1/records/changes", change))[:2] == ("version-conflict", 409)
    again = caller.post("/v1/events", event, headers=cloud).json["results"][0]
    assert again == first | {"outcome": "duplicate"}
    assert all(event["erased"] for event in caller.get("/v1/events").json["items"])


async def test_what_people_wrote_down_of_it(shared_server: Server) -> None:
    caller = Caller(shared_server)
    mentioned = [{"subject_ids": [ANN, BEA]}, {"where": f"subject == '{ANN}'"}]
    naming = caller.endpoint(filters=mentioned)
    other = caller.endpoint(filters=[{"subject_ids": [BEA]}])
    jobs = caller.endpoint(filters=[{"subject_ids": [ANN], "subject_types": ["job"]}])
    replays = [
        caller.post("/v1/replays", {"endpoint_id": jobs["id"], "filters": filters}).json["id"]
        for filters in (mentioned, [{"subject_ids": [ANN]}], [{"subject_ids": [BEA]}])
    ]
    shown = await erased(caller, "record", ANN)
    report = shown["report"]
    assert report["endpoints_naming_it"] == [naming["id"]]
    assert (report["replay_filters"], report["audit_entries"]) == (2, 3)
    assert caller.get(f"/v1/endpoints/{naming['id']}").json["filters"] == mentioned
    filters = [caller.get(f"/v1/replays/{replay}").json["filters"] for replay in replays]
    assert filters == [
        [{"subject_ids": [BEA]}, {"where": 'subject == ""'}],
        [{"where": "false"}],
        [{"subject_ids": [BEA]}],
    ]
    told = {entry["target"]: entry["after"] for entry in caller.get("/v1/audit").json["items"]}
    assert [told[target] for target in (naming["id"], *replays[:2])] == [None, None, None]
    assert told[other["id"]]["filters"] == [{"subject_ids": [BEA]}]
    assert told[jobs["id"]]["filters"][0]["subject_types"] == ["job"]


async def test_a_merge_ties_records_that_are_named_and_kept(shared_server: Server) -> None:
    caller = Caller(shared_server)
    with WebServer(lambda _: Say(503)) as receiver:
        endpoint = caller.endpoint(url=receiver.url, ordering="subject", retry={"schedule_seconds": [3600]})["id"]
        changed(caller, "ann", "merge", retired={"id": "bea"})
        changed(caller, "ann")
        listed = f"/v1/deliveries?endpoint={endpoint}"
        await until(lambda: any(row["attempt_count"] for row in caller.get(listed).json["items"]) or None)
        shown = await erased(caller, "record", BEA)
        assert shown["report"]["merged_with"] == [ANN]
        assert (shown["report"]["order_keys"], shown["report"]["deliveries_cancelled"]) == (1, 1)
        rows = caller.get(listed).json["items"]
        assert [(row["state"], row["reason"], row["subject_id"]) for row in rows] == [
            ("pending", None, ANN),
            ("cancelled", "erased", ""),
            ("pending", None, ANN),
        ]
        assert len(caller.get(f"/v1/records/{ANN}/history").json["items"]) == 2
