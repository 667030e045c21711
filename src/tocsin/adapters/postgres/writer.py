"""The one writer of this process: a task that owns a connection and runs one transaction after another.

Work waits in the order of its rank. Accepts have a transaction of their own, and so has retention; whatever else waits shares one
COMMIT. When anything in a shared transaction fails, all of it is rolled back and its parts run one by one, so a transaction may
run more than once and must begin anew each time. With each COMMIT goes the number of the transaction, to a row of this writer's own: when
it is not known whether a COMMIT came through, that row tells.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar, cast
from uuid import uuid4

import asyncpg

from tocsin.adapters.postgres.database import (
    AGAIN,
    ANSWER_SECONDS,
    LOST,
    REFUSALS,
    connect,
    hang_up,
    problem_of,
)
from tocsin.adapters.postgres.statements import Connection, read_one, statement, write
from tocsin.adapters.storing.migrations import migrations_of
from tocsin.adapters.storing.ranks import ALONE, DataRefusedError, Rank
from tocsin.adapters.storing.transfers import mark_of
from tocsin.errors import StoreUnavailable, TocsinError

T = TypeVar("T")
Transaction = Callable[[Connection], Awaitable[T]]
SHARED: Final = 16
"""Pieces of work behind one COMMIT, at most."""
TIMES: Final = 5
"""How often a transaction is begun when others are in its way each time."""
ASKED_SECONDS: Final = 30.0
"""How long we try to learn what became of a COMMIT."""
_NUMBERED: Final = "tocsin_numbered"
_PAUSE_SECONDS: Final = 0.1
_LOCK_TRIES: Final = 20
_DATABASE: Final = 0x746F6300
"""The session's advisory lock of everybody who writes: shared, or alone."""
NEWEST: Final = max(one.number for one in migrations_of("tocsin.adapters.postgres"))
TOO_OLD: Final = "The database was migrated to what this version cannot run on. Upgrade Tocsin."
IN_USE: Final = "Servers run on this database; stop them first."
TAKEN: Final = "A transfer has this database for itself."
MOVED: Final = "Everything in this database went to another one, or is on its way."


class _Work(Generic[T]):
    __slots__ = ("error", "future", "key", "rank", "result", "transaction")

    def __init__(self, rank: Rank, transaction: Transaction[T]) -> None:
        self.rank = rank
        self.transaction = transaction
        self.future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.key = (int(rank), 0)
        self.result: T | None = None
        self.error: Exception | None = None

    def __lt__(self, other: _Work[T]) -> bool:
        return self.key < other.key


