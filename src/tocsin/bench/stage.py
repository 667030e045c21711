"""The stage of one scenario: its processes, the load that is put on them, and what is waited for until all has arrived."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import msgspec

from tocsin.bench.control import Arrived, Count, Generated, Mark, Received, Run, Tell
from tocsin.bench.databases import Database
from tocsin.bench.endpoints import BACKLOG_TYPE, CROWD_TYPE, TOKEN, endpoints_of
from tocsin.bench.figures import Course, Effort, difference, worked_since
from tocsin.bench.processes import BenchError, Instrument
from tocsin.bench.scenarios import Scenario
from tocsin.bench.server import Server
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


class Stage:
    """The processes of one scenario."""

    def __init__(
        self,
        scenario: Scenario,
        effort: Effort,
        sink: Instrument,
        generator: Instrument,
        server: Server | None,
        database: Database,
    ) -> None:
        self.scenario = scenario
        self.effort = effort
        self.sink = sink
        self.generator = generator
        self.server = server
        self.database = database
        self._base = 0
        self._crowd = 0
        self._troubled: tuple[str, ...] = ()
        self.created_per_second = 0.0

    async def create_endpoints(self) -> None:
        """Those of the scenario. Those in trouble are disabled for the time being, unless a backlog is to wait for them."""
        server, scenario = self.server, self.scenario
        if server is None:
            return
        wanted = list(endpoints_of(scenario, self.sink.ready))
        began = time.monotonic()
        ids = await server.add_endpoints(wanted)
        self.created_per_second = round(len(wanted) / (time.monotonic() - began), 1)
        self._troubled = tuple(made for name, made in ids.items() if name.startswith(TROUBLES))
        if not scenario.backlog:
            await self._switch(enabled=False)

    @property
    def backlog(self) -> int:
        """How many events are to wait, in whole POSTs of 100."""
        share = 1.0 if self.scenario.is_sized else self.effort.backlog_share
        return max(round(self.scenario.backlog * share) // 100, 1) * 100

    async def fill(self) -> None:
        """Let a backlog grow before the load begins, where it is not itself what is measured."""
        scenario = self.scenario
        if scenario.backlog and not scenario.is_drained:
            tenants = min(scenario.tenants, scenario.trouble.slow)
            changes = {"event_type": BACKLOG_TYPE, "batch": 100, "connections": 8, "tenants": tenants}
            self._base = (await self.run(0, 300.0, self.backlog, None, **changes)).beyond
            await self._switch(enabled=False)
            await self.await_quiet()

    async def warm_up(self) -> int:
        """Send and await what is not measured. Gives the number of the first event that is."""
        batch = self.scenario.batch
        events = 1 if self.scenario.is_idle else max(self.effort.warm_up // batch, 1) * batch
        generated = await self.run(self._base, 30.0, events, None)
        await self.await_arrivals(generated.beyond)
        return generated.beyond

    async def course(self, first: int) -> Course:
        """The measured run."""
        await self.sink.ask(Mark(), Arrived)
        before, worked = self.usages(), await self.database.worked()
        events = self.effort.events
        batch = self.scenario.batch
        events = max(events // batch, 1) * batch if events is not None else None
        rate, seconds = self.scenario.rate, self.effort.seconds
        if events is not None and rate is not None:
            seconds = min(seconds, events / rate)
        elif self.scenario.is_troubled:
            seconds *= TROUBLE_TIMES
        calling = asyncio.create_task(self._call_crowd())
        taking_turns = asyncio.create_task(self._take_turns(0.8 * seconds))
        generated = await self.run(first, self.effort.seconds if events is not None else seconds, events, rate)
        await calling
        phases = await taking_turns
        generator = self.generator.usage
        arrived = await self.await_arrivals(generated.beyond)
        await self.await_quiet()
        ended_ns = max(generated.ended_ns, arrived.last_ns)
        return Course(
            generated=generated,
            arrived=arrived,
            first=first,
            seconds=max(ended_ns - generated.started_ns, 1) / 1e9,
            accept_seconds=max(generated.ended_ns - generated.started_ns, 1) / 1e9,
            server=difference(self.measured_usage(), before[0]),
            generator=difference(generator, before[1]),
            sink=difference(self.sink.usage, before[2]),
            database=worked_since(worked, await self.database.worked()),
            phases=phases,
        )

    async def account(self, course: Course) -> Received:
        """What the sink has to say about the measured events."""
        scenario = self.scenario
        endpoints = 1 if scenario.target == "sink" else scenario.endpoints if scenario.is_wanted else 0
        return await self.sink.ask(
            Tell(
                first=course.first,
                beyond=course.generated.beyond,
                endpoints=endpoints,
                tenants=scenario.tenants,
                batch=scenario.batch,
                phases=course.phases,
            ),
            Received,
        )

    async def _call_crowd(self) -> None:
        """The one event for a crowd of endpoints, in the middle of the load."""
        server = self.server
        if server is None or not self.scenario.crowd:
            return
        event: dict[str, object] = {
            "specversion": "1.0",
            "id": "crowd",
            "source": "/bench",
            "type": CROWD_TYPE,
            "data": {"a": "b" * 900},
        }
        await asyncio.sleep(0.1 * self.effort.seconds)
        await asyncio.to_thread(server.request, "POST", "/v1/events", event, "application/cloudevents+json")
        self._crowd = self.scenario.crowd

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
        if self.server is not None and self._troubled:
            verb = "enable" if enabled else "disable"
            await self.server.call_all([("POST", f"/v1/endpoints/{each}/{verb}", {}) for each in self._troubled])
            await asyncio.sleep(REST_SECONDS)

    async def run(
        self, first: int, seconds: float, events: int | None, rate: float | None, **changes: object
    ) -> Generated:
        scenario, server = self.scenario, self.server
        run = Run(
            ports=server.ports if server else (self.sink.ready.port,),
            load=scenario.load,
            connections=scenario.connections,
            subjects=scenario.subjects,
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
        generated = await self.generator.ask(run, Generated, seconds + 60)
        if generated.failure:
            raise BenchError(f"{scenario.name}: the load stopped: {generated.failure}")
        return generated

    async def await_arrivals(self, beyond: int, poll_seconds: float = POLL_SECONDS) -> Arrived:
        """Wait until all events up to `beyond` have arrived everywhere, as long as anything arrives."""
        expected, crowd = (beyond - self._base) * self.scenario.receivers, self._crowd
        clock = asyncio.get_running_loop().time
        arrived = await self.sink.ask(Count(), Arrived)
        seen, seen_at = arrived, clock()
        while (arrived.total < expected or arrived.crowd < crowd) and clock() - seen_at < STALLED_SECONDS:
            await asyncio.sleep(poll_seconds)
            arrived = await self.sink.ask(Count(), Arrived)
            if arrived != seen:
                seen, seen_at = arrived, clock()
        return arrived

    async def await_quiet(self) -> None:
        """Let the server settle what it has sent: until it uses hardly any CPU, for at most 5 s."""
        for _ in range(int(5 / QUIET_SECONDS)):
            before = self.measured_usage().cpu
            await asyncio.sleep(QUIET_SECONDS)
            if self.measured_usage().cpu - before < 0.1 * QUIET_SECONDS:
                return

    def usages(self) -> tuple[Usage, Usage, Usage]:
        """Of what is measured, of the generator and of the sink."""
        return self.measured_usage(), self.generator.usage, self.sink.usage

    def measured_usage(self) -> Usage:
        """Of what the scenario measures: the server, or else the part that stands in its place."""
        if self.server is not None:
            return self.server.usage
        return self.generator.usage if self.scenario.origin == "sender" else self.sink.usage
