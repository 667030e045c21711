from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.formats.format_builders import (
    TIME,
    TIME_TEXT,
    UUID,
    body,
    cloud_event,
    data_version_event,
    event,
    job,
    job_event,
    rendered,
)
from tests.unit.formats.format_cases import SOURCE, TAMR_RECORDS

from tocsin.model.endpoint import LyticsFormat
from tocsin.model.job import JobState, Signal

FORMAT = LyticsFormat()
V1 = ["id", "ts", "priority", "subject_type", "subject_id", "verb", "account_id", "related", "context"]
V2 = ["id", "timestamp", "subject_type", "subject_id", "verb", "account_id", "related", "context"]

# The page's column "Frequency": in which modes a verb is said.
BOTH, BATCH, REALTIME = {"batch", "realtime"}, {"batch"}, {"realtime"}


@pytest.mark.parametrize(
    ("verb", "word", "modes"),
    [
        ("created", "created", BOTH), ("updated", "update", BOTH), ("deleted", "deleted", BOTH),
        ("running", "started", BOTH), ("failed", "failed", BOTH), ("succeeded", "completed", BATCH),
        ("syncing", "syncing", REALTIME), ("synced", "synced", REALTIME), ("sync_completed", "synccomplete", REALTIME),
        ("pending", None, BOTH), ("preparing", None, BOTH), ("waiting", None, BOTH), ("stopping", None, BOTH),
        ("rescheduled", None, BOTH), ("stopped", None, BOTH), ("progressed", None, BOTH), ("overdue", None, BOTH),
    ],
)  # fmt: skip
def test_verbs_of_work(verb, word, modes):
    state = verb if verb in set(JobState) else "pending"
    for mode in ("batch", "realtime"):
        sent = body(FORMAT, job_event(job(state, "pending", mode=mode), verb))
        said = None if sent is None else (sent["subject_type"], sent["subject_id"], sent["verb"])
        assert said == (("work", "load-7", word) if word and mode in modes else None), mode


def test_started_is_said_once():
    assert body(FORMAT, job_event(job("running")))["verb"] == "started"
    assert body(FORMAT, job_event(job("running", "pending", "preparing", "waiting")))["verb"] == "started"
    assert rendered(FORMAT, job_event(job("running", "running", "waiting"))) is None
    assert rendered(FORMAT, job_event(job("running", "running", "succeeded", "pending"))) is None


def test_a_job_brings_what_it_has_to_do_with():
    sent = body(FORMAT, job_event(job("failed", resources=(SOURCE,), parent="p", root="r", error=("A", "b"))))
    assert sent["related"] == [{"type": "source", "id": "src-9"}, {"type": "work", "id": "p"}]
    assert sent["context"]["error"] == {"reason": "A", "message": "b"}
    assert sent["context"]["root_job_id"] == "r"


@pytest.mark.parametrize(
    ("event_type", "verb"),
    [("segment.created", "created"), ("segment.updated", "update"), ("segment.deleted", "deleted"),
     ("user.clustered", "clustered"), ("work.completed", "completed"), ("ping", "")],
)  # fmt: skip
def test_other_subject_types_pass_through(event_type, verb):
    subject_type = event_type.partition(".")[0]
    what = cloud_event(b'{"a":1}', event_type=event_type, subject="x-1")
    if "." not in event_type:
        what = event(event_type, "x-1", what.data, cloud=what.cloud, subject_type=event_type, verb="")
    sent = body(FORMAT, what)
    assert (sent["subject_type"], sent["subject_id"], sent["verb"]) == (subject_type, "x-1", verb)
    assert (sent["related"], sent["context"]) == ([], {"a": 1})


@pytest.mark.parametrize(("name", "verb"), [("create", "created"), ("update", "update"), ("delete", "deleted")])
def test_records_pass_through(name, verb):
    sent = body(FORMAT, TAMR_RECORDS[name])
    assert (sent["subject_type"], sent["subject_id"], sent["verb"]) == ("record", "customers/c-17", verb)
    assert sent["context"]["action"] == name


def test_data_versions_have_no_verb():
    assert rendered(FORMAT, data_version_event()) is None


@pytest.mark.parametrize(
    ("what", "context"),
    [
        (cloud_event(), {}),
        (cloud_event(b' {"a":1}'), {"a": 1}),
        (cloud_event(b"[1]"), {"data": [1]}),
        (cloud_event(b"null"), {"data": None}),
        (cloud_event(b"hi", datacontenttype="text/plain"), {"data": "hi"}),
        (cloud_event(b"\xff", datacontenttype="text/plain"), {"data": "/w=="}),
    ],
)
def test_the_context_is_always_an_object(what, context):
    assert body(FORMAT, what)["context"] == context


def test_settings():
    what = job_event(job("running"))
    default = body(FORMAT, what)
    assert (default["id"], default["ts"], default["priority"], default["account_id"]) == (
        UUID,
        str(TIME),
        2,
        "nordwind",
    )
    named = body(LyticsFormat(account_id="a-1", priority=0), what)
    assert (named["priority"], named["account_id"]) == (0, "a-1")
    second = body(LyticsFormat(variant="v2"), what)
    assert list(second) == V2
    assert second["timestamp"] == TIME_TEXT


@given(
    st.sampled_from(["created", *JobState, *Signal]), st.sampled_from(JobState), st.sampled_from(["batch", "realtime"])
)
def test_any_job_event(verb, state, mode):
    sent = body(FORMAT, job_event(job(verb if verb in set(JobState) else state, mode=mode), verb))
    assert sent is None or list(sent) == V1
