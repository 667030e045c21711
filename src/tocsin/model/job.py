"""The customer's job: what a producer reports about it, and where it stands."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from tocsin.model.noun import Noun


class JobState(StrEnum):
    """Where a job stands. `rules/job_states.py` holds the table of transitions."""

    PENDING = "pending"
    PREPARING = "preparing"
    RUNNING = "running"
    WAITING = "waiting"
    STOPPING = "stopping"
    RESCHEDULED = "rescheduled"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"


class Signal(StrEnum):
    """Something about a job that leaves its state as it is."""

    UPDATED = "updated"
    DELETED = "deleted"
    PROGRESSED = "progressed"
    SYNCING = "syncing"
    SYNCED = "synced"
    SYNC_COMPLETED = "sync_completed"


Mode = Literal["batch", "realtime"]


class JobError(Noun, frozen=True, kw_only=True):
    """Why a job did not succeed: `reason` is a short code (1 to 63 characters), `message` is for people."""

    reason: str
    message: str = ""


class Resource(Noun, frozen=True, kw_only=True):
    """Something a job worked on: a source, a data product, a workflow, a destination, ..."""

    kind: str
    id: str
    name: str | None = None


class PastState(Noun, frozen=True, kw_only=True):
    """A state that a job has left. `since` is when it entered it, RFC 3339."""

    state: JobState
    since: str
    details: str | None = None
    error: JobError | None = None


class Report(Noun, frozen=True, kw_only=True):
    """What a producer says about a job. A field that is None was not given and keeps its value."""

    job_id: str
    state: JobState | None = None
    signal: Signal | None = None
    job_type: str | None = None
    mode: Mode | None = None
    name: str | None = None
    time: int | None = None
    details: str | None = None
    error: JobError | None = None
    resources: tuple[Resource, ...] | None = None
    parent_job_id: str | None = None
    root_job_id: str | None = None
    attributes: dict[str, object] | None = None
    labels: dict[str, str] | None = None
    overdue_after_seconds: float | None = None
    restart: bool = False


class Job(Noun, frozen=True, kw_only=True):
    """A job as it stands, and at once the data of the events about it, in this key order."""

    job_id: str
    job_type: str
    mode: Mode
    name: str | None
    state: JobState
    state_since: str
    previous_state: JobState | None
    history: tuple[PastState, ...]
    details: str | None
    error: JobError | None
    resources: tuple[Resource, ...]
    parent_job_id: str | None
    root_job_id: str
    attributes: dict[str, object]
    labels: dict[str, str]


class JobData(Job, frozen=True, kw_only=True, omit_defaults=True):
    """The data of an event about a job. `failures_in_a_row` is there for two or more: on the failure of a run, and on the success
    that ends them."""

    failures_in_a_row: int = 0


class JobRow(Noun, frozen=True, kw_only=True):
    """What the store keeps of a job: the snapshot that events show, and what they do not. `overdue_at` and `lost_at` (ms): when
    that is told, if nothing else is heard of the job."""

    job: Job
    overdue_after_seconds: float | None = None
    overdue_at: int | None = None
    lost_at: int | None = None


decode_job = msgspec.json.Decoder(JobData).decode
