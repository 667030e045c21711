"""The facts of the shared store. Whether its files are whole, and copies of it, are the server's business."""

from __future__ import annotations

from typing import cast

import msgspec

from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.storing.migrations import migrations_of
from tocsin.errors import Conflict
from tocsin.model.database import without_password
from tocsin.model.ids import Millis
from tocsin.ports import SharedFacts, StoreCopy, StoreFacts


class PostgresInspection:
    """`ports.Inspection` on the shared store."""

    def __init__(self, url: str, readers: Readers) -> None:
        self._place = without_password(url)
        self._readers = readers

    async def facts(self) -> StoreFacts:
        ((version, size, migration, oldest, position, accepted_at),) = cast(
            "list[tuple[str, int, int, int, int, Millis]]", await self._readers.read("store_facts")
        )
        return StoreFacts(
            engine=f"PostgreSQL {version}",
            place=self._place,
            filesystem=None,
            file_bytes=size,
            unused_bytes=0,
            wal_bytes=0,
            free_bytes=None,
            migration=migration,
            oldest_migration=oldest,
            newest_migration=max(one.number for one in migrations_of("tocsin.adapters.postgres")),
            position=position,
            last_accepted_at=accepted_at or None,
            shared=await self._shared(),
        )

    async def _shared(self) -> SharedFacts:
        (row,) = await self._readers.read("shared_facts")
        return msgspec.convert(dict(zip(SharedFacts.__struct_fields__, row, strict=True)), SharedFacts)

    async def faults(self) -> list[str]:
        """What PostgreSQL itself has noticed; it is not made to read everything."""
        failures = (await self._shared()).checksum_failures
        return [f"{failures} pages did not have the checksum they were written with"] if failures else []


class PostgresCopies:
    """`ports.Copies` on the shared store, which makes none."""

    async def make(self, reserve_bytes: int) -> StoreCopy:
        del reserve_bytes
        raise Conflict("With PostgreSQL backups are made by its own tools: pg_dump, pg_basebackup.")
