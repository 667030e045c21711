"""What the API shows of deliveries, attempts, events, jobs and keys: the wire form and its documentation at once."""

from __future__ import annotations

import base64
from typing import Literal

import msgspec

from tocsin.api.cloudevents import is_json_type
from tocsin.model.attempt import Attempt, AttemptError, Outcome
from tocsin.model.event import Event
from tocsin.model.exchange import HeaderPairs, Response, Timings
from tocsin.model.job import Job, JobState
from tocsin.model.noun import Noun
from tocsin.model.times import to_text
from tocsin.operations.documents import DeliveryShown, KeyShown, time_or_none
from tocsin.ports import JobView
from tocsin.rules.outcome import REQUEST_BODY_KEPT

BodyEncoding = Literal["utf-8", "base64"]


class RequestShown(Noun, frozen=True, kw_only=True):
    """The request of an attempt; secrets in its headers are masked. `body` is cut after 64 KiB, `kept_bytes` of `body_bytes`;
    null: it is not kept any more."""

    url: str
    headers: dict[str, str]
    body: str | None
    body_encoding: BodyEncoding
    body_bytes: int
    kept_bytes: int


class ResponseShown(Noun, frozen=True, kw_only=True):
    """What the receiver answered; `body` is its first 16 KiB: `kept_bytes` of the `body_bytes` that were read. `body` null: it is
    not kept any more."""

    status: int
    headers: dict[str, str]
    body: str | None
    body_encoding: BodyEncoding
    body_bytes: int
    kept_bytes: int


class AttemptShown(Noun, frozen=True, kw_only=True):
    """One HTTP request made for a delivery. `bodies_removed`: their time to be kept is over, only their lengths are known."""

    id: str
    number: int
    started_at: str
    outcome: Outcome
    error: AttemptError | None
    request: RequestShown
    response: ResponseShown | None
    timings_ms: Timings
    address: str | None
    next_attempt_at: str | None
    bodies_removed: bool


class DeliveryWithAttempts(DeliveryShown, frozen=True, kw_only=True):
    """A delivery with its attempts, oldest first. When their time to be kept is over there are none; `attempt_count` stays."""

    attempts: list[AttemptShown]


class CloudEventShown(Noun, frozen=True, kw_only=True):
    """What an accepted CloudEvent said of itself."""

    id: str
    source: str
    time: str | None
    subject: str | None
    datacontenttype: str | None
    dataschema: str | None
    extensions: dict[str, str | bool | int]


class EventShown(Noun, frozen=True, kw_only=True, omit_defaults=True):
    """An event. `data` is its JSON as accepted; data of another kind is in `data_base64`. `cloudevent` is there for
    producers' CloudEvents. `erased` is there, and true, when its subject was erased: then it has no data and no subject id. `parts` is there when the event is one of several of an action on records: the subjects of all
    of them, in record-number order."""

    id: str
    tenant: str
    type: str
    subject_type: str
    subject_id: str
    verb: str
    time: str
    accepted_at: str
    position: int
    parts: tuple[str, ...] = ()
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data_base64: str | msgspec.UnsetType = msgspec.UNSET
    cloudevent: CloudEventShown | msgspec.UnsetType = msgspec.UNSET
    erased: bool = False


class EventWithDeliveries(EventShown, frozen=True, kw_only=True):
    """An event with its newest 500 deliveries."""

    deliveries: list[DeliveryShown]


class JobShown(Job, frozen=True, kw_only=True):
    """A job as it stands."""

    tenant: str
    overdue_after_seconds: float | None
    created_at: str
    updated_at: str


class ChildShown(Noun, frozen=True, kw_only=True):
    """A job whose parent is the one shown."""

    job_id: str
    job_type: str
    name: str | None
    state: JobState
    state_since: str


class TreeJobShown(JobShown, frozen=True, kw_only=True):
    """A job in its tree, `depth` levels below the topmost one that is shown."""

    depth: int


class JobTreeShown(Noun, frozen=True, kw_only=True):
    """The tree that a job is in, each parent before its children. Not `complete`: it has more jobs, and of them the way up from
    the job and what is below it are here."""

    jobs: list[TreeJobShown]
    complete: bool


class JobDeliveriesShown(Noun, frozen=True, kw_only=True):
    """The deliveries that the jobs of a tree caused; `subject_id` of each is the id of its job."""

    items: list[DeliveryShown]


class JobWithChildren(JobShown, frozen=True, kw_only=True):
    """A job with its newest 500 children."""

    children: list[ChildShown]


