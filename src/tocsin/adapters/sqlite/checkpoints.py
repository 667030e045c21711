"""Copies the WAL into the database, and does what must not happen at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import apsw

from tocsin.adapters.sqlite.database import open_connection
from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.remains import Remains
from tocsin.adapters.sqlite.writer import Writer, finish
from tocsin.errors import StorageFull, StoreUnavailable

T = TypeVar("T")
Work = Callable[[apsw.Connection], object]
_Asked = tuple[Work, asyncio.Future[object], asyncio.AbstractEventLoop]
CHECKPOINT_BYTES: Final = 16 * 1024 * 1024
"""A WAL longer than this is copied into the database."""
PAGE_BYTES: Final = 4096
TRUNCATE_BYTES: Final = 256 * 1024 * 1024
"""Past this, readers wait until the WAL has been emptied."""
WIPE_BYTES: Final = 2 * 1024 * 1024
"""The same while remains are wiped: what is copied then keeps the writer waiting."""
_LOOK_SECONDS: Final = 0.25
_BUSY_MS: Final = 100
_BREATHE_SECONDS: Final = 0.001


class Checkpoints:
    """Copies the WAL into the database from a connection of its own, never inside somebody's commit.

    Most of it is copied beside the writer; the rest while the writer waits a few milliseconds, so that the WAL begins anew
    in place: a WAL that only grows costs the writer new blocks with every commit.
    """

    def __init__(self, path: Path, writer: Writer, readers: Readers) -> None:
        self._path = path
        self._wal = path.with_name(path.name + "-wal")
        self._writer = writer
        self._readers = readers
        self._remains = Remains(path)
        self._stop = threading.Event()
        self._asked: queue.SimpleQueue[_Asked] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="tocsin-checkpoints", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def let_go(self) -> None:
        """After every other connection was closed."""
        self._remains.close()

    async def empty(self) -> None:
        """Copy the whole WAL into the database, overwrite there what is in use no more, and empty the WAL: what was deleted or
        replaced is nowhere any more. Raises StoreUnavailable when that cannot be done at the moment."""
        await self.alone(self._wipe)

    async def alone(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run what reads the file for long. Meanwhile the WAL is not begun anew, for which it would have to be waited for, the
        writer with it. Raises StoreUnavailable."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._asked.put((work, future, loop))  # type: ignore[arg-type]  # the queue does not care what the work gives
        return await future

    @property
    def is_closing(self) -> bool:
        """Whether work that takes long has to give up."""
        return self._stop.is_set()

    def breathe(self, seconds: float) -> None:
        """In the middle of such work: let others have the disk for a moment. Raises StoreUnavailable when the store is closed."""
        if self._stop.wait(seconds):
            raise StoreUnavailable("The store is closed.")

    def _run(self) -> None:
        connection = open_connection(self._path)
        connection.set_busy_timeout(_BUSY_MS)
        while not self._stop.wait(_LOOK_SECONDS):
            with contextlib.suppress(apsw.Error):  # busy or full: it is tried again, and the writer tells callers
                self._checkpoint(connection)
            while not self._asked.empty():
                work, future, loop = self._asked.get()
                loop.call_soon_threadsafe(finish, future, *_done(work, connection))
        connection.close()

    def _checkpoint(self, connection: apsw.Connection) -> None:
        if self._writer.wal_pages * PAGE_BYTES < CHECKPOINT_BYTES:
            return
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        if self._wal.stat().st_size < TRUNCATE_BYTES:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
            return
        self._readers.pause()
        try:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            self._readers.resume()

    def _wipe(self, connection: apsw.Connection) -> None:
        """All of the file, a little at a time, once all is in it. Pages that are written meanwhile bring their remains along
        again, and are done when they are copied."""
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        self._copy_and_wipe(connection)
        for block in self._remains.blocks():
            self._remains.wipe(block)
            if self._wal.stat().st_size >= WIPE_BYTES:
                self._copy_and_wipe(connection)
            self.breathe(_BREATHE_SECONDS)
        self._copy_and_wipe(connection)

    def _copy_and_wipe(self, connection: apsw.Connection) -> None:
        """Copy the WAL into the file, empty it, and wipe the pages that came out of it, while the writer stands still. What it has
        in its cache it then reads anew, as the WAL began anew."""
        self._readers.pause()
        try:
            with self._writer.standing_still():
                pages = self._remains.pages_in_wal()
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
                self._remains.wipe(pages)
        finally:
            self._readers.resume()


def _done(work: Work, connection: apsw.Connection) -> tuple[object, Exception | None]:
    """What the work gave, or what went wrong."""
    try:
        return work(connection), None
    except (apsw.Error, OSError) as error:
        is_full = isinstance(error, apsw.FullError) or getattr(error, "errno", None) == errno.ENOSPC
        return None, StorageFull() if is_full else StoreUnavailable(type(error).__name__)
    except Exception as error:  # noqa: BLE001  # whatever it is belongs to the waiting caller, not to this thread
        return None, error
