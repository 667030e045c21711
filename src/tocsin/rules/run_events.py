"""What an OpenLineage run event makes of the job that its run is: any order of a run's events leads to the same state.

Source: OpenLineage 2-0-2 (OpenLineage.json): a run has one START and one end, events may be repeated and come late, and what they
say of the run adds up. So nothing is refused for coming late: it goes into the history, without an event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from tocsin.errors import FieldError, InvalidRequest, TocsinError
from tocsin.model.ids import Millis
from tocsin.model.job import Job, JobError, JobRow, JobState, PastState, Report, Resource, Signal
from tocsin.model.submission import Lineage
from tocsin.model.times import to_text
from tocsin.rules.job_reports import CLOCK_TOLERANCE_MS, NEWEST_KEPT, Told, told_by
from tocsin.rules.job_states import FINAL_STATES, may_enter

MOST_RESOURCES: Final = 1000
PARENT_POINTER: Final = "/run/facets/parent/run/runId"


def told_by_run(
    report: Report, row: JobRow | None, lineages: Mapping[str, Lineage], received_at: Millis
) -> Told | TocsinError:
    """Judges the report that a run event is, given the job as it stands (None: unknown so far)."""
    told = _told(report, row, lineages, received_at)
    if isinstance(told, InvalidRequest):
        return InvalidRequest(
            str(told),
            errors=tuple(
                FieldError(PARENT_POINTER, error.detail) if error.pointer == "/parent_job_id" else error
                for error in told.errors
            ),
        )
    return told


def _told(
    report: Report, row: JobRow | None, lineages: Mapping[str, Lineage], received_at: Millis
) -> Told | TocsinError:
    if row is None:
        return _first(report, lineages, received_at)
    job = row.job
    if report.resources is not None:
        report = replace(report, resources=united(job.resources, report.resources))
    state = report.state
    if state is not None and job.state is JobState.PENDING and not job.history:
        row = replace(row, job=replace(job, state_since=min(job.state_since, _since(report, received_at))))
    if state is None or (state is not job.state and may_enter(job.state, state, restart=False)):
        return told_by(report, row, lineages, received_at)
    return _late(report, state, row, lineages, received_at)


def _first(report: Report, lineages: Mapping[str, Lineage], received_at: Millis) -> Told | TocsinError:
    """The first event of a run. One that says nothing of its state leaves it pending until its START or its end comes."""
    report = replace(report, job_type=report.job_type or "openlineage", resources=united((), report.resources or ()))
    if report.signal is None:
        return told_by(report, None, lineages, received_at)
    told = told_by(replace(report, state=JobState.PENDING, signal=None), None, lineages, received_at)
    return told if isinstance(told, TocsinError) else replace(told, verbs=(*told.verbs, report.signal.value))


def _late(
    report: Report, state: JobState, row: JobRow, lineages: Mapping[str, Lineage], received_at: Millis
) -> Told | TocsinError:
    """The state that the run is in, once more, or one that it cannot go to any more: no event. What is new of it is kept."""
    told = told_by(
        replace(report, state=None, signal=Signal.PROGRESSED, error=None, details=None), row, lineages, received_at
    )
    if isinstance(told, TocsinError):
        return told
    assert told.row is not None
    since = _since(report, received_at)
    job = _without_assumed(told.row.job, state, since)
    if state is job.state:
        begin = max([since, *(past.since for past in job.history[-1:])])
        job = replace(job, state_since=min(job.state_since, begin), error=_error(report, job))
    else:
        job = _with_past(job, PastState(state=state, since=min(since, job.state_since), error=report.error))
    changed = replace(told.row, job=job)
    return Told() if job == row.job else Told(row=changed, time=told.time)


def _since(report: Report, received_at: Millis) -> str:
    time = received_at if report.time is None else report.time
    return to_text(min(time, received_at + CLOCK_TOLERANCE_MS))


def _error(report: Report, job: Job) -> JobError | None:
    """An end that is told again may say more of what went wrong."""
    return job.error if report.error is None or job.state not in FINAL_STATES else report.error


def _with_past(job: Job, late: PastState) -> Job:
    """The job with a state in its history that was heard of late; of a state that is there already, the earlier begin counts."""
    history = list(job.history)
    known = next((index for index, past in enumerate(history) if past.state is late.state), None)
    if known is None:
        if len(history) > NEWEST_KEPT:
            return job
        history.append(late)
    elif late.since < history[known].since:
        history[known] = replace(history[known], since=late.since)
    else:
        return job
    history.sort(key=lambda past: past.since)
    return replace(job, history=tuple(history), previous_state=history[-1].state)


def _without_assumed(job: Job, state: JobState, since: str) -> Job:
    """The job without the time in which it was taken for pending only because its START had not come yet."""
    if state is not JobState.RUNNING:
        return job
    history = tuple(past for past in job.history if past.state is not JobState.PENDING or past.since <= since)
    if len(history) == len(job.history):
        return job
    return replace(job, history=history, previous_state=history[-1].state if history else None)


def united(known: tuple[Resource, ...], new: tuple[Resource, ...]) -> tuple[Resource, ...]:
    """What the events of a run name, each once, in an order that does not hang on theirs."""
    by_name = {(item.kind, item.id): item for item in (*known, *new)}
    return tuple(by_name[name] for name in sorted(by_name)[:MOST_RESOURCES])
