"""Telmai's job status callback: exactly `{tenant, source, jobId, status, details}`.

Source: docs.telm.ai, "Jobs Status Notification". Telmai's callbacks are about one dataset source, so a job without a
source is not sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from tocsin.formats.rendering import JSON, Expression, Expressions, Rendered, encode, setting_of
from tocsin.model.endpoint import EndpointConfig, TelmaiFormat
from tocsin.model.event_view import EventView
from tocsin.model.filter import Filter
from tocsin.model.job import Job, JobState

SOURCE_KIND: Final = "source"

EXPRESSIONS: Final[Expressions] = {
    "job.pending": Expression("PREPARING"),
    "job.preparing": Expression("PREPARING"),
    "job.running": Expression("IN_PROGRESS"),
    "job.waiting": Expression("BATCH_WAIT"),
    "job.progressed": Expression("the current status again"),
    "job.stopping": Expression("IN_PROGRESS"),
    "job.rescheduled": Expression("BATCH_WAIT"),
    "job.succeeded": Expression("FINISHED"),
    "job.failed": Expression("FAILED"),
    "job.stopped": Expression("FAILED"),
}

STATUS_OF: Final = {state: EXPRESSIONS[f"job.{state}"].word for state in JobState}

DETAILS_OF: Final = {
    JobState.PENDING: "Job is pending",
    JobState.PREPARING: "Job is being prepared",
    JobState.RUNNING: "Job is running",
    JobState.WAITING: "Job is waiting",
    JobState.STOPPING: "Job is stopping",
    JobState.RESCHEDULED: "Job was rescheduled",
    JobState.SUCCEEDED: "Job completed successfully",
    JobState.FAILED: "Job failed",
    JobState.STOPPED: "Job was stopped",
}
"""Said when the job has neither details nor an error message."""


class Callback(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """In this key order."""

    tenant: str
    source: str
    job_id: str
    status: str
    details: str


class TelmaiRenderer:
    """`tenant` of the endpoint, and the sources that its filters name, in the order in which they name them."""

    __slots__ = ("_named", "_tenant")

    def __init__(self, config: EndpointConfig) -> None:
        self._tenant = setting_of(config, TelmaiFormat).tenant
        self._named = tuple(dict.fromkeys(_named_sources(config.filters)))

    def expresses(self, view: EventView) -> bool:
        if view.event.type not in EXPRESSIONS:
            return False
        job = view.job
        return job is not None and self._source_of(job) is not None

    def render(self, view: EventView) -> Rendered:
        job = view.job
        source = None if job is None else self._source_of(job)
        if job is None or source is None:
            raise ValueError(f"telmai has no words for {view.event.type}")
        body = Callback(
            tenant=view.event.tenant if self._tenant is None else self._tenant,
            source=source,
            job_id=job.job_id,
            status=STATUS_OF[job.state],
            details=job.details or (job.error.message if job.error else "") or DETAILS_OF[job.state],
        )
        return Rendered(content_type=JSON, body=encode(body))

    def _source_of(self, job: Job) -> str | None:
        sources = [resource.id for resource in job.resources if resource.kind == SOURCE_KIND]
        for named in self._named:
            if named in sources:
                return named
        return sources[0] if sources else None


def _named_sources(filters: tuple[Filter, ...]) -> Iterator[str]:
    for condition in filters:
        yield from condition.sources or ()
        yield from (resource.id for resource in condition.resources or () if resource.kind == SOURCE_KIND)
