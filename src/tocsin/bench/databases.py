"""Where the data of a scenario is: a file, or a database of its own on a PostgreSQL, whose share of the work is read from the server."""

from __future__ import annotations

import base64
import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Protocol, cast
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tocsin.bench.processes import BenchError
from tocsin.bench.usage import Usage, usage_of
from tocsin.model.noun import Noun

TOLD_SETTINGS: Final = (
    "fsync", "synchronous_commit", "full_page_writes", "wal_compression", "shared_buffers", "max_wal_size",
)  # fmt: skip
_LOOPBACK: Final = (None, "127.0.0.1", "::1")


class Worked(Noun, frozen=True, kw_only=True):
    """What a database server did so far: CPU seconds of its processes (None: it runs elsewhere), bytes of write-ahead log,
    transactions that wrote."""

    cpu: float | None
    wal_bytes: int
    transactions: int


class Connection(Protocol):
    """What we use of asyncpg's, which has no types of its own."""

    async def execute(self, query: str) -> str: ...

    async def fetchrow(self, query: str) -> object: ...

    async def close(self) -> None: ...


class Database(Protocol):
    """Of one scenario, empty at first."""

    environment: dict[str, str]

    async def bytes_on_disk(self) -> int: ...

    async def worked(self) -> Worked | None:
        """None: there is no database server."""


class File:
    """SQLite: the database and its write-ahead log."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "bench.db"
        self.environment = {"TOCSIN_DATABASE": f"sqlite:///{self._path}"}

    async def bytes_on_disk(self) -> int:
        return sum(file.stat().st_size for file in self._path.parent.glob(f"{self._path.name}*"))

    async def worked(self) -> Worked | None:
        return None


class PostgresDatabase:
    """A database on a server, and our own connection to it."""

    def __init__(self, url: str, connection: Connection, postmaster: int | None) -> None:
        self._connection = connection
        self._postmaster = postmaster
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        self.environment = {"TOCSIN_DATABASE": url, "TOCSIN_MASTER_KEY": key}

    async def bytes_on_disk(self) -> int:
        return cast("tuple[int]", await self._row("SELECT pg_database_size(current_database())"))[0]

    async def worked(self) -> Worked | None:
        wal, transactions = cast(
            "tuple[int, int]",
            await self._row(
                "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint,"
                " pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
            ),
        )
        usage: Usage | None = None if self._postmaster is None else usage_of(self._postmaster)
        return Worked(cpu=None if usage is None else usage.cpu, wal_bytes=wal, transactions=transactions)

    async def _row(self, query: str) -> tuple[object, ...]:
        return tuple(cast("tuple[object, ...]", await self._connection.fetchrow(query)))


@contextlib.asynccontextmanager
async def fresh_database(server: str | None, directory: Path) -> AsyncIterator[Database]:
    """An empty one: on this server, by the URL of a database whose user may create others; else a file. Raises BenchError."""
    if server is None:
        yield File(directory)
        return
    name = f"tocsin_bench_{secrets.token_hex(6)}"
    url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    try:
        made_by = await _connect(server)
        try:
            await made_by.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
            connection = await _connect(url)
            try:
                row = await connection.fetchrow("SELECT pg_backend_pid(), host(inet_server_addr())")
                yield PostgresDatabase(url, connection, _postmaster(*cast("tuple[int, str | None]", row)))
            finally:
                await connection.close()
                await made_by.execute(f"DROP DATABASE {name} WITH (FORCE)")
        finally:
            await made_by.close()
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise BenchError(f"The database server: {error}") from error


async def described(server: str | None) -> str:
    """The database in words, with the settings that matter. Raises BenchError."""
    if server is None:
        return "SQLite"
    try:
        connection = await _connect(server)
        try:
            names = ", ".join(f"current_setting('{name}')" for name in ("server_version", *TOLD_SETTINGS))
            version, *settings = cast("tuple[str, ...]", await connection.fetchrow(f"SELECT {names}"))
        finally:
            await connection.close()
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise BenchError(f"The database server: {error}") from error
    return f"PostgreSQL {version}, " + ", ".join(map("{} {}".format, TOLD_SETTINGS, settings))


async def _connect(url: str) -> Connection:
    return cast("Connection", await asyncpg.connect(url, timeout=10))


def _postmaster(backend: int, address: str | None) -> int | None:
    """The first process of a server on this machine, whose children are all the others."""
    if address not in _LOOPBACK:
        return None
    with contextlib.suppress(OSError):
        if Path(f"/proc/{backend}/comm").read_text().strip() == "postgres":
            parent = int(Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[1])
            usage_of(parent)
            return parent
    return None
