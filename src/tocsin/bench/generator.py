"""The generator process: so many keep-alive connections, each with one POST out at any time (a closed loop).

Started as `python -m tocsin.bench.generator`.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final, cast

import httptools
import msgspec

from tocsin.bench.control import Command, Generated, Ready, Run, obey, run_until_closed, spread_of
from tocsin.bench.requests import Requests, requests_for

ACCEPTED: Final = frozenset({200, 202})
POSTPONED: Final = frozenset({429, 503})
PATIENCE_SECONDS: Final = 30.0
"""How long after the end of a run answers may still be waited for."""
REST_SECONDS: Final = 0.05
"""How long a connection rests after it was told that there is too much, or was lost."""
MOST_RECONNECTIONS: Final = 1000
LATE_NS: Final = 2_000_000
"""A POST of a paced load that leaves later than this was held up by the server: its times count from when it was due.
(Timers are exact to a millisecond.)"""


class Course:
    """One run: hands out numbers until time or events are up, and collects how requests went."""

    def __init__(self, run: Run, requests: Requests) -> None:
        self.requests = requests
        self.batch = run.batch
        self.next = run.first
        self.beyond = run.first + run.events if run.events is not None else 1 << 62
        self.interval_ns = int(run.batch / run.rate * 1e9) if run.rate else 0
        self.first = run.first
        self.started_ns = time.monotonic_ns()
        self.until_ns = self.started_ns + int(run.seconds * 1e9)
        self.ended_ns = self.started_ns
        self.latencies: list[int] = []
        self.postponed = 0
        self.reconnected = 0
        self.failure: str | None = None
        self.running = run.connections
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self) -> int:
        """The number of the first event of the next POST; -1 when the run is over."""
        first = self.next
        if first >= self.beyond or self.failure or time.monotonic_ns() >= self.until_ns:
            return -1
        self.next = first + self.batch
        return first

    def due_ns(self, first: int) -> int:
        """When the POST that begins with event `first` is to be sent; 0: as soon as it can be."""
        turn = (first - self.first) // self.batch
        return self.started_ns + turn * self.interval_ns if self.interval_ns else 0

    def retire(self) -> None:
        """A connection has nothing more to do."""
        self.running -= 1
        if self.running == 0 and not self.finished.done():
            self.finished.set_result(None)

    def fail(self, reason: str) -> None:
        """Give up: with such answers there is nothing to measure."""
        self.failure = self.failure or reason
        if not self.finished.done():
            self.finished.set_result(None)

    def told(self) -> Generated:
        """The account of the run."""
        return Generated(
            beyond=self.next,
            posts=len(self.latencies),
            started_ns=self.started_ns,
            ended_ns=self.ended_ns,
            accept=spread_of(self.latencies),
            postponed=self.postponed,
            reconnected=self.reconnected,
            failure=self.failure,
        )


class Connection(asyncio.Protocol):
    """One connection with at most one request out. Lost, or told to wait, it sends the same request again."""

    __slots__ = (
        "_body",
        "_course",
        "_first",
        "_index",
        "_opening",
        "_parser",
        "_port",
        "_sent_ns",
        "_transport",
        "_turn",
    )

    def __init__(self, port: int, index: int) -> None:
        self._port = port
        self._index = index
        self._turn = 0
        self._first = -1
        self._sent_ns = 0
        self._body = b""
        self._course: Course | None = None
        self._opening: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)

    async def open(self) -> None:
        """Connect. Raises OSError."""
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._port)

    def close(self) -> None:
        """Hang up for good."""
        self._course = None
        if self._transport is not None:
            self._transport.close()

    def begin(self, course: Course) -> None:
        """Take part in a run."""
        self._course = course
        self._advance(course)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._parser = httptools.HttpResponseParser(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        if self._course is not None:
            asyncio.get_running_loop().call_later(REST_SECONDS, self._reopen, self._course)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, body: bytes) -> None:
        self._body = body

    def on_message_complete(self) -> None:
        now, status, course = time.monotonic_ns(), self._parser.get_status_code(), self._course
        if course is None:
            return
        if status in ACCEPTED:
            course.latencies.append(now - self._sent_ns)
            course.ended_ns = now
            self._turn += 1
            self._advance(course)
        elif status in POSTPONED:
            course.postponed += 1
            asyncio.get_running_loop().call_later(REST_SECONDS, self._send, course)
        else:
            course.fail(f"answer {status}: {self._body[:300].decode('utf-8', 'replace')}")
            course.retire()

    def _advance(self, course: Course) -> None:
        self._first = first = course.take()
        if first < 0:
            self._course = None
            course.retire()
        elif (wait_ns := course.due_ns(first) - time.monotonic_ns()) > 0:
            asyncio.get_running_loop().call_later(wait_ns / 1e9, self._send, course)
        else:
            self._send(course)

    def _send(self, course: Course) -> None:
        if self._transport is None:
            self._reopen(course)
            return
        sent_ns, due_ns = time.monotonic_ns(), course.due_ns(self._first)
        if due_ns and sent_ns - due_ns > LATE_NS:
            sent_ns = due_ns
        self._sent_ns = sent_ns
        self._transport.write(course.requests.make(self._first, self._index, self._turn, sent_ns))

    def _reopen(self, course: Course) -> None:
        course.reconnected += 1
        if course.reconnected > MOST_RECONNECTIONS:
            course.fail("connections are lost again and again")
        elif self._opening is None:
            self._opening = asyncio.ensure_future(self.open())
            self._opening.add_done_callback(lambda opening: self._reopened(course, opening))

    def _reopened(self, course: Course, opening: asyncio.Future[None]) -> None:
        self._opening = None
        if opening.cancelled():
            return
        if (error := opening.exception()) is not None:
            course.fail(f"cannot connect again: {error}")
        else:
            self._send(course)


class Generator:
    """The connections, kept from run to run as long as servers and number stay the same."""

    def __init__(self) -> None:
        self._connections: list[Connection] = []
        self._made_for: tuple[tuple[int, ...], int] = ((), 0)

    async def answer(self, command: Command) -> msgspec.Struct | None:
        """Do what the measuring process asks."""
        if not isinstance(command, Run):
            return None
        await self._connect(command.ports, command.connections)
        host = f"127.0.0.1:{command.ports[0]}"
        course = Course(command, requests_for(command, host))
        for connection in self._connections:
            connection.begin(course)
        try:
            async with asyncio.timeout(command.seconds + PATIENCE_SECONDS):
                await course.finished
        except TimeoutError:
            course.fail(f"{course.running} requests were never answered")
        return course.told()

    async def _connect(self, ports: tuple[int, ...], count: int) -> None:
        if self._made_for == (ports, count):
            return
        for connection in self._connections:
            connection.close()
        self._connections = [Connection(ports[index % len(ports)], index) for index in range(count)]
        self._made_for = (ports, count)
        for connection in self._connections:
            await connection.open()


async def main() -> None:
    """Obey."""
    await obey(Ready(), Generator().answer)


if __name__ == "__main__":
    run_until_closed(main)
