"""Measures one scenario: start everything, warm up, measure, wait until all has arrived, and check the account."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec

from tocsin.bench.control import Arrived, Count, Generated, Mark, Received, Run, Spread, Tell
from tocsin.bench.processes import BenchError, Instrument, Server, cores, running_instrument, running_server, stop
from tocsin.bench.requests import EVENT_TYPES
from tocsin.bench.scenarios import Scenario
from tocsin.bench.usage import Usage
from tocsin.model.noun import Noun

SIGNING_KEY: Final = b"a key of the bench, 32 bytes long"
TOKEN: Final = "bench-receiver-token"  # noqa: S105 (the receiver is our own sink)
POLL_SECONDS: Final = 0.02
QUIET_SECONDS: Final = 0.2
STALLED_SECONDS: Final = 15.0
"""Without a single arrival for so long, what is missing is counted as lost."""


class Effort(Noun, frozen=True, kw_only=True):
    """How much is measured: so many seconds, or events where given; `warm_up` events before."""

    seconds: float
    events: int | None
    warm_up: int
    pin: bool


class Measurement(Noun, frozen=True, kw_only=True):
    """The figures of one scenario. CPU in microseconds of the server per delivery (per request for the floors); times in
    ms: `accept` until the POST was answered, `latency` from sending it until the sink had the event."""

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
    server_cpu_share: float
    generator_cpu_us: float
    sink_cpu_us: float
    accept: Spread | None
    latency: Spread | None
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

    @property
    def is_right(self) -> bool:
        """Whether every event arrived exactly as often as it should, in order where asked, signed."""
        return not (self.lost or self.duplicated or self.out_of_order) and self.signed and self.stopped_cleanly


class Course(Noun, frozen=True, kw_only=True):
    """What one measured run gave, before it is divided."""

    generated: Generated
    arrived: Arrived
    first: int
    server: Usage
    generator: Usage
    sink: Usage


class Bench:
    """The processes of one scenario."""

    def __init__(
        self, scenario: Scenario, effort: Effort, sink: Instrument, generator: Instrument, server: Server | None
    ) -> None:
        self._scenario = scenario
        self._effort = effort
        self._sink = sink
        self._generator = generator
        self._server = server

    async def warm_up(self) -> int:
        """Send and await what is not measured. Gives the number of the first event that is."""
        batch = self._scenario.batch
        generated = await self._run(0, 30.0, max(self._effort.warm_up // batch, 1) * batch, None)
        await self._await_arrivals(generated.beyond)
        return generated.beyond

    async def course(self, first: int) -> Course:
        """The measured run."""
        await self._sink.ask(Mark(), Arrived)
        before = self.measured_usage(), self._generator.usage, self._sink.usage
        events = self._effort.events
        batch = self._scenario.batch
        events = max(events // batch, 1) * batch if events is not None else None
        generated = await self._run(first, self._effort.seconds, events, self._scenario.rate)
        generator = self._generator.usage
        arrived = await self._await_arrivals(generated.beyond)
        await self._await_quiet()
        return Course(
            generated=generated,
            arrived=arrived,
            first=first,
            server=difference(self.measured_usage(), before[0]),
            generator=difference(generator, before[1]),
            sink=difference(self._sink.usage, before[2]),
        )

    async def account(self, course: Course) -> Received:
        """What the sink has to say about the measured events."""
        endpoints = sink_endpoints(self._scenario)
        return await self._sink.ask(
            Tell(first=course.first, beyond=course.generated.beyond, endpoints=endpoints), Received
        )

    async def _run(self, first: int, seconds: float, events: int | None, rate: float | None) -> Generated:
        scenario, server = self._scenario, self._server
        run = Run(
            port=server.port if server else self._sink.port,
            load=scenario.load,
            connections=scenario.connections,
            batch=scenario.batch,
            key=server.key if server else TOKEN,
            first=first,
            seconds=seconds,
            events=events,
            rate=rate,
            path=None if server else "/0",
        )
        generated = await self._generator.ask(run, Generated, seconds + 60)
        if generated.failure:
            raise BenchError(f"{scenario.name}: the load stopped: {generated.failure}")
        return generated

    async def _await_arrivals(self, beyond: int) -> Arrived:
        """Wait until all events up to `beyond` have arrived everywhere, as long as anything arrives."""
        expected = beyond * sink_endpoints(self._scenario)
        clock = asyncio.get_running_loop().time
        arrived = await self._sink.ask(Count(), Arrived)
        seen, seen_at = arrived.total, clock()
        while arrived.total < expected and clock() - seen_at < STALLED_SECONDS:
            await asyncio.sleep(POLL_SECONDS)
            arrived = await self._sink.ask(Count(), Arrived)
            if arrived.total > seen:
                seen, seen_at = arrived.total, clock()
        return arrived

    async def _await_quiet(self) -> None:
        """Let the server settle what it has sent: until it uses hardly any CPU, for at most 5 s."""
        for _ in range(int(5 / QUIET_SECONDS)):
            before = self.measured_usage().cpu
            await asyncio.sleep(QUIET_SECONDS)
            if self.measured_usage().cpu - before < 0.1 * QUIET_SECONDS:
                return

    def measured_usage(self) -> Usage:
        """Of what the scenario measures: the server, or else the part that stands in its place."""
        if self._server is not None:
            return self._server.usage
        return self._generator.usage if self._scenario.origin == "sender" else self._sink.usage


def sink_endpoints(scenario: Scenario) -> int:
    """How many paths of the sink each event arrives at."""
    return 1 if scenario.target == "sink" else scenario.endpoints


async def measure(scenario: Scenario, effort: Effort) -> Measurement:
    """Measure one scenario on a fresh database. Raises BenchError."""
    server_core, harness_core = cores(pin=effort.pin)
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as directory:
        async with (
            running_instrument("sink", harness_core) as sink,
            running_instrument(
                scenario.origin, harness_core if scenario.origin == "generator" else server_core
            ) as generator,
            server_of(scenario, Path(directory), server_core) as server,
        ):
            if server is not None:
                for number in range(scenario.endpoints):
                    server.add_endpoint(endpoint_settings(scenario, number, sink.port))
            bench = Bench(scenario, effort, sink, generator, server)
            empty = server.bytes_on_disk() if server else 0
            course = await bench.course(await bench.warm_up())
            received = await bench.account(course)
            usage = bench.measured_usage()
            stopped = await stop(server.process) if server else True
            on_disk = server.bytes_on_disk() - empty if server else 0
    return figures(scenario, course, received, usage, on_disk, stopped=stopped)


@contextlib.asynccontextmanager
async def server_of(scenario: Scenario, directory: Path, core: int | None) -> AsyncIterator[Server | None]:
    """The server, where the scenario has one."""
    if scenario.target == "sink":
        yield None
        return
    async with running_server(directory, core) as server:
        yield server


def endpoint_settings(scenario: Scenario, number: int, port: int) -> dict[str, object]:
    """One endpoint of a scenario: filtered, signed and authorized, as endpoints are in life."""
    return {
        "name": f"sink {number}",
        "url": f"http://127.0.0.1:{port}/{number}",
        "filters": [{"event_types": list(EVENT_TYPES[scenario.load])}],
        "ordering": "subject" if scenario.is_ordered else "none",
        "signing": {"kind": "standard_webhooks", "secret": "whsec_" + base64.b64encode(SIGNING_KEY).decode()},
        "authorization": {"kind": "bearer", "token": TOKEN},
    }


def difference(after: Usage, before: Usage) -> Usage:
    """What was used in between; memory as it is now."""
    return msgspec.structs.replace(
        after,
        user=after.user - before.user,
        system=after.system - before.system,
        written=after.written - before.written,
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
    ended_ns = max(generated.ended_ns, course.arrived.last_ns)
    seconds = max(ended_ns - generated.started_ns, 1) / 1e9
    deliveries = events * sink_endpoints(scenario) - received.lost
    done = max(deliveries or events, 1)
    us = 1e6 / done
    return Measurement(
        name=scenario.name,
        meaning=scenario.meaning,
        is_floor=scenario.is_floor,
        rate=scenario.rate,
        events=events,
        deliveries=deliveries,
        seconds=round(seconds, 3),
        deliveries_per_second=round(done / seconds, 1),
        accepts_per_second=round(events / max(generated.ended_ns - generated.started_ns, 1) * 1e9, 1),
        cpu_us=round(course.server.cpu * us, 2),
        cpu_user_us=round(course.server.user * us, 2),
        cpu_system_us=round(course.server.system * us, 2),
        budget_us=scenario.budget_us,
        server_cpu_share=round(course.server.cpu / seconds, 3),
        generator_cpu_us=round(course.generator.cpu * us, 2),
        sink_cpu_us=round(course.sink.cpu * us, 2),
        accept=generated.accept,
        latency=received.latency,
        resident_mb=round(usage.resident / 1e6, 1),
        resident_peak_mb=round(usage.resident_peak / 1e6, 1),
        disk_bytes_per_event=round(on_disk / max(generated.beyond, 1), 1),
        written_bytes_per_event=round(course.server.written / max(events, 1), 1),
        connections_at_sink=received.connections,
        lost=received.lost,
        duplicated=received.duplicated,
        out_of_order=received.out_of_order if scenario.is_ordered else 0,
        postponed=generated.postponed,
        reconnected=generated.reconnected,
        signed=scenario.is_floor or all(is_signed(sample) for sample in received.samples),
        stopped_cleanly=stopped,
    )
