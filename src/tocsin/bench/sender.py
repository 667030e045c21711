"""The bare sender as a process: Tocsin's sender posts to the sink, and nothing is stored, signed or looked up.

Started as `python -m tocsin.bench.sender`; what it costs is the floor of every delivery.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import msgspec

from tocsin.bench.control import Command, Generated, Ready, Run, obey, run_until_closed, spread_of
from tocsin.bench.requests import cloud_event
from tocsin.config import load_settings
from tocsin.model.exchange import OutboundRequest, Target
from tocsin.ports import Sender
from tocsin.wiring.sending import make_sender

SETTINGS: Final = {"allow_http": "true", "allow_networks": "127.0.0.0/8"}
HEADERS: Final = (
    "content-type: application/cloudevents+json\r\nwebhook-id: evt_00000000-0000-7000-8000-000000000000\r\n"
    "webhook-timestamp: 1767225600\r\nwebhook-attempt: 1\r\nuser-agent: Tocsin/0\r\n"
    "webhook-signature: v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"
    "traceparent: 00-00000000000000000000000000000001-0000000000000001-01\r\n"
)


class BareSender:
    """So many loops, each with one exchange at a time."""

    def __init__(self, sender: Sender[OutboundRequest]) -> None:
        self._sender = sender
        self._event = cloud_event()

    async def answer(self, command: Command) -> msgspec.Struct | None:
        """Do what the measuring process asks."""
        if not isinstance(command, Run):
            return None
        course = _Course(command)
        async with asyncio.TaskGroup() as group:
            for _ in range(command.connections):
                group.create_task(self._loop(course))
        return Generated(
            beyond=course.next,
            posts=len(course.latencies),
            started_ns=course.started_ns,
            ended_ns=time.monotonic_ns(),
            accept=spread_of(course.latencies),
            postponed=0,
            reconnected=0,
            failure=course.failure,
        )

    async def _loop(self, course: _Course) -> None:
        while (number := course.take()) >= 0:
            sent_ns = time.monotonic_ns()
            exchange = await self._sender.send(course.request(self._event % (number, 0, number, 0, sent_ns)))
            if exchange.response is None or exchange.response.status != 200:
                course.failure = f"{exchange.failure or exchange.response}"
                return
            course.latencies.append(time.monotonic_ns() - sent_ns)


class _Course:
    """One run: the numbers that are left, and the parts of its requests that do not change."""

    def __init__(self, run: Run) -> None:
        authority, path = f"127.0.0.1:{run.ports[0]}", run.path or "/0"
        self._target = Target(
            scheme="http", host="127.0.0.1", port=run.ports[0], authority=authority, path=path, pool="bench"
        )
        self._head = (
            f"POST {path} HTTP/1.1\r\nhost: {authority}\r\n{HEADERS}authorization: Bearer {run.key}\r\n".encode()
        )
        self._url = f"http://{authority}{path}"
        self.next = run.first
        self._beyond = run.first + run.events if run.events is not None else 1 << 62
        self.started_ns = time.monotonic_ns()
        self._until_ns = self.started_ns + int(run.seconds * 1e9)
        self.latencies: list[int] = []
        self.failure: str | None = None

    def take(self) -> int:
        """The number of the next event; -1 when the run is over."""
        if self.next >= self._beyond or self.failure or time.monotonic_ns() >= self._until_ns:
            return -1
        self.next += 1
        return self.next - 1

    def request(self, body: bytes) -> OutboundRequest:
        """The request that brings one event."""
        return OutboundRequest(
            target=self._target, url=self._url, head=self._head, body=body, shown=(), timeout_seconds=15
        )


async def main() -> None:
    """Obey, then close every connection."""
    sender = make_sender(load_settings(SETTINGS, environment={}))
    await obey(Ready(), BareSender(sender).answer)
    await sender.close()


if __name__ == "__main__":
    run_until_closed(main)
