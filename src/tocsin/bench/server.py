"""The server under test: the installed program, started, called and ended."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from tocsin.bench.processes import START_SECONDS, BenchError, last_words, pinned_to, read_answer, stop
from tocsin.bench.usage import Usage, total, usage_of

CALLERS: Final = 8
"""How many endpoints are created at a time."""
CALL_SECONDS: Final = 30.0


class Server:
    """The server under test: one process, or several on one database; `started_ns`, of the first, on the monotonic clock."""

    def __init__(
        self, processes: Sequence[asyncio.subprocess.Process], started_ns: int, ports: Sequence[int], key: str
    ) -> None:
        self._processes = processes
        self.started_ns = started_ns
        self.ports = tuple(ports)
        self.key = key

    @property
    def usage(self) -> Usage:
        return total([usage_of(process.pid) for process in self._processes])

    async def stop(self) -> bool:
        """End all by SIGTERM. False when one had to be killed."""
        return all(await asyncio.gather(*map(stop, self._processes)))

    async def add_endpoints(self, wanted: Sequence[dict[str, object]]) -> dict[str, str]:
        """Create endpoints, several at a time. Gives their ids by their names. Raises BenchError."""
        answers = await self.call_all([("POST", "/v1/endpoints", settings) for settings in wanted])
        made = [msgspec.json.decode(answer, type=Made) for answer in answers]
        return {each.name: each.id for each in made}

    async def call_all(self, calls: Sequence[tuple[str, str, dict[str, object]]]) -> list[str]:
        """Many requests, several at a time; gives the answers in no order. Raises BenchError."""
        left = iter(list(calls))  # of a list: threads may share it
        callers = min(CALLERS, len(calls))
        answers = await asyncio.gather(*(asyncio.to_thread(self._call_on, left) for _ in range(callers)))
        return [answer for some in answers for answer in some]

    def _call_on(self, left: Iterator[tuple[str, str, dict[str, object]]]) -> list[str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=CALL_SECONDS)
        answers = []
        try:
            while (call := next(left, None)) is not None:
                status, body = self.call(connection, *call)
                if status >= 300:
                    raise BenchError(f"{call[0]} {call[1]} was answered with {status}: {body[:500]}")
                answers.append(body)
        finally:
            connection.close()
        return answers

    def request(
        self, method: str, path: str, document: dict[str, object], content_type: str = "application/json"
    ) -> str:
        """One request to the API; gives the answer. Raises BenchError unless it is answered with 2xx, OSError."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=CALL_SECONDS)
        try:
            status, body = self.call(connection, method, path, document, content_type)
        finally:
            connection.close()
        if status >= 300:
            raise BenchError(f"{method} {path} was answered with {status}: {body[:500]}")
        return body

    async def pending(self) -> int:
        """How many deliveries wait. Raises BenchError, OSError."""
        answer = await asyncio.to_thread(self.request, "GET", "/v1/stats", {})
        return msgspec.json.decode(answer, type=Stats).pending_deliveries

    async def kill(self) -> None:
        """As by kill -9."""
        for process in self._processes:
            process.kill()
            await process.wait()

    def call(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        document: dict[str, object],
        content_type: str = "application/json",
    ) -> tuple[int, str]:
        """One request over a connection that stays. Raises OSError."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": content_type}
        connection.request(method, path, json.dumps(document) if method == "POST" else None, headers)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")


@contextlib.asynccontextmanager
async def running_server(
    directory: Path, database: Mapping[str, str], core: int | None, nodes: int = 1
) -> AsyncIterator[Server]:
    """Start `tocsin serve`, so many times, one after the other. Raises BenchError when one does not get ready."""
    key = "bench-" + secrets.token_urlsafe(24)
    configuration = directory / "tocsin.toml"
    configuration.touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")} | {
        "TOCSIN_CONFIG": str(configuration),
        "TOCSIN_LISTEN": "127.0.0.1:0",
        "TOCSIN_ALLOW_HTTP": "true",
        "TOCSIN_ALLOW_NETWORKS": "127.0.0.0/8",
        "TOCSIN_BOOTSTRAP_KEY": key,
        "TOCSIN_LOG_LEVEL": "warning",
        **database,
    }
    started_ns = time.monotonic_ns()
    processes: list[asyncio.subprocess.Process] = []
    try:
        ports: list[int] = []
        for number in range(nodes):
            log = directory / f"server-{number}.log"
            with pinned_to(core), log.open("wb") as errors:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-m", "tocsin", "serve", "--output", "json"),
                    env=environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=errors,
                )
            processes.append(process)
            try:
                listening = await read_answer("server", process, Listening, START_SECONDS)
            except (BenchError, msgspec.DecodeError) as error:
                raise BenchError(f"{error} It said:\n{last_words(log)}") from error
            ports.append(int(listening.url.rpartition(":")[2]))
        yield Server(processes, started_ns, ports, key)
    finally:
        await asyncio.gather(*map(stop, processes))


class Made(msgspec.Struct, frozen=True):
    """What is of interest in the answer to a creation."""

    id: str
    name: str


class Stats(msgspec.Struct, frozen=True):
    """What is of interest in the numbers of a server."""

    pending_deliveries: int


class Listening(msgspec.Struct, frozen=True):
    """What the server says when it is ready."""

    url: str
