"""Who takes part: one endpoint for each format, with the settings it is made with and the shape its requests must have."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.cli.demo import expectations
from tocsin.cli.demo.expectations import SOURCE, Expected
from tocsin.receiver import Arrival

RETRY: Final = {"schedule_seconds": [0.4] * 8}
_BASIC: Final = "Basic " + base64.b64encode(b"tamr:demo-password").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An endpoint of the demo. `story` says for people what is special about it; `check` gives what is wrong with a
    request, or None; the receiver fails the first `failures` requests; `example` names the request to show whole."""

    name: str
    story: str
    settings: Mapping[str, object]
    expected: Expected
    check: Callable[[Arrival], str | None]
    example: tuple[str, str]
    failures: int = 0
    is_ordered: bool = False


def _shape(
    content_type: str, keys: tuple[str, ...], inner: str = "", inner_keys: tuple[str, ...] = (), **headers: str
) -> Callable[[Arrival], str | None]:
    """A check of content type, exact keys of the body, least keys of an object in it, and header values."""

    def check(arrival: Arrival) -> str | None:
        if (given := arrival.headers.get("content-type", "")) != content_type:
            return f"content type {given}"
        for name, value in headers.items():
            if arrival.headers.get(name.replace("_", "-")) != value:
                return f"header {name} is not {value}"
        body = arrival.json()
        if not isinstance(body, dict) or (keys and tuple(body) != keys):
            return f"keys are not {', '.join(keys)}"
        part = body.get(inner) if inner else body
        if not isinstance(part, dict) or any(key not in part for key in inner_keys):
            return f"{inner or 'the body'} has not all of {', '.join(inner_keys)}"
        return None

    return check


_CLOUD: Final = ("specversion", "id", "source", "type")
CAST: Final = (
    Part(
        name="cloudevents",
        example=("job.succeeded", expectations.PROFILE),
        story="everything, in order",
        settings={"format": {"kind": "cloudevents"}, "ordering": "subject"},
        expected=expectations.EVERYTHING,
        check=_shape("application/cloudevents+json", (), "", (*_CLOUD, "subject", "tenant")),
        is_ordered=True,
    ),
    Part(
        name="cloudevents-binary",
        example=("order.created", "order-7"),
        story="records and orders",
        settings={
            "format": {"kind": "cloudevents", "mode": "binary"},
            "filters": [{"event_types": ["record.*", "order.*"]}],
        },
        expected=expectations.BINARY,
        check=_shape("application/json", (), ce_specversion="1.0", ce_tenant="default"),
    ),
    Part(
        name="standard_webhooks",
        example=("job.failed", expectations.PUBLISH),
        story="jobs; fails twice, then recovers",
        settings={
            "format": {"kind": "standard_webhooks"},
            "filters": [{"subject_types": ["job"]}],
            "authorization": {"kind": "bearer", "token": "demo-token"},
        },
        expected=expectations.JOB_EVENTS,
        check=_shape("application/json", ("type", "timestamp", "data"), authorization="Bearer demo-token"),
        failures=2,
    ),
    Part(
        name="tamr",
        example=("DONE", expectations.PUBLISH),
        story="jobs and records",
        settings={
            "format": {"kind": "tamr"},
            "filters": [{"subject_types": ["job", "record"]}],
            "authorization": {"kind": "basic", "username": "tamr", "password": "demo-password"},
        },
        expected=expectations.TAMR,
        check=_shape("application/json", (), "", (*_CLOUD, "time", "data"), authorization=_BASIC),
    ),
    Part(
        name="lytics",
        example=("work.failed", expectations.PUBLISH),
        story="jobs as work",
        settings={
            "format": {"kind": "lytics", "account_id": "7"},
            "filters": [{"subject_types": ["job"]}],
            "authorization": {"kind": "api_key", "header": "X-API-KEY", "value": "demo-key"},
        },
        expected=expectations.LYTICS,
        check=_shape(
            "application/json",
            ("id", "ts", "priority", "subject_type", "subject_id", "verb", "account_id", "related", "context"),
            x_api_key="demo-key",
        ),
    ),
    Part(
        name="telmai",
        example=("FINISHED", expectations.NIGHTLY),
        story=f"jobs of source {SOURCE}",
        settings={"format": {"kind": "telmai"}, "filters": [{"subject_types": ["job"], "sources": [SOURCE]}]},
        expected=expectations.TELMAI,
        check=_shape("application/json", ("tenant", "source", "jobId", "status", "details")),
    ),
    Part(
        name="visier",
        example=("jobResultFailure", expectations.PUBLISH),
        story="job results, data versions",
        settings={
            "format": {"kind": "visier", "tenant_code": "WFF_demo"},
            "filters": [{"subject_types": ["job", "data_version"]}],
        },
        expected=expectations.VISIER,
        check=_shape(
            "application/json",
            ("timestamp", "eventId", "eventType", "event"),
            "event",
            ("tenantCode", "dataCategoryId"),
        ),
    ),
)
