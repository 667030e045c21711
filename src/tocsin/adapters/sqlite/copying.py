"""A copy of the running database: read from one snapshot a little at a time, while the writer goes on.

Stepping through a backup starts again whenever another connection writes (measured: it never ended under load). So a read
transaction is held open around all the steps: what is copied is the snapshot, and nothing starts again.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

import apsw

from tocsin.adapters.sqlite.checkpoints import Checkpoints
from tocsin.adapters.sqlite.database import faults_of
from tocsin.adapters.sqlite.statements import read_one
from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.ports import StoreCopy

STEP_PAGES: Final = 256
BREATHE_SECONDS: Final = 0.001
"""Between two steps: the disk has other work."""
_SUFFIX: Final = ".copy-"
_CHUNK: Final = 1024 * 1024


class SqliteCopies:
    """`ports.Copies` on the embedded store. `free` gives the bytes that are free where the database is."""

    def __init__(self, path: Path, checkpoints: Checkpoints, free: Callable[[], int]) -> None:
        self._path = path
        self._checkpoints = checkpoints
        self._free = free
        self._numbers = count(1)

    async def make(self, reserve_bytes: int) -> StoreCopy:
        path = self._path.with_name(f"{self._path.name}{_SUFFIX}{os.getpid()}-{next(self._numbers)}")
        try:
            await self._checkpoints.alone(partial(self._copy, path, reserve_bytes))
            return await asyncio.to_thread(_checked, path)
        finally:
            for left in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
                left.unlink(missing_ok=True)

    def _copy(self, path: Path, reserve_bytes: int, source: apsw.Connection) -> None:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        target = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOMUTEX)
        try:
            target.execute("PRAGMA journal_mode = OFF")
            target.execute("PRAGMA synchronous = OFF")
            with source:
                pages, _, size = read_one(source, "retention_space") or (0, 0, 0)
                assert isinstance(pages, int)
                assert isinstance(size, int)
                self._check_room(reserve_bytes + pages * size)
                with target.backup("main", source, "main") as backup:
                    while not backup.step(STEP_PAGES):
                        self._check_room(reserve_bytes)
                        self._checkpoints.breathe(BREATHE_SECONDS)
        finally:
            target.close()

    def _check_room(self, needed: int) -> None:
        if (free := self._free()) < needed:
            raise StorageFull(f"A copy would take from the reserve: {needed} bytes are needed, {free} are free.")


def _checked(path: Path) -> StoreCopy:
    """The copy as one file that any program can open, once it was read as a whole."""
    connection = apsw.Connection(str(path))
    try:
        if faults := faults_of(connection):
            raise StoreUnavailable(f"The copy is damaged, so the database is: {faults[0]}")
        connection.execute("PRAGMA journal_mode = DELETE")
    finally:
        connection.close()
    file = path.open("rb")
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    size = file.tell()
    file.seek(0)
    return StoreCopy(file=file, size=size, sha256=digest.digest())


def remove_leftovers(path: Path) -> None:
    """Copies that a kill left behind. Only with the lock of the database."""
    for left in path.parent.glob(f"{path.name}{_SUFFIX}*"):
        left.unlink(missing_ok=True)
