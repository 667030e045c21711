"""What can be read from a request, format by format."""

import json

import pytest

from tocsin.receiver import Reading, reading_of

CASES = [
    ({"specversion": "1.0", "type": "job.failed", "subject": "job-1"}, Reading(format="cloudevents", name="job.failed", subject="job-1")),
    ({"specversion": "1.0", "type": "t", "data": {"jobId": "j"}}, Reading(format="cloudevents", name="t", subject="j")),
    ({"specversion": "1.0", "type": "t", "data": {"tableId": "c", "recordId": "r"}}, Reading(format="cloudevents", name="t", subject="c/r")),
    ({"type": "record.updated", "timestamp": "", "data": {"table": "c", "record_id": "r"}}, Reading(format="standard_webhooks", name="record.updated", subject="c/r")),
    ({"id": "1", "subject_type": "work", "verb": "started", "subject_id": "w"}, Reading(format="lytics", name="work.started", subject="w")),
    ({"tenant": "t", "source": "s", "jobId": "j", "status": "FINISHED", "details": ""}, Reading(format="telmai", name="FINISHED", subject="j")),
    ({"timestamp": "1", "eventId": "e", "eventType": "jobResultSuccess", "event": {"jobid": "j"}}, Reading(format="visier", name="jobResultSuccess", subject="j")),
    ({"timestamp": "1", "eventId": "e", "eventType": "dvPublish", "event": {"dataCategoryId": "d"}}, Reading(format="visier", name="dvPublish", subject="d")),
    ([{"specversion": "1.0", "type": "a", "subject": "s"}] * 2, Reading(format="cloudevents", name="a (batch of 2)", subject="s")),
    ([], Reading(format="", name=" (batch of 0)")),
    ({"visier": 1}, Reading(format="")),
    ({"eventType": "x", "event": 1}, Reading(format="visier", name="x")),
    ("text", Reading(format="")),
]  # fmt: skip


@pytest.mark.parametrize(("document", "expected"), CASES)
def test_reading(document, expected):
    assert reading_of({}, json.dumps(document).encode()) == expected


def test_binary_mode_is_read_from_the_headers():
    headers = {"ce-type": "order.created", "ce-subject": "o-1"}
    assert reading_of(headers, b"\xff") == Reading(format="cloudevents binary", name="order.created", subject="o-1")


def test_what_is_not_json_has_no_reading():
    assert reading_of({}, b"\xff") == Reading(format="")


def test_what_is_nested_too_deeply_has_no_reading():
    assert reading_of({}, b"[" * 100_000) == Reading(format="")
