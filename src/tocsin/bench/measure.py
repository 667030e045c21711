"""Measures one scenario: start everything, warm up, measure, wait until all has arrived, and check the account."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec

from tocsin.bench.control import Arrived, Count, Generated, Mark, Received, Run, Tell
from tocsin.bench.endpoints import BACKLOG_TYPE, CROWD_TYPE, TOKEN, endpoints_of
from tocsin.bench.figures import Course, Effort, Measurement, difference, figures
from tocsin.bench.processes import BenchError, Instrument, Server, cores, running_instrument, running_server, stop
from tocsin.bench.scenarios import Scenario
from tocsin.bench.usage import Usage

TROUBLES: Final = ("hanging ", "failing ", "slow ")
TROUBLE_TIMES: Final = 4
"""So many times longer is a scenario with trouble under load."""
TURNS: Final = 10
"""How often the trouble comes."""
REST_SECONDS: Final = 0.05
"""After it came or went, for what it left behind."""
POLL_SECONDS: Final = 0.02
QUIET_SECONDS: Final = 0.2
STALLED_SECONDS: Final = 15.0
"""Without a single arrival for so long, what is missing is counted as lost."""


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
        self._base = 0
        self._crowd = 0
        self._troubled: tuple[str, ...] = ()
        self.created_per_second = 0.0

    async def create_endpoints(self) -> None:
        """Those of the scenario. Those in trouble are disabled for the time being, unless a backlog is to wait for them."""
        server, scenario = self._server, self._scenario
        if server is None:
            return
        wanted = list(endpoints_of(scenario, self._sink.port))
        began = time.monotonic()
        ids = await server.add_endpoints(wanted)
        self.created_per_second = round(len(wanted) / (time.monotonic() - began), 1)
        self._troubled = tuple(made for name, made in ids.items() if name.startswith(TROUBLES))
        if not scenario.backlog:
            await self._switch(enabled=False)

    async def fill(self) -> None:
        """Let a backlog grow before the load begins."""
        scenario = self._scenario
        if scenario.backlog:
            tenants = min(scenario.tenants, scenario.trouble.slow)
            changes = {"event_type": BACKLOG_TYPE, "batch": 100, "connections": 8, "tenants": tenants}
            events = max(round(scenario.backlog * self._effort.backlog_share) // 100, 1) * 100
            self._base = (await self._run(0, 300.0, events, None, **changes)).beyond
            await self._switch(enabled=False)
            await self._await_quiet()

    async def warm_up(self) -> int:
        """Send and await what is not measured. Gives the number of the first event that is."""
        batch = self._scenario.batch
        generated = await self._run(self._base, 30.0, max(self._effort.warm_up // batch, 1) * batch, None)
        await self._await_arrivals(generated.beyond)
        return generated.beyond

    async def course(self, first: int) -> Course:
        """The measured run."""
        await self._sink.ask(Mark(), Arrived)
        before = self.measured_usage(), self._generator.usage, self._sink.usage
        events = self._effort.events
        batch = self._scenario.batch
        events = max(events // batch, 1) * batch if events is not None else None
        rate, seconds = self._scenario.rate, self._effort.seconds
        if events is not None and rate is not None:
            seconds = min(seconds, events / rate)
        elif self._scenario.is_troubled:
            seconds *= TROUBLE_TIMES
        calling = asyncio.create_task(self._call_crowd())
        taking_turns = asyncio.create_task(self._take_turns(0.8 * seconds))
        generated = await self._run(first, self._effort.seconds if events is not None else seconds, events, rate)
        await calling
        phases = await taking_turns
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
            phases=phases,
        )

    async def account(self, course: Course) -> Received:
        """What the sink has to say about the measured events."""
        scenario = self._scenario
        endpoints = 1 if scenario.target == "sink" else scenario.endpoints
        return await self._sink.ask(
            Tell(
                first=course.first,
                beyond=course.generated.beyond,
                endpoints=endpoints,
                tenants=scenario.tenants,
                phases=course.phases,
            ),
            Received,
        )

    async def _call_crowd(self) -> None:
        """The one event for a crowd of endpoints, in the middle of the load."""
        server = self._server
        if server is None or not self._scenario.crowd:
            return
        event: dict[str, object] = {
            "specversion": "1.0",
            "id": "crowd",
            "source": "/bench",
            "type": CROWD_TYPE,
            "data": {"a": "b" * 900},
        }
        await asyncio.sleep(0.1 * self._effort.seconds)
        await asyncio.to_thread(server.request, "POST", "/v1/events", event, "application/cloudevents+json")
        self._crowd = self._scenario.crowd

    async def _take_turns(self, seconds: float) -> tuple[tuple[int, int], ...]:
        """The trouble comes and goes, so many times. Gives the phases, by turns without and with it; what is sent while it
        changes belongs to none."""
        phases: list[tuple[int, int]] = []
        if not self._troubled:
            return ()
        for turn in range(2 * TURNS):
            if turn:
                await self._switch(enabled=turn % 2 == 1)
            began = time.monotonic_ns()
            await asyncio.sleep(seconds / (2 * TURNS))
            phases.append((began, time.monotonic_ns()))
        await self._switch(enabled=False)
        return tuple(phases)

    async def _switch(self, *, enabled: bool) -> None:
        """Enable or disable all endpoints in trouble."""
        if self._server is not None and self._troubled:
            verb = "enable" if enabled else "disable"
            await self._server.call_all([("POST", f"/v1/endpoints/{each}/{verb}", {}) for each in self._troubled])
            await asyncio.sleep(REST_SECONDS)

    async def _run(
        self, first: int, seconds: float, events: int | None, rate: float | None, **changes: object
    ) -> Generated:
        scenario, server = self._scenario, self._server
        run = Run(
            port=server.port if server else self._sink.port,
            load=scenario.load,
            connections=scenario.connections,
            batch=scenario.batch,
            tenants=scenario.tenants,
            key=server.key if server else TOKEN,
            first=first,
            seconds=seconds,
            events=events,
            rate=rate,
            path=None if server else "/0",
        )
        run = msgspec.structs.replace(run, **changes)
        generated = await self._generator.ask(run, Generated, seconds + 60)
        if generated.failure:
            raise BenchError(f"{scenario.name}: the load stopped: {generated.failure}")
        return generated

    async def _await_arrivals(self, beyond: int) -> Arrived:
        """Wait until all events up to `beyond` have arrived everywhere, as long as anything arrives."""
        expected, crowd = (beyond - self._base) * self._scenario.receivers, self._crowd
        clock = asyncio.get_running_loop().time
        arrived = await self._sink.ask(Count(), Arrived)
        seen, seen_at = arrived, clock()
        while (arrived.total < expected or arrived.crowd < crowd) and clock() - seen_at < STALLED_SECONDS:
            await asyncio.sleep(POLL_SECONDS)
            arrived = await self._sink.ask(Count(), Arrived)
            if arrived != seen:
                seen, seen_at = arrived, clock()
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


async def measure(scenario: Scenario, effort: Effort) -> Measurement:
    """Measure one scenario on a fresh database. Raises BenchError."""
    server_core, harness_core = cores(pin=effort.pin)
    on_disk, stopped, start_seconds = 0, True, 0.0
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        directory = Path(name)
        async with (
            running_instrument("sink", harness_core) as sink,
            running_instrument(
                scenario.origin, harness_core if scenario.origin == "generator" else server_core
            ) as generator,
            server_of(scenario, directory, server_core) as server,
        ):
            bench = Bench(scenario, effort, sink, generator, server)
            await bench.create_endpoints()
            empty = server.bytes_on_disk() if server is not None else 0
            await bench.fill()
            course = await bench.course(await bench.warm_up())
            received = await bench.account(course)
            usage = bench.measured_usage()
            if server is not None:
                stopped, on_disk = await stop(server.process), server.bytes_on_disk() - empty
        if scenario.bystanders:
            began = time.monotonic()
            async with server_of(scenario, directory, server_core):
                start_seconds = time.monotonic() - began
    return msgspec.structs.replace(
        figures(scenario, course, received, usage, on_disk, stopped=stopped),
        created_per_second=bench.created_per_second,
        start_seconds=round(start_seconds, 3),
    )


@contextlib.asynccontextmanager
async def server_of(scenario: Scenario, directory: Path, core: int | None) -> AsyncIterator[Server | None]:
    """The server, where the scenario has one."""
    if scenario.target == "sink":
        yield None
        return
    async with running_server(directory, core) as server:
        yield server
