"""The embedded store as a whole: opened with all its checks, closed in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw

from tocsin.adapters.sqlite.batches import SqliteBatches
from tocsin.adapters.sqlite.data_keys import SqliteDataKeys
from tocsin.adapters.sqlite.database import (
    FileLock,
    check_filesystem,
    check_sqlite_version,
    migrate,
    open_connection,
)
from tocsin.adapters.sqlite.directory import SqliteDirectory
from tocsin.adapters.sqlite.erasing import SqliteErasures
from tocsin.adapters.sqlite.log import SqliteLog
from tocsin.adapters.sqlite.notices import SqliteNotices
from tocsin.adapters.sqlite.queue import SqliteQueue
from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.remains import Remains
from tocsin.adapters.sqlite.replays import SqliteReplays
from tocsin.adapters.sqlite.retention import SqliteRetention
from tocsin.adapters.sqlite.tallies import Tallies
from tocsin.adapters.sqlite.views import SqliteAnswers, SqliteViews
from tocsin.adapters.sqlite.writer import Writer, finish
from tocsin.errors import Misconfigured, StoreUnavailable
from tocsin.model.ids import Millis

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
_MOUNTS = Path("/proc/mounts")


class SqliteStore:
    """Every port of the embedded store over one file. Only one process can have it open."""

    def __init__(self, path: Path, now_ms: Callable[[], Millis], monotonic: Callable[[], float]) -> None:
        self._lock = prepare_file(path)
        self._folder = path.parent.resolve()
        try:
            self._writer = Writer(path)
        except BaseException:
            self._lock.release()
            raise
        self._readers = Readers(path, threads=2, limit_seconds=5.0, now=monotonic)
        self._checkpoints = _Checkpoints(path, self._writer, self._readers)
        tallies = Tallies(self._writer, now_ms)
        self.log = SqliteLog(self._writer, self._readers, tallies, now_ms)
        self.queue = SqliteQueue(self._writer, self._readers, tallies, now_ms)
        self.batches = SqliteBatches(self._writer, self._readers, tallies, now_ms)
        self.replays = SqliteReplays(self._writer, self._readers, self.queue.add, tallies)
        self.directory = SqliteDirectory(self._writer, self._readers, tallies)
        self.notices = SqliteNotices(self._writer, self._readers)
        self.erasures = SqliteErasures(self._writer, self._readers, tallies, self._checkpoints.empty)
        self.data_keys = SqliteDataKeys(self._writer, self._readers)
        self.views = SqliteViews(self._readers)
        self.retention = SqliteRetention(self._writer, self._readers, tallies, monotonic, now_ms)
        self.answers = SqliteAnswers(self._writer, self._readers)

    def free_bytes(self) -> int:
        """How much of the disk is free for us. May block; raises OSError."""
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize

    def close(self) -> None:
        """Finish what waits to be written, then let go of the file. Blocks."""
        self._checkpoints.close()
        self._readers.close()
        self._writer.close()
        self._checkpoints.let_go()
        self._lock.release()


def prepare_file(path: Path) -> FileLock:
    """Check version and place, take the lock, bring the schema up to date. Raises Misconfigured."""
    check_sqlite_version(apsw.sqlite_lib_version())
    directory = path.parent.resolve()
    if not directory.is_dir():
        raise Misconfigured(f"{directory} is not a directory.")
    if _MOUNTS.exists():
        check_filesystem(directory, _MOUNTS.read_text(encoding="utf-8"))
    lock = FileLock(path)
    lock.take()
    try:
        path.touch(mode=0o600)
        connection = open_connection(path)
        try:
            migrate(connection)
        finally:
            connection.close()
    except apsw.Error as error:
        lock.release()
        raise Misconfigured(f"{path} cannot be opened: {error}.") from error
    except BaseException:
        lock.release()
        raise
    return lock


class _Checkpoints:
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
        self._asked: queue.SimpleQueue[tuple[asyncio.Future[object], asyncio.AbstractEventLoop]] = queue.SimpleQueue()
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
        loop = asyncio.get_running_loop()
        asked: asyncio.Future[object] = loop.create_future()
        self._asked.put((asked, loop))
        await asked

    def _run(self) -> None:
        connection = open_connection(self._path)
        connection.set_busy_timeout(_BUSY_MS)
        while not self._stop.wait(_LOOK_SECONDS):
            with contextlib.suppress(apsw.Error):  # busy or full: it is tried again, and the writer tells callers
                self._checkpoint(connection)
            while not self._asked.empty():
                asked, loop = self._asked.get()
                loop.call_soon_threadsafe(finish, asked, None, self._emptied(connection))
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

    def _emptied(self, connection: apsw.Connection) -> Exception | None:
        try:
            self._wipe(connection)
        except (apsw.Error, OSError) as error:
            return StoreUnavailable(type(error).__name__)
        except Exception as error:  # noqa: BLE001  # whatever it is belongs to the waiting caller, not to this thread
            return error
        return None

    def _wipe(self, connection: apsw.Connection) -> None:
        """All of the file, a little at a time, once all is in it. Pages that are written meanwhile bring their remains along
        again, and are done when they are copied."""
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        self._copy_and_wipe(connection)
        for block in self._remains.blocks():
            self._remains.wipe(block)
            if self._wal.stat().st_size >= WIPE_BYTES:
                self._copy_and_wipe(connection)
            if self._stop.wait(_BREATHE_SECONDS):
                raise StoreUnavailable("The store is closed.")
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
