"""What OpenLineage run events make of a job: in any order of a run's events, the same job in the end."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.rules.rules_builders import NOW, Accepting, results

from tocsin.errors import InvalidRequest
from tocsin.model.job import Job, JobError, JobState, PastState, Report, Resource, Signal
from tocsin.model.submission import RunEvent, RunEvents, Submission, Verdict
from tocsin.model.times import to_text

STATES = {
    "START": JobState.RUNNING,
    "RUNNING": JobState.RUNNING,
    "COMPLETE": JobState.SUCCEEDED,
    "FAIL": JobState.FAILED,
    "ABORT": JobState.STOPPED,
}


def run_event(kind: str, at: int = 0, run: str = "run-1", **fields: Any) -> RunEvent:
    """An event of a run, so many milliseconds after a minute ago."""
    time = NOW - 60_000 + at
    state = STATES.get(kind)
    report = Report(job_id=run, state=state, signal=None if state else Signal.PROGRESSED, name="ns/j", time=time)
    return RunEvent(report=replace(report, **fields), once=None if state else f"{run} {time}")


def submit(accepting: Accepting, *items: RunEvent | None, single: bool = True, is_batch: bool = False) -> Verdict:
    body = RunEvents(items=items, single=single, is_batch=is_batch)
    return accepting.decide(Submission(tenant="acme", received_at=NOW, body=body))


def told(*items: RunEvent) -> tuple[Job, list[list[str]]]:
    """The job in the end, and the types of the events that each made."""
    accepting = Accepting()
    verdicts = [submit(accepting, item) for item in items]
    assert {verdict.status for verdict in verdicts} <= {201}
    return accepting.facts.jobs["run-1"].job, [[event.verb for event in verdict.events] for verdict in verdicts]


def since(at: int) -> str:
    return to_text(NOW - 60_000 + at)


def test_a_run_from_start_to_end() -> None:
    job, verbs = told(run_event("START"), run_event("RUNNING", 5), run_event("OTHER", 6), run_event("COMPLETE", 9))
    assert verbs == [["created", "running"], [], ["progressed"], ["succeeded"]]
    assert (job.job_type, job.mode, job.state, job.state_since) == (
        "openlineage",
        "batch",
        JobState.SUCCEEDED,
        since(9),
    )
    assert job.history == (PastState(state=JobState.RUNNING, since=since(0)),)


def test_a_start_after_the_end_is_history_only() -> None:
    job, verbs = told(run_event("COMPLETE", 9), run_event("RUNNING", 5), run_event("START", 0))
    assert verbs == [["created", "succeeded"], [], []]
    assert (job.state, job.previous_state) == (JobState.SUCCEEDED, JobState.RUNNING)
    assert job.history == (PastState(state=JobState.RUNNING, since=since(0)),)


def test_what_comes_late_still_says_what_the_run_is() -> None:
    dataset = Resource(kind="dataset", id="a/b")
    start = run_event("START", 0, parent_job_id="p", job_type="TASK", resources=(dataset,), labels={"a": "b"})
    job, _ = told(run_event("COMPLETE", 9), start)
    assert (job.parent_job_id, job.root_job_id, job.job_type) == ("p", "p", "TASK")
    assert (job.resources, job.labels) == ((dataset,), {"a": "b"})


def test_the_first_end_stands() -> None:
    job, verbs = told(run_event("COMPLETE", 9), run_event("FAIL", 12, error=JobError(reason="JOB_FAILED", message="x")))
    assert (job.state, verbs) == (JobState.SUCCEEDED, [["created", "succeeded"], []])
    assert [(past.state, past.since) for past in job.history] == [(JobState.FAILED, since(9))]


def test_the_reason_of_an_end_may_come_later() -> None:
    why = JobError(reason="JOB_FAILED", message="no such table")
    for items in (
        (run_event("FAIL", 9), run_event("FAIL", 9, error=why)),
        (run_event("FAIL", 9, error=why), run_event("FAIL", 9)),
    ):
        job, verbs = told(*items)
        assert (job.error, verbs[1]) == (why, [])


def test_an_event_that_says_nothing_of_the_state() -> None:
    job, verbs = told(run_event("OTHER", 3))
    assert (job.state, verbs) == (JobState.PENDING, [["created", "pending", "progressed"]])
    job, verbs = told(run_event("OTHER", 3), run_event("OTHER", 3), run_event("START", 5))
    assert (job.state, verbs) == (JobState.RUNNING, [["created", "pending", "progressed"], [], ["running"]])


def test_stopped_has_the_error_of_stopped() -> None:
    job, _ = told(run_event("START"), run_event("ABORT", 9))
    assert (job.state, job.error and job.error.reason) == (JobState.STOPPED, "STOPPED_BY_USER")


def test_duplicates_of_a_run_whose_job_was_removed() -> None:
    accepting = Accepting()
    submit(accepting, run_event("OTHER"))
    accepting.facts.jobs.clear()
    assert results(submit(accepting, run_event("OTHER"))) == [
        {"job_id": "run-1", "outcome": "unchanged", "event_ids": []}
    ]


def test_a_circle_is_refused_at_the_facet() -> None:
    accepting = Accepting()
    verdict = submit(accepting, run_event("START", parent_job_id="run-1"))
    assert isinstance(verdict.problem, InvalidRequest)
    assert [error.pointer for error in verdict.problem.errors] == ["/run/facets/parent/run/runId"]
    assert accepting.facts.jobs == {}


def test_failures_in_a_row_are_counted() -> None:
    accepting = Accepting()
    for number in range(3):
        verdict = submit(accepting, run_event("FAIL", run=f"run-{number}"))
    assert json.loads(verdict.events[-1].data)["failures_in_a_row"] == 3


def test_a_batch_is_answered_as_openlineage_says() -> None:
    accepting = Accepting()
    items = (run_event("START"), InvalidRequest.at("/run/runId", "No."), None)
    verdict = submit(accepting, *items, single=False, is_batch=True)  # type: ignore[arg-type]
    assert verdict.status == 200
    assert json.loads(verdict.body) == {
        "status": "partial_success",
        "summary": {"received": 3, "successful": 2, "failed": 1, "retriable": 0, "non_retriable": 1},
        "failed_events": [{"index": 1, "reason": "/1/run/runId: No.", "retriable": False}],
    }
    verdict = submit(accepting, *items[1:2], single=False, is_batch=True)  # type: ignore[arg-type]
    assert (verdict.problem, json.loads(verdict.body)["status"]) == (None, "failure")
    assert json.loads(submit(accepting, None, single=False, is_batch=True).body)["status"] == "success"


def test_in_an_array_each_event_has_its_result() -> None:
    items = (run_event("START"), InvalidRequest.at("/run/runId", "No."), None, run_event("START"))
    verdict = submit(Accepting(), *items, single=False)  # type: ignore[arg-type]
    assert [(each["job_id"], each["outcome"]) for each in results(verdict)] == [
        ("run-1", "changed"), (None, "refused"), (None, "ignored"), ("run-1", "unchanged")
    ]  # fmt: skip
    assert len(verdict.jobs) == 1


def test_datasets_add_up() -> None:
    a, b, c = (Resource(kind="dataset", id=name) for name in "abc")
    job, _ = told(
        run_event("START", resources=(c, a)), run_event("RUNNING"), run_event("COMPLETE", 9, resources=(b, a))
    )
    assert job.resources == (a, b, c)


datasets = st.lists(st.sampled_from([Resource(kind="dataset", id=name) for name in "abcd"]), max_size=3).map(tuple)


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[RunEvent], list[RunEvent]]:
    """The events of a run as the specification has them, some of them twice, in order and in another order."""
    times = iter(sorted(draw(st.lists(st.integers(0, 10_000), min_size=6, max_size=6, unique=True))))
    kinds = ["START", *draw(st.lists(st.sampled_from(["RUNNING", "OTHER"]), max_size=3))]
    kinds.append(draw(st.sampled_from(["COMPLETE", "FAIL", "ABORT"])))
    if draw(st.booleans()):
        kinds.append("OTHER")
    events = []
    for kind in kinds:
        fields: dict[str, Any] = {"resources": draw(datasets) or None}
        if draw(st.booleans()):
            fields |= {"parent_job_id": "p", "job_type": "TASK", "mode": "realtime", "labels": {kind: "x"}}
        events.append(run_event(kind, next(times), **fields))
    again = draw(st.lists(st.sampled_from(events), max_size=3))
    return events, draw(st.permutations(events + again))


def known(job: Job) -> tuple[object, ...]:
    facts = (job.job_type, job.mode, job.name, job.state, job.error, job.parent_job_id, job.root_job_id)
    return (*facts, job.resources, job.labels, job.state_since)


@given(runs())
def test_any_order_of_the_events_ends_in_the_same_job(run: tuple[list[RunEvent], list[RunEvent]]) -> None:
    in_order, shuffled = run
    (expected, expected_verbs), (job, verbs) = told(*in_order), told(*shuffled)
    assert known(job) == known(expected)
    said = [verb for each in verbs for verb in each]
    assert said.count("created") == 1
    ends = ("succeeded", "failed", "stopped")
    assert [verb for verb in said if verb in ends] == [verb for each in expected_verbs for verb in each if verb in ends]
    assert said.count("progressed") == len({item.once for item in in_order} - {None})
    if job.history and job.history[0].state is JobState.RUNNING:
        assert job.history == expected.history


@given(runs())
def test_the_whole_run_again_changes_nothing(run: tuple[list[RunEvent], list[RunEvent]]) -> None:
    accepting = Accepting()
    for item in run[1]:
        submit(accepting, item)
    before = accepting.facts.jobs["run-1"]
    for item in run[1]:
        verdict = submit(accepting, item)
        assert verdict.events == ()
    after = accepting.facts.jobs["run-1"]
    assert msgspec.to_builtins(after) == msgspec.to_builtins(before)


@pytest.mark.parametrize("kind", ["START", "RUNNING"])
def test_an_earlier_begin_of_the_state_counts(kind: str) -> None:
    job, verbs = told(run_event("RUNNING", 5), run_event(kind, 2), run_event(kind, 8))
    assert (job.state_since, verbs[1:]) == (since(2), [[], []])
