"""The one writer: a thread that owns the writing connection and runs one transaction after another.

Work waits in the order of its rank (settle before accept before fan-out), but nothing is overtaken by more than a few
others, so that every kind keeps a share. Accepts have a transaction of their own, and so has retention, which goes last;
whatever else waits shares one COMMIT, each part behind a savepoint. When it is not known whether a COMMIT came through, a proof that was named before tells: a
row that the transaction wrote, or else the number of its commit group.
"""

from __future__ import annotations

import asyncio
import heapq
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Final, Generic, TypeVar

import apsw

from tocsin.adapters.sqlite.database import open_connection
from tocsin.adapters.sqlite.statements import read_one, write
from tocsin.adapters.storing.ranks import ALONE, DataRefusedError, Rank
from tocsin.errors import StorageFull, StoreUnavailable, TocsinError

T = TypeVar("T")
Proof = Callable[[apsw.Connection], bool]
"""Whether what a transaction wrote is in the file."""
REFUSALS: Final = (apsw.ConstraintError, apsw.TooBigError, apsw.MismatchError, apsw.RangeError, TypeError, ValueError)
PAUSE_SECONDS: Final = 10.0
"""How long whoever wants the writer to stand still waits for it."""
SHARED: Final = 16
"""Pieces of work behind one COMMIT, at most."""


