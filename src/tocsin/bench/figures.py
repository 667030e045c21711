"""The figures of a measurement: what was used, divided by what was done; and ratios of such figures."""

from __future__ import annotations

import base64
import hashlib
import hmac
import statistics
from collections.abc import Sequence
from typing import Final

import msgspec

from tocsin.bench.control import Arrived, Generated, Received, Spread
from tocsin.bench.databases import Worked
from tocsin.bench.endpoints import SIGNING_KEY, TOKEN
from tocsin.bench.scenarios import WITHOUT_TROUBLE, Figure, Scenario
from tocsin.bench.usage import Usage
from tocsin.model.noun import Noun

DATABASE_US: Final = 60
DATABASE_US_OF_SEVERAL: Final = 50
"""What a delivery may cost more where there is a database server: of one endpoint, and of several."""


class Effort(Noun, frozen=True, kw_only=True):
    """How much is measured: so many seconds, or events where given; `warm_up` events before; `backlog_share`
    of every backlog; `nodes` servers on one database; events of so many `tenants`, where more than the scenario has."""

    seconds: float
    events: int | None
    warm_up: int
    pin: bool
    backlog_share: float = 1.0
    nodes: int = 1
    tenants: int = 1


class Comparison(Noun, frozen=True, kw_only=True):
    """Figures over those of another scenario in the same round; which one is judged, and what it should be. None: there is no
    such figure. `accept_p99` and `receipt_p99` are times, `rate` is deliveries per second, `memory` is resident at its peak."""

    name: str
    figure: Figure
    at_most: float | None
    at_least: float | None
    memory_at_most: float | None = None
    receipt_p50: float | None
    receipt_p99: float | None
    accept_p99: float | None
    cpu: float | None
    memory: float | None
    rate: float | None


class Measurement(Noun, frozen=True, kw_only=True):
    """The figures of one scenario. CPU in microseconds of the server per delivery (per request for the floors, per second where
    there is nothing to do); `floor_us`: of its floors together, in the same round, and `over_floor` what it is over that; times in
    ms: `accept` until the POST was answered, `latency` from sending it until the sink had the event. `troubled_requests` came to
    endpoints in trouble. Endpoints were `created_per_second`; started again with all that is there, the server listens after
    `start_seconds`, and the sink has the first of the events that were waiting after `first_delivery_seconds` (0: not measured).
    With a database server: its CPU where it runs on this machine (to which the budget applies as well), write-ahead log, and
    transactions that wrote."""

    name: str
    meaning: str
    is_floor: bool
    rate: float | None = None
    events: int
    deliveries: int
    seconds: float
    deliveries_per_second: float
    accepts_per_second: float
    cpu_us: float
    cpu_user_us: float
    cpu_system_us: float
    budget_us: float | None
    floor_us: float | None = None
    over_floor: float | None = None
    is_idle: bool = False
    server_cpu_share: float
    generator_cpu_us: float
    sink_cpu_us: float
    accept: Spread | None
    latency: Spread | None
    p50_ms: float | None = None
    p99_ms: float | None = None
    resident_mb: float
    resident_peak_mb: float
    disk_bytes_per_event: float
    written_bytes_per_event: float
    connections_at_sink: int
    lost: int
    duplicated: int
    out_of_order: int
    postponed: int
    reconnected: int
    signed: bool
    stopped_cleanly: bool
    database_cpu_us: float | None = None
    wal_bytes_per_event: float | None = None
    commits_per_event: float | None = None
    troubled_requests: int = 0
    created_per_second: float = 0.0
    start_seconds: float = 0.0
    first_delivery_seconds: float = 0.0
    beside: Comparison | None = None

    @property
    def all_cpu_us(self) -> float:
        """Of Tocsin and of the database server."""
        return self.cpu_us + (self.database_cpu_us or 0.0)

    @property
    def is_right(self) -> bool:
        """Whether every event arrived exactly as often as it should, in order where asked, signed."""
        return not (self.lost or self.duplicated or self.out_of_order) and self.signed and self.stopped_cleanly


class Course(Noun, frozen=True, kw_only=True):
    """What one measured run gave, before it is divided: events from `first` on, which it took `accept_seconds` to send, and
    `seconds` until all had arrived. `phases` are stretches of it, by turns without and with trouble."""

    generated: Generated
    arrived: Arrived
    first: int
    seconds: float
    accept_seconds: float
    start_seconds: float = 0.0
    first_delivery_seconds: float = 0.0
    server: Usage
    generator: Usage
    sink: Usage
    database: Worked | None = None
    phases: tuple[tuple[int, int], ...] = ()


def together(parts: Sequence[Usage]) -> Usage:
    """What was used in all these stretches; memory as in the last."""
    return msgspec.structs.replace(
        parts[-1],
        user=sum(part.user for part in parts),
        system=sum(part.system for part in parts),
        written=sum(part.written for part in parts),
    )


def difference(after: Usage, before: Usage) -> Usage:
    """What was used in between; memory as it is now."""
    return msgspec.structs.replace(
        after,
        user=after.user - before.user,
        system=after.system - before.system,
        written=after.written - before.written,
    )


