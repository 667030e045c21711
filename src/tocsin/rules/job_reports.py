"""What a report makes of a job: its next snapshot and the events that follow, or the reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from msgspec.structs import replace

from tocsin.errors import FieldError, IllegalTransition, InvalidRequest, TocsinError
from tocsin.model.ids import Millis
from tocsin.model.job import Job, JobError, JobRow, JobState, Mode, PastState, Report
from tocsin.model.noun import Noun
from tocsin.model.submission import Lineage
from tocsin.model.times import from_text, to_text
from tocsin.rules.job_states import ERROR_STATES, may_enter

V = TypeVar("V")

NEWEST_KEPT: Final = 255
"""How many of the newest past states the history keeps, beside the first."""
CLOCK_TOLERANCE_MS: Final = 1000
DEEPEST_LINEAGE: Final = 256
_MOST_REASON: Final = 63
_STOPPED: Final = JobError(reason="STOPPED_BY_USER", message="The job was stopped by a user.")


class Told(Noun, frozen=True, kw_only=True):
    """What a report says that was not known. `row` None: nothing. Each of `verbs` is an event at `time` (ms)."""

    row: JobRow | None = None
    verbs: tuple[str, ...] = ()
    time: Millis = 0


_NOTHING_NEW: Final = Told()


def told_by(
    report: Report, row: JobRow | None, lineages: Mapping[str, Lineage], received_at: Millis
) -> Told | TocsinError:
    """Judges a report against the job as it stands (None: unknown so far)."""
    faults = _faults(report, is_first=row is None)
    if faults:
        return InvalidRequest(faults[0].detail, errors=tuple(faults))
    if _closes_circle(report, row, lineages):
        return InvalidRequest.at("/parent_job_id", "The job would be its own ancestor, or have more than 256 of them.")
    latest = received_at + CLOCK_TOLERANCE_MS
    time = received_at if report.time is None else min(report.time, latest)
    if row is None:
        return _first(report, lineages, time)
    if report.signal is not None:
        job = _again(report, row.job, lineages)
        return Told(row=_row(report, row, job), verbs=(report.signal.value,), time=time)
    assert report.state is not None
    return _next(report, report.state, row, lineages, time)


def _faults(report: Report, *, is_first: bool) -> list[FieldError]:
    faults: list[FieldError] = []
    state = report.state
    if state is not None and report.signal is not None:
        faults.append(FieldError("/signal", "A report has a state or a signal, not both."))
    elif state is None and report.signal is None:
        faults.append(FieldError("/state", "A report needs a state or a signal."))
    elif state is None and is_first:
        faults.append(FieldError("/state", "The first report on a job needs a state."))
    if is_first and not report.job_type:
        faults.append(FieldError("/job_type", "The first report on a job needs its type."))
    if report.error is not None:
        if state not in ERROR_STATES:
            faults.append(FieldError("/error", "Only failed, stopped and rescheduled may have an error."))
        if not 1 <= len(report.error.reason) <= _MOST_REASON:
            faults.append(FieldError("/error/reason", f"The reason has 1 to {_MOST_REASON} characters."))
    return faults


def _closes_circle(report: Report, row: JobRow | None, lineages: Mapping[str, Lineage]) -> bool:
    """Whether the job is found among its parent's ancestors. A chain too long to follow counts as one that does, so that
    no circle can hide in it."""
    ancestor = report.parent_job_id
    if ancestor is None or (row is not None and row.job.parent_job_id == ancestor):
        return False
    for _ in range(DEEPEST_LINEAGE):
        if ancestor == report.job_id:
            return True
        known = lineages.get(ancestor)
        if known is None or known.parent_job_id is None:
            return False
        ancestor = known.parent_job_id
    return True


def _root(report: Report, job: Job | None, lineages: Mapping[str, Lineage]) -> str:
    """Given, else the parent's root, else the parent, else the job itself. A root that was only derived is derived again
    when a report names the parent; one that was given stays."""
    if report.root_job_id is not None:
        return report.root_job_id
    parent = report.parent_job_id
    if parent is None:
        return job.root_job_id if job is not None else report.job_id
    if job is not None:
        if job.parent_job_id == parent:
            is_derived = job.root_job_id == parent
        else:
            is_derived = job.parent_job_id is not None or job.root_job_id == job.job_id
        if not is_derived:
            return job.root_job_id
    known = lineages.get(parent)
    return known.root_job_id if known is not None else parent


def _first(report: Report, lineages: Mapping[str, Lineage], time: Millis) -> Told:
    state = report.state
    assert state is not None
    assert report.job_type is not None
    mode: Mode = "batch" if report.mode is None else report.mode
    job = Job(
        job_id=report.job_id,
        job_type=report.job_type,
        mode=mode,
        name=report.name,
        state=state,
        state_since=to_text(time),
        previous_state=None,
        history=(),
        details=report.details,
        error=_error(report, state),
        resources=report.resources or (),
        parent_job_id=report.parent_job_id,
        root_job_id=_root(report, None, lineages),
        attributes=report.attributes or {},
        labels=report.labels or {},
    )
    row = JobRow(job=job, overdue_after_seconds=report.overdue_after_seconds)
    return Told(row=row, verbs=("created", state.value), time=time)


def _next(
    report: Report, state: JobState, row: JobRow, lineages: Mapping[str, Lineage], time: Millis
) -> Told | TocsinError:
    job = row.job
    since = to_text(time)
    if report.time is not None and any(past.since == since and past.state is state for past in job.history):
        return _NOTHING_NEW
    if state is job.state:
        changed = _row(report, row, _again(report, job, lineages))
        if changed == row:
            return _NOTHING_NEW
        verbs = ("progressed",) if changed.job.details != job.details else ()
        return Told(row=changed, verbs=verbs, time=time)
    if not may_enter(job.state, state, restart=report.restart):
        if since < job.state_since and any(past.state is state for past in job.history):
            return _NOTHING_NEW
        return IllegalTransition(
            f"The job is {job.state.value} and cannot become {state.value}.", current_state=job.state.value
        )
    if since < job.state_since:
        since, time = job.state_since, from_text(job.state_since)
    left = PastState(state=job.state, since=job.state_since, details=job.details, error=job.error)
    history = (*job.history, left)
    if len(history) > NEWEST_KEPT + 1:
        history = (history[0], *history[-NEWEST_KEPT:])
    entered = replace(
        _again(report, job, lineages),
        state=state,
        state_since=since,
        previous_state=job.state,
        history=history,
        details=report.details,
        error=_error(report, state),
    )
    return Told(row=_row(report, row, entered), verbs=(state.value,), time=time)


def _again(report: Report, job: Job, lineages: Mapping[str, Lineage]) -> Job:
    """The job in the state it is in, with what the report adds; what was not given stays."""
    return Job(
        job_id=job.job_id,
        job_type=report.job_type or job.job_type,
        mode=report.mode or job.mode,
        name=job.name if report.name is None else report.name,
        state=job.state,
        state_since=job.state_since,
        previous_state=job.previous_state,
        history=job.history,
        details=job.details if report.details is None else report.details,
        error=job.error if report.error is None else report.error,
        resources=job.resources if report.resources is None else report.resources,
        parent_job_id=report.parent_job_id or job.parent_job_id,
        root_job_id=_root(report, job, lineages),
        attributes=_merged(job.attributes, report.attributes),
        labels=_merged(job.labels, report.labels),
    )


def _row(report: Report, row: JobRow, job: Job) -> JobRow:
    overdue = row.overdue_after_seconds if report.overdue_after_seconds is None else report.overdue_after_seconds
    return JobRow(job=job, overdue_after_seconds=overdue)


def _merged(old: dict[str, V], new: Mapping[str, V] | None) -> dict[str, V]:
    return {**old, **new} if new else old


def _error(report: Report, state: JobState) -> JobError | None:
    """The error of a state that is entered: as given, else the one that a state without success has of itself."""
    if report.error is not None:
        return report.error
    if state is JobState.STOPPED:
        return _STOPPED
    if state is JobState.FAILED:
        return JobError(reason="JOB_FAILED", message=report.details or "The job failed.")
    return None
