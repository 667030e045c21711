"""The database file: opening it safely, its lock, its migrations."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final, TextIO

import apsw

from tocsin.adapters.storing.migrations import Applied, migrations_of, missing
from tocsin.errors import Misconfigured

OLDEST_SQLITE: Final = (3, 51, 3)
"""Older ones can corrupt a WAL file that more than one connection uses (the WAL-reset fault)."""
NETWORK_FILESYSTEMS: Final = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "ceph",
        "glusterfs",
        "lustre",
        "fuse.sshfs",
        "fuse.s3fs",
        "beegfs",
    }
)
_PAGE_CACHE_KIB: Final = 16384
_READER_CACHE_KIB: Final = 4096
"""Who reads goes through pages in order and comes back to few of them; and a large file must not cost more memory than a small one."""
_MOUNTS: Final = Path("/proc/mounts")
_BUSY_MS: Final = 5000
_MAX_FAULTS: Final = 20


def check_sqlite_version(version: str) -> None:
    """Raises Misconfigured for an SQLite that is not safe to use."""
    if tuple(int(part) for part in version.split(".")) < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise Misconfigured(f"SQLite {version} can corrupt the database; {oldest} or newer is needed.")


def filesystem_of(directory: Path, mounts: str) -> str | None:
    """The kind of filesystem that a directory lies on (`mounts` as in /proc/mounts)."""
    best: tuple[str, str | None] = ("", None)
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point, kind = fields[1].replace("\\040", " "), fields[2]
        if (directory == Path(point) or Path(point) in directory.parents) and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def mounted_filesystem(directory: Path) -> str | None:
    """The same, of this machine; None where that is not told."""
    return filesystem_of(directory, _MOUNTS.read_text(encoding="utf-8")) if _MOUNTS.exists() else None


def check_filesystem(directory: Path, kind: str | None) -> None:
    """Raises Misconfigured when the directory lies on a network filesystem."""
    if kind in NETWORK_FILESYSTEMS:
        raise Misconfigured(f"{directory} is on a network filesystem ({kind}), where SQLite's locks do not hold.")


def keep_no_statistics() -> None:
    """SQLite counts no memory from now on: counting takes a lock each time that it takes or gives back some, which was some two
    hundredths of all CPU. For a process that has nothing open yet."""
    apsw.shutdown()
    apsw.config(apsw.SQLITE_CONFIG_MEMSTATUS, False)  # noqa: FBT003 (it has no name)
    apsw.initialize()


def open_connection(path: Path, *, read_only: bool = False) -> apsw.Connection:
    """A connection with the settings that every connection has. Durable: WAL with synchronous FULL. What is replaced in a page is
    overwritten, so that no remains of it are left for an erasure to find."""
    flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(str(path), flags=flags | apsw.SQLITE_OPEN_NOMUTEX, statementcachesize=1024)
    connection.set_busy_timeout(_BUSY_MS)
    if not read_only:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA secure_delete = FAST")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB if read_only else _PAGE_CACHE_KIB}")
    return connection


class FileLock:
    """Held by the one process that has the database open; nothing else opens the file."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._file: TextIO | None = None

    def take(self) -> None:
        """Raises Misconfigured when another process has it."""
        file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise Misconfigured(
                f"{self._path} is held by another process: is a server running on it?", reason="in_use"
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def faults_of(connection: apsw.Connection) -> list[str]:
    """What SQLite finds wrong when it reads all of the file; empty when nothing is."""
    found: list[str] = []
    try:
        for row in connection.execute(f"PRAGMA quick_check({_MAX_FAULTS})"):
            found.append(str(row[0]))  # noqa: PERF401 (what was found before it gives up counts)
    except (apsw.CorruptError, apsw.NotADBError) as error:
        found.append(str(error))
    return [] if found == ["ok"] else found


def newest_migration(connection: apsw.Connection) -> int:
    """The last one that was applied; 0 when none was."""
    if not connection.table_exists("main", "migration"):
        return 0
    row = connection.execute("SELECT coalesce(max(number), 0) FROM migration").fetchone()
    return int(row[0]) if row else 0


def oldest_migration(connection: apsw.Connection) -> int:
    """The one that a version must know at least to run on this file."""
    if not connection.table_exists("main", "migration"):
        return 0
    row = connection.execute("SELECT coalesce(max(oldest), 0) FROM migration").fetchone()
    return int(row[0]) if row else 0


def migrate(connection: apsw.Connection) -> list[str]:
    """Bring the schema up to date, each migration in its own transaction; gives the names of those applied. Raises
    Misconfigured when the file needs a newer version, or was made by migrations that have changed since."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migration"
        " (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, oldest INTEGER NOT NULL) STRICT"
    )
    done = [
        Applied(number=int(number), checksum=str(checksum), oldest=int(oldest))
        for number, checksum, oldest in connection.execute("SELECT number, checksum, oldest FROM migration")
    ]
    todo = missing(migrations_of("tocsin.adapters.sqlite"), done)
    for migration in todo:
        with connection:
            connection.execute(migration.text)
            noted = (migration.number, migration.name, migration.checksum, migration.oldest)
            connection.execute("INSERT INTO migration (number, name, checksum, oldest) VALUES (?, ?, ?, ?)", noted)
    return [migration.name for migration in todo]