def worked_since(before: Worked | None, after: Worked | None) -> Worked | None:
    """What a database server did in between."""
    if before is None or after is None:
        return None
    return Worked(
        cpu=None if before.cpu is None or after.cpu is None else after.cpu - before.cpu,
        wal_bytes=after.wal_bytes - before.wal_bytes,
        transactions=after.transactions - before.transactions,
    )


def is_signed(request: str) -> bool:
    """Whether a request, as it arrived, carries the token and the signature of the Standard Webhooks."""
    head, _, body = request.partition("\r\n\r\n")
    fields = (line.partition(":") for line in head.split("\r\n")[1:])
    headers = {name.lower(): value.strip() for name, _, value in fields}
    signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.{body}".encode("latin-1")
    signature = "v1," + base64.b64encode(hmac.digest(SIGNING_KEY, signed, hashlib.sha256)).decode()
    return signature in headers.get("webhook-signature", "") and headers.get("authorization") == f"Bearer {TOKEN}"


def figures(
    scenario: Scenario, course: Course, received: Received, usage: Usage, on_disk: int, *, stopped: bool
) -> Measurement:
    """Divide what was used by what was done."""
    generated = course.generated
    events = generated.beyond - course.first
    seconds = course.seconds
    lost = received.lost + scenario.crowd - received.crowd
    deliveries = events * scenario.receivers + scenario.crowd - lost
    done = deliveries or events
    unwanted = course.arrived.total if scenario.endpoints and not scenario.is_wanted else 0
    us = 1e6 / (seconds if scenario.is_idle else max(done, 1))
    database = course.database
    return Measurement(
        name=scenario.name,
        meaning=scenario.meaning,
        is_floor=scenario.is_floor,
        rate=scenario.rate,
        events=events,
        deliveries=deliveries,
        seconds=round(seconds, 3),
        deliveries_per_second=round(done / seconds, 1),
        accepts_per_second=round(events / course.accept_seconds, 1),
        cpu_us=round(course.server.cpu * us, 2),
        cpu_user_us=round(course.server.user * us, 2),
        cpu_system_us=round(course.server.system * us, 2),
        budget_us=budget_of(scenario, database),
        is_idle=scenario.is_idle,
        server_cpu_share=round(course.server.cpu / seconds, 3),
        generator_cpu_us=round(course.generator.cpu * us, 2),
        sink_cpu_us=round(course.sink.cpu * us, 2),
        accept=generated.accept,
        latency=None if scenario.is_drained else received.latency,
        p50_ms=scenario.p50_ms,
        p99_ms=scenario.p99_ms,
        resident_mb=round(usage.resident / 1e6, 1),
        resident_peak_mb=round(usage.resident_peak / 1e6, 1),
        disk_bytes_per_event=round(on_disk / max(generated.beyond, 1), 1),
        written_bytes_per_event=round(course.server.written / max(events, 1), 1),
        connections_at_sink=received.connections,
        lost=lost,
        duplicated=received.duplicated + received.crowd_repeated + unwanted,
        out_of_order=received.out_of_order if scenario.is_ordered else 0,
        postponed=generated.postponed,
        reconnected=generated.reconnected,
        signed=scenario.is_floor or all(is_signed(sample) for sample in received.samples),
        stopped_cleanly=stopped,
        database_cpu_us=round(database.cpu * us, 2) if database is not None and database.cpu is not None else None,
        wal_bytes_per_event=round(database.wal_bytes / max(events, 1), 1) if database is not None else None,
        commits_per_event=round(database.transactions / max(events, 1), 4) if database is not None else None,
        troubled_requests=received.troubled,
        first_delivery_seconds=round(course.first_delivery_seconds, 3),
        beside=with_over_without(received.phases),
    )


def budget_of(scenario: Scenario, database: Worked | None) -> float | None:
    """With what a database server may add, where its CPU is known."""
    if scenario.budget_us is None or database is None:
        return scenario.budget_us
    if database.cpu is None:
        return None
    return scenario.budget_us + (DATABASE_US if scenario.receivers == 1 else DATABASE_US_OF_SEVERAL)


def with_over_without(phases: Sequence[Spread | None]) -> Comparison | None:
    """Phases with the trouble over those without: the ratio of the medians of their figures."""
    without = [spread for spread in phases[::2] if spread is not None]
    troubled = [spread for spread in phases[1::2] if spread is not None]
    if not without or not troubled:
        return None
    p50 = statistics.median(s.p50 for s in troubled) / statistics.median(s.p50 for s in without)
    p99 = statistics.median(s.p99 for s in troubled) / statistics.median(s.p99 for s in without)
    return Comparison(
        name=WITHOUT_TROUBLE.name,
        figure=WITHOUT_TROUBLE.figure,
        at_most=WITHOUT_TROUBLE.at_most,
        at_least=None,
        receipt_p50=round(p50, 3),
        receipt_p99=round(p99, 3),
        accept_p99=None,
        cpu=None,
        memory=None,
        rate=None,
    )
