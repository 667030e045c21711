"""The endpoints of a scenario: the healthy ones, those in trouble, and those that only have to be there."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Final

from tocsin.bench.control import Ready
from tocsin.bench.requests import EVENT_TYPES, tenant_name
from tocsin.bench.scenarios import FormatName, Scenario

SIGNING_KEY: Final = b"a key of the bench, 32 bytes long"
TOKEN: Final = "bench-receiver-token"  # noqa: S105 (the receiver is our own sink)
BACKLOG_TYPE: Final = "bench.waiting"
CROWD_TYPE: Final = "bench.called"
UNWANTED_TYPE: Final = "bench.unwanted"
HANGING_SECONDS: Final = 1
"""The time limit of endpoints that hang: many of them run out within one measurement."""
NO_CIRCUIT: Final = {"failures": 10_000, "deliveries": 1000}
BATCH_SECONDS: Final = 0.25
"""How long an event waits for its batch to get full: what the last batch of a run costs."""

Settings = dict[str, object]
FORMATS: Final[dict[FormatName, Settings]] = {
    "cloudevents": {"kind": "cloudevents"},
    "cloudevents-binary": {"kind": "cloudevents", "mode": "binary"},
    "standard_webhooks": {"kind": "standard_webhooks"},
    "tamr": {"kind": "tamr"},
    "lytics": {"kind": "lytics"},
    "telmai": {"kind": "telmai"},
    "visier": {"kind": "visier"},
    "template": {"kind": "template", "program": "{type, at: .time, job: .data | {job_id, state, details, resources}}"},
    "slack": {"kind": "slack", "title": "Nightly", "link": "https://jobs.example.com/{subject_id}"},
    "teams": {"kind": "teams", "title": "Nightly", "link": "https://jobs.example.com/{subject_id}"},
}


def endpoints_of(scenario: Scenario, sink: Ready) -> Iterator[Settings]:
    """The settings of every endpoint, to be created."""
    port = sink.port
    for number in range(scenario.endpoints):
        yield healthy(scenario, number, sink)
    trouble = scenario.trouble
    for kind, count in (("hanging", trouble.hanging), ("failing", trouble.failing), ("slow", trouble.slow)):
        for number in range(count):
            yield troubled(scenario, kind, number, port)
    for number in range(scenario.bystanders):
        yield bystander(scenario, number, port)
    for number in range(scenario.crowd):
        yield common(f"crowd {number}", f"http://127.0.0.1:{port}/crowd/{number}", [{"event_types": [CROWD_TYPE]}])


def common(name: str, url: str, filters: list[Settings]) -> Settings:
    """Filtered, signed and authorized, as endpoints are in life."""
    return {
        "name": name,
        "url": url,
        "filters": filters,
        "signing": {"kind": "standard_webhooks", "secret": "whsec_" + base64.b64encode(SIGNING_KEY).decode()},
        "authorization": {"kind": "bearer", "token": TOKEN},
    }


def healthy(scenario: Scenario, number: int, sink: Ready) -> Settings:
    """One that is measured."""
    types = list(EVENT_TYPES[scenario.load]) if scenario.is_wanted else [UNWANTED_TYPE]
    site = f"https://127.0.0.1:{sink.https_port}" if scenario.is_https else f"http://127.0.0.1:{sink.port}"
    return common(f"sink {number}", f"{site}/{number}", [{"event_types": types}]) | {
        "tenant": tenant_name(number % scenario.tenants, scenario.tenants),
        "ordering": "subject" if scenario.is_ordered else "none",
        "format": FORMATS[scenario.format],
        "delivery": {"mode": "batch", "max_wait_seconds": BATCH_SECONDS}
        if scenario.is_batched
        else {"mode": "realtime"},
        "tls": {"ca_pem": sink.certificate_pem} if scenario.is_https else None,
    }


def troubled(scenario: Scenario, kind: str, number: int, port: int) -> Settings:
    """One in trouble. It wants what the healthy ones of its tenant want, and the backlog."""
    trouble = scenario.trouble
    of_tenant = 0 if trouble.is_of_one_tenant else number % scenario.tenants
    types = [*EVENT_TYPES[scenario.load], *([BACKLOG_TYPE] if scenario.backlog else [])]
    settings = common(f"{kind} {number}", f"http://127.0.0.1:{port}/{kind}/{number}", [{"event_types": types}])
    settings["tenant"] = tenant_name(of_tenant, scenario.tenants)
    if kind == "hanging":
        settings["timeout_seconds"] = HANGING_SECONDS
    if not trouble.has_circuit:
        settings["circuit"] = NO_CIRCUIT
        settings["retry"] = {"schedule_seconds": [1] * 100}
    return settings


def bystander(scenario: Scenario, number: int, port: int) -> Settings:
    """One that no event of the load can match, by one condition or another."""
    n = f"{number:05d}"
    conditions: tuple[Settings, ...] = (
        {"event_types": [f"order.kind-{n}"]},
        {"event_types": [f"order-{n}.*"]},
        {"event_types": [f"*.by-{n}"]},
        {"subject_ids": [f"elsewhere-{n}"]},
        {"subject_types": [f"thing-{n}"]},
        {"verbs": [f"verb-{n}"]},
        {"event_types": ["job.succeeded", "job.failed"], "job_types": [f"type-{n}"]},
        {"event_types": ["job.*"], "sources": [f"elsewhere-{n}"]},
        {"subject_types": ["job"], "resources": [{"kind": "source", "id": f"elsewhere-{n}"}]},
        {"labels": {"team": f"team-{n}"}},
        {"states": ["failed"]},
        {"tables": [f"table-{n}"], "actions": ["update"]},
        {"job_types": [f"type-{n}"], "where": "data.attributes.pipeline == 'customers'"},
        {"event_types": ["job.succeeded"], "states": ["stopped"], "where": "data.job_type == 'load_source'"},
    )
    settings = common(
        f"bystander {n}", f"http://127.0.0.1:{port}/bystander/{n}", [conditions[number % len(conditions)]]
    )
    elsewhere = number % scenario.bystander_tenants
    return settings | ({"tenant": f"elsewhere-{elsewhere}"} if elsewhere else {})
