"""What SQLite leaves of moved cells is overwritten in the file, and nothing else is: in a file that lies still, and in a store that is
written to meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
from tests.contracts.given import Clock

from tocsin.adapters.sqlite.database import open_connection
from tocsin.adapters.sqlite.remains import Remains
from tocsin.adapters.sqlite.store import SqliteStore, prepare_file
from tocsin.adapters.storing.ranks import Rank

MARK = b"PLANTEDMARK"
ROWS = 3000


@contextmanager
def connected(path: Path) -> Iterator[apsw.Connection]:
    connection = open_connection(path)
    connection.execute("PRAGMA synchronous = OFF")
    try:
        yield connection
    finally:
        connection.close()


def moved_about(connection: apsw.Connection, chance: random.Random) -> None:
    """Rows of a table with an index, added, removed and replaced in any order, until there are remains; then every mark is taken out
    of them."""
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, name TEXT, data BLOB)")
    connection.execute("CREATE INDEX t_by_name ON t (name, n) WHERE name <> ''")
    number = 0
    for _ in range(3):
        with connection:
            for _ in range(ROWS):
                number += 1
                mark = MARK.decode() if chance.random() < 0.3 else "another one"
                text = hashlib.sha256(str(number).encode()).hexdigest()
                data = (mark + text[:6]).encode() * chance.choice([3, 20, 150, 700])
                connection.execute(
                    "INSERT INTO t VALUES (?, ?, ?)", (number, text[:3] + mark * chance.choice([1, 5]), data)
                )
            for gone in chance.sample(range(1, number), ROWS // 3):
                connection.execute("DELETE FROM t WHERE n = ?", (gone,))
    with connection:
        connection.execute("UPDATE t SET name = '', data = x'' WHERE instr(data, ?)", (MARK,))
    connection.execute("PRAGMA incremental_vacuum").fetchall()
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def content(connection: apsw.Connection) -> str:
    digest = hashlib.sha256()
    for row in connection.execute("SELECT * FROM t ORDER BY n"):
        digest.update(repr(row).encode())
    for row in connection.execute("SELECT name, n FROM t WHERE name <> '' ORDER BY name, n"):
        digest.update(repr(row).encode())
    return digest.hexdigest()


@pytest.mark.parametrize("seed", range(4))
def test_remains_are_overwritten_and_nothing_else_is(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "t.db"
    with connected(path) as connection:
        moved_about(connection, random.Random(seed))
        before = content(connection)
    assert MARK in path.read_bytes(), "SQLite left nothing: the test proves nothing"
    remains = Remains(path)
    wiped = sum(remains.wipe(block) for block in remains.blocks())
    assert wiped > 0
    assert sum(remains.wipe(block) for block in remains.blocks()) == 0
    remains.close()
    assert MARK not in path.read_bytes()
    with connected(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert content(connection) == before


def test_payload_that_looks_like_a_page_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    lookalike = bytes([13, 0, 0, 0, 1, 15, 0, 0]) + b"x" * 4084
    with connected(path) as connection:
        connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, name TEXT, data BLOB)")
        for number in range(50):
            connection.execute("INSERT INTO t VALUES (?, '', ?)", (number, lookalike * 9))
        before = content(connection)
    remains = Remains(path)
    for block in remains.blocks():
        remains.wipe(block)
    remains.close()
    with connected(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert content(connection) == before


def test_without_a_pointer_map_nothing_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE t (n)")
    connection.close()
    remains = Remains(path)
    with pytest.raises(ValueError, match="pointer map"):
        next(remains.blocks())
    remains.close()


async def test_a_store_that_is_written_to_has_none_either(tmp_path: Path) -> None:
    path, chance = tmp_path / "t.db", random.Random(5)
    prepare_file(path).release()
    with connected(path) as connection:
        moved_about(connection, chance)
        rows = [n for (n,) in connection.execute("SELECT n FROM t WHERE data <> x''").fetchall()]
    assert MARK in path.read_bytes()
    store = SqliteStore(path, Clock(), time.monotonic)
    is_over = False

    def write_in_place(connection: apsw.Connection, numbers: Sequence[int]) -> None:
        """Pages are written again with all that is left in them."""
        for number in numbers:
            connection.execute("UPDATE t SET data = randomblob(length(data)), name = name WHERE n = ?", (number,))

    async def write_on() -> None:
        while not is_over:
            await store._writer.run(Rank.REST, lambda c: write_in_place(c, chance.sample(rows, 40)))

    await store._writer.run(Rank.REST, lambda c: write_in_place(c, rows))
    assert MARK in (tmp_path / "t.db-wal").read_bytes()
    writing = asyncio.create_task(write_on())
    await store.erasures.empty_wal()
    is_over = True
    await writing
    await store._writer.run(Rank.REST, lambda c: write_in_place(c, rows))
    for file in (path, tmp_path / "t.db-wal"):
        assert MARK not in file.read_bytes()
    store.close()
    assert MARK not in path.read_bytes()
    with connected(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
