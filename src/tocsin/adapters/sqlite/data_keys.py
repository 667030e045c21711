"""The data keys of the embedded store, each wrapped by a master key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import apsw

from tocsin.adapters.sqlite.audit import write_entry
from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.statements import read, write_rows
from tocsin.adapters.sqlite.writer import Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.values import Row
from tocsin.model.audit import AuditEntry
from tocsin.ports import WrappedKey


class SqliteDataKeys:
    """`ports.DataKeys` on the embedded store."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def load(self) -> list[WrappedKey]:
        return _keys_of(await self._readers.run(lambda connection: read(connection, "data_keys")))

    async def save(self, keys: Sequence[WrappedKey], entry: AuditEntry | None, *, over: Sequence[WrappedKey]) -> bool:
        def transaction(connection: apsw.Connection) -> bool:
            if _keys_of(read(connection, "data_keys")) != list(over):
                return False
            rows = [(key.id, key.master_key, key.wrapped, key.created_at) for key in keys]
            write_rows(connection, "save_data_keys", rows)
            if entry is not None:
                write_entry(connection, entry)
            return True

        return await self._writer.run(Rank.REST, transaction)


def _keys_of(rows: Sequence[Row]) -> list[WrappedKey]:
    return [
        WrappedKey(id=number, master_key=master_key, wrapped=wrapped, created_at=created_at)
        for number, master_key, wrapped, created_at in cast("Sequence[tuple[int, str, bytes, int]]", rows)
    ]
