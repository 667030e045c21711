from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.formats.format_builders import (
    body,
    cloud_event,
    data_version_event,
    job,
    job_event,
    record_event,
    rendered,
)
from tests.unit.formats.format_cases import SOURCE

from tocsin.model.endpoint import TelmaiFormat
from tocsin.model.filter import Filter, ResourceRef
from tocsin.model.job import JobState, Resource, Signal

FORMAT = TelmaiFormat()
FIRST, SECOND, THIRD = (Resource(kind="source", id=f"s{n}") for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("state", "status", "details"),
    [
        ("pending", "PREPARING", "Job is pending"),
        ("preparing", "PREPARING", "Job is being prepared"),
        ("running", "IN_PROGRESS", "Job is running"),
        ("waiting", "BATCH_WAIT", "Job is waiting"),
        ("stopping", "IN_PROGRESS", "Job is stopping"),
        ("rescheduled", "BATCH_WAIT", "Job was rescheduled"),
        ("succeeded", "FINISHED", "Job completed successfully"),
        ("failed", "FAILED", "Job failed"),
        ("stopped", "FAILED", "Job was stopped"),
    ],
)
def test_states(state, status, details):
    expected = {"tenant": "nordwind", "source": "src-9", "jobId": "load-7", "status": status, "details": details}
    assert body(FORMAT, job_event(job(state, resources=(SOURCE,)))) == expected
    progressed = job(state, resources=(SOURCE,), details="half way")
    assert body(FORMAT, job_event(progressed, "progressed")) == expected | {"details": "half way"}


def test_a_state_that_reads_the_same_is_sent_again():
    assert body(FORMAT, job_event(job("preparing", "pending", resources=(SOURCE,))))["status"] == "PREPARING"


def test_details_fall_back_to_the_error_and_then_to_a_sentence():
    def details(**given: object) -> str:
        return body(FORMAT, job_event(job("failed", resources=(SOURCE,), **given)))["details"]

    assert details(details="d", error=("A", "m")) == "d"
    assert details(error=("A", "m")) == "m"
    assert details(error=("A", "")) == "Job failed"


@pytest.mark.parametrize("verb", ["created", "overdue", *(set(Signal) - {Signal.PROGRESSED})])
def test_other_job_events_are_not_sent(verb):
    assert rendered(FORMAT, job_event(job("running", resources=(SOURCE,)), verb)) is None


def test_other_events_are_not_sent():
    others = (data_version_event(), record_event("CREATE", "create", 1), cloud_event(b"{}"))
    assert [rendered(FORMAT, what) for what in others] == [None, None, None]


def test_a_job_without_a_source_is_not_sent():
    assert rendered(FORMAT, job_event(job("running"))) is None
    assert rendered(FORMAT, job_event(job("running", resources=(Resource(kind="workflow", id="s1"),)))) is None


@pytest.mark.parametrize(
    ("filters", "source"),
    [
        ((), "s1"),
        ((Filter(states=(JobState.RUNNING,)),), "s1"),
        ((Filter(sources=("s2",)),), "s2"),
        ((Filter(sources=("s9",)), Filter(sources=("s3", "s2"))), "s3"),
        ((Filter(resources=(ResourceRef(kind="workflow", id="s3"), ResourceRef(kind="source", id="s2"))),), "s2"),
        ((Filter(resources=(ResourceRef(kind="source", id="s3"),)), Filter(sources=("s2",))), "s3"),
        ((Filter(sources=("elsewhere",)),), "s1"),
    ],
)
def test_the_source_is_the_one_that_a_filter_names_first(filters, source):
    what = job_event(job("running", resources=(Resource(kind="workflow", id="s3"), FIRST, SECOND, THIRD)))
    assert body(FORMAT, what, *filters)["source"] == source


def test_the_tenant_setting_replaces_the_tenant():
    assert body(TelmaiFormat(tenant="t-1"), job_event(job("running", resources=(SOURCE,))))["tenant"] == "t-1"


@given(st.sampled_from(JobState), st.none() | st.text(max_size=20), st.none() | st.tuples(st.text(), st.text()))
def test_any_job_gives_exactly_five_texts(state, details, error):
    sent = body(FORMAT, job_event(job(state, resources=(SOURCE,), details=details, error=error)))
    assert list(sent) == ["tenant", "source", "jobId", "status", "details"]
    assert all(isinstance(value, str) and value for value in sent.values())