class Writer:
    """Runs transactions. `close` lets what is waiting finish."""

    def __init__(self, url: str, *, alone: bool) -> None:
        self._url = url
        self._alone = alone
        self._connection: Connection | None = None
        self._waiting: list[_Work[object]] = []
        self._wake = asyncio.Event()
        self._done = self._arrived = 0
        self._closed = self._was_open = False
        self._task: asyncio.Task[None] | None = None
        self.on_begin: list[Callable[[], None]] = []
        """Called when a transaction begins, perhaps once more."""
        self.on_connect: list[Callable[[Connection], Awaitable[None]]] = []
        """Called with each new connection."""
        self.on_commit: list[Callable[[Connection], Awaitable[None]]] = []
        """Called before COMMIT, within the transaction."""
        self.on_committed: list[Callable[[], None]] = []
        """Called when it is known that a COMMIT came through."""
        self._name = uuid4().hex
        self._number = 0

    async def open(self) -> None:
        """Raises StoreUnavailable."""
        self._connection = await self._connect()
        self._was_open = True
        self._task = asyncio.create_task(self._run(), name="tocsin-writer")

    async def run(self, rank: Rank, transaction: Transaction[T]) -> T:
        """Run one transaction and wait for its COMMIT. Raises StoreUnavailable, StorageFull or DataRefusedError: then
        nothing of it was written."""
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        work = _Work(rank, transaction)
        self._arrived += 1
        work.key = (int(rank) + self._done, self._arrived)
        heapq.heappush(self._waiting, cast("_Work[object]", work))
        self._wake.set()
        return await work.future

    async def close(self) -> None:
        """Finish what waits, then stop."""
        self._closed = True
        self._wake.set()
        if self._task is not None:
            await self._task
        if self._connection is not None:
            await hang_up(self._connection)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                works = [heapq.heappop(self._waiting)]
                while self._waiting and len(works) < SHARED and _may_share(works[0], self._waiting[0]):
                    works.append(heapq.heappop(self._waiting))
                await self._do(works)
                self._done += len(works)
            if self._closed:
                return

    async def _do(self, works: list[_Work[object]]) -> None:
        try:
            await self._transact(works)
        except Exception as error:  # noqa: BLE001  # whatever it is belongs to the waiting callers, not to this task
            if len(works) > 1 and not _is_of_the_server(error):
                for work in works:
                    await self._do([work])
                return
            for work in works:
                work.error = error
        for work in works:
            _finish(work)

    async def _transact(self, works: list[_Work[object]]) -> None:
        for _ in range(TIMES - 1):
            try:
                await self._transact_once(works)
            except AGAIN:
                continue
            return
        try:
            await self._transact_once(works)
        except AGAIN as error:
            raise problem_of(error) from error

    async def _transact_once(self, works: list[_Work[object]]) -> None:
        connection = self._connection = self._connection or await self._connect()
        try:
            await self._run_all(connection, works)
        except REFUSALS as error:
            await self._roll_back(connection)
            raise DataRefusedError(str(error)) from error
        except LOST as error:
            self._discard(connection)
            raise problem_of(error) from error
        except BaseException as error:
            await self._roll_back(connection)
            if isinstance(error, asyncpg.PostgresError) and not isinstance(error, AGAIN):
                raise problem_of(error) from error
            raise
        await self._commit(connection)
        for know in self.on_committed:
            know()

    async def _run_all(self, connection: Connection, works: list[_Work[object]]) -> None:
        """Everything up to COMMIT."""
        await connection.execute("BEGIN")
        for begin in self.on_begin:
            begin()
        for work in works:
            work.result = await work.transaction(connection)
        for finish in self.on_commit:
            await finish(connection)

    async def _commit(self, connection: Connection) -> None:
        self._number += 1
        try:
            await connection.execute(f"EXECUTE {_NUMBERED} ('{self._name}', {self._number}); COMMIT")
        except (*LOST, asyncpg.OperatorInterventionError) as error:
            self._discard(connection)
            if not await self._came_through():
                raise problem_of(error) from error
        except asyncpg.PostgresError as error:
            self._discard(connection)
            raise problem_of(error) from error

    async def _came_through(self) -> bool:
        """What became of the last transaction, asked of a new connection. It may be under way still, at a server that has not
        noticed that nobody listens: its row is locked as long."""
        end = asyncio.get_running_loop().time() + ASKED_SECONDS
        while asyncio.get_running_loop().time() < end:
            with contextlib.suppress(TocsinError, asyncpg.PostgresError, *LOST):
                connection = self._connection = self._connection or await self._connect()
                return await read_one(connection, "commit_number", (self._name,)) == (self._number,)
            if self._connection is not None and self._connection.is_closed():
                self._connection = None
            await asyncio.sleep(_PAUSE_SECONDS)
        return False

    async def _connect(self) -> Connection:
        """Our own last connection may have the lock until the server notices that it is gone. While we had none, a transfer may have
        begun."""
        connection = await connect(self._url, seconds=ANSWER_SECONDS, is_keyed=True)
        try:
            refusal = await self._lock(connection)
            await connection.execute(f"PREPARE {_NUMBERED} AS {statement('number_commit')}")
            await write(connection, "forget_commits")
            for greet in self.on_connect if refusal is None else ():
                await greet(connection)
        except (*LOST, asyncpg.PostgresError) as error:
            connection.terminate()
            raise problem_of(error) from error
        if refusal is not None:
            await hang_up(connection)
            raise StoreUnavailable(refusal, reason="in_use")
        return connection

    async def _lock(self, connection: Connection) -> str | None:
        """Why the database is not to be had, if so."""
        if (await read_one(connection, "oldest_migration") or (0,)) > (NEWEST,):
            return TOO_OLD
        name = "lock_database" if self._alone else "share_database"
        for _ in range(_LOCK_TRIES):
            if await read_one(connection, name, (_DATABASE,)) == (True,):
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return IN_USE if self._alone else TAKEN
        if self._alone or not self._was_open:
            return None
        mark = mark_of(await read_one(connection, "transfer_mark"))
        return None if mark is None or mark.is_servable else MOVED

    def _discard(self, connection: Connection) -> None:
        self._connection = None
        connection.terminate()

    async def _roll_back(self, connection: Connection) -> None:
        try:
            await connection.execute("ROLLBACK")
        except (*LOST, asyncpg.PostgresError):
            self._discard(connection)


def _is_of_the_server(error: Exception) -> bool:
    """Whether nothing can be written at the moment, whoever asks."""
    return isinstance(error, TocsinError) and isinstance(error.__cause__, (*LOST, asyncpg.PostgresError))


def _may_share(first: _Work[object], other: _Work[object]) -> bool:
    return ALONE.isdisjoint({first.rank, other.rank})


def _finish(work: _Work[object]) -> None:
    """Resolve its future, unless nobody waits any more."""
    if work.future.done():
        return
    if work.error is not None:
        work.future.set_exception(work.error)
    else:
        work.future.set_result(work.result)
