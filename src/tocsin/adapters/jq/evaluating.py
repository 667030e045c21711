"""One evaluating process, seen from the server: it is asked one thing at a time, and killed when it does not answer."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from typing import Final, Literal

from tocsin.adapters.jq.frames import HEAD
from tocsin.model.noun import Noun

Death = Literal["time", "late", "memory", "crash"]
"""What a process died of: too much processor time, no answer in time, too much memory, or something else."""

CAUSES: Final[Mapping[int, Death]] = {-signal.SIGPROF: "time", -signal.SIGABRT: "memory"}
"""By return code."""


class Limits(Noun, frozen=True, kw_only=True):
    """Bounds of one evaluation: processor time, and time on the wall, which is there for a machine that is too busy to use up
    the former; memory beside what the process has from the start; what the programs may give together. An idle process ends
    after `idle_seconds`. At most `waiting` may wait for a kind of process, `waiting_each` with the same programs."""

    cpu_seconds: float = 1
    wall_seconds: float = 15
    memory_bytes: int = 512 * 1024 * 1024
    output_bytes: int = 1024 * 1024
    idle_seconds: float = 60
    waiting: int = 1024
    waiting_each: int = 256


class EvaluatingProcess:
    """A running process. Its environment is empty, so that there is nothing in it to be read."""

    __slots__ = ("_process", "_wall_seconds")

    def __init__(self, process: Process, wall_seconds: float) -> None:
        self._process = process
        self._wall_seconds = wall_seconds

    @classmethod
    async def start(cls, limits: Limits, niceness: int) -> EvaluatingProcess:
        """Raises OSError when the machine has no room for a process."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-m", "tocsin.adapters.jq.worker"),
            *(str(limits.cpu_seconds), str(limits.memory_bytes), str(limits.output_bytes), str(niceness)),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
        )
        return cls(process, limits.wall_seconds)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.returncode is not None

    async def ask(self, frame: bytes) -> bytes | Death:
        """The reply's frame without its length, or what the process died of: then it is gone."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            async with asyncio.timeout(self._wall_seconds):
                stdin.write(frame)
                await stdin.drain()
                size = int.from_bytes(await stdout.readexactly(HEAD), "big")
                return await stdout.readexactly(size)
        except TimeoutError:
            await self.end()
            return "late"
        except (asyncio.IncompleteReadError, ConnectionError):
            return CAUSES.get(await self.end(), "crash")

    async def end(self) -> int:
        """Kill it if it still runs; gives its return code."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.close()
        if not stdout.at_eof():
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        return await self._process.wait()
