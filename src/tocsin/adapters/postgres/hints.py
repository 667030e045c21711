"""Hints to the other nodes, and from them: LISTEN and NOTIFY on a connection of their own, made anew whenever it is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import asyncpg
import msgspec

from tocsin.adapters.postgres.database import LOST, connect, hang_up
from tocsin.adapters.postgres.statements import Connection, read
from tocsin.errors import TocsinError
from tocsin.ports import Hint
from tocsin.telemetry import log

CHANNEL: Final = "tocsin"
GATHERED_SECONDS: Final = 0.005
"""What is told within this time goes together."""
PAIRS: Final = 160
"""So many lanes or attempts in one message: a message may have 8000 bytes, a pair has 42 at most."""
MOST: Final = 20_000
"""Lanes and attempts that wait to be told, at most; what is beyond is not told."""
LOOK_SECONDS: Final = 3.0
"""After so long without a message the server is asked whether it is there."""
LIMIT_SECONDS: Final = 2.0
LISTEN_SECONDS: Final = 5.0
"""How long a node that starts waits until it hears."""
AGAIN_SECONDS: Final = (0.05, 0.2, 1.0, 2.0)
CLOSE_SECONDS: Final = 1.0
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Hint).decode
Pair = tuple[int, int]


class Hints:
    """`tell` gathers and sends, `listen` hears; what this connection said itself is not heard."""

    def __init__(self, url: str, partitions: int) -> None:
        self._url = url
        self._everything = Hint(partitions=tuple(range(partitions)), changed=True, missed=True)
        self._heard: Callable[[Hint], None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._is_listening = asyncio.Event()
        self._is_closed = False
        self._changed = False
        self._partitions: set[int] = set()
        self._lanes: set[Pair] = set()
        self._settled: set[Pair] = set()
        self._untold = 0
        self._talk_of: list[Hint] = []

    async def listen(self, heard: Callable[[Hint], None]) -> None:
        """Returns when the server listens for us, or could not be reached at once."""
        self._heard = heard
        self._start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LISTEN_SECONDS):
                await self._is_listening.wait()

    def tell(self, hint: Hint) -> None:
        self._changed |= hint.changed
        self._partitions.update(hint.partitions)
        self._untold += hint.untold
        if (hint.asked or hint.answered or hint.erased) and len(self._talk_of) < MOST:
            self._talk_of.append(Hint(asked=hint.asked, answered=hint.answered, erased=hint.erased))
        if len(self._lanes) + len(self._settled) < MOST:
            self._lanes.update(hint.lanes)
            self._settled.update(hint.settled)
        else:
            self._untold += len(hint.settled)
        self._start()
        self._wake.set()

    async def close(self) -> None:
        """Tell what waits, if that can be done at once."""
        self._is_closed = True
        self._wake.set()
        if self._task is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.shield(self._task)
        self._task.cancel()
        await asyncio.wait([self._task])

    def _start(self) -> None:
        if self._task is None and not self._is_closed:
            self._task = asyncio.create_task(self._run(), name="tocsin-hints")

    async def _run(self) -> None:
        """One connection after another. Whatever was said while there was none is made good by a hint that says everything."""
        failures = 0
        has_missed = False
        while not self._is_closed:
            with contextlib.suppress(TocsinError):
                connection = await connect(self._url, seconds=LIMIT_SECONDS, is_prompt=True, is_lasting=False)
                try:
                    await connection.add_listener(CHANNEL, self._notified)
                    if has_missed and self._heard is not None:
                        self._heard(self._everything)
                    failures = 0
                    self._is_listening.set()
                    await self._talk(connection)
                except (*LOST, asyncpg.PostgresError) as error:
                    log.warning("hints.lost", error=type(error).__name__)
                finally:
                    self._is_listening.clear()
                    await _let_go(connection, is_polite=self._is_closed)
            has_missed = True
            if not self._is_closed:
                await asyncio.sleep(AGAIN_SECONDS[min(failures, len(AGAIN_SECONDS) - 1)])
                failures += 1

    async def _talk(self, connection: Connection) -> None:
        """Until it is closed. Raises when the connection is lost."""
        connection.add_termination_listener(self._lost)
        while True:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                await connection.execute("SELECT 1")
                continue
            if not self._is_closed:
                await asyncio.sleep(GATHERED_SECONDS)
            self._wake.clear()
            if connection.is_closed():
                raise ConnectionResetError
            for text in self._messages():
                await read(connection, "notify", (CHANNEL, text))
            if self._is_closed:
                return

    def _messages(self) -> list[str]:
        """What was told since, in messages of a length that the server takes. Taken out at once: more may be told while they go."""
        lanes, settled = list(self._lanes), list(self._settled)
        hints = [Hint(lanes=tuple(lanes[at : at + PAIRS])) for at in range(0, len(lanes), PAIRS)]
        hints += [Hint(settled=tuple(settled[at : at + PAIRS])) for at in range(0, len(settled), PAIRS)]
        if self._changed or self._partitions:
            hints.insert(0, Hint(partitions=tuple(sorted(self._partitions)), changed=self._changed))
        hints += self._talk_of
        if self._untold:
            hints.append(Hint(untold=self._untold))
        self._talk_of.clear()
        self._changed, self._untold = False, 0
        for some in (self._partitions, self._lanes, self._settled):
            some.clear()
        return [_encode(hint).decode() for hint in hints]

    def _notified(self, connection: Connection, pid: int, channel: str, payload: object) -> None:
        del channel
        if pid == connection.get_server_pid() or self._heard is None:
            return
        try:
            hint = _decode(str(payload))
        except msgspec.MsgspecError:
            hint = self._everything  # of another version, or of somebody at a prompt
        self._heard(hint)

    def _lost(self, connection: Connection) -> None:
        del connection
        self._wake.set()


async def _let_go(connection: Connection, *, is_polite: bool) -> None:
    if is_polite:
        await hang_up(connection)
    else:
        connection.terminate()
