"""Measures one scenario: start everything, warm up, measure, wait until all has arrived, and check the account."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec

from tocsin.bench.databases import Database, fresh_database
from tocsin.bench.draining import drained, idle, restarted
from tocsin.bench.figures import Course, Effort, Measurement, figures
from tocsin.bench.processes import cores, running_instrument
from tocsin.bench.scenarios import Scenario
from tocsin.bench.server import Server, running_server
from tocsin.bench.stage import Stage


async def measure(scenario: Scenario, effort: Effort, database_server: str | None = None) -> Measurement:
    """Measure one scenario on a fresh database. Raises BenchError."""
    server_core, harness_core = cores(pin=effort.pin)
    server_core = server_core if effort.nodes == 1 else None
    on_disk, stopped = 0, True
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        directory = Path(name)
        async with (
            contextlib.AsyncExitStack() as later,
            running_instrument("sink", harness_core) as sink,
            running_instrument(
                scenario.origin, harness_core if scenario.origin == "generator" else server_core
            ) as generator,
            fresh_database(database_server, directory) as database,
            server_of(scenario, directory, database, server_core, effort.nodes) as server,
        ):
            stage = Stage(scenario, effort, sink, generator, server, database)
            await stage.create_endpoints()
            empty = await database.bytes_on_disk()
            await stage.fill()
            first = await stage.warm_up()
            course = await course_of(
                stage,
                first,
                lambda: later.enter_async_context(
                    running_server(directory, database.environment, server_core, effort.nodes)
                ),
            )
            received, start_seconds = await stage.account(course), course.start_seconds
            usage = stage.measured_usage()
            if stage.server is not None:
                stopped, on_disk = await stage.server.stop(), await database.bytes_on_disk() - empty
            if scenario.bystanders:
                began = time.monotonic()
                async with server_of(scenario, directory, database, server_core, effort.nodes):
                    start_seconds = time.monotonic() - began
    return msgspec.structs.replace(
        figures(scenario, course, received, usage, on_disk, stopped=stopped),
        created_per_second=stage.created_per_second,
        start_seconds=round(start_seconds, 3),
    )


async def course_of(stage: Stage, first: int, start: Callable[[], Awaitable[Server]]) -> Course:
    """What is measured of this scenario."""
    if stage.scenario.is_restarted:
        return await restarted(stage, first, start)
    if stage.scenario.is_drained:
        return await drained(stage, first)
    return await (idle(stage, first) if stage.scenario.is_idle else stage.course(first))


@contextlib.asynccontextmanager
async def server_of(
    scenario: Scenario, directory: Path, database: Database, core: int | None, nodes: int
) -> AsyncIterator[Server | None]:
    """The server, where the scenario has one."""
    if scenario.target == "sink":
        yield None
        return
    async with running_server(directory, database.environment, core, nodes) as server:
        yield server