class NewKeyShown(KeyShown, frozen=True, kw_only=True):
    """A key just made; `value` is shown this once."""

    value: str


def request_shown(url: str, headers: HeaderPairs, body: bytes) -> RequestShown:
    """A request that was not sent, cut like those that were."""
    kept = body[:REQUEST_BODY_KEPT]
    text, encoding = text_of(kept)
    return RequestShown(
        url=url,
        headers=_joined(headers),
        body=text,
        body_encoding=encoding,
        body_bytes=len(body),
        kept_bytes=len(kept),
    )


def attempt_shown(attempt: Attempt) -> AttemptShown:
    """An attempt as the API shows it."""
    body, encoding = text_of(attempt.request_body)
    return AttemptShown(
        id=attempt.id,
        number=attempt.number,
        started_at=to_text(attempt.started_at),
        outcome=attempt.outcome,
        error=attempt.error,
        request=RequestShown(
            url=attempt.url,
            headers=_joined(attempt.request_headers),
            body=None if attempt.bodies_removed else body,
            body_encoding=encoding,
            body_bytes=attempt.request_body_bytes,
            kept_bytes=0 if attempt.bodies_removed else len(attempt.request_body),
        ),
        response=None
        if attempt.response is None
        else _response_shown(attempt.response, is_kept=not attempt.bodies_removed),
        timings_ms=attempt.timings,
        address=attempt.address,
        next_attempt_at=time_or_none(attempt.next_attempt_at),
        bodies_removed=attempt.bodies_removed,
    )


def _response_shown(response: Response, *, is_kept: bool) -> ResponseShown:
    body, encoding = text_of(response.body)
    return ResponseShown(
        status=response.status,
        headers=_joined(response.headers),
        body=body if is_kept else None,
        body_encoding=encoding,
        body_bytes=response.body_bytes,
        kept_bytes=len(response.body) if is_kept else 0,
    )


def _joined(pairs: HeaderPairs) -> dict[str, str]:
    """Headers by name; several of one name are joined as RFC 9110 section 5.2 says."""
    headers: dict[str, str] = {}
    for name, value in pairs:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def text_of(body: bytes) -> tuple[str, BodyEncoding]:
    """A body as text if it is UTF-8 (a last character that was cut is left out), else base64."""
    try:
        return body.decode(), "utf-8"
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            return body[: error.start].decode(), "utf-8"
        return base64.b64encode(body).decode(), "base64"


def event_shown(event: Event) -> EventShown:
    """An event as the API shows it."""
    shown = EventShown(
        id=event.id,
        tenant=event.tenant,
        type=event.type,
        subject_type=event.subject_type,
        subject_id=event.subject_id,
        verb=event.verb,
        time=to_text(event.time),
        accepted_at=to_text(event.accepted_at),
        position=event.position,
        parts=tuple(key.partition("\0")[2] for key in event.keys),
    )
    cloud = event.cloud
    if event.is_erased:
        return msgspec.structs.replace(shown, erased=True)
    if cloud is None:
        return msgspec.structs.replace(shown, data=msgspec.Raw(event.data))
    described = CloudEventShown(
        id=cloud.id,
        source=cloud.source,
        time=cloud.time,
        subject=cloud.subject,
        datacontenttype=cloud.datacontenttype,
        dataschema=cloud.dataschema,
        extensions=cloud.extensions,
    )
    return msgspec.structs.replace(shown, cloudevent=described, **_data_members(event))


def _data_members(event: Event) -> dict[str, object]:
    cloud = event.cloud
    if cloud is None or not cloud.has_data:
        return {}
    if not cloud.is_base64:
        if is_json_type(cloud.datacontenttype):
            return {"data": msgspec.Raw(event.data)}
        text, encoding = text_of(event.data)
        if encoding == "utf-8" and text.encode() == event.data:
            return {"data": msgspec.Raw(msgspec.json.encode(text))}
    return {"data_base64": base64.b64encode(event.data).decode()}


def job_shown(view: JobView) -> JobShown:
    """A job as the API shows it."""
    return JobShown(
        **msgspec.structs.asdict(view.row.job),
        tenant=view.tenant,
        overdue_after_seconds=view.row.overdue_after_seconds,
        created_at=to_text(view.created_at),
        updated_at=to_text(view.updated_at),
    )


def child_shown(view: JobView) -> ChildShown:
    """A job in the list of its parent's children."""
    job = view.row.job
    return ChildShown(
        job_id=job.job_id, job_type=job.job_type, name=job.name, state=job.state, state_since=job.state_since
    )
