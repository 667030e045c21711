"""Which process evaluates what, so that a program that never ends keeps nobody waiting but its own endpoint.

There are three crews. Programs that proved themselves share one; a program that is new is tried in another; one that
lately took long, or brought its process down, works off its debt in the third, slower than all others. In each crew
programs take turns. Processes start when there is something to do, and end when there was nothing for a while.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import Final

from tocsin.adapters.jq.evaluating import Death, EvaluatingProcess, Limits
from tocsin.adapters.jq.frames import Gave, packed, unpacked
from tocsin.ports import NoValue
from tocsin.telemetry import log

PROCESSES: Final = 2
"""Those of the crew of proven programs; the other crews have one each."""
NICENESS: Final = 10
LONG_MICROSECONDS: Final = 50_000
"""An evaluation that takes more processor time than this is long."""
TRIAL: Final = 5
"""Evaluations that must not be long before a new program counts as proven; more than trying it on samples makes."""
DEBT: Final = 20
"""The same after one that was long, or had to be stopped."""
REMEMBERED: Final = 4096
"""Programs whose standing is known, those used last."""

Reply = bytes | Death | None
"""A frame without its length, or what the process died of; None: there was no process to ask."""
Key = bytes


class _Asked:
    """One evaluation that waits."""

    __slots__ = ("answer", "frame")

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()


class Crew:
    """Up to `size` processes, and the evaluations that wait for them, one queue for each key, which take turns."""

    def __init__(self, size: int, limits: Limits, niceness: int) -> None:
        self._size = size
        self._limits = limits
        self._niceness = niceness
        self._waiting: OrderedDict[Key, deque[_Asked]] = OrderedDict()
        self._count = 0
        self._idle = 0
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.processes: set[EvaluatingProcess] = set()

    async def ask(self, key: Key, frame: bytes) -> Reply:
        """What a process answers; None also when too many wait already."""
        queue = self._waiting.get(key)
        if self._count >= self._limits.waiting or (queue is not None and len(queue) >= self._limits.waiting_each):
            return None
        asked = _Asked(frame)
        self._put(key, (asked,))
        return await asked.answer

    def move(self, key: Key, other: Crew) -> None:
        """What waits with this key is the business of another crew."""
        queue = self._waiting.pop(key, None)
        if queue is not None:
            self._count -= len(queue)
            other._put(key, queue)

    def _put(self, key: Key, asked: Collection[_Asked]) -> None:
        self._waiting.setdefault(key, deque()).extend(asked)
        self._count += len(asked)
        self._news.set()
        if self._idle < self._count and len(self._tasks) < self._size:
            task = asyncio.get_running_loop().create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End every process; what waits is cancelled."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while self._waiting:
            self._take().answer.cancel()

    async def _work(self) -> None:
        """One process after another answers, until nothing comes any more."""
        process: EvaluatingProcess | None = None
        is_used = False
        try:
            while await self._is_wanted():
                asked = self._take()
                if asked.answer.done():  # whoever asked is gone
                    continue
                try:
                    if process is None or process.has_ended:
                        process, is_used = await self._replaced(process), False
                    reply: Reply = await process.ask(asked.frame)
                    if reply == "crash" or (reply == "memory" and is_used):
                        # Somebody else may be to blame, or what was left behind in the process: once more, in a new one.
                        process = await self._replaced(process)
                        reply = await process.ask(asked.frame)
                    is_used = True
                except OSError as error:
                    log.error("template.no_process", error=str(error))
                    reply = None
                except asyncio.CancelledError:
                    asked.answer.cancel()
                    raise
                if not asked.answer.done():
                    asked.answer.set_result(reply)
        finally:
            if process is not None:
                self.processes.discard(process)
                await process.end()

    async def _replaced(self, gone: EvaluatingProcess | None) -> EvaluatingProcess:
        if gone is not None:
            self.processes.discard(gone)
            await gone.end()
        starting = asyncio.ensure_future(EvaluatingProcess.start(self._limits, self._niceness))
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:  # a start that is cancelled half way can hang: it is waited for, then undone
            await (await starting).end()
            raise
        self.processes.add(process)
        return process

    async def _is_wanted(self) -> bool:
        """Wait until something waits; False when nothing did for a while."""
        self._idle += 1
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                while not self._waiting:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return bool(self._waiting)
        finally:
            self._idle -= 1
        return True

    def _take(self) -> _Asked:
        """The next one; then it is the turn of the next key."""
        key, queue = self._waiting.popitem(last=False)
        asked = queue.popleft()
        self._count -= 1
        if queue:
            self._waiting[key] = queue
        return asked


class JqTemplates:
    """Evaluates jq programs (the port `Templates`)."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self.proven = Crew(PROCESSES, self._limits, 0)
        self.new = Crew(1, self._limits, 0)
        self.indebted = Crew(1, self._limits, NICENESS)
        self._standings: OrderedDict[Key, int] = OrderedDict()
        """Evaluations still to do well: below 0 of a new program, above 0 of one in debt."""

    async def evaluate(self, programs: Sequence[str], document: bytes) -> tuple[str, ...] | NoValue:
        """The JSON texts that the programs give, in their order, or why the first that gives none does not."""
        parts = [program.encode() for program in programs]
        key = blake2b(packed(parts), digest_size=16).digest()
        frame = packed((*parts, document))
        standing = self._standings.get(key, -TRIAL)
        crew = self.new if standing < 0 else self.indebted if standing else self.proven
        reply = await crew.ask(key, frame)
        if reply is None:
            return NoValue(cause="busy", message="waits for too many others")
        if not isinstance(reply, bytes):
            self._owe(key, crew)
            return NoValue(cause="killed", message=self._died(reply))
        spent, *gave = unpacked(reply)
        if int(spent) > LONG_MICROSECONDS:
            self._owe(key, crew)
        else:
            standing = self._standings.get(key, -TRIAL)
            self._remember(key, standing + 1 if standing < 0 else max(0, standing - 1))
        return self._values(gave)

    async def close(self) -> None:
        """End every process."""
        for crew in (self.proven, self.new, self.indebted):
            await crew.close()

    def _owe(self, key: Key, crew: Crew) -> None:
        self._remember(key, DEBT)
        if crew is not self.indebted:
            crew.move(key, self.indebted)

    def _remember(self, key: Key, standing: int) -> None:
        self._standings[key] = standing
        self._standings.move_to_end(key)
        if len(self._standings) > REMEMBERED:
            self._standings.popitem(last=False)

    def _values(self, gave: Sequence[bytes]) -> tuple[str, ...] | NoValue:
        last = gave[-1]
        how, said = Gave(last[0]), last[1:].decode()
        index = len(gave) - 1
        match how:
            case Gave.VALUE:
                return tuple(part[1:].decode() for part in gave)
            case Gave.NOTHING:
                return NoValue(cause="nothing", program=index, message="gave nothing")
            case Gave.SEVERAL:
                return NoValue(cause="failed", program=index, message="gave more than one value")
            case Gave.FAILURE:
                return NoValue(cause="failed", program=index, message=f"failed: {said}")
            case Gave.NOT_COMPILED:
                return NoValue(cause="not_compiled", program=index, message=f"does not compile: {said}")
            case Gave.TOO_LARGE:
                most = _size(self._limits.output_bytes)
                return NoValue(cause="failed", program=index, message=f"gave more than {most}")

    def _died(self, death: Death) -> str:
        match death:
            case "time":
                return f"took longer than {self._limits.cpu_seconds:g} s"
            case "late":
                return f"was not done within {self._limits.wall_seconds:g} s"
            case "memory":
                return f"needed more than {_size(self._limits.memory_bytes)} of memory"
            case "crash":
                return "brought its process down"


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >> 20 else f"{count} bytes"
