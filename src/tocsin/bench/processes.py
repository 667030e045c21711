"""Processes that are measured or measure: how they are started, asked, pinned to a core, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from tocsin.bench.control import Command, Ready
from tocsin.bench.usage import Usage, usage_of

T = TypeVar("T", bound=msgspec.Struct)
START_SECONDS: Final = 60.0
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
