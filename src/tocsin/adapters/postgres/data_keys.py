"""The data keys of the shared store, each wrapped by a master key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from tocsin.adapters.postgres.audit import write_entry
from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.postgres.statements import Connection, write, write_rows
from tocsin.adapters.postgres.writer import Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.model.audit import AuditEntry
from tocsin.ports import WrappedKey


class PostgresDataKeys:
    """`ports.DataKeys` on the shared store."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def load(self) -> list[WrappedKey]:
        rows = await self._readers.read("data_keys")
        return [
            WrappedKey(id=number, master_key=master_key, wrapped=wrapped, created_at=created_at)
            for number, master_key, wrapped, created_at in cast("list[tuple[int, str, bytes, int]]", rows)
        ]

    async def save(self, keys: Sequence[WrappedKey], entry: AuditEntry | None) -> None:
        async def transaction(connection: Connection) -> None:
            rows = [(key.id, key.master_key, key.wrapped, key.created_at) for key in keys]
            await write_rows(connection, "save_data_keys", rows)
            await write(connection, "move_revision", ("data_keys",))
            if entry is not None:
                await write_entry(connection, entry)

        await self._writer.run(Rank.REST, transaction)
