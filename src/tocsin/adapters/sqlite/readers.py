"""Reading connections: short queries, fetched whole, limited in time, none open across an await."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import apsw

from tocsin.adapters.sqlite.database import open_connection
from tocsin.adapters.sqlite.writer import finish
from tocsin.errors import StoreUnavailable

T = TypeVar("T")

TROUBLE: Final = (apsw.BusyError, apsw.LockedError, apsw.IOError, apsw.FullError, apsw.CantOpenError, apsw.CorruptError)
"""What may pass, or is the disk's fault; any other error of a query is a fault of ours."""
_STEPS_BETWEEN_CHECKS: Final = 20_000


class Readers:
    """A few threads, each with a connection of its own. `pause` keeps new reads out, for a checkpoint that must finish."""

    def __init__(self, path: Path, *, threads: int, limit_seconds: float, now: Callable[[], float]) -> None:
        self._path = path
        self._limit_seconds = limit_seconds
        self._now = now
        self._inbox: queue.SimpleQueue[
            tuple[Callable[[apsw.Connection], object], asyncio.Future[object], asyncio.AbstractEventLoop] | None
        ] = queue.SimpleQueue()
        self._gate = threading.Semaphore(threads)
        self._count = threads
        self._threads = [
            threading.Thread(target=self._run, name=f"tocsin-reader-{n}", daemon=True) for n in range(threads)
        ]
        self._closed = False
        for thread in self._threads:
            thread.start()

    async def run(self, query: Callable[[apsw.Connection], T]) -> T:
        """Run a query in one read transaction. Raises StoreUnavailable when it takes too long or the file cannot be read."""
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._inbox.put((query, future, loop))  # type: ignore[arg-type]  # the inbox does not care what a query gives
        return await future

    def pause(self) -> None:
        """Wait until no read is under way, and let none begin until `resume`."""
        for _ in range(self._count):
            self._gate.acquire()

    def resume(self) -> None:
        self._gate.release(self._count)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            for _ in self._threads:
                self._inbox.put(None)
            for thread in self._threads:
                thread.join()

    def _run(self) -> None:
        connection = open_connection(self._path, read_only=True)
        limit = _TimeLimit(self._now, self._limit_seconds)
        connection.set_progress_handler(limit.is_over, _STEPS_BETWEEN_CHECKS)
        while (item := self._inbox.get()) is not None:
            query, future, loop = item
            result: object = None
            error: Exception | None = None
            with self._gate:
                limit.start()
                try:
                    with connection:
                        result = query(connection)
                except apsw.InterruptError:
                    error = StoreUnavailable("The query took too long; ask for less.")
                except TROUBLE as raised:
                    error = StoreUnavailable(type(raised).__name__)
                except Exception as raised:  # noqa: BLE001  # whatever it is belongs to the waiting caller
                    error = raised
            try:
                loop.call_soon_threadsafe(finish, future, result, error)
            except RuntimeError:
                break
        connection.close()


class _TimeLimit:
    def __init__(self, now: Callable[[], float], seconds: float) -> None:
        self._now = now
        self._seconds = seconds
        self._end = 0.0

    def start(self) -> None:
        self._end = self._now() + self._seconds

    def is_over(self) -> bool:
        return self._now() > self._end
