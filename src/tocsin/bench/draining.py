"""What is measured without a load: a backlog that is delivered when it may be, such a backlog after a crash, and nothing at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from tocsin.bench.control import Arrived, Away, Generated, Mark
from tocsin.bench.figures import Course, difference, together
from tocsin.bench.processes import BenchError
from tocsin.bench.server import Server
from tocsin.bench.stage import Stage
from tocsin.bench.usage import Usage

AWAY_SECONDS: Final = 1
"""How long the server is told to wait by a sink that is away. Then it asks again, with one request."""
FILLING: Final[dict[str, object]] = {"batch": 100, "connections": 8}
FILL_SECONDS: Final = 3600.0
DRAINED: Final = 20_000
"""A smaller backlog is drained again and again until so many events were: 1000 take but a fifth of a second, and with more the
server's caches, which are bounded, are full before either memory is looked at."""
POLL_SECONDS: Final = 0.2
SHORT_SECONDS: Final = 0.005
SETTLING_SECONDS: Final = 15.0
PATIENCE_SECONDS: Final = 60.0
"""How long the last event may take until it has its delivery."""
NOTHING: Final = Usage(user=0, system=0, resident=0, resident_peak=0, written=0)


async def drained(stage: Stage, first: int) -> Course:
    """Events are accepted while the sink is away; measured is how it gets them when it is back, from the first arrival until all
    are settled: of a thousand, many are settled after the last has arrived."""
    scenario = stage.scenario
    courses = [await _drained_once(stage, first)]
    enough = 0 if scenario.is_sized else round(DRAINED * stage.effort.backlog_share)
    for _ in range(enough // scenario.backlog - 1):
        courses.append(await _drained_once(stage, courses[-1].generated.beyond))
    last = courses[-1]
    return Course(
        generated=last.generated,
        arrived=last.arrived,
        first=first,
        seconds=sum(course.seconds for course in courses),
        accept_seconds=sum(course.accept_seconds for course in courses),
        server=together([course.server for course in courses]),
        generator=together([course.generator for course in courses]),
        sink=together([course.sink for course in courses]),
    )


async def restarted(stage: Stage, first: int, start: Callable[[], Awaitable[Server]]) -> Course:
    """The server is killed when all events wait, and is started when the sink is back: measured is how long the first delivery
    takes from then on, then how the others follow."""
    assert stage.server is not None
    generated = await _let_wait(stage, first)
    before = stage.usages()
    await stage.server.kill()
    await asyncio.sleep(AWAY_SECONDS)
    await stage.sink.ask(Away(seconds=0), Arrived)
    stage.server = await start()
    started_ns, listening_ns = stage.server.started_ns, time.monotonic_ns()
    arrived = await stage.await_arrivals(generated.beyond)
    await stage.await_quiet()
    course = _course(stage, generated, arrived, first, (NOTHING, *before[1:]))
    return msgspec.structs.replace(
        course,
        start_seconds=(listening_ns - started_ns) / 1e9,
        first_delivery_seconds=max(arrived.first_ns - started_ns, 0) / 1e9,
    )


async def idle(stage: Stage, first: int) -> Course:
    """Nothing is sent for as long as others are under load."""
    await stage.await_quiet()
    arrived = await stage.sink.ask(Mark(), Arrived)
    before, started_ns = stage.usages(), time.monotonic_ns()
    await asyncio.sleep(stage.effort.seconds if stage.effort.events is None else 1.0)
    ended_ns = time.monotonic_ns()
    nothing = Generated(
        beyond=first,
        posts=0,
        started_ns=started_ns,
        ended_ns=ended_ns,
        accept=None,
        postponed=0,
        reconnected=0,
        failure=None,
    )
    arrived = Arrived(total=arrived.total, first_ns=started_ns, last_ns=ended_ns)
    return _course(stage, nothing, arrived, first, before)


async def _drained_once(stage: Stage, first: int) -> Course:
    generated = await _let_wait(stage, first)
    before = stage.usages()
    await stage.sink.ask(Away(seconds=0), Arrived)
    arrived = await stage.await_arrivals(generated.beyond, SHORT_SECONDS)
    settled_ns = await _settled_ns(stage)
    await stage.await_quiet()
    return _course(stage, generated, msgspec.structs.replace(arrived, last_ns=settled_ns), first, before)


async def _settled_ns(stage: Stage) -> int:
    """When no delivery waits any more. What never arrived would never be settled, so there is a limit."""
    assert stage.server is not None
    for _ in range(int(SETTLING_SECONDS / SHORT_SECONDS)):
        if not await stage.server.pending():
            break
        await asyncio.sleep(SHORT_SECONDS)
    return time.monotonic_ns()


async def _let_wait(stage: Stage, first: int) -> Generated:
    """Send a backlog to the sink that is away, until each event has its delivery. Raises BenchError."""
    server, count = stage.server, stage.backlog
    assert server is not None
    await stage.sink.ask(Away(seconds=AWAY_SECONDS), Arrived)
    generated = await stage.run(first, FILL_SECONDS, count, None, **FILLING)
    waiting, seen_at = 0, time.monotonic()
    while waiting < count:
        await asyncio.sleep(POLL_SECONDS)
        now_waiting = await server.pending()
        if now_waiting > waiting:
            waiting, seen_at = now_waiting, time.monotonic()
        elif time.monotonic() - seen_at > PATIENCE_SECONDS:
            raise BenchError(f"{stage.scenario.name}: of {count} events only {waiting} got a delivery.")
    await stage.await_quiet()
    return generated


def _course(
    stage: Stage,
    generated: Generated,
    arrived: Arrived,
    first: int,
    before: tuple[Usage, Usage, Usage],
) -> Course:
    server, generator, sink = (difference(*pair) for pair in zip(stage.usages(), before, strict=True))
    return Course(
        generated=generated,
        arrived=arrived,
        first=first,
        seconds=max(arrived.last_ns - arrived.first_ns, 1) / 1e9,
        accept_seconds=max(generated.ended_ns - generated.started_ns, 1) / 1e9,
        server=server,
        generator=generator,
        sink=sink,
    )
