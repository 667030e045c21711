"""The facts of the embedded store, and whether its file is whole: of the running one, and of one that no server has open."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Final, cast

import apsw

from tocsin.adapters.sqlite.checkpoints import Checkpoints
from tocsin.adapters.sqlite.database import faults_of, mounted_filesystem, newest_migration, oldest_migration
from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.statements import read_one
from tocsin.adapters.sqlite.writer import Writer
from tocsin.adapters.storing.migrations import migrations_of
from tocsin.errors import StoreUnavailable
from tocsin.model.ids import Millis
from tocsin.ports import StoreFacts

_STEPS_BETWEEN_CHECKS: Final = 100_000


class SqliteInspection:
    """`ports.Inspection` on the embedded store."""

    def __init__(self, path: Path, writer: Writer, readers: Readers, checkpoints: Checkpoints) -> None:
        self._path = path
        self._writer = writer
        self._readers = readers
        self._checkpoints = checkpoints
        self._filesystem = mounted_filesystem(path.parent.resolve())

    async def facts(self) -> StoreFacts:
        writer = self._writer
        return await self._readers.run(
            partial(
                facts_of,
                self._path,
                filesystem=self._filesystem,
                commits=writer.commits,
                parts=writer.parts,
                commit_seconds=writer.commit_seconds,
            )
        )

    async def faults(self) -> list[str]:
        return await self._checkpoints.alone(self._faults)

    def _faults(self, connection: apsw.Connection) -> list[str]:
        connection.set_progress_handler(lambda: self._checkpoints.is_closing, _STEPS_BETWEEN_CHECKS)
        try:
            return faults_of(connection)
        except apsw.InterruptError:
            raise StoreUnavailable("The store is closed.") from None
        finally:
            connection.set_progress_handler(None)


def facts_of(
    path: Path,
    connection: apsw.Connection,
    *,
    filesystem: str | None,
    commits: int = 0,
    parts: int = 0,
    commit_seconds: float = 0.0,
) -> StoreFacts:
    """From a connection that only reads. Raises OSError."""
    pages, unused, size = cast("tuple[int, int, int]", read_one(connection, "retention_space"))
    position, accepted_at = cast("tuple[int, Millis]", read_one(connection, "head"))
    wal = path.with_name(f"{path.name}-wal")
    disk = os.statvfs(path.parent.resolve())
    return StoreFacts(
        engine=f"SQLite {apsw.sqlite_lib_version()}",
        place=str(path.resolve()),
        filesystem=filesystem,
        file_bytes=pages * size,
        unused_bytes=unused * size,
        wal_bytes=wal.stat().st_size if wal.exists() else 0,
        free_bytes=disk.f_bavail * disk.f_frsize,
        migration=newest_migration(connection),
        oldest_migration=oldest_migration(connection),
        newest_migration=max(one.number for one in migrations_of("tocsin.adapters.sqlite")),
        position=position,
        last_accepted_at=accepted_at or None,
        commits=commits,
        parts=parts,
        commit_seconds=round(commit_seconds, 6),
    )
