"""The requests of the load are what a server can read, and the sink finds the mark in each."""

from __future__ import annotations

import json

import pytest

from tocsin.bench.requests import EVENT_BYTES, MARK_TEMPLATE, SUBJECTS, Requests, requests_for


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
    requests = requests_for("cloudevents", 1, "127.0.0.1:1", "secret-key")
    body = body_of(requests, 9_999_999_999, 255, 3)
    event = json.loads(body)
    assert len(body) == EVENT_BYTES
    assert event["id"] == "bench-9999999999"
    assert event["subject"] == f"customer-{255 * SUBJECTS + 3:010d}"
    assert event["data"]["mark"].encode() == MARK_TEMPLATE % (9_999_999_999, 255 * SUBJECTS + 3, 123)
    assert event["specversion"] == "1.0"
    assert event["type"] == "bench.measured"


def test_a_batch_numbers_its_events_in_a_row() -> None:
    requests = requests_for("cloudevents", 100, "127.0.0.1:1", "secret-key")
    events = json.loads(body_of(requests, 500, 2, 7))
    assert [event["id"] for event in events] == [f"bench-{number:010d}" for number in range(500, 600)]
    assert {event["subject"] for event in events} == {f"customer-{2 * SUBJECTS + n:010d}" for n in range(SUBJECTS)}
    assert [event["data"]["mark"][6:16] for event in events] == [f"{number:010d}" for number in range(500, 600)]


def test_a_connection_reports_one_job_after_the_other() -> None:
    requests = requests_for("job_reports", 1, "127.0.0.1:1", "secret-key")
    reports = [json.loads(body_of(requests, 40 + turn, 3, turn)) for turn in range(8)]
    assert [report["state"] for report in reports] == ["running", "running", "running", "succeeded"] * 2
    assert len({report["details"] for report in reports[:4]}) == 4
    assert [report["job_id"] for report in reports] == ["job-0030000000"] * 4 + ["job-0030000001"] * 4
    assert [report["labels"]["mark"][6:16] for report in reports] == [f"{number:010d}" for number in range(40, 48)]


@pytest.mark.parametrize(
    ("load", "batch", "path", "line"),
    [
        ("cloudevents", 1, None, "POST /v1/events HTTP/1.1"),
        ("cloudevents", 2, None, "POST /v1/events HTTP/1.1"),
        ("cloudevents", 1, "/0", "POST /0 HTTP/1.1"),
        ("job_reports", 1, None, "POST /v1/jobs/reports HTTP/1.1"),
        ("livez", 1, None, "GET /livez HTTP/1.1"),
    ],
)
def test_each_load_has_its_route(load: str, batch: int, path: str | None, line: str) -> None:
    assert parts(requests_for(load, batch, "h", "k", path).make(0, 0, 0, 0))[0] == line
