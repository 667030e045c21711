"""The one writer: a thread that owns the writing connection and runs one transaction after another.

Work waits in the order of its rank (settle before accept before fan-out), but nothing is overtaken by more than a few
transactions, so that every kind keeps a share. Each transaction carries the number of its commit group; when it is not
known whether a COMMIT came through, that number tells.
"""

from __future__ import annotations

import asyncio
import heapq
import queue
import threading
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Generic, TypeVar

import apsw

from tocsin.adapters.sqlite.database import open_connection
from tocsin.adapters.sqlite.statements import read_one, write
from tocsin.errors import StorageFull, StoreUnavailable, TocsinError

T = TypeVar("T")


class Rank(IntEnum):
    """What goes first when several kinds wait."""

    SETTLE = 0
    ACCEPT = 1
    FANOUT = 2
    REST = 3


class DataRefusedError(Exception):
    """The store cannot take these values; nothing was written."""


class _Work(Generic[T]):
    __slots__ = ("future", "key", "loop", "transaction")

    def __init__(
        self, rank: Rank, transaction: Callable[[apsw.Connection], T], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.transaction = transaction
        self.loop = loop
        self.future: asyncio.Future[T] = loop.create_future()
        self.key = (int(rank), 0)

    def __lt__(self, other: _Work[T]) -> bool:
        return self.key < other.key


class Writer:
    """Runs transactions. `close` lets what is waiting finish."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: apsw.Connection | None = open_connection(path)
        row = read_one(self._connection, "commit_group")
        self._group = int(row[0]) if row and isinstance(row[0], int) else 0
        self._inbox: queue.SimpleQueue[_Work[object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="tocsin-writer", daemon=True)
        self._closed = False
        self.on_reopen: list[Callable[[], None]] = []
        """Called in the writer's thread after the connection was replaced: what was remembered of the file is stale."""
        self._thread.start()

    async def run(self, rank: Rank, transaction: Callable[[apsw.Connection], T]) -> T:
        """Run one transaction and wait for its COMMIT. Raises StoreUnavailable, StorageFull or DataRefusedError: then
        nothing of it was written."""
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        work = _Work(rank, transaction, asyncio.get_running_loop())
        self._inbox.put(work)  # type: ignore[arg-type]  # the inbox does not care what a transaction gives
        return await work.future

    def close(self) -> None:
        """Finish what waits, then stop. Blocks until done."""
        if not self._closed:
            self._closed = True
            self._inbox.put(None)
            self._thread.join()

    def _run(self) -> None:
        waiting: list[_Work[object]] = []
        done = arrived = 0
        open_for_work = True
        while open_for_work or waiting:
            block = open_for_work and not waiting
            while True:
                try:
                    work = self._inbox.get(block=block)
                except queue.Empty:
                    break
                if work is None:
                    open_for_work = False
                    break
                arrived += 1
                work.key = (work.key[0] + done, arrived)
                heapq.heappush(waiting, work)
                block = False
            if waiting:
                self._do(heapq.heappop(waiting))
                done += 1
        if self._connection is not None:
            self._connection.close()

    def _do(self, work: _Work[object]) -> None:
        result: object = None
        error: Exception | None = None
        try:
            result = self._transact(work.transaction)
        except Exception as raised:  # noqa: BLE001  # whatever it is belongs to the waiting caller, not to this thread
            error = raised
        work.loop.call_soon_threadsafe(finish, work.future, result, error)

    def _transact(self, transaction: Callable[[apsw.Connection], object]) -> object:
        connection = self._connection
        if connection is None:
            connection = self._reopen()
        group = self._group + 1
        committing = False
        result: object = None
        try:
            connection.execute("BEGIN IMMEDIATE")
            result = transaction(connection)
            write(connection, "move_commit_group", (group,))
            committing = True
            connection.execute("COMMIT")
        except (
            apsw.ConstraintError,
            apsw.TooBigError,
            apsw.MismatchError,
            apsw.RangeError,
            TypeError,
            ValueError,
        ) as error:
            self._roll_back(connection)
            raise DataRefusedError(str(error)) from error
        except apsw.FullError as error:
            self._discard(connection)
            if committing and self._came_through(group):
                return result
            raise StorageFull from error
        except apsw.Error as error:
            self._discard(connection)
            if committing and self._came_through(group):
                return result
            raise StoreUnavailable(type(error).__name__) from error
        except BaseException:
            self._roll_back(connection)
            raise
        self._group = group
        return result

    def _came_through(self, group: int) -> bool:
        """Whether the commit group is in the file (asked of a fresh connection)."""
        try:
            self._reopen()
        except TocsinError:
            return False
        return self._group == group

    def _reopen(self) -> apsw.Connection:
        try:
            self._connection = open_connection(self._path)
            row = read_one(self._connection, "commit_group")
        except apsw.Error as error:
            self._connection = None
            raise StoreUnavailable(type(error).__name__) from error
        self._group = int(row[0]) if row and isinstance(row[0], int) else 0
        for forget in self.on_reopen:
            forget()
        return self._connection

    def _discard(self, connection: apsw.Connection) -> None:
        self._connection = None
        try:
            connection.close(force=True)
        except apsw.Error:
            return

    @staticmethod
    def _roll_back(connection: apsw.Connection) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def finish(future: asyncio.Future[object], result: object, error: Exception | None) -> None:
    """Resolve a future in its own loop, unless nobody waits any more."""
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
