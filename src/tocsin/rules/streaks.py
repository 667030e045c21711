"""Streaks: how many runs of a job failed in a row. Runs belong together by the job's type and name, or by its id where it has
no name; one that was stopped says nothing either way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final

from tocsin.model.job import Job, JobData, JobRow, JobState, Report
from tocsin.model.submission import Facts
from tocsin.rules.job_reports import Told

LEAST_SHOWN: Final = 2
"""From how many failures in a row on events carry the number."""
_FAILED: Final = JobState.FAILED
_SUCCEEDED: Final = JobState.SUCCEEDED
ENDINGS: Final = frozenset({"failed", "succeeded"})
"""The verbs of events that count; in what a report tells they stand last."""


def ends_run(report: Report) -> bool:
    """Whether the report may begin a streak, go on with it or end it."""
    return report.state is _FAILED or report.state is _SUCCEEDED


def streak_hash(job_type: str, name: str | None, job_id: str) -> bytes:
    """By which the streak of a job is known: 16 bytes."""
    digest = blake2b(digest_size=16)
    for text in (job_type, "id" if name is None else "name", job_id if name is None else name):
        encoded = text.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.digest()


def streaks_of(reports: Iterable[Report], jobs: Mapping[str, JobRow]) -> set[bytes]:
    """Every streak that these reports of one tenant may touch, given the jobs as they are now: a job may get another type or
    name by one of them before another ends its run."""
    reports = tuple(reports)
    ending = {report.job_id for report in reports if ends_run(report)}
    types: dict[str, set[str]] = {}
    names: dict[str, set[str | None]] = {}
    for job_id in ending:
        row = jobs.get(job_id)
        types[job_id] = set() if row is None else {row.job.job_type}
        names[job_id] = {None if row is None else row.job.name}
    for report in reports:
        if report.job_id in ending:
            if report.job_type is not None:
                types[report.job_id].add(report.job_type)
            if report.name is not None:
                names[report.job_id].add(report.name)
    return {
        streak_hash(job_type, name, job_id) for job_id in ending for job_type in types[job_id] for name in names[job_id]
    }


def counted(told: Told, job: Job, facts: Facts, changed: dict[bytes, int]) -> int:
    """How many failures in a row the event about the end of a run tells of (0: none, or no end). The facts and `changed`, which
    is to be written, now know of it."""
    ending = told.verbs[-1] if told.verbs else ""
    if ending not in ENDINGS:
        return 0
    digest = streak_hash(job.job_type, job.name, job.job_id)
    before = facts.streaks.get(digest, 0)
    now = before + 1 if ending == "failed" else 0
    if now != before:
        facts.streaks[digest] = changed[digest] = now
    told_of = max(before, now)
    return told_of if told_of >= LEAST_SHOWN else 0


def is_reached(limit: int, verb: str, job: JobData) -> bool:
    """Whether an event is about a streak of so many failures: the failure that reaches it, those after it, and the success
    that ends it. Of a success after a single failure its event does not know."""
    if verb == "failed":
        return max(job.failures_in_a_row, 1) >= limit
    return verb == "succeeded" and job.failures_in_a_row >= limit
