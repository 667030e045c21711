"""The one writer: a thread that owns the writing connection and runs one transaction after another.

Work that comes while a transaction runs is gathered in the event loop, and handed over when what waited for that one has gone on: so
what follows from one commit shares the next, and a thread wakes once for all of it.

Work waits in the order of its rank (settle before accept before fan-out), but nothing is overtaken by more than a few
others, so that every kind keeps a share. What may share a COMMIT does (`_may_share`). Where one of several parts fails, all is rolled back and each is
done by itself, so that only the culprit suffers. When it is not known whether a COMMIT came through, a proof that was named before tells: a
row that the transaction wrote, or else the number of its commit group.
"""

from __future__ import annotations

import asyncio
import heapq
import queue
import threading
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Final, Generic, TypeVar

import apsw

from tocsin.adapters.sqlite.database import open_connection
from tocsin.adapters.sqlite.statements import read_one, write
from tocsin.adapters.storing.ranks import DataRefusedError, Rank
from tocsin.errors import StorageFull, StoreUnavailable, TocsinError

T = TypeVar("T")
Proof = Callable[[apsw.Connection], bool]
"""Whether what a transaction wrote is in the file."""
REFUSALS: Final = (apsw.ConstraintError, apsw.TooBigError, apsw.MismatchError, apsw.RangeError, TypeError, ValueError)
PAUSE_SECONDS: Final = 10.0
"""How long whoever wants the writer to stand still waits for it."""
SHARED: Final = 16
"""Pieces of work behind one COMMIT, at most."""
_TOGETHER: Final = (
    frozenset({Rank.SETTLE, Rank.ACCEPT, Rank.FANOUT}),
    frozenset({Rank.SETTLE, Rank.FANOUT, Rank.REST}),
)


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
        self._inbox: queue.SimpleQueue[list[_Work[object]] | _Pause | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gathered: list[_Work[object]] = []
        self._handing = threading.Lock()
        self._under_way = 0
        self._thread = threading.Thread(target=self._run, name="tocsin-writer", daemon=True)
        self._closed = False
        self.on_reopen: list[Callable[[], None]] = []
        """Called in the writer's thread after the connection was replaced: what was remembered of the file is stale."""
        self.on_undo: list[Callable[[], None]] = []
        """Called in the writer's thread after something was rolled back: what was remembered of it is not so."""
        self._thread.start()

    async def run(self, rank: Rank, transaction: Callable[[apsw.Connection], T], proof: Proof | None = None) -> T:
        """Run one transaction and wait for its COMMIT. It may be run again after a rollback. Raises StoreUnavailable, StorageFull or
        DataRefusedError: then nothing of it was written."""
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        work = _Work(rank, transaction, proof, asyncio.get_running_loop())
        if work.loop is not self._loop:
            self._loop, self._under_way = work.loop, 0
        self._gathered.append(work)  # type: ignore[arg-type]  # nobody but its caller cares what a transaction gives
        if not self._under_way and len(self._gathered) == 1:
            work.loop.call_soon(self._hand_over)
        return await work.future

    def _hand_over(self) -> None:
        """Once for each piece of work, also when another thread closes."""
        with self._handing:
            if self._gathered:
                works, self._gathered = self._gathered, []
                self._under_way += len(works)
                self._inbox.put(works)

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
            self._hand_over()
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
                    works = self._inbox.get(block=block)
                except queue.Empty:
                    break
                if works is None:
                    open_for_work = False
                    break
                if isinstance(works, _Pause):
                    works.entered.set()
                    works.over.wait()
                    continue
                for work in works:
                    arrived += 1
                    work.key = (work.key[0] + done, arrived)
                    heapq.heappush(waiting, work)
                block = False
            if waiting:
                together = [heapq.heappop(waiting)]
                ranks = {together[0].rank}
                while waiting and len(together) < SHARED and _may_share(ranks, waiting[0].rank):
                    together.append(heapq.heappop(waiting))
                    ranks.add(together[-1].rank)
                self._do(together)
                done += len(together)
        if self._connection is not None:
            self._connection.close()

    def _do(self, works: list[_Work[object]]) -> None:
        began = perf_counter()
        try:
            self._transact(works)
        except Exception as error:  # noqa: BLE001  # whatever it is belongs to the waiting callers, not to this thread
            if len(works) > 1 and not isinstance(error, StoreUnavailable):
                for work in works:
                    self._do([work])
                return
            for work in works:
                work.error = error
        self.commits += 1
        self.parts += len(works)
        self.commit_seconds += perf_counter() - began
        works[0].loop.call_soon_threadsafe(self._finish_all, works)

    def _finish_all(self, works: list[_Work[object]]) -> None:
        """In the event loop. What those who waited do next is gathered before anything is handed over."""
        for work in works:
            finish(work.future, work.result, work.error)
        self._under_way -= len(works)
        works[0].loop.call_soon(self._hand_over)

    def _transact(self, works: list[_Work[object]]) -> None:
        connection = self._connection or self._reopen()
        group = self._group + 1
        proof: Proof | None = None
        try:
            connection.execute("BEGIN IMMEDIATE")
            for work in works:
                work.result = work.transaction(connection)
            proof = works[0].proof if len(works) == 1 else None
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


def _may_share(ranks: AbstractSet[Rank], rank: Rank) -> bool:
    """Whether work of this rank may go into the transaction of those. Producers wait for nobody but the path of events."""
    return any(rank in group and ranks <= group for group in _TOGETHER)


def _problem_of(error: apsw.Error) -> TocsinError:
    return StorageFull() if isinstance(error, apsw.FullError) else StoreUnavailable(type(error).__name__)


def finish(future: asyncio.Future[object], result: object, error: Exception | None) -> None:
    """Resolve a future in its own loop, unless nobody waits any more."""
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
