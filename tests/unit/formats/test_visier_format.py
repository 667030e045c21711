from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.formats.format_builders import (
    TIME,
    UUID,
    body,
    cloud_event,
    data_version_event,
    job,
    job_event,
    record_event,
    rendered,
)

from tocsin.model.endpoint import VisierFormat
from tocsin.model.job import JobState, Signal

FORMAT = VisierFormat()
COMMON = ["jobid", "rootJobId", "parentJobId", "tenantCode", "jobType", "dataCategoryId"]


@pytest.mark.parametrize(
    ("state", "event_type", "keys"),
    [
        ("succeeded", "jobResultSuccess", [*COMMON, "dataVersion"]),
        ("failed", "jobResultFailure", [*COMMON, "dataVersion", "message"]),
        ("rescheduled", "jobResultRescheduled", COMMON),
    ],
)
def test_job_results(state, event_type, keys):
    sent = body(FORMAT, job_event(job(state, "running")))
    assert list(sent) == ["timestamp", "eventId", "eventType", "event"]
    assert (sent["timestamp"], sent["eventId"], sent["eventType"]) == (str(TIME), UUID, event_type)
    assert list(sent["event"]) == keys
    assert sent["event"] == {
        "jobid": "load-7",
        "rootJobId": "load-7",
        "parentJobId": "",
        "tenantCode": "nordwind",
        "jobType": "load_source",
        "dataCategoryId": "",
        **dict.fromkeys(keys[6:], ""),
    }


def test_a_published_data_version():
    sent = body(VisierFormat(tenant_code="X_1"), data_version_event())
    assert sent["eventType"] == "dvPublish"
    assert list(sent["event"].items()) == [
        ("tenantCode", "X_1"), ("dataCategoryId", "cat-3"), ("dataVersion", "2026-11"),
    ]  # fmt: skip


def test_the_message_is_the_errors_or_the_details():
    def message(**given: object) -> str:
        return body(FORMAT, job_event(job("failed", "running", **given)))["event"]["message"]

    assert message(error=("A", "m"), details="d") == "m"
    assert message(error=("A", ""), details="d") == "d"
    assert message(error=("A", "")) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [("v", "v"), (None, ""), (26, "26"), (1.5, "1.5"), (True, "true"), ([1], "[1]"), ({"a": 1}, '{"a":1}')],
)
def test_attributes_are_texts(value, text):
    sent = body(FORMAT, job_event(job("succeeded", attributes={"data_category_id": value, "data_version": value})))
    assert (sent["event"]["dataCategoryId"], sent["event"]["dataVersion"]) == (text, text)


@given(st.sampled_from(["created", "overdue", *JobState, *Signal]))
def test_other_job_events_are_not_sent(verb):
    state = verb if verb in set(JobState) else "succeeded"
    sent = rendered(FORMAT, job_event(job(state), verb))
    assert (sent is not None) == (verb in {"succeeded", "failed", "rescheduled"})


def test_other_events_are_not_sent():
    assert rendered(FORMAT, record_event("CREATE", "create", 1)) is None
    assert rendered(FORMAT, cloud_event(b"{}", event_type="dv.published")) is None
