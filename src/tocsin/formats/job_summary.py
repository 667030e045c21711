"""What people are told about a job: what it is, how it stands and since when, how long it took, what went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from tocsin.formats.plain_text import duration
from tocsin.model.event import Event
from tocsin.model.job import Job, JobState
from tocsin.model.times import from_text

_SAID: Final = {
    "created": "was reported for the first time",
    "updated": "was reconfigured",
    "deleted": "was deleted",
    "pending": "is pending",
    "preparing": "is being prepared",
    "running": "is running",
    "waiting": "is waiting",
    "progressed": "made progress",
    "stopping": "is being stopped",
    "rescheduled": "was rescheduled",
    "succeeded": "succeeded",
    "failed": "failed",
    "stopped": "was stopped",
    "syncing": "is syncing",
    "synced": "is in sync",
    "sync_completed": "completed its sync",
    "overdue": "is overdue",
    "lost": "was not heard of for too long",
}
_TONES: Final[dict[str, Literal["good", "bad", "warning"]]] = {
    "succeeded": "good",
    "failed": "bad",
    "lost": "bad",
    "stopped": "warning",
    "rescheduled": "warning",
    "overdue": "warning",
}
_OVER: Final = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.STOPPED})


def headline_of_job(job: Job, verb: str) -> str:
    """What happened, in a sentence without its full stop."""
    return f"{job.name or f'Job {job.job_id}'} {_SAID.get(verb, verb)}"


def tone_of_job(verb: str) -> Literal["good", "bad", "warning", "neutral"]:
    """Whether somebody should be glad of it, or do something."""
    return _TONES.get(verb, "neutral")


def words_of_job(job: Job) -> str:
    """What was said of it last: the message of its error, else its details."""
    return (job.error.message if job.error else "") or job.details or ""


def job_facts(job: Job, event: Event) -> Iterator[tuple[str, str]]:
    """Label and value, what matters most first."""
    yield "State", f"{job.state} since {job.state_since}"
    if job.error is not None:
        yield "Error", job.error.reason
    if (took := _took(job, event)) is not None:
        yield took
    yield "Job", job.job_id
    yield "Type", job.job_type
    named = [f"{resource.kind} {resource.name or resource.id}" for resource in job.resources[:5]]
    yield "Works on", ", ".join(named)
    yield "Part of", job.parent_job_id or ""
    if job.root_job_id not in {job.job_id, job.parent_job_id}:
        yield "Begun by", job.root_job_id
    yield "Labels", ", ".join(f"{name}={value}" for name, value in sorted(job.labels.items()))


def _took(job: Job, event: Event) -> tuple[str, str] | None:
    """How long the job took from its last start on, or has been at it when this happened; None while it has only begun."""
    start = job.state_since
    for past in reversed(job.history):
        if past.state in _OVER:
            break
        start = past.since
    is_over = job.state in _OVER
    until = from_text(job.state_since) if is_over else event.time
    spent = until - from_text(start)
    if spent <= 0:
        return None
    return ("Took" if is_over else "So far"), duration(spent)
