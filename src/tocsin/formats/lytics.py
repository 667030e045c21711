"""Lytics system events, for monitoring job status. Jobs are subject type `work`; other subject types pass through.

Source: docs.lytics.com, "Monitoring Job Status", for the verbs and where they apply; the shape is that of Lytics' system
event API, because no example of a job-status POST is published.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.formats.event_data import json_value_of
from tocsin.formats.rendering import JSON, Expression, Expressions, Rendered, encode, setting_of
from tocsin.model.endpoint import EndpointConfig, LyticsFormat
from tocsin.model.event import Event
from tocsin.model.event_view import EventView
from tocsin.model.ids import plain_uuid
from tocsin.model.job import Job, JobError, JobState, Mode
from tocsin.model.times import to_text

WORK: Final = "work"
FIRST_TIME: Final = "first time only"
MODE_ONLY: Final[dict[Mode, str]] = {"batch": "batch mode only", "realtime": "realtime mode only"}

EXPRESSIONS: Final[Expressions] = {
    "job.created": Expression("created"),
    "job.updated": Expression("update"),
    "job.deleted": Expression("deleted"),
    "job.running": Expression("started", FIRST_TIME),
    "job.succeeded": Expression("completed", MODE_ONLY["batch"]),
    "job.failed": Expression("failed"),
    "job.syncing": Expression("syncing", MODE_ONLY["realtime"]),
    "job.synced": Expression("synced", MODE_ONLY["realtime"]),
    "job.sync_completed": Expression("synccomplete", MODE_ONLY["realtime"]),
    "record.created": Expression("created"),
    "record.updated": Expression("update"),
    "record.deleted": Expression("deleted"),
}

WITHOUT_WORDS: Final = frozenset({"data_version"})
"""Own subject types beside `job` that Lytics has no verb for; every other one passes through."""

_FOREIGN_VERBS: Final = {"updated": EXPRESSIONS["record.updated"].word}


class Related(msgspec.Struct, frozen=True):
    """Something that the subject has to do with."""

    type: str
    id: str


class JobContext(msgspec.Struct, frozen=True, kw_only=True):
    """The `context` of a job; its resources and its parent are in `related`."""

    job_type: str
    mode: Mode
    name: str | None
    state: JobState
    state_since: str
    details: str | None
    error: JobError | None
    root_job_id: str
    attributes: dict[str, object]
    labels: dict[str, str]


Context = JobContext | msgspec.Raw | dict[str, msgspec.Raw | str | None]


class SystemEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Variant `v1`, in this key order. `ts` is milliseconds since the epoch, as text."""

    id: str
    ts: str
    priority: int
    subject_type: str
    subject_id: str
    verb: str
    account_id: str
    related: tuple[Related, ...]
    context: Context


class SystemEventV2(msgspec.Struct, frozen=True, kw_only=True):
    """Variant `v2`: a time of RFC 3339, and no priority."""

    id: str
    timestamp: str
    subject_type: str
    subject_id: str
    verb: str
    account_id: str
    related: tuple[Related, ...]
    context: Context


class LyticsRenderer:
    """`account_id` (the tenant when it is empty), `priority` and `variant` of the endpoint."""

    __slots__ = ("_account_id", "_is_v2", "_priority")

    def __init__(self, config: EndpointConfig) -> None:
        setting = setting_of(config, LyticsFormat)
        self._account_id = setting.account_id
        self._priority = setting.priority
        self._is_v2 = setting.variant == "v2"

    def expresses(self, view: EventView) -> bool:
        event = view.event
        if event.subject_type != "job":
            return event.subject_type not in WITHOUT_WORDS
        expression = EXPRESSIONS.get(event.type)
        if expression is None:
            return False
        if not expression.only:
            return True
        job = view.job
        if job is None:
            return False
        if expression.only == FIRST_TIME:
            return all(past.state is not JobState.RUNNING for past in job.history)
        return expression.only == MODE_ONLY[job.mode]

    def render(self, view: EventView) -> Rendered:
        event, job = view.event, view.job
        if job is not None:
            subject_type, verb = WORK, EXPRESSIONS[event.type].word
            related, context = _related(job), _job_context(job)
        else:
            subject_type, verb = event.subject_type, _FOREIGN_VERBS.get(event.verb, event.verb)
            related, context = (), _foreign_context(event)
        body = self._body(event, subject_type, verb, related, context)
        return Rendered(content_type=JSON, body=encode(body))

    def _body(
        self, event: Event, subject_type: str, verb: str, related: tuple[Related, ...], context: Context
    ) -> SystemEvent | SystemEventV2:
        identifier = plain_uuid(event.id)
        account_id = self._account_id or event.tenant
        if self._is_v2:
            return SystemEventV2(
                id=identifier,
                timestamp=to_text(event.time),
                subject_type=subject_type,
                subject_id=event.subject_id,
                verb=verb,
                account_id=account_id,
                related=related,
                context=context,
            )
        return SystemEvent(
            id=identifier,
            ts=str(event.time),
            priority=self._priority,
            subject_type=subject_type,
            subject_id=event.subject_id,
            verb=verb,
            account_id=account_id,
            related=related,
            context=context,
        )


def _related(job: Job) -> tuple[Related, ...]:
    resources = tuple(Related(resource.kind, resource.id) for resource in job.resources)
    return resources if job.parent_job_id is None else (*resources, Related(WORK, job.parent_job_id))


def _job_context(job: Job) -> Context:
    return JobContext(
        job_type=job.job_type,
        mode=job.mode,
        name=job.name,
        state=job.state,
        state_since=job.state_since,
        details=job.details,
        error=job.error,
        root_job_id=job.root_job_id,
        attributes=job.attributes,
        labels=job.labels,
    )


def _foreign_context(event: Event) -> Context:
    """The event's data where they are an object, else an object around them."""
    data = json_value_of(event)
    if data is None:
        return {}
    if isinstance(data, msgspec.Raw) and bytes(data).lstrip()[:1] == b"{":
        return data
    return {"data": data}
