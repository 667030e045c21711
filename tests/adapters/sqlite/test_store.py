"""The store as a whole: a WAL that grew is copied back and emptied beside the writer; reads are limited in time."""

from __future__ import annotations

import os
import time
from pathlib import Path

import apsw
import pytest
from tests.contracts.given import NOTHING, Clock, deciding, submission
from tests.kit.waiting import until

from tocsin.adapters.sqlite import checkpoints
from tocsin.adapters.sqlite.database import open_connection
from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.store import SqliteStore
from tocsin.errors import StoreUnavailable
from tocsin.model.ids import IdMint


async def test_a_long_wal_is_emptied_while_writing_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_BYTES", 1_000_000)
    monkeypatch.setattr(checkpoints, "TRUNCATE_BYTES", 3_000_000)
    path = tmp_path / "wal.db"
    mint = IdMint(Clock(), os.urandom)
    opened = SqliteStore(path, Clock(), time.monotonic)
    try:
        for _ in range(8):
            await opened.log.accept([(submission(), NOTHING)], deciding(mint, 10, data=b"x" * 100_000))
        wal = path.with_name("wal.db-wal")
        assert wal.stat().st_size > 3_000_000
        await until(lambda: wal.stat().st_size == 0)
        await opened.log.accept([(submission(), NOTHING)], deciding(mint))
        assert len(await opened.log.read(0, 100)) == 81
    finally:
        opened.close()


async def test_a_read_that_takes_too_long_is_ended_and_the_reader_goes_on(tmp_path: Path) -> None:
    open_connection(tmp_path / "r.db").close()
    readers = Readers(tmp_path / "r.db", threads=1, limit_seconds=0.05, now=time.monotonic)

    def endless(connection: apsw.Connection) -> object:
        counting = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
        return connection.execute(counting).fetchall()

    try:
        with pytest.raises(StoreUnavailable, match="too long"):
            await readers.run(endless)
        assert await readers.run(lambda connection: connection.execute("SELECT 1").fetchall()) == [(1,)]
        with pytest.raises(apsw.SQLError):
            await readers.run(lambda connection: connection.execute("SELECT nonsense").fetchall())
    finally:
        readers.close()
