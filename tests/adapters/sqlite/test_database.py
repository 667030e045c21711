"""Opening the file: version, filesystem, lock, migrations."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from tocsin.adapters.sqlite.database import (
    FileLock,
    check_filesystem,
    check_sqlite_version,
    filesystem_of,
    migrate,
    open_connection,
)
from tocsin.adapters.sqlite.store import prepare_file
from tocsin.adapters.storing.migrations import migrations_of
from tocsin.errors import Misconfigured


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.7.17", "2.8.17"])
def test_an_sqlite_with_the_wal_reset_fault_is_refused(version: str) -> None:
    with pytest.raises(Misconfigured, match="can corrupt"):
        check_sqlite_version(version)


@pytest.mark.parametrize("version", ["3.51.3", "3.54.1", "3.100.0", "4.0.0", apsw.sqlite_lib_version()])
def test_a_newer_sqlite_is_taken(version: str) -> None:
    check_sqlite_version(version)


MOUNTS = """/dev/vda / ext4 rw 0 0
server:/export /mnt/share nfs4 rw 0 0
tmpfs /mnt/share/local tmpfs rw 0 0
server:/b /mnt/with\\040space cifs rw 0 0
"""


@pytest.mark.parametrize("directory", ["/mnt/share", "/mnt/share/deep/er", "/mnt/with space/x"])
def test_a_network_filesystem_is_refused(directory: str) -> None:
    with pytest.raises(Misconfigured, match="network filesystem"):
        check_filesystem(Path(directory), filesystem_of(Path(directory), MOUNTS))


@pytest.mark.parametrize("directory", ["/", "/var/lib", "/mnt/share/local/x", "/mnt/shared"])
def test_a_local_filesystem_is_taken(directory: str) -> None:
    check_filesystem(Path(directory), filesystem_of(Path(directory), MOUNTS))


MIGRATIONS = migrations_of("tocsin.adapters.sqlite")


def test_the_file_is_durable_and_in_wal_mode(tmp_path: Path) -> None:
    connection = open_connection(tmp_path / "t.db")
    pragmas = {
        name: next(connection.execute(f"PRAGMA {name}"))[0] for name in ("journal_mode", "synchronous", "auto_vacuum")
    }
    connection.close()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "auto_vacuum": 2}


def test_nobody_else_may_read_the_file(tmp_path: Path) -> None:
    prepare_file(tmp_path / "t.db").release()
    assert (tmp_path / "t.db").stat().st_mode & 0o777 == 0o600


def test_only_one_process_holds_the_file(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "t.db")
    lock.take()
    code = (
        "import sys, pathlib; from tocsin.adapters.sqlite.database import FileLock;"
        "from tocsin.errors import Misconfigured\n"
        "try: FileLock(pathlib.Path(sys.argv[1])).take()\n"
        "except Misconfigured as e: sys.exit('refused: ' + str(e))"
    )
    refused = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "t.db")], capture_output=True, text=True, timeout=30, check=False
    )
    assert refused.returncode == 1
    assert "held by another process" in refused.stderr
    lock.release()
    taken = subprocess.run([sys.executable, "-c", code, str(tmp_path / "t.db")], timeout=30, check=False)
    assert taken.returncode == 0


def test_migrations_are_applied_once_and_keep_what_is_there(tmp_path: Path) -> None:
    connection = open_connection(tmp_path / "t.db")
    assert migrate(connection) == [one.name for one in MIGRATIONS]
    connection.execute("INSERT INTO tenant VALUES ('acme', 7, 0)")
    assert migrate(connection) == []
    assert connection.execute("SELECT version_counter FROM tenant").fetchall() == [(7,)]
    connection.close()


def test_numbers_of_migrations_have_no_gap() -> None:
    assert [one.number for one in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    connection = open_connection(tmp_path / "t.db")
    migrate(connection)
    connection.execute("INSERT INTO migration VALUES (9999, '9999_later.sql', 'x', 9999)")
    with pytest.raises(Misconfigured, match="9999"):
        migrate(connection)
    connection.close()


def test_a_migration_that_was_changed_afterwards_is_noticed(tmp_path: Path) -> None:
    connection = open_connection(tmp_path / "t.db")
    migrate(connection)
    connection.execute("UPDATE migration SET checksum = 'other' WHERE number = 1")
    with pytest.raises(Misconfigured, match="0001"):
        migrate(connection)
    connection.close()


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    path.write_bytes(b"not a database, but somebody's only copy of something" * 100)
    before = path.read_bytes()
    with pytest.raises(Misconfigured, match="cannot be opened"):
        prepare_file(path)
    assert path.read_bytes() == before


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="is not a directory"):
        prepare_file(tmp_path / "nowhere" / "t.db")


def test_a_process_can_do_without_statistics_of_memory(tmp_path: Path) -> None:
    """In a process of its own: nothing may be open where SQLite is told so."""
    program = (
        "import sys, apsw; from pathlib import Path\n"
        "from tocsin.adapters.sqlite.database import keep_no_statistics, open_connection\n"
        "keep_no_statistics()\n"
        "connection = open_connection(Path(sys.argv[1]))\n"
        "connection.execute('CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(100000))')\n"
        "print(apsw.status(apsw.SQLITE_STATUS_MEMORY_USED)[0], *connection.execute('SELECT length(a) FROM t').fetchone())\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "x.db")], capture_output=True, check=True, text=True, timeout=60
    )
    assert ran.stdout == "0 100000\n"
