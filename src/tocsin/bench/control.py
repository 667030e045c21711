"""How the measuring process talks to the sink and the generator: JSON lines over their standard input and output."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

import msgspec
import uvloop

from tocsin.bench.scenarios import Load


class Run(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To the generator: POST for so many `seconds`, or `events` where given, numbering events from `first`; `rate`
    in events per second, None: as fast as the connections are answered; each POST is of the next one of `tenants`.
    Each connection has `subjects` of its own: only it sends their events, one request after the other, so that the order in
    which they were accepted is known. The connections are spread over the `ports`."""

    ports: tuple[int, ...]
    load: Load
    tenants: int = 1
    event_type: str = "bench.measured"
    subjects: int = 10
    connections: int
    batch: int
    key: str
    first: int
    seconds: float
    events: int | None = None
    rate: float | None = None
    path: str | None = None


class Mark(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To the sink: what arrives from now on is measured."""


class Away(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To the sink: answer 503 from now on, and that so many seconds are to be waited; 0: be there again. What arrives
    from now on is measured."""

    seconds: int


class Count(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To the sink: how much has arrived, all in all?"""


class Tell(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To the sink: how often did each event of `[first, beyond)` arrive at each of the `endpoints`? POST n, which has `batch` events,
    is for those endpoints that are n modulo `tenants`. `phases` are stretches of time, in ns: how long did it take what was sent in them?"""

    first: int
    beyond: int
    endpoints: int
    tenants: int = 1
    batch: int = 1
    phases: tuple[tuple[int, int], ...] = ()


Command = Run | Mark | Away | Count | Tell


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution of times, in ms."""

    p50: float
    p99: float
    longest: float


class Generated(msgspec.Struct, frozen=True, kw_only=True):
    """From the generator: what was sent and how it was answered. `beyond`: the number after the last accepted event;
    `started_ns` and `ended_ns` on the monotonic clock; `postponed`: answers 429 and 503, after which the same request
    was sent again; `reconnected`: connections that were lost."""

    beyond: int
    posts: int
    started_ns: int
    ended_ns: int
    accept: Spread | None
    postponed: int
    reconnected: int
    failure: str | None


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """From the sink: everything that arrived since it started, and when the first of what is measured and the last of it came;
    `crowd` is apart."""

    total: int
    first_ns: int
    last_ns: int
    crowd: int = 0


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """From the sink: the account. `unmarked` requests carried no event of the load; `samples` are the whole first
    request of each endpoint, as Latin-1. `crowd` endpoints got what went to all of them, `crowd_repeated` of them more than
    once; `troubled` requests came to endpoints in trouble; `phases` in the order in which they were asked for."""

    lost: int
    duplicated: int
    out_of_order: int
    unmarked: int
    connections: int
    latency: Spread | None
    samples: list[str]
    crowd: int = 0
    crowd_repeated: int = 0
    troubled: int = 0
    phases: list[Spread | None] = []


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of either: the ports the sink listens on for HTTP and HTTPS (0 for the generator), and the certificate of
    the latter."""

    port: int = 0
    https_port: int = 0
    certificate_pem: str = ""


def spread_of(nanoseconds: list[int]) -> Spread | None:
    """The distribution of times given in ns; None when there are none."""
    if not nanoseconds:
        return None
    ordered = sorted(nanoseconds)
    last = len(ordered) - 1
    return Spread(
        p50=round(ordered[last // 2] / 1e6, 3),
        p99=round(ordered[last * 99 // 100] / 1e6, 3),
        longest=round(ordered[last] / 1e6, 3),
    )


async def obey(ready: Ready, answer: Callable[[Command], Awaitable[msgspec.Struct | None]]) -> None:
    """Answer commands until the measuring process closes our standard input or goes away."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    decoder, encoder = msgspec.json.Decoder(Command), msgspec.json.Encoder()
    say(encoder.encode(ready))
    while line := await reader.readline():
        reply = await answer(decoder.decode(line))
        if reply is not None:
            say(encoder.encode(reply))


def say(line: bytes) -> None:
    """One line to the measuring process."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def run_until_closed(main: Callable[[], Awaitable[None]]) -> None:
    """Run a process of the bench on uvloop."""
    uvloop.run(_as_coroutine(main))


async def _as_coroutine(main: Callable[[], Awaitable[None]]) -> None:
    await main()
