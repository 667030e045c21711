"""Visier's webhook notifications: `{timestamp, eventId, eventType, event}`.

Source: docs.visier.com, "Webhook Notification Payload". Its samples spell `jobid` where its prose says `jobId`; what is
sent follows the samples, keys in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tocsin.formats.rendering import JSON, Expression, Expressions, Rendered, encode, setting_of
from tocsin.model.endpoint import EndpointConfig, VisierFormat
from tocsin.model.event_view import EventView
from tocsin.model.ids import plain_uuid
from tocsin.model.job import Job, JobState

EXPRESSIONS: Final[Expressions] = {
    "job.rescheduled": Expression("jobResultRescheduled"),
    "job.succeeded": Expression("jobResultSuccess"),
    "job.failed": Expression("jobResultFailure"),
    "data_version.published": Expression("dvPublish"),
}


class Rescheduled(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The `event` of jobResultRescheduled."""

    jobid: str
    root_job_id: str
    parent_job_id: str
    tenant_code: str
    job_type: str
    data_category_id: str


class Success(Rescheduled, frozen=True, kw_only=True, rename="camel"):
    """The `event` of jobResultSuccess."""

    data_version: str


class Failure(Success, frozen=True, kw_only=True, rename="camel"):
    """The `event` of jobResultFailure."""

    message: str


class Published(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The `event` of dvPublish."""

    tenant_code: str
    data_category_id: str
    data_version: str


class Payload(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """In this key order. `timestamp` is milliseconds since the epoch, as text."""

    timestamp: str
    event_id: str
    event_type: str
    event: Rescheduled | Published


class VisierRenderer:
    """`tenant_code` of the endpoint."""

    __slots__ = ("_tenant_code",)

    def __init__(self, config: EndpointConfig) -> None:
        self._tenant_code = setting_of(config, VisierFormat).tenant_code

    def expresses(self, view: EventView) -> bool:
        return view.event.type in EXPRESSIONS

    def render(self, view: EventView) -> Rendered:
        event = view.event
        body = Payload(
            timestamp=str(event.time),
            event_id=plain_uuid(event.id),
            event_type=EXPRESSIONS[event.type].word,
            event=self._event(view),
        )
        return Rendered(content_type=JSON, body=encode(body))

    def _event(self, view: EventView) -> Rescheduled | Published:
        tenant_code = view.event.tenant if self._tenant_code is None else self._tenant_code
        if (version := view.data_version) is not None:
            return Published(
                tenant_code=tenant_code, data_category_id=version.data_category_id, data_version=version.data_version
            )
        job = view.job
        if job is None:
            raise ValueError(f"visier has no words for {view.event.type}")
        return _job_result(job, tenant_code)


def _job_result(job: Job, tenant_code: str) -> Rescheduled:
    common = {
        "jobid": job.job_id,
        "root_job_id": job.root_job_id,
        "parent_job_id": job.parent_job_id or "",
        "tenant_code": tenant_code,
        "job_type": job.job_type,
        "data_category_id": _attribute(job.attributes, "data_category_id"),
    }
    if job.state is JobState.RESCHEDULED:
        return Rescheduled(**common)
    data_version = _attribute(job.attributes, "data_version")
    if job.state is JobState.SUCCEEDED:
        return Success(**common, data_version=data_version)
    message = (job.error.message if job.error else "") or job.details or ""
    return Failure(**common, data_version=data_version, message=message)


def _attribute(attributes: Mapping[str, object], name: str) -> str:
    """An attribute as text: what is no text is shown as its JSON, what is missing or null as nothing."""
    value = attributes.get(name)
    if value is None:
        return ""
    return value if isinstance(value, str) else encode(value).decode()
