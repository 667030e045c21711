"""Sample events, always the same: for trying an endpoint, for the catalogue of event types and for the documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Final

import msgspec

from tocsin.formats.rendering import Expressing, encode
from tocsin.model.event import OWN_SUBJECT_TYPES, CloudContext, Event
from tocsin.model.event_view import EventView
from tocsin.model.ids import EventId, Millis
from tocsin.model.job import Job, JobError, JobState, Mode, PastState, Resource, Signal
from tocsin.model.record import Action, ChangeType, DataVersionData, RecordData
from tocsin.model.times import from_text, to_text

SAMPLE_TIME: Final = from_text("2026-11-22T10:00:00.000Z")
SAMPLE_TENANT: Final = "acme"
FOREIGN_TYPE: Final = "order.created"

_MINUTE: Final = 60_000
_JOB_ID: Final = "job-20261122-001"

_PATHS: Final[Mapping[JobState, tuple[JobState, ...]]] = {
    JobState.PENDING: (),
    JobState.PREPARING: (),
    JobState.RUNNING: (JobState.PENDING,),
    JobState.WAITING: (JobState.PENDING,),
    JobState.STOPPING: (JobState.PENDING, JobState.RUNNING),
    JobState.RESCHEDULED: (JobState.PENDING, JobState.RUNNING),
    JobState.SUCCEEDED: (JobState.PENDING, JobState.RUNNING),
    JobState.FAILED: (JobState.PENDING, JobState.RUNNING),
    JobState.STOPPED: (JobState.PENDING, JobState.RUNNING, JobState.STOPPING),
}
"""The states before each state, such that every format that has a word for the state says it."""

_SIGNALLED: Final[Mapping[Signal, tuple[JobState, Mode]]] = {
    Signal.UPDATED: (JobState.PENDING, "batch"),
    Signal.DELETED: (JobState.SUCCEEDED, "batch"),
    Signal.PROGRESSED: (JobState.RUNNING, "batch"),
    Signal.SYNCING: (JobState.RUNNING, "realtime"),
    Signal.SYNCED: (JobState.RUNNING, "realtime"),
    Signal.SYNC_COMPLETED: (JobState.RUNNING, "realtime"),
}

_ERRORS: Final = {
    JobState.FAILED: JobError(reason="LOAD_FAILED", message="The source could not be read."),
    JobState.STOPPED: JobError(reason="STOPPED_BY_USER", message="The job was stopped by a user."),
}
_DETAILS: Final = {Signal.PROGRESSED: "Loading (step 1 of 3)"}


def _job(state: JobState, mode: Mode = "batch", details: str | None = None) -> bytes:
    path = _PATHS[state]
    start = SAMPLE_TIME - _MINUTE * len(path)
    times = [to_text(start + _MINUTE * step) for step in range(len(path) + 1)]
    return encode(
        Job(
            job_id=_JOB_ID,
            job_type="load_source",
            mode=mode,
            name="Nightly load",
            state=state,
            state_since=times[-1],
            previous_state=path[-1] if path else None,
            history=tuple(PastState(state=past, since=since) for past, since in zip(path, times, strict=False)),
            details=details,
            error=_ERRORS.get(state),
            resources=(Resource(kind="source", id="src-1", name="Customers"),),
            parent_job_id="job-20261122-000",
            root_job_id="job-20261122-000",
            attributes={"data_category_id": "category-1", "data_version": "26"},
            labels={"team": "mdm"},
        )
    )


def _record(change_type: ChangeType, action: Action, new_data: bytes) -> bytes:
    return encode(
        RecordData(
            table="customers",
            record_id="r1",
            version_id=44566,
            change_type=change_type,
            record_number=0,
            action=action,
            new_data=msgspec.Raw(new_data),
        )
    )


_ANN: Final = b'{"name":"Ann","city":"Oslo"}'

_DATA: Final[Mapping[str, Callable[[], bytes]]] = {
    "job.created": partial(_job, JobState.PENDING),
    **{f"job.{state}": partial(_job, state) for state in JobState},
    **{
        f"job.{signal}": partial(_job, state, mode, _DETAILS.get(signal))
        for signal, (state, mode) in _SIGNALLED.items()
    },
    "record.created": partial(_record, "CREATE", Action.CREATE, _ANN),
    "record.updated": partial(_record, "UPDATE", Action.UPDATE, _ANN),
    "record.deleted": partial(_record, "DELETE", Action.DELETE, b"{}"),
    "data_version.published": lambda: encode(DataVersionData(data_category_id="category-1", data_version="26")),
}

_SUBJECTS: Final = {"job": _JOB_ID, "record": "customers/r1", "data_version": "category-1"}

SAMPLE_TYPES: Final = (*_DATA, FOREIGN_TYPE)
"""The event types of Tocsin's own events, and one of a producer's CloudEvent."""


@lru_cache(maxsize=64)
def _own_event(event_type: str) -> Event:
    subject_type, _, verb = event_type.rpartition(".")
    number = SAMPLE_TYPES.index(event_type) + 1
    return Event(
        id=_sample_id(number),
        tenant=SAMPLE_TENANT,
        type=event_type,
        subject_type=subject_type,
        subject_id=_SUBJECTS[subject_type],
        verb=verb,
        time=SAMPLE_TIME,
        data=_DATA[event_type](),
        position=number,
        accepted_at=SAMPLE_TIME + 5,
    )


def _foreign_event(event_type: str) -> Event:
    subject_type, dot, verb = event_type.rpartition(".")
    number = len(SAMPLE_TYPES)
    return Event(
        id=_sample_id(number),
        tenant=SAMPLE_TENANT,
        type=event_type,
        subject_type=subject_type if dot else event_type,
        subject_id="1001",
        verb=verb if dot else "",
        time=SAMPLE_TIME,
        data=b'{"order_id":1001,"total":"12.50"}',
        cloud=CloudContext(
            id="sample-1",
            source="https://shop.example/orders",
            time=to_text(SAMPLE_TIME),
            subject="1001",
            datacontenttype="application/json",
        ),
        position=number,
        accepted_at=SAMPLE_TIME + 5,
    )


def _sample_id(number: int) -> EventId:
    return EventId(f"evt_019aab6e-4e80-7000-8000-{number:012x}")


def sample_event(
    event_type: str, *, tenant: str = SAMPLE_TENANT, event_id: EventId | None = None, now: Millis | None = None
) -> Event | None:
    """A sample of this type; None when it is of a subject type of Tocsin's own that has no such verb.

    Any type that Tocsin does not reserve gives a producer's CloudEvent. With `event_id` and `now` the sample gets an
    identity and a time of its own, so that a receiver does not drop it as a duplicate.
    """
    if event_type in _DATA:
        event = _own_event(event_type)
    elif event_type and event_type.rpartition(".")[0] not in OWN_SUBJECT_TYPES and event_type not in OWN_SUBJECT_TYPES:
        event = _foreign_event(event_type)
    else:
        return None
    return _dressed(event, tenant, event_id or event.id, now)


def _dressed(event: Event, tenant: str, event_id: EventId, now: Millis | None) -> Event:
    """The sample with another identity, and with another time unless `now` is None."""
    time = event.time if now is None else now
    cloud = event.cloud
    if cloud is not None:
        cloud = msgspec.structs.replace(cloud, id=cloud.id if event_id == event.id else event_id, time=to_text(time))
    accepted_at = event.accepted_at if now is None else now
    return msgspec.structs.replace(event, id=event_id, tenant=tenant, time=time, accepted_at=accepted_at, cloud=cloud)


def sample_for(renderer: Expressing) -> str:
    """The event type to try an endpoint with when none is named: the first of these that its format expresses."""
    for event_type in ("job.succeeded", "record.updated", *SAMPLE_TYPES):
        event = sample_event(event_type)
        if event is not None and renderer.expresses(EventView(event)):
            return event_type
    return FOREIGN_TYPE
