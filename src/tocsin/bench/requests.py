"""The requests of the load, as templates that only numbers are written into. Every event carries a mark that the sink
reads: which event it is, of which subject, and when its POST was sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from tocsin.bench.control import Run
from tocsin.bench.scenarios import Load

MARK: Final = b"BENCH#"
MARK_TEMPLATE: Final = b"BENCH#%010d#%010d#%019d"
"""Number of the event, number of its subject, monotonic clock in ns: all of fixed width, so that lengths are constant."""
EVENT_BYTES: Final = 1024
JOB_STEPS: Final = (
    ("running", "Loading (step 1 of 3)"),
    ("running", "Matching (step 2 of 3)"),
    ("running", "Publishing (step 3 of 3)"),
    ("succeeded", "Done"),
)
EVENT_TYPES: Final[dict[Load, tuple[str, ...]]] = {
    "cloudevents": ("bench.measured",),
    "job_reports": ("job.running", "job.progressed", "job.succeeded"),
    "finished_jobs": ("job.succeeded",),
    "livez": (),
}
"""What the endpoints ask for: each report of the load gives exactly one of these (`job.created` is left out)."""


class Requests(Protocol):
    """Makes the whole bytes of a request that carries the events from number `first` on. The same arguments give the
    same events, whenever they are sent."""

    def make(self, first: int, connection: int, turn: int, sent_ns: int) -> bytes: ...


def requests_for(run: Run, host: str) -> Requests:
    """The maker of a load."""
    match run.load:
        case "cloudevents":
            paths = [run.path] if run.path else [events_path(tenant, run.tenants) for tenant in range(run.tenants)]
            if run.batch == 1:
                return SingleEvents(host, run, paths)
            return EventBatches(host, run, paths)
        case "job_reports":
            return JobReports(host, run.key, run.path or "/v1/jobs/reports")
        case "finished_jobs":
            return FinishedJobs(host, run.key)
        case "livez":
            return LiveChecks(host)


def events_path(tenant: int, tenants: int) -> str:
    """The route that takes events, for one of so many tenants."""
    return "/v1/events" if tenants == 1 else f"/v1/events?tenant={tenant_name(tenant, tenants)}"


def tenant_name(tenant: int, tenants: int) -> str:
    """One of so many tenants; where there is but one, it is the default."""
    return "default" if tenants == 1 else f"bench-{tenant}"


def cloud_event(event_type: str = "bench.measured") -> bytes:
    """The template of one CloudEvent of 1 KB: number, subject, number, subject, time."""
    data = b'{"customer":"Ann Example","total":129.9,"currency":"EUR","lines":[%s],"mark":"' + MARK_TEMPLATE + b'"}}'
    line = b'{"sku":"A-100200","quantity":3,"price":43.3,"note":"%s"}'
    head = (
        b'{"specversion":"1.0","id":"bench-%010d","source":"/bench","type":"<type>","subject":"customer-%010d",'
        b'"time":"2026-01-01T00:00:00.000Z","datacontenttype":"application/json","data":'
    )
    lines = b",".join((line % b"as ordered",) * 9)
    body = head.replace(b"<type>", event_type.encode()) + data.replace(b"%s", lines)
    missing = EVENT_BYTES - len(body % (0, 0, 0, 0, 0))
    return body.replace(b"as ordered", b"as ordered" + b"." * missing, 1)


class SingleEvents:
    """One CloudEvent per POST."""

    def __init__(self, host: str, run: Run, paths: Sequence[str]) -> None:
        event = cloud_event(run.event_type)
        self._subjects = run.subjects
        self._templates = tuple(
            post_head(host, run.key, path, "application/cloudevents+json", EVENT_BYTES) + event for path in paths
        )

    def make(self, first: int, connection: int, turn: int, sent_ns: int) -> bytes:
        subject = connection * self._subjects + turn % self._subjects
        return self._templates[first % len(self._templates)] % (first, subject, first, subject, sent_ns)


class EventBatches:
    """Many CloudEvents per POST."""

    def __init__(self, host: str, run: Run, paths: Sequence[str]) -> None:
        self._batch = run.batch
        self._subjects = run.subjects
        length = 2 + run.batch * EVENT_BYTES + run.batch - 1
        content_type = "application/cloudevents-batch+json"
        self._heads = tuple(post_head(host, run.key, path, content_type, length) for path in paths)
        self._template = cloud_event(run.event_type)

    def make(self, first: int, connection: int, turn: int, sent_ns: int) -> bytes:  # noqa: ARG002 (the same for all loads)
        template, base = self._template, connection * self._subjects
        events = []
        for number in range(first, first + self._batch):
            subject = base + number % self._subjects
            events.append(template % (number, subject, number, subject, sent_ns))
        return self._heads[first // self._batch % len(self._heads)] + b"[" + b",".join(events) + b"]"


class JobReports:
    """One report per POST; each connection reports one job after the other, from its start to its end."""

    def __init__(self, host: str, key: str, path: str) -> None:
        self._templates = tuple(
            post_head(host, key, path, "application/json", len(body % (0, 0, 0, 0))) + body
            for body in (job_report(state, details) for state, details in JOB_STEPS)
        )

    def make(self, first: int, connection: int, turn: int, sent_ns: int) -> bytes:
        job, step = divmod(turn, len(JOB_STEPS))
        job += connection * 10_000_000
        return self._templates[step] % (job, first, job, sent_ns)


class FinishedJobs:
    """One report per POST, each of a job of its own that has succeeded: what every format can express. The mark is the job's id
    and its details; each format has one or the other."""

    def __init__(self, host: str, key: str) -> None:
        body = job_report("succeeded", "<mark>").replace(b"job-%010d", MARK_TEMPLATE).replace(b"<mark>", MARK_TEMPLATE)
        head = post_head(host, key, "/v1/jobs/reports", "application/json", len(body % ((0,) * 9)))
        self._template = head + body

    def make(self, first: int, connection: int, turn: int, sent_ns: int) -> bytes:  # noqa: ARG002 (the same for all loads)
        return self._template % ((first, connection, sent_ns) * 3)


def job_report(state: str, details: str) -> bytes:
    """The template of a report of about 1 KB: job, number, job, time."""
    resources = b",".join(
        b'{"kind":"source","id":"source-%d","name":"Customers of region %d"}' % (number, number) for number in range(8)
    )
    return (
        b'{"job_id":"job-%%010d","job_type":"load_source","name":"Nightly load","state":"%s","details":"%s",'
        b'"resources":[%s],"attributes":{"pipeline":"customers","comment":"%s"},"labels":{"mark":"'
        % (state.encode(), details.encode(), resources, b"." * 200)
        + MARK_TEMPLATE
        + b'"}}'
    )


class LiveChecks:
    """GET /livez: no event at all."""

    def __init__(self, host: str) -> None:
        self._request = f"GET /livez HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()

    def make(self, first: int, connection: int, turn: int, sent_ns: int) -> bytes:  # noqa: ARG002 (the same for all loads)
        return self._request


def post_head(host: str, key: str, path: str, content_type: str, length: int) -> bytes:
    """Request line and headers of a POST, up to the empty line."""
    return (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
    ).encode()
