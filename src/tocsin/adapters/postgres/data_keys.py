"""The data keys of the shared store, each wrapped by a master key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from tocsin.adapters.postgres.audit import write_entry
from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.postgres.statements import Connection, read, write, write_rows
from tocsin.adapters.postgres.writer import Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.values import Row
from tocsin.model.audit import AuditEntry
from tocsin.ports import WrappedKey


class PostgresDataKeys:
    """`ports.DataKeys` on the shared store."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def load(self) -> list[WrappedKey]:
        return _keys_of(await self._readers.read("data_keys"))

    async def save(self, keys: Sequence[WrappedKey], entry: AuditEntry | None, *, over: Sequence[WrappedKey]) -> bool:
        async def transaction(connection: Connection) -> bool:
            await read(connection, "lock_data_keys")
            if _keys_of(await read(connection, "data_keys")) != list(over):
                return False
            rows = [(key.id, key.master_key, key.wrapped, key.created_at) for key in keys]
            await write_rows(connection, "save_data_keys", rows)
            await write(connection, "move_revision", ("data_keys",))
            if entry is not None:
                await write_entry(connection, entry)
            return True

        return await self._writer.run(Rank.REST, transaction)


def _keys_of(rows: Sequence[Row]) -> list[WrappedKey]:
    return [
        WrappedKey(id=number, master_key=master_key, wrapped=wrapped, created_at=created_at)
        for number, master_key, wrapped, created_at in cast("Sequence[tuple[int, str, bytes, int]]", rows)
    ]
