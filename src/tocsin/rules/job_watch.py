"""Jobs that take too long: how long each may run, and how long it may say nothing, by job type or by the job itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal

from msgspec.structs import replace

from tocsin.model.ids import Millis
from tocsin.model.job import JobRow, JobState
from tocsin.model.noun import Noun
from tocsin.model.times import from_text
from tocsin.rules.job_states import FINAL_STATES

Kind = Literal["overdue", "lost"]
ANY: Final = "*"


class JobLimits(Noun, frozen=True, kw_only=True):
    """Seconds by job type, `*` for every other one; a type that is not there has no limit. `overdue`: in state running; `lost`:
    without a report while unfinished."""

    overdue: Mapping[str, float] = {}
    lost: Mapping[str, float] = {}


NO_LIMITS: Final = JobLimits()


def parse_limits(text: str) -> dict[str, float]:
    """Limits like `load_source=3600, *=86400`. ValueError, which names the part that is wrong."""
    limits: dict[str, float] = {}
    for part in text.replace(",", " ").split():
        name, equals, seconds = part.rpartition("=")
        try:
            limit = float(seconds)
        except ValueError:
            limit = math.nan
        if not equals or not name or not 0 < limit < math.inf:
            raise ValueError(f"{part!r} is not a job type and seconds, like load_source=3600")
        limits[name] = limit
    return limits


def watched(row: JobRow, limits: JobLimits, now: Millis, before: JobRow | None = None) -> JobRow:
    """The row with the times at which the job is overdue and lost, if nothing more is heard of it. What was told of a run
    once is not told again: `before` is the row as it was."""
    job = row.job
    overdue_at = lost_at = None
    if job.state is JobState.RUNNING:
        limit = row.overdue_after_seconds or _limit(limits.overdue, job.job_type)
        if limit is not None and not _was_told(row, before):
            overdue_at = from_text(job.state_since) + round(limit * 1000)
    if job.state not in FINAL_STATES and (limit := _limit(limits.lost, job.job_type)) is not None:
        lost_at = now + round(limit * 1000)
    if overdue_at == row.overdue_at and lost_at == row.lost_at:
        return row
    return replace(row, overdue_at=overdue_at, lost_at=lost_at)


def _was_told(row: JobRow, before: JobRow | None) -> bool:
    """Whether this very run, with this very limit, had a time before and has none any more."""
    return (
        before is not None
        and before.overdue_at is None
        and before.job.state is row.job.state
        and before.job.state_since == row.job.state_since
        and before.overdue_after_seconds == row.overdue_after_seconds
    )


def told(row: JobRow, kind: Kind, now: Millis) -> JobRow | None:
    """The row after its being overdue or lost was told; None when it is neither any more."""
    at = row.overdue_at if kind == "overdue" else row.lost_at
    if at is None or at > now:
        return None
    return replace(row, overdue_at=None) if kind == "overdue" else replace(row, lost_at=None)


def _limit(limits: Mapping[str, float], job_type: str) -> float | None:
    return limits.get(job_type, limits.get(ANY))
