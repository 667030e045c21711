"""What reports make of a job: the contract's sentences one by one, then whole histories against a small model."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.rules.rules_builders import NOW, Accepting, frozen, report, results

from tocsin.errors import IllegalTransition, InvalidRequest, TocsinError
from tocsin.model.job import Job, JobError, JobState, PastState, Report, Resource, Signal
from tocsin.model.submission import Verdict
from tocsin.model.times import from_text, to_text


def after(*items: Report) -> Accepting:
    accepting = Accepting()
    for item in items:
        verdict = accepting.one(item)
        assert verdict.problem is None
    return accepting


def job_of(accepting: Accepting, job_id: str = "job-1") -> Job:
    return accepting.facts.jobs[job_id].job


def types(verdict: Verdict) -> list[str]:
    return [event.type for event in verdict.events]


def problem_of(verdict: Verdict) -> TocsinError:
    assert verdict.problem is not None
    assert (verdict.status, verdict.body, verdict.events, verdict.jobs) == (verdict.problem.status, b"", (), ())
    return verdict.problem


def pointers(verdict: Verdict) -> list[str]:
    return [error.pointer for error in problem_of(verdict).errors]


def test_the_first_report_creates_the_job() -> None:
    accepting = Accepting()
    item = report(
        "running", mode="realtime", name="Nightly", time=NOW - 5000, details="Step 1",
        resources=(Resource(kind="source", id="s1", name="Customers"),), parent_job_id="p", attributes={"a": [1, None]},
        labels={"team": "mdm"}, overdue_after_seconds=60.0,
    )  # fmt: skip
    verdict = accepting.one(item)
    assert types(verdict) == ["job.created", "job.running"]
    for event, verb in zip(verdict.events, ("created", "running"), strict=True):
        assert (event.subject_type, event.subject_id, event.verb, event.tenant) == ("job", "job-1", verb, "acme")
        assert (event.time, event.keys, event.cloud) == (NOW - 5000, (), None)
        assert json.loads(event.data) == {
            "job_id": "job-1", "job_type": "load", "mode": "realtime", "name": "Nightly", "state": "running",
            "state_since": to_text(NOW - 5000), "previous_state": None, "history": [], "details": "Step 1",
            "error": None, "resources": [{"kind": "source", "id": "s1", "name": "Customers"}], "parent_job_id": "p",
            "root_job_id": "p", "attributes": {"a": [1, None]}, "labels": {"team": "mdm"},
        }  # fmt: skip
    assert verdict.jobs == (("job-1", accepting.facts.jobs["job-1"]),)
    assert accepting.facts.jobs["job-1"].overdue_after_seconds == 60.0
    assert (verdict.status, verdict.keeps_answer) == (202, True)
    ids = [event.id for event in verdict.events]
    assert ids == sorted(set(ids))
    assert results(verdict) == [{"job_id": "job-1", "outcome": "changed", "event_ids": ids}]


def test_the_keys_of_event_data_stand_in_the_order_of_the_contract() -> None:
    (event, _) = Accepting().one(report("pending")).events
    assert " ".join(json.loads(event.data)) == (
        "job_id job_type mode name state state_since previous_state history details error resources parent_job_id "
        "root_job_id attributes labels"
    )


def test_defaults_of_the_first_report() -> None:
    job = job_of(after(report("pending")))
    assert (job.mode, job.name, job.resources, job.attributes, job.labels) == ("batch", None, (), {}, {})
    assert (job.parent_job_id, job.root_job_id, job.state_since) == (None, "job-1", to_text(NOW))


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (report("running", job_type=None), ["/job_type"]),
        (report(signal=Signal.UPDATED), ["/state"]),
        (report(job_type=None), ["/state", "/job_type"]),
        (report("running", signal=Signal.SYNCED), ["/signal"]),
        (report("running", error=JobError(reason="X")), ["/error"]),
        (report("failed", error=JobError(reason="")), ["/error/reason"]),
        (report("failed", error=JobError(reason="X" * 64)), ["/error/reason"]),
        (report("running", parent_job_id="job-1"), ["/parent_job_id"]),
    ],
)
def test_refused_first_reports(item: Report, expected: list[str]) -> None:
    accepting = Accepting()
    verdict = accepting.one(item)
    assert pointers(verdict) == expected
    assert isinstance(verdict.problem, InvalidRequest)
    assert frozen(accepting.facts) == frozen(Accepting().facts)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (report(), ["/state"]),
        (report("running", signal=Signal.UPDATED), ["/signal"]),
        (report(signal=Signal.UPDATED, error=JobError(reason="X")), ["/error"]),
        (report("stopping", error=JobError(reason="X")), ["/error"]),
    ],
)
def test_refused_later_reports(item: Report, expected: list[str]) -> None:
    accepting = after(report("running"))
    before = frozen(accepting.facts)
    assert pointers(accepting.one(item)) == expected
    assert frozen(accepting.facts) == before


@pytest.mark.parametrize("state", ["failed", "stopped", "rescheduled"])
@pytest.mark.parametrize("length", [1, 63])
def test_an_error_is_kept_as_given(state: str, length: int) -> None:
    error = JobError(reason="E" * length, message="Broken.")
    assert job_of(after(report(state, error=error))).error == error


@pytest.mark.parametrize(
    ("state", "details", "error"),
    [
        ("stopped", None, JobError(reason="STOPPED_BY_USER", message="The job was stopped by a user.")),
        ("stopped", "by me", JobError(reason="STOPPED_BY_USER", message="The job was stopped by a user.")),
        ("failed", None, JobError(reason="JOB_FAILED", message="The job failed.")),
        ("failed", "No disk", JobError(reason="JOB_FAILED", message="No disk")),
        ("rescheduled", "Later", None),
        ("succeeded", "Fine", None),
    ],
)
def test_default_errors(state: str, details: str | None, error: JobError | None) -> None:
    for first in ([], [report("running", details="before")]):
        job = job_of(after(*first, report(state, details=details)))
        assert (job.error, job.details) == (error, details)


def test_a_state_change_keeps_the_past_and_clears_details_and_error() -> None:
    error = JobError(reason="AGAIN", message="m")
    accepting = after(report("rescheduled", details="Later", error=error, time=NOW - 9000))
    verdict = accepting.one(Report(job_id="job-1", state=JobState.RUNNING, time=NOW - 5000))
    assert types(verdict) == ["job.running"]
    job = job_of(accepting)
    assert (job.state, job.state_since, job.previous_state) == ("running", to_text(NOW - 5000), "rescheduled")
    assert (job.details, job.error, job.job_type) == (None, None, "load")
    past = PastState(state=JobState.RESCHEDULED, since=to_text(NOW - 9000), details="Later", error=error)
    assert job.history == (past,)
    assert msgspec.json.decode(verdict.events[0].data, type=Job) == job


def test_fields_that_are_not_given_stay_and_those_given_are_merged_or_replaced() -> None:
    accepting = after(
        report(
            "running", name="A", mode="realtime", resources=(Resource(kind="source", id="1"),),
            attributes={"a": 1, "b": {"x": 1}}, labels={"l": "1", "m": "2"}, overdue_after_seconds=5.0,
        )
    )  # fmt: skip
    accepting.one(Report(job_id="job-1", state=JobState.WAITING))
    kept = job_of(accepting)
    assert (kept.name, kept.mode, kept.resources) == ("A", "realtime", (Resource(kind="source", id="1"),))
    assert (kept.attributes, kept.labels) == ({"a": 1, "b": {"x": 1}}, {"l": "1", "m": "2"})
    assert accepting.facts.jobs["job-1"].overdue_after_seconds == 5.0
    accepting.one(
        report(
            "succeeded", job_type="other", name="B", mode="batch", resources=(), attributes={"b": {"y": 2}, "c": None},
            labels={"m": "3"}, overdue_after_seconds=6.0,
        )
    )  # fmt: skip
    job = job_of(accepting)
    assert (job.job_type, job.name, job.mode, job.resources) == ("other", "B", "batch", ())
    assert (job.attributes, job.labels) == ({"a": 1, "b": {"y": 2}, "c": None}, {"l": "1", "m": "3"})
    assert accepting.facts.jobs["job-1"].overdue_after_seconds == 6.0


def test_new_details_in_the_same_state_are_progress() -> None:
    accepting = after(report("running", details="1 of 3", time=NOW - 9000))
    verdict = accepting.one(report("running", details="2 of 3", time=NOW - 3000))
    assert types(verdict) == ["job.progressed"]
    assert verdict.events[0].time == NOW - 3000
    job = job_of(accepting)
    assert (job.details, job.state_since, job.history) == ("2 of 3", to_text(NOW - 9000), ())


@pytest.mark.parametrize(
    "item", [report("running"), report("running", details="1 of 3"), report("running", labels={"a": "b"}, time=NOW - 1)]
)
def test_a_pure_repeat_is_unchanged(item: Report) -> None:
    accepting = after(report("running", details="1 of 3", labels={"a": "b"}))
    before = frozen(accepting.facts)
    verdict = accepting.one(item)
    assert results(verdict) == [{"job_id": "job-1", "outcome": "unchanged", "event_ids": []}]
    assert (verdict.events, verdict.jobs) == ((), ())
    assert frozen(accepting.facts) == before


@pytest.mark.parametrize(
    "item",
    [
        report("failed", labels={"a": "c"}),
        report("failed", overdue_after_seconds=9.0),
        report("failed", root_job_id="r"),
        report("failed", error=JobError(reason="KNOWN")),
    ],
)
def test_metadata_alone_is_stored_without_an_event(item: Report) -> None:
    accepting = after(report("failed"))
    before = accepting.facts.jobs["job-1"]
    verdict = accepting.one(item)
    assert results(verdict) == [{"job_id": "job-1", "outcome": "changed", "event_ids": []}]
    assert (verdict.events, verdict.jobs) == ((), (("job-1", accepting.facts.jobs["job-1"]),))
    assert accepting.facts.jobs["job-1"] != before


@pytest.mark.parametrize("signal", list(Signal))
@pytest.mark.parametrize("state", ["running", "succeeded"])
def test_a_signal_is_always_an_event_and_leaves_the_state(signal: Signal, state: str) -> None:
    accepting = after(report("pending"), report(state, details="d"))
    for _ in range(2):
        verdict = accepting.one(Report(job_id="job-1", signal=signal, time=NOW - 50_000))
        assert types(verdict) == [f"job.{signal.value}"]
        assert verdict.events[0].time == NOW - 50_000
    job = job_of(accepting)
    assert (job.state, job.previous_state, job.details, job.state_since) == (state, "pending", "d", to_text(NOW))
    accepting.one(Report(job_id="job-1", signal=signal, details="e", name="N"))
    assert (job_of(accepting).details, job_of(accepting).name) == ("e", "N")


def test_an_illegal_transition_names_the_current_state() -> None:
    accepting = after(report("running"), report("succeeded"))
    before = frozen(accepting.facts)
    problem = problem_of(accepting.one(report("failed")))
    assert isinstance(problem, IllegalTransition)
    assert problem.problem() == {
        "type": "/problems/illegal-transition", "title": "The job cannot enter that state now.", "status": 409,
        "detail": "The job is succeeded and cannot become failed.", "current_state": "succeeded",
    }  # fmt: skip
    assert frozen(accepting.facts) == before


def test_a_restart() -> None:
    accepting = after(report("failed", error=JobError(reason="X")))
    assert types(accepting.one(report("preparing", restart=True))) == ["job.preparing"]
    job = job_of(accepting)
    assert (job.state, job.error, [past.state for past in job.history]) == ("preparing", None, ["failed"])
    assert problem_of(after(report("failed")).one(report("waiting", restart=True))).status == 409


@pytest.mark.parametrize(
    ("ahead", "taken"), [(1000, 1000), (1001, 1000), (10**10, 1000), (0, 0), (-(10**11), -(10**11))]
)
def test_times_are_at_most_a_second_ahead(ahead: int, taken: int) -> None:
    accepting = Accepting()
    verdict = accepting.one(report("running", time=NOW + ahead))
    assert {event.time for event in verdict.events} == {NOW + taken}
    assert job_of(accepting).state_since == to_text(NOW + taken)
    (event,) = accepting.one(report(signal=Signal.UPDATED, time=NOW + ahead)).events
    assert event.time == NOW + taken


def test_a_state_change_never_begins_before_the_state_it_ends() -> None:
    accepting = after(report("pending", time=NOW - 1000))
    verdict = accepting.one(report("running", time=NOW - 8000))
    assert [event.time for event in verdict.events] == [NOW - 1000]
    assert job_of(accepting).state_since == to_text(NOW - 1000)


def test_a_past_state_reported_again_with_its_time_is_unchanged() -> None:
    accepting = after(report("running", time=NOW - 9000), report("waiting", time=NOW - 5000))
    verdict = accepting.one(report("running", time=NOW - 9000, details="late"))
    assert results(verdict)[0]["outcome"] == "unchanged"
    assert job_of(accepting).state == "waiting"
    assert types(accepting.one(report("running", time=NOW - 8999))) == ["job.running"]


def test_without_a_time_of_its_own_a_report_is_no_repetition() -> None:
    accepting = Accepting()
    verdict = accepting.reports(report("running"), report("waiting"), report("running"))
    assert types(verdict) == ["job.created", "job.running", "job.waiting", "job.running"]


@pytest.mark.parametrize(
    ("state", "time", "outcome"),
    [
        ("running", NOW - 7000, "unchanged"),
        ("running", NOW - 9000, "unchanged"),
        ("running", NOW - 5000, "refused"),
        ("running", NOW - 1000, "refused"),
        ("waiting", NOW - 7000, "refused"),
        ("succeeded", NOW - 7000, "unchanged"),
    ],
)
def test_late_reports_on_a_job_that_has_ended(state: str, time: int, outcome: str) -> None:
    accepting = after(report("running", time=NOW - 9000), report("succeeded", time=NOW - 5000))
    verdict = accepting.reports(report(state, time=time))
    assert results(verdict)[0]["outcome"] == outcome


def test_the_history_keeps_the_first_and_the_newest_255() -> None:
    accepting = after(report("pending", time=NOW - 1_000_000))
    for n in range(300):
        accepting.one(report("running" if n % 2 == 0 else "waiting", time=NOW - 1000 + n))
    history = job_of(accepting).history
    assert len(history) == 256
    assert history[0].state == "pending"
    assert [past.since for past in history[1:]] == [to_text(NOW - 1000 + n) for n in range(44, 299)]


@pytest.mark.parametrize(
    ("known", "item", "root"),
    [
        ([], report("running"), "job-1"),
        ([], report("running", root_job_id="r"), "r"),
        ([], report("running", parent_job_id="p"), "p"),
        ([], report("running", parent_job_id="p", root_job_id="r"), "r"),
        ([report("running", job_id="p")], report("running", parent_job_id="p"), "p"),
        ([report("running", job_id="p", parent_job_id="g")], report("running", parent_job_id="p"), "g"),
        ([report("running", job_id="p", root_job_id="r")], report("running", parent_job_id="p"), "r"),
    ],
)
def test_the_root(known: list[Report], item: Report, root: str) -> None:
    assert job_of(after(*known, item)).root_job_id == root


def test_a_root_that_was_derived_follows_the_parent_and_one_that_was_given_stays() -> None:
    accepting = after(
        report("running", parent_job_id="p"),
        report("running", job_id="job-2", parent_job_id="p", root_job_id="mine"),
        report("running", job_id="job-3"),
        report("running", job_id="job-4", root_job_id="mine"),
        report("running", job_id="p", parent_job_id="g"),
    )
    assert job_of(accepting).root_job_id == "p"
    for job_id, root in (("job-1", "g"), ("job-2", "mine"), ("job-3", "g"), ("job-4", "mine")):
        accepting.one(report("waiting", job_id=job_id, parent_job_id="p"))
        assert (job_of(accepting, job_id).root_job_id, job_of(accepting, job_id).parent_job_id) == (root, "p")


def test_a_circle_of_jobs_is_refused() -> None:
    accepting = after(
        report("running", job_id="b", parent_job_id="a"),
        report("running", job_id="c", parent_job_id="b"),
    )
    before = frozen(accepting.facts)
    assert pointers(accepting.one(report("running", job_id="a", parent_job_id="c"))) == ["/parent_job_id"]
    assert frozen(accepting.facts) == before
    assert accepting.one(report("running", job_id="a", parent_job_id="z")).problem is None


def test_a_parent_with_too_many_ancestors_is_refused() -> None:
    accepting = after(*(report("running", job_id=f"j{n}", parent_job_id=f"j{n - 1}") for n in range(1, 257)))
    assert pointers(accepting.one(report("running", parent_job_id="j256"))) == ["/parent_job_id"]
    assert accepting.one(report("running", parent_job_id="j255")).problem is None


# A model of its own, in other words: states are looked up in strings, times are numbers, nothing is shared with the rules.

LATER = {
    "pending": "preparing running waiting stopping rescheduled succeeded failed stopped",
    "rescheduled": "pending preparing running waiting stopping succeeded failed stopped",
    "preparing": "running waiting stopping rescheduled succeeded failed stopped",
    "running": "preparing waiting stopping rescheduled succeeded failed stopped",
    "waiting": "preparing running stopping rescheduled succeeded failed stopped",
    "stopping": "succeeded failed stopped",
}


class Model:
    """One job."""

    def __init__(self) -> None:
        self.now: tuple[str, int, str | None] | None = None
        self.past: list[tuple[str, int, str | None]] = []

    def hear(self, item: Report, clock: int) -> tuple[str, list[str]]:
        """Outcome and verbs."""
        at = clock if item.time is None else min(item.time, clock + 1000)
        if item.signal is not None:
            if self.now is None:
                return "refused", []
            state, since, details = self.now
            self.now = (state, since, details if item.details is None else item.details)
            return "changed", [item.signal.value]
        assert item.state is not None
        state = item.state.value
        if self.now is None:
            self.now = (state, at, item.details)
            return "changed", ["created", state]
        current, since, details = self.now
        if item.time is not None and (state, at) in [(s, t) for s, t, _ in self.past]:
            return "unchanged", []
        if state == current:
            if item.details in {None, details}:
                return "unchanged", []
            self.now = (state, since, item.details)
            return "changed", ["progressed"]
        restarts = item.restart and current in {"succeeded", "failed", "stopped"}
        allowed = "pending preparing running" if restarts else LATER.get(current, "")
        if state not in allowed.split():
            is_late = at < since and state in [s for s, _, _ in self.past]
            return ("unchanged" if is_late else "refused"), []
        self.past.append(self.now)
        self.now = (state, max(at, since), item.details)
        return "changed", [state]


reports = st.builds(
    lambda state, signal, time, details, restart: Report(
        job_id="job-1", job_type="load", state=None if signal else state, signal=signal, time=time, details=details,
        restart=restart,
    ),
    st.sampled_from(JobState),
    st.sampled_from([None, None, None, Signal.PROGRESSED, Signal.SYNCED]),
    st.one_of(st.none(), st.integers(NOW - 5, NOW + 1005)),
    st.sampled_from([None, "a", "b"]),
    st.booleans(),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(reports, st.integers(0, 3)), max_size=25), st.booleans())
def test_any_history_of_reports_agrees_with_the_model(steps: list[tuple[Report, int]], in_one_array: bool) -> None:
    accepting, model, clock = Accepting(), Model(), NOW
    if in_one_array:
        verdict = accepting.reports(*(item for item, _ in steps))
        answers = results(verdict)
        verbs_of = {event.id: event.verb for event in verdict.events}
    for number, (item, pause) in enumerate(steps):
        if in_one_array:
            answer = answers[number]
        else:
            clock += pause
            verdict = accepting.reports(item, now=clock)
            (answer,) = results(verdict)
            verbs_of = {event.id: event.verb for event in verdict.events}
        outcome, verbs = model.hear(item, clock)
        assert answer["outcome"] == outcome
        assert [verbs_of[named] for named in answer["event_ids"]] == verbs
    if model.now is None:
        assert accepting.facts.jobs == {}
        return
    job = job_of(accepting)
    assert (job.state, from_text(job.state_since), job.details) == model.now
    assert [(past.state, from_text(past.since), past.details) for past in job.history] == model.past
    assert job.previous_state == (model.past[-1][0] if model.past else None)
    since = [from_text(past.since) for past in job.history] + [from_text(job.state_since)]
    assert since == sorted(since)


@settings(max_examples=100, deadline=None)
@given(st.lists(reports, max_size=15))
def test_states_of_the_history_told_again_at_their_time_change_nothing(items: list[Report]) -> None:
    accepting = Accepting()
    applied: list[Report] = []
    for item in items:
        if item.time is None or item.signal is not None:
            continue
        verdict = accepting.reports(item)
        if verdict.events and verdict.events[-1].verb == item.state and verdict.events[-1].time == item.time:
            applied.append(item)
    past = {(past.state, past.since) for past in job_of(accepting).history} if applied else set()
    for item in applied:
        if item.time is not None and (item.state, to_text(item.time)) in past:
            before = frozen(accepting.facts)
            verdict = accepting.reports(item)
            assert results(verdict)[0]["outcome"] == "unchanged"
            assert frozen(accepting.facts) == before