class _Work(Generic[T]):
    __slots__ = ("error", "future", "key", "loop", "proof", "rank", "result", "transaction")

    def __init__(
        self,
        rank: Rank,
        transaction: Callable[[apsw.Connection], T],
        proof: Proof | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.rank = rank
        self.transaction = transaction
        self.proof = proof
        self.loop = loop
        self.future: asyncio.Future[T] = loop.create_future()
        self.key = (int(rank), 0)
        self.result: T | None = None
        self.error: Exception | None = None

    def __lt__(self, other: _Work[T]) -> bool:
        return self.key < other.key


class _Pause:
    """Between two transactions the writer stands still, from `entered` to `over`."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.over = threading.Event()


class Writer:
    """Runs transactions. `close` lets what is waiting finish."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.wal_pages = 0
        """How long the WAL was after the last commit."""
        self.commits = self.parts = 0
        """Transactions, and the pieces of work in them."""
        self.commit_seconds = 0.0
        """How long they took in all."""
        self._connection: apsw.Connection | None = self._open()
        row = read_one(self._connection, "commit_group")
        self._group = int(row[0]) if row and isinstance(row[0], int) else 0
        self._inbox: queue.SimpleQueue[_Work[object] | _Pause | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="tocsin-writer", daemon=True)
        self._closed = False
        self.on_reopen: list[Callable[[], None]] = []
        """Called in the writer's thread after the connection was replaced: what was remembered of the file is stale."""
        self.on_undo: list[Callable[[], None]] = []
        """Called in the writer's thread after something was rolled back: what was remembered of it is not so."""
        self._thread.start()

    async def run(self, rank: Rank, transaction: Callable[[apsw.Connection], T], proof: Proof | None = None) -> T:
        """Run one transaction and wait for its COMMIT. Raises StoreUnavailable, StorageFull or DataRefusedError: then
        nothing of it was written."""
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        work = _Work(rank, transaction, proof, asyncio.get_running_loop())
        self._inbox.put(work)  # type: ignore[arg-type]  # the inbox does not care what a transaction gives
        return await work.future

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """For another thread: meanwhile nothing is written. Raises StoreUnavailable."""
        pause = _Pause()
        self._inbox.put(pause)
        try:
            if not pause.entered.wait(PAUSE_SECONDS):
                raise StoreUnavailable("The writer is busy.")
            yield
        finally:
            pause.over.set()

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
                if isinstance(work, _Pause):
                    work.entered.set()
                    work.over.wait()
                    continue
                arrived += 1
                work.key = (work.key[0] + done, arrived)
                heapq.heappush(waiting, work)
                block = False
            if waiting:
                works = [heapq.heappop(waiting)]
                while waiting and len(works) < SHARED and _may_share(works[0], waiting[0]):
                    works.append(heapq.heappop(waiting))
                self._do(works)
                done += len(works)
        if self._connection is not None:
            self._connection.close()

    def _do(self, works: list[_Work[object]]) -> None:
        began = perf_counter()
        try:
            self._transact(works)
        except Exception as error:  # noqa: BLE001  # whatever it is belongs to the waiting callers, not to this thread
            for work in works:
                work.error = work.error or error
        self.commits += 1
        self.parts += len(works)
        self.commit_seconds += perf_counter() - began
        works[0].loop.call_soon_threadsafe(_finish_all, works)

    def _transact(self, works: list[_Work[object]]) -> None:
        connection = self._connection or self._reopen()
        group = self._group + 1
        proof: Proof | None = None
        try:
            connection.execute("BEGIN IMMEDIATE")
            if len(works) == 1:
                works[0].result = works[0].transaction(connection)
            else:
                for work in works:
                    self._run_part(connection, work)
            proofs = (work.proof for work in works if work.error is None and work.proof is not None)
            proof = next(proofs, None)
            if proof is None:
                write(connection, "move_commit_group", (group,))
                proof = self._has_group(group)
        except REFUSALS as error:
            self._roll_back(connection)
            raise DataRefusedError(str(error)) from error
        except apsw.Error as error:
            self._discard(connection)
            raise _problem_of(error) from error
        except BaseException:
            self._roll_back(connection)
            raise
        try:
            connection.execute("COMMIT")
        except apsw.Error as error:
            self._discard(connection)
            if not self._came_through(proof):
                raise _problem_of(error) from error
        else:
            self._group = group

    @staticmethod
    def _has_group(group: int) -> Proof:
        return lambda connection: read_one(connection, "commit_group") == (group,)

    def _came_through(self, proof: Proof) -> bool:
        """Whether a transaction is in the file (asked of a fresh connection)."""
        try:
            return proof(self._reopen())
        except (TocsinError, apsw.Error):
            return False

    def _open(self) -> apsw.Connection:
        connection = open_connection(self._path)
        connection.set_wal_hook(self._committed)
        return connection

    def _committed(self, connection: apsw.Connection, name: str, pages: int) -> int:
        del connection, name
        self.wal_pages = pages
        return apsw.SQLITE_OK

    def _reopen(self) -> apsw.Connection:
        try:
            self._connection = self._open()
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

    def _roll_back(self, connection: apsw.Connection) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        self._undone()

    def _undone(self) -> None:
        for forget in self.on_undo:
            forget()

    def _run_part(self, connection: apsw.Connection, work: _Work[object]) -> None:
        """One of several parts of a transaction: a fault of its own undoes only itself."""
        connection.execute("SAVEPOINT part")
        try:
            work.result = work.transaction(connection)
        except REFUSALS as error:
            work.error = DataRefusedError(str(error))
        except apsw.Error:
            raise
        except Exception as error:  # noqa: BLE001  # it belongs to the caller of this part
            work.error = error
        if work.error is not None:
            connection.execute("ROLLBACK TO part")
            self._undone()
        connection.execute("RELEASE part")


def _may_share(first: _Work[object], other: _Work[object]) -> bool:
    return ALONE.isdisjoint({first.rank, other.rank}) and first.loop is other.loop


def _problem_of(error: apsw.Error) -> TocsinError:
    return StorageFull() if isinstance(error, apsw.FullError) else StoreUnavailable(type(error).__name__)


def _finish_all(works: list[_Work[object]]) -> None:
    for work in works:
        finish(work.future, work.result, work.error)


def finish(future: asyncio.Future[object], result: object, error: Exception | None) -> None:
    """Resolve a future in its own loop, unless nobody waits any more."""
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
