"""Tamr's job events and RealTime record events, as CloudEvents in structured mode.

Source: docs.tamr.com, the webhook pages for job events and record events. Printed there are the states, the error
object, the identifiers of each job type and the record attributes; `type` and `source` are not, so both are our choice.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.formats.cloudevents import own_source
from tocsin.formats.rendering import JSON, Expression, Expressions, Rendered, encode, setting_of
from tocsin.formats.tamr_identifiers import Configuration, configuration_of
from tocsin.model.endpoint import EndpointConfig, TamrFormat
from tocsin.model.event import Event
from tocsin.model.event_view import EventView
from tocsin.model.ids import plain_uuid
from tocsin.model.job import Job, JobError, JobState
from tocsin.model.record import RecordData
from tocsin.model.times import to_text

WITH_ERROR: Final = "with `error`"

EXPRESSIONS: Final[Expressions] = {
    "job.pending": Expression("PENDING"),
    "job.preparing": Expression("PENDING"),
    "job.running": Expression("RUNNING"),
    "job.waiting": Expression("RUNNING"),
    "job.stopping": Expression("STOPPING"),
    "job.rescheduled": Expression("PENDING"),
    "job.succeeded": Expression("DONE"),
    "job.failed": Expression("DONE", WITH_ERROR),
    "job.stopped": Expression("DONE", WITH_ERROR),
    "record.created": Expression("CREATE"),
    "record.updated": Expression("UPDATE"),
    "record.deleted": Expression("DELETE"),
}

VISIBLE: Final = {state: EXPRESSIONS[f"job.{state}"].word for state in JobState}
"""The state that Tamr's receivers see."""

_UNSUCCESSFUL: Final = frozenset(state for state in JobState if EXPRESSIONS[f"job.{state}"].only == WITH_ERROR)


class Error(msgspec.Struct, frozen=True):
    """Why a job is DONE without success."""

    reason: str
    message: str


_UNSAID: Final = {
    JobState.FAILED: Error("JOB_FAILED", "The job failed."),
    JobState.STOPPED: Error("STOPPED_BY_USER", "The job was stopped by a user."),
}


class Status(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A visible state and when it began."""

    state: str
    state_start_time: str
    error: Error | None = None


class JobData(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The data of a job event. `status_history` is past only, oldest first."""

    job_id: str
    configuration: Configuration
    status: Status
    status_history: list[Status]


class RecordEventData(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The data of a record event."""

    table_id: str
    record_id: str
    version_id: int
    change_type: str
    record_number: int
    new_data: msgspec.Raw


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """The CloudEvents attributes that Tamr's pages list as required, and the data."""

    specversion: str
    id: str
    source: str
    type: str
    time: str
    datacontenttype: str
    data: JobData | RecordEventData


class TamrRenderer:
    """`type` and `source` of the endpoint."""

    __slots__ = ("_source", "_type")

    def __init__(self, config: EndpointConfig) -> None:
        setting = setting_of(config, TamrFormat)
        self._source = setting.source
        self._type = setting.type

    def expresses(self, view: EventView) -> bool:
        """Job events only where the visible state changes."""
        event = view.event
        if event.type not in EXPRESSIONS:
            return False
        if event.subject_type != "job":
            return True
        job = view.job
        return job is not None and (job.previous_state is None or VISIBLE[job.previous_state] != VISIBLE[job.state])

    def render(self, view: EventView) -> Rendered:
        event = view.event
        body = Envelope(
            specversion="1.0",
            id=plain_uuid(event.id),
            source=self._source or own_source(event.tenant),
            type=self._type or event.type,
            time=to_text(event.time),
            datacontenttype=JSON,
            data=_data(event, view.job, view.record),
        )
        return Rendered(content_type=JSON, body=encode(body))


def _data(event: Event, job: Job | None, record: RecordData | None) -> JobData | RecordEventData:
    if job is not None:
        return JobData(
            job_id=job.job_id,
            configuration=configuration_of(job),
            status=_status(job.state, job.state_since, job.error),
            status_history=status_history(job),
        )
    if record is not None:
        return RecordEventData(
            table_id=record.table,
            record_id=record.record_id,
            version_id=record.version_id,
            change_type=record.change_type,
            record_number=record.record_number,
            new_data=record.new_data,
        )
    raise ValueError(f"tamr has no words for {event.type}")


def status_history(job: Job) -> list[Status]:
    """The visible states before the current one, oldest first; of equal neighbours the first stands for all."""
    history: list[Status] = []
    for past in job.history:
        if not history or history[-1].state != VISIBLE[past.state]:
            history.append(_status(past.state, past.since, past.error))
    return history


def _status(state: JobState, since: str, error: JobError | None) -> Status:
    if state not in _UNSUCCESSFUL:
        return Status(VISIBLE[state], since)
    said = _UNSAID[state] if error is None else Error(error.reason, error.message)
    return Status(VISIBLE[state], since, said)
