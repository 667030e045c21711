"""Templates over HTTP: checked where they are configured, shown by preview and test."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.api.callers import Caller, problem_of
from tests.kit.server import Server

from tocsin.receiver import Receiver

ENDLESS = "def f: f; f"


def template(program: str, **fields: object) -> dict[str, object]:
    return {"kind": "template", "program": program, **fields}


def given_jobs(caller: Caller, *states: str) -> None:
    for number, state in enumerate(states):
        report = {"job_id": f"job-{number}", "job_type": "load_source", "state": state}
        assert caller.post("/v1/jobs/reports", report).status == 202


@pytest.mark.parametrize(
    ("setting", "pointer", "detail"),
    [
        (template(".data |"), "/format/program", "The program does not compile: syntax error"),
        (template("foo"), "/format/program", "The program does not compile: foo/0 is not defined at line 1, column 1."),
        (template('import "a" as a; .'), "/format/program", "The program does not compile: syntax error"),
        (template("empty", headers={"X-A": "{"}), "/format/headers/X-A", "The program does not compile: syntax error"),
        (template(ENDLESS), "/format/program", "The program took longer than 1 s."),
        (template('"x" * 1e9'), "/format/program", "The program needed more than 512 MiB of memory."),
        (
            template(".data.name.first"),
            "/format/program",
            "With every sample event that the endpoint wants it fails; job.created: the template failed: Cannot index",
        ),
        (
            template(".data", headers={"X-A": ".missing"}),
            "/format/headers/X-A",
            "With every sample event that the endpoint wants it fails; job.created: the template of the header X-A gave no",
        ),
        (
            template(".data", headers={"X-A": '"a\\r\\nb: c"'}),
            "/format/headers/X-A",
            "With every sample event that the endpoint wants it fails; job.created: the template of the header X-A gave what",
        ),
        (
            template(".data[]"),
            "/format/program",
            "With every sample event that the endpoint wants it fails; job.created",
        ),
        (template(".", headers={"Host": ".id"}), "/format/headers/Host", "The header Host is set by Tocsin"),
    ],
)
def test_a_template_that_cannot_work_is_refused(
    shared_server: Server, setting: dict[str, object], pointer: str, detail: str
) -> None:
    caller = Caller(shared_server)
    fields = {"name": "e", "url": "http://127.0.0.1:9/", "format": setting, "filters": [{"subject_types": ["job"]}]}
    refused = caller.post("/v1/endpoints", fields)
    assert problem_of(refused) == ("invalid-request", 422, [pointer])
    assert refused.json["errors"][0]["detail"].startswith(detail)
    assert caller.get("/v1/endpoints").json["items"] == []


@pytest.mark.parametrize(
    ("program", "filters"),
    [
        (".data.name.first", []),  # the sample of records has no name
        ('if .type == "job.failed" then .data.error.message else empty end', []),
        (".data.lines | map(.sku)", [{"event_types": ["order.*"]}]),
        (".data.name.first", [{"job_types": ["special"]}]),
        ('error("never")', [{"subject_types": ["order"]}]),
    ],
)
def test_a_template_is_not_judged_by_samples_that_it_is_not_for(
    shared_server: Server, program: str, filters: list[dict[str, object]]
) -> None:
    caller = Caller(shared_server)
    made = caller.endpoint(format=template(program), filters=filters)
    assert made["format"] == template(program, content_type="application/json", headers={})


def test_a_changed_template_is_checked_and_nothing_is_changed_by_a_bad_one(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.endpoint(format=template(".data", headers={"X-A": ".id"}))
    path = f"/v1/endpoints/{made['id']}"
    refused = caller.call("PATCH", path, {"format": {"program": "."}, "name": "b"} | {"format": {"program": "{"}})
    assert problem_of(refused) == ("invalid-request", 422, ["/format/program"])
    assert caller.get(path).json["name"] == "e"
    changed = caller.call("PATCH", path, {"format": {"program": "{id}", "headers": {"X-A": None, "X-B": ".type"}}})
    assert changed.json["format"] == template("{id}", content_type="application/json", headers={"X-B": ".type"})


async def test_a_test_sends_what_the_template_gives(shared_server: Server) -> None:
    caller = Caller(shared_server)
    program = 'if .type == "job.failed" then {text: "\\(.data.name): \\(.data.error.reason)"} else empty end'
    async with Receiver() as receiver:
        made = await asyncio.to_thread(
            caller.endpoint,
            url=receiver.url,
            format=template(program, headers={"X-Job": ".subject"}, content_type="application/vnd.chat+json"),
        )
        path = f"/v1/endpoints/{made['id']}/test"
        attempt = (await asyncio.to_thread(caller.post, path, {"event_type": "job.failed"})).json
        assert attempt["outcome"] == "delivered"
        (arrival,) = receiver.arrivals
        assert json.loads(arrival.body) == {"text": "Nightly load: LOAD_FAILED"}
        assert arrival.headers["content-type"] == "application/vnd.chat+json"
        assert arrival.headers["x-job"] == "job-20261122-001"
        refused = await asyncio.to_thread(caller.post, path, {"event_type": "job.created"})
        assert problem_of(refused) == ("invalid-request", 422, ["/event_type"])
        assert refused.json["detail"] == "Nothing is sent for job.created: the template gave nothing."
        assert receiver.total == 1


def test_the_preview_shows_what_a_template_gives(shared_server: Server) -> None:
    caller = Caller(shared_server)
    given_jobs(caller, "running", "failed")
    endpoint = caller.endpoint()
    program = (
        'if .type == "job.failed" then {s: .data.state} elif .type == "job.running" then error("no") else empty end'
    )
    tried = {"format": template(program, headers={"X-Job": ".subject"}), "shown": 3}
    preview = caller.post(f"/v1/endpoints/{endpoint['id']}/preview", tried).json
    seen = [(item["type"], item["why_not"], item["failure"]) for item in preview["items"]]
    assert seen == [
        ("job.failed", None, None),
        ("job.created", "the template gives nothing", None),
        ("job.running", "the template fails", "the template failed: no"),
        ("job.created", None, None),
    ]
    request: dict[str, Any] = preview["items"][0]["request"]
    assert (request["content_type"], request["headers"]) == ("application/json", {"X-Job": "job-1"})
    assert request["body"] == '{"s":"failed"}'
    assert [item["request"] for item in preview["items"][1:]] == [None] * 3


def test_a_preview_stops_at_a_program_that_had_to_be_stopped(shared_server: Server) -> None:
    caller = Caller(shared_server)
    given_jobs(caller, "running", "failed")
    endpoint = caller.endpoint(format=template('if .data.state == "running" then (def f: f; f) else . end', headers={}))
    preview = caller.post(f"/v1/endpoints/{endpoint['id']}/preview", {}).json
    assert [item["failure"] for item in preview["items"]] == [None, None, "the template took longer than 1 s", None]
    assert [item["request"] is not None for item in preview["items"]] == [True, True, False, False]
