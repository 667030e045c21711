"""The requests of the load are what a server can read, and the sink finds the mark in each."""

from __future__ import annotations

import json

import pytest

from tocsin.bench.control import Run
from tocsin.bench.requests import EVENT_BYTES, MARK_TEMPLATE, Requests, requests_for
from tocsin.bench.scenarios import Load

SUBJECTS = 7


def requests_of(
    load: Load, batch: int = 1, path: str | None = None, tenants: int = 1, event_type: str = "bench.measured"
) -> Requests:
    run = Run(
        ports=(1,), load=load, connections=1, batch=batch, key="secret-key", first=0, seconds=1, path=path, tenants=tenants,
        event_type=event_type, subjects=SUBJECTS,
    )  # fmt: skip
    return requests_for(run, "127.0.0.1:1")


def parts(request: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    line, *fields = head.decode("ascii").split("\r\n")
    return line, dict(field.split(": ", 1) for field in fields), body


def body_of(requests: Requests, first: int, connection: int, turn: int) -> bytes:
    _, headers, body = parts(requests.make(first, connection, turn, 123))
    assert int(headers["content-length"]) == len(body)
    assert headers["authorization"] == "Bearer secret-key"
    return body


def test_a_single_event_is_a_kilobyte_of_cloudevent() -> None:
    requests = requests_of("cloudevents")
    body = body_of(requests, 9_999_999_999, 255, 3)
    event = json.loads(body)
    assert len(body) == EVENT_BYTES
    assert event["id"] == "bench-9999999999"
    assert event["subject"] == f"customer-{255 * SUBJECTS + 3:010d}"
    assert event["data"]["mark"].encode() == MARK_TEMPLATE % (9_999_999_999, 255 * SUBJECTS + 3, 123)
    assert event["specversion"] == "1.0"
    assert event["type"] == "bench.measured"


def test_a_batch_numbers_its_events_in_a_row() -> None:
    requests = requests_of("cloudevents", 100)
    events = json.loads(body_of(requests, 500, 2, 7))
    assert [event["id"] for event in events] == [f"bench-{number:010d}" for number in range(500, 600)]
    assert {event["subject"] for event in events} == {f"customer-{2 * SUBJECTS + n:010d}" for n in range(SUBJECTS)}
    assert [event["data"]["mark"][6:16] for event in events] == [f"{number:010d}" for number in range(500, 600)]


def test_a_connection_reports_one_job_after_the_other() -> None:
    requests = requests_of("job_reports")
    reports = [json.loads(body_of(requests, 40 + turn, 3, turn)) for turn in range(8)]
    assert [report["state"] for report in reports] == ["running", "running", "running", "succeeded"] * 2
    assert len({report["details"] for report in reports[:4]}) == 4
    assert [report["job_id"] for report in reports] == ["job-0030000000"] * 4 + ["job-0030000001"] * 4
    assert [report["labels"]["mark"][6:16] for report in reports] == [f"{number:010d}" for number in range(40, 48)]


def test_each_finished_job_is_one_of_its_own_and_bears_the_mark_wherever_a_format_may_show_it() -> None:
    report = json.loads(body_of(requests_of("finished_jobs"), 41, 3, 0))
    mark = (MARK_TEMPLATE % (41, 3, 123)).decode()
    assert (report["job_id"], report["details"], report["labels"]["mark"], report["state"]) == (
        mark, mark, mark, "succeeded",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("load", "batch", "path", "line"),
    [
        ("cloudevents", 1, None, "POST /v1/events HTTP/1.1"),
        ("cloudevents", 2, None, "POST /v1/events HTTP/1.1"),
        ("cloudevents", 1, "/0", "POST /0 HTTP/1.1"),
        ("job_reports", 1, None, "POST /v1/jobs/reports HTTP/1.1"),
        ("finished_jobs", 1, None, "POST /v1/jobs/reports HTTP/1.1"),
        ("livez", 1, None, "GET /livez HTTP/1.1"),
    ],
)
def test_each_load_has_its_route(load: Load, batch: int, path: str | None, line: str) -> None:
    assert parts(requests_of(load, batch, path).make(0, 0, 0, 0))[0] == line


def test_events_are_of_each_tenant_in_turn_and_of_the_type_that_is_asked_for() -> None:
    single = requests_of("cloudevents", tenants=3, event_type="bench.waiting")
    lines = [parts(single.make(number, 0, 0, 0))[0] for number in range(4)]
    assert lines == [f"POST /v1/events?tenant=bench-{number % 3} HTTP/1.1" for number in range(4)]
    event = json.loads(body_of(single, 5, 0, 0))
    assert (event["type"], len(json.dumps(event, separators=(",", ":")))) == ("bench.waiting", EVENT_BYTES)
    batches = requests_of("cloudevents", 100, tenants=2)
    assert parts(batches.make(300, 0, 0, 0))[0] == "POST /v1/events?tenant=bench-1 HTTP/1.1"
