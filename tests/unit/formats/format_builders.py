"""Events to render: built by hand, with fixed ids and times."""

from __future__ import annotations

import json

import msgspec
from hypothesis import strategies as st

from tocsin.formats import Rendered, renderer_of
from tocsin.model.endpoint import EndpointConfig, FormatSetting
from tocsin.model.event import CloudContext, Event
from tocsin.model.event_view import EventView
from tocsin.model.filter import Filter
from tocsin.model.ids import EventId
from tocsin.model.job import Job, JobError, JobState, Mode, PastState, Resource
from tocsin.model.record import Action, ChangeType, DataVersionData, RecordData

UUID = "019aab00-1111-7222-8333-444455556666"
TIME = 1795345200123
TIME_TEXT = "2026-11-22T11:00:00.123Z"
MINUTE = {minute: f"2026-11-22T10:{minute:02d}:00.000Z" for minute in range(60)}

printable = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), min_size=1, max_size=30)
json_data = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | printable,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(printable, inner, max_size=3),
    max_leaves=8,
).map(lambda value: json.dumps(value, ensure_ascii=False, indent=1).encode())
"""JSON texts with white space in them."""


def event(event_type: str, subject_id: str, data: bytes, **changes: object) -> Event:
    subject_type, _, verb = event_type.rpartition(".")
    fields = {
        "id": EventId(f"evt_{UUID}"),
        "tenant": "nordwind",
        "type": event_type,
        "subject_type": subject_type,
        "subject_id": subject_id,
        "verb": verb,
        "time": TIME,
        "data": data,
        "position": 4711,
        "accepted_at": TIME + 7,
    }
    return Event(**(fields | changes))


def job(
    state: JobState | str = "running",
    *past: str,
    job_type: str = "load_source",
    mode: Mode = "batch",
    resources: tuple[Resource, ...] = (),
    details: str | None = None,
    error: tuple[str, str] | None = None,
    parent: str | None = None,
    root: str = "load-7",
    attributes: dict[str, object] | None = None,
) -> Job:
    """A job that has been through `past`, each state a minute long from 10:00 on."""
    history = tuple(PastState(state=JobState(name), since=MINUTE[minute]) for minute, name in enumerate(past))
    return Job(
        job_id="load-7",
        job_type=job_type,
        mode=mode,
        name="Evening load",
        state=JobState(state),
        state_since=MINUTE[len(past)],
        previous_state=JobState(past[-1]) if past else None,
        history=history,
        details=details,
        error=None if error is None else JobError(reason=error[0], message=error[1]),
        resources=resources,
        parent_job_id=parent,
        root_job_id=root,
        attributes=attributes or {},
        labels={},
    )


def job_event(snapshot: Job, verb: str | None = None) -> Event:
    """The event of the job's entering its state, or of a signal."""
    return event(f"job.{verb or snapshot.state}", snapshot.job_id, msgspec.json.encode(snapshot))


def record_event(
    change_type: ChangeType,
    action: Action | str,
    version_id: int,
    number: int = 0,
    new_data: bytes = b"{}",
    record_id: str = "c-17",
) -> Event:
    verb = {"CREATE": "created", "UPDATE": "updated", "DELETE": "deleted"}[change_type]
    data = RecordData(
        table="customers",
        record_id=record_id,
        version_id=version_id,
        change_type=change_type,
        record_number=number,
        action=Action(action),
        new_data=msgspec.Raw(new_data),
    )
    return event(f"record.{verb}", f"customers/{record_id}", msgspec.json.encode(data))


def data_version_event() -> Event:
    data = DataVersionData(data_category_id="cat-3", data_version="2026-11")
    return event("data_version.published", "cat-3", msgspec.json.encode(data))


def cloud_event(data: bytes = b"", *, event_type: str = "order.shipped", **context: object) -> Event:
    """A producer's CloudEvent; it has data exactly when some are given, unless `has_data` says otherwise."""
    fields = {"id": "A-1", "source": "https://shop.example/orders", "has_data": bool(data)}
    cloud = CloudContext(**(fields | context))
    return event(event_type, cloud.subject or "", data, cloud=cloud)


def config(setting: FormatSetting, *filters: Filter) -> EndpointConfig:
    return EndpointConfig(name="sink", url="https://sink.example/hook", format=setting, filters=filters)


def rendered(setting: FormatSetting, what: Event, *filters: Filter) -> Rendered | None:
    """What is sent for this event: None when the format has no words for it."""
    renderer = renderer_of(config(setting, *filters))
    view = EventView(what)
    return renderer.render(view) if renderer.expresses(view) else None


def body(setting: FormatSetting, what: Event, *filters: Filter) -> object:
    """The decoded body of what is sent; None when nothing is."""
    sent = rendered(setting, what, *filters)
    return None if sent is None else msgspec.json.decode(sent.body)
