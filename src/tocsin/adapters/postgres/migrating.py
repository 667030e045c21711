"""Migrations of the shared store, applied while servers run.

One process at a time, by an advisory lock that is asked for and not waited for within a transaction: an index that is made
concurrently waits for every transaction. Nothing waits for long for a lock on a table, since everybody else would wait behind it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, cast

import asyncpg

from tocsin.adapters.postgres.statements import Connection
from tocsin.adapters.storing.migrations import Applied, Migration, missing
from tocsin.errors import Misconfigured

TRIES: Final = 120
"""How often a statement is tried whose lock others have; each time they wait behind it for as long as it waits."""
LOCK_MS: Final = 500
_PAUSE_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = 0.2
_OTHERS_SECONDS: Final = 600.0
_MIGRATING: Final = 0x746F6373
"""The advisory lock that is held while the schema is brought up to date."""
_INDEX: Final = re.compile(
    r"CREATE INDEX CONCURRENTLY (?P<name>\w+) ON (?P<table>\w+) (?P<rest>.+)", re.DOTALL | re.IGNORECASE
)
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS migration"
    " (number bigint PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, oldest bigint NOT NULL)"
)


async def migrate(connection: Connection, known: Sequence[Migration], lease_seconds: float) -> list[str]:
    """Bring the schema up to date; gives the names of the migrations applied. Raises Misconfigured when this version cannot run on the
    database, others are in the way for long, or nodes live that could not run on it any more."""
    async with _alone(connection):
        await connection.execute(_TABLE)
        rows = await connection.fetch("SELECT number, checksum, oldest FROM migration")
        done = [
            Applied(number=number, checksum=checksum, oldest=oldest)
            for number, checksum, oldest in cast("list[tuple[int, str, int]]", list(map(tuple, rows)))
        ]
        todo = missing(known, done)
        await connection.execute(f"SET lock_timeout = {LOCK_MS}")
        if done and todo:
            await _without_older_nodes(connection, max(one.oldest for one in todo), lease_seconds)
        for one in todo:
            if one.is_concurrent:
                for text in statements_of(one.text):
                    await _run(connection, text)
                await connection.execute(_NOTED, *_row(one))
            else:
                await _patiently(connection, one)
        return [one.name for one in todo]


_OLDER: Final = "SELECT epoch, name, beats FROM node WHERE knows < $1 ORDER BY epoch"
_REMOVE: Final = """
WITH gone AS (DELETE FROM node WHERE epoch = $1 AND beats = $2 RETURNING epoch)
UPDATE cursor SET holder = NULL, fenced_at = clock_timestamp() FROM gone WHERE holder = gone.epoch
"""


async def _without_older_nodes(connection: Connection, oldest: int, lease_seconds: float) -> None:
    """Nodes that do not know the migration `oldest` could not go on. One that does not beat for a lease is dead: its right to write is
    taken away, so that nothing comes of it should it wake up. Raises Misconfigured when one beats."""
    loop = asyncio.get_running_loop()
    end = loop.time() + lease_seconds
    first = now = await _nodes_before(connection, oldest)
    while now:
        if living := sorted(name for epoch, (name, beats) in now.items() if first.get(epoch) != (name, beats)):
            raise Misconfigured(
                f"Nodes that run could not go on with migration {oldest:04}: {', '.join(living)}. Upgrade or stop them first."
            )
        if loop.time() > end:
            for epoch, (_, beats) in now.items():
                await connection.execute(_REMOVE, epoch, beats)
        else:
            await asyncio.sleep(_LOOK_SECONDS)
        now = await _nodes_before(connection, oldest)


async def _nodes_before(connection: Connection, oldest: int) -> dict[int, tuple[str, int]]:
    """By epoch: the names of those that know nothing as new as a migration, and their beats."""
    rows = cast("list[tuple[int, str, int]]", list(map(tuple, await connection.fetch(_OLDER, oldest))))
    return {epoch: (name, beats) for epoch, name, beats in rows}


_NOTED: Final = "INSERT INTO migration (number, name, checksum, oldest) VALUES ($1, $2, $3, $4)"


def _row(one: Migration) -> tuple[int, str, str, int]:
    return one.number, one.name, one.checksum, one.oldest


def statements_of(text: str) -> list[str]:
    """One by one; each ends with a semicolon at the end of its line."""
    lines = (line for line in text.splitlines() if not line.startswith("--"))
    return [part.strip() for part in re.split(r";\s*(?:\n|$)", "\n".join(lines)) if part.strip()]


async def _run(connection: Connection, text: str) -> None:
    """A statement that may have been run before, by somebody who was cut short."""
    index = _INDEX.fullmatch(text)
    if index is None:
        await _try(connection, text)
        return
    name, table, rest = index["name"], index["table"], index["rest"]
    parts = [str(part) for (part,) in map(tuple, await connection.fetch(_PARTITIONS, table))]
    if not parts:
        await _make_index(connection, name, table, rest)
        return
    await _try(connection, f"CREATE INDEX IF NOT EXISTS {name} ON ONLY {table} {rest}")
    while (part := await _without(connection, name, table)) is not None:
        with suppress(asyncpg.UndefinedTableError):  # retention has dropped it
            await _make_index(connection, f"{part}_{name}", part, rest)
            await _try(connection, f"ALTER INDEX {name} ATTACH PARTITION {part}_{name}")


_PARTITIONS: Final = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = CAST($1::text AS regclass)"
_WITHOUT: Final = (
    "SELECT i.inhrelid::regclass::text FROM pg_inherits AS i WHERE i.inhparent = CAST($2::text AS regclass) AND NOT EXISTS ("
    "SELECT 1 FROM pg_inherits AS c JOIN pg_index AS x ON x.indexrelid = c.inhrelid"
    " WHERE c.inhparent = CAST($1::text AS regclass) AND x.indrelid = i.inhrelid) ORDER BY i.inhrelid LIMIT 1"
)


async def _without(connection: Connection, index: str, table: str) -> str | None:
    """A partition that the index of the whole table has nothing of. One that is opened meanwhile has it from the beginning."""
    row = await connection.fetchrow(_WITHOUT, index, table)
    return None if row is None else str(*row)


async def _make_index(connection: Connection, name: str, table: str, rest: str) -> None:
    """What somebody left behind unfinished is removed first."""
    row = await connection.fetchrow("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)", name)
    if row is not None and tuple(row) == (False,):
        await _try(connection, f"DROP INDEX CONCURRENTLY {name}")
        row = None
    if row is None:
        await connection.execute("SET lock_timeout = 0")  # it waits for others, and nobody for it
        await connection.execute(f"CREATE INDEX CONCURRENTLY {name} ON {table} {rest}")
        await connection.execute(f"SET lock_timeout = {LOCK_MS}")


async def _patiently(connection: Connection, one: Migration) -> None:
    """A migration in a transaction of its own."""

    async def attempt() -> None:
        await connection.execute("BEGIN")
        try:
            await connection.execute(one.text)
            await connection.execute(_NOTED, *_row(one))
        except BaseException:
            if not connection.is_closed():
                await connection.execute("ROLLBACK")
            raise
        await connection.execute("COMMIT")

    for _ in range(TRIES):
        try:
            await attempt()
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return
    raise Misconfigured(f"Migration {one.name} waits for a table that somebody has locked.")


async def _try(connection: Connection, text: str) -> None:
    for _ in range(TRIES):
        try:
            await connection.execute(text)
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return
    raise Misconfigured(f"A migration waits for a table that somebody has locked: {text.splitlines()[0]}")


@asynccontextmanager
async def _alone(connection: Connection) -> AsyncIterator[None]:
    """Nobody else migrates meanwhile."""
    end = asyncio.get_running_loop().time() + _OTHERS_SECONDS
    while tuple(await connection.fetchrow("SELECT pg_try_advisory_lock($1)", _MIGRATING) or ()) != (True,):
        if asyncio.get_running_loop().time() > end:
            raise Misconfigured("Another process has been migrating this database for long.")
        await asyncio.sleep(0.05)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", _MIGRATING)
