"""The embedded store as a whole: opened with all its checks, closed in order."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import apsw

from tocsin.adapters.sqlite.batches import SqliteBatches
from tocsin.adapters.sqlite.checkpoints import Checkpoints
from tocsin.adapters.sqlite.copying import SqliteCopies, remove_leftovers
from tocsin.adapters.sqlite.data_keys import SqliteDataKeys
from tocsin.adapters.sqlite.database import (
    FileLock,
    check_filesystem,
    check_sqlite_version,
    migrate,
    mounted_filesystem,
    open_connection,
)
from tocsin.adapters.sqlite.directory import SqliteDirectory
from tocsin.adapters.sqlite.erasing import SqliteErasures
from tocsin.adapters.sqlite.holding import SqliteHolding
from tocsin.adapters.sqlite.inspecting import SqliteInspection
from tocsin.adapters.sqlite.log import SqliteLog
from tocsin.adapters.sqlite.notices import SqliteNotices
from tocsin.adapters.sqlite.queue import SqliteQueue
from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.replays import SqliteReplays
from tocsin.adapters.sqlite.retention import SqliteRetention
from tocsin.adapters.sqlite.sessions import SqliteSessions
from tocsin.adapters.sqlite.tallies import Tallies
from tocsin.adapters.sqlite.transfers import SqliteTransfers
from tocsin.adapters.sqlite.views import SqliteAnswers, SqliteViews
from tocsin.adapters.sqlite.writer import Writer
from tocsin.errors import Misconfigured
from tocsin.model.ids import Millis


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
        self._checkpoints = Checkpoints(path, self._writer, self._readers)
        tallies = Tallies(self._writer, now_ms)
        self.queue = SqliteQueue(self._writer, self._readers, tallies, now_ms)
        self.log = SqliteLog(self._writer, self._readers, tallies, self.queue, now_ms)
        self.batches = SqliteBatches(self._writer, self._readers, tallies, now_ms)
        self.holding = SqliteHolding(self._writer, self._readers)
        self.replays = SqliteReplays(self._writer, self._readers, self.queue.add, tallies)
        self.directory = SqliteDirectory(self._writer, self._readers, tallies)
        self.notices = SqliteNotices(self._writer, self._readers)
        self.erasures = SqliteErasures(self._writer, self._readers, tallies, self._checkpoints.empty)
        self.data_keys = SqliteDataKeys(self._writer, self._readers)
        self.sessions = SqliteSessions(self._writer, self._readers)
        self.standings = None
        self.watched = None
        self.intake = None
        self.views = SqliteViews(self._readers)
        self.retention = SqliteRetention(self._writer, self._readers, tallies, monotonic, now_ms)
        self.answers = SqliteAnswers(self._writer, self._readers)
        self.inspection = SqliteInspection(path, self._writer, self._readers, self._checkpoints)
        self.copies = SqliteCopies(path, self._checkpoints, self.free_bytes)
        self.transfers = SqliteTransfers(self._writer, self._readers)

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
    check_filesystem(directory, mounted_filesystem(directory))
    lock = FileLock(path)
    lock.take()
    try:
        path.touch(mode=0o600)
        remove_leftovers(path)
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
