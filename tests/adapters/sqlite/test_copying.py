"""A copy of the running store: of one moment, whole, made while the writer goes on, and nothing of it left behind."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import apsw
import pytest

from tocsin.adapters.sqlite import copying
from tocsin.adapters.sqlite.store import SqliteStore
from tocsin.adapters.sqlite.writer import Rank
from tocsin.errors import StorageFull

ROWS = 40


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
def store(tmp_path: Path):
    made = SqliteStore(tmp_path / "s.db", now_ms, time.monotonic)
    yield made
    made.close()


async def write(store: SqliteStore, number: int) -> None:
    """Two tables in one transaction, so that a copy of two moments would show."""

    def transaction(connection: apsw.Connection) -> None:
        connection.execute("CREATE TABLE IF NOT EXISTS one (n INTEGER, filling BLOB)")
        connection.execute("CREATE TABLE IF NOT EXISTS other (n INTEGER)")
        connection.execute("INSERT INTO one VALUES (?, zeroblob(60000))", (number,))
        connection.execute("INSERT INTO other VALUES (?)", (number,))

    await store._writer.run(Rank.REST, transaction)


async def test_a_copy_is_of_one_moment_and_the_writer_goes_on_meanwhile(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "STEP_PAGES", 4)
    for number in range(ROWS):
        await write(store, number)
    copying_it = asyncio.create_task(store.copies.make(0))
    number = ROWS
    while not copying_it.done():
        await write(store, number)
        number += 1
    copy = await copying_it
    assert number > ROWS + 10, "the writer stood still"
    assert sorted(path.name for path in tmp_path.iterdir() if "copy" in path.name) == []
    restored = tmp_path / "restored.db"
    restored.write_bytes(copy.file.read())
    copy.file.close()
    assert restored.stat().st_size == copy.size
    connection = apsw.Connection(str(restored), flags=apsw.SQLITE_OPEN_READONLY)
    ones = [row[0] for row in connection.execute("SELECT n FROM one")]
    assert ones == [row[0] for row in connection.execute("SELECT n FROM other")]
    assert ones == list(range(len(ones)))
    assert ROWS <= len(ones) < number
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    again = SqliteStore(restored, now_ms, time.monotonic)
    assert (await again.inspection.facts()).migration == (await store.inspection.facts()).migration
    again.close()


async def test_a_copy_does_not_take_from_the_reserve(store: SqliteStore, tmp_path: Path) -> None:
    with pytest.raises(StorageFull):
        await store.copies.make(store.free_bytes() * 2)  # twice: others give room back meanwhile
    assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == []


async def test_what_a_kill_left_of_a_copy_goes_at_the_next_start(tmp_path: Path) -> None:
    left = tmp_path / "s.db.copy-1-1"
    left.write_bytes(b"half")
    SqliteStore(tmp_path / "s.db", now_ms, time.monotonic).close()
    assert not left.exists()


async def test_closing_does_not_wait_for_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "STEP_PAGES", 1)
    monkeypatch.setattr(copying, "BREATHE_SECONDS", 60)
    store = SqliteStore(tmp_path / "s.db", now_ms, time.monotonic)
    copying_it = asyncio.create_task(store.copies.make(0))
    while not any("copy" in path.name for path in tmp_path.iterdir()):
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await asyncio.to_thread(store.close)
    copying_it.cancel()


async def test_a_damaged_file_is_found_and_not_given_away(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    store = SqliteStore(path, now_ms, time.monotonic)
    for number in range(ROWS):
        await write(store, number)
    assert await store.inspection.faults() == []
    store.close()
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2 // 4096 * 4096 : len(whole) // 2 // 4096 * 4096 + 40960] = b"\x7f" * 40960
    path.write_bytes(whole)
    store = SqliteStore(path, now_ms, time.monotonic)
    assert await store.inspection.faults() != []
    with pytest.raises(Exception, match="damaged"):
        await store.copies.make(0)
    store.close()
