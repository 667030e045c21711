"""The three processes: the server (the installed program), the sink and the generator; each on its core."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from tocsin.bench.control import Command, Ready
from tocsin.bench.usage import Usage, usage_of

T = TypeVar("T", bound=msgspec.Struct)
START_SECONDS: Final = 60.0
CALLERS: Final = 8
"""How many endpoints are created at a time."""
CALL_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0
"""SIGTERM ends the server within this time."""


class BenchError(Exception):
    """Something did not do what a measurement needs: no figures."""


class Instrument:
    """The sink or the generator."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, ready: Ready) -> None:
        self._name = name
        self._process = process
        self.ready = ready

    async def ask(self, command: Command, answer: type[T], seconds: float = 30.0) -> T:
        """Send a command, wait for its answer. Raises BenchError."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(command) + b"\n")
        return await read_answer(self._name, self._process, answer, seconds)

    @property
    def usage(self) -> Usage:
        return usage_of(self._process.pid)


async def read_answer(name: str, process: asyncio.subprocess.Process, answer: type[T], seconds: float) -> T:
    """One line of JSON from an instrument. Raises BenchError."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(seconds):
            line = await process.stdout.readline()
    except TimeoutError:
        raise BenchError(f"The {name} did not answer within {seconds:.0f} s.") from None
    if not line:
        raise BenchError(f"The {name} ended unexpectedly.")
    return msgspec.json.decode(line, type=answer)


@contextlib.asynccontextmanager
async def running_instrument(name: str, core: int | None) -> AsyncIterator[Instrument]:
    """Start `tocsin.bench.<name>`; it ends when its standard input closes."""
    with pinned_to(core):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"tocsin.bench.{name}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
    try:
        ready = await read_answer(name, process, Ready, START_SECONDS)
        yield Instrument(name, process, ready)
    finally:
        await stop(process)


class Server:
    """The server under test, on its own database file; `started_ns` on the monotonic clock."""

    def __init__(
        self, process: asyncio.subprocess.Process, started_ns: int, port: int, key: str, database: Path
    ) -> None:
        self.process = process
        self.started_ns = started_ns
        self.port = port
        self.key = key
        self._database = database

    @property
    def usage(self) -> Usage:
        return usage_of(self.process.pid)

    @property
    def pid(self) -> int:
        return self.process.pid

    def bytes_on_disk(self) -> int:
        """The database and its write-ahead log."""
        return sum(file.stat().st_size for file in self._database.parent.glob(f"{self._database.name}*"))

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
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CALL_SECONDS)
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
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CALL_SECONDS)
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
        self.process.kill()
        await self.process.wait()

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
async def running_server(directory: Path, core: int | None) -> AsyncIterator[Server]:
    """Start `tocsin serve` on a database in `directory`. Raises BenchError when it does not get ready."""
    key, database = "bench-" + secrets.token_urlsafe(24), directory / "bench.db"
    configuration = directory / "tocsin.toml"
    configuration.touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")} | {
        "TOCSIN_CONFIG": str(configuration),
        "TOCSIN_DATABASE": f"sqlite:///{database}",
        "TOCSIN_LISTEN": "127.0.0.1:0",
        "TOCSIN_ALLOW_HTTP": "true",
        "TOCSIN_ALLOW_NETWORKS": "127.0.0.0/8",
        "TOCSIN_BOOTSTRAP_KEY": key,
        "TOCSIN_LOG_LEVEL": "warning",
    }
    log = directory / "server.log"
    started_ns = time.monotonic_ns()
    with pinned_to(core), log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tocsin", "serve", "--output", "json"),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    try:
        try:
            listening = await read_answer("server", process, Listening, START_SECONDS)
        except (BenchError, msgspec.DecodeError) as error:
            raise BenchError(f"{error} It said:\n{last_words(log)}") from error
        yield Server(process, started_ns, int(listening.url.rpartition(":")[2]), key, database)
    finally:
        await stop(process)


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


def last_words(log: Path) -> str:
    """The end of what a process wrote."""
    return log.read_text(errors="replace").strip()[-2000:] or "(nothing)"


async def stop(process: asyncio.subprocess.Process) -> bool:
    """End a process: by closing its input where it has one, else by SIGTERM. False when it had to be killed."""
    if process.returncode is not None:
        return True
    if process.stdin is not None:
        process.stdin.close()
    else:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
        return False
    return True


@contextlib.contextmanager
def pinned_to(core: int | None) -> Iterator[None]:
    """Processes started inside run on this core only (None: anywhere)."""
    if core is None:
        yield
        return
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def cores(*, pin: bool) -> tuple[int | None, int | None]:
    """The core of the server, and that of sink and generator; None when there is only one, or on request."""
    available: Sequence[int] = sorted(os.sched_getaffinity(0)) if pin else ()
    return (available[0], available[1]) if len(available) > 1 else (None, None)
