"""The audit log: an entry is written in the transaction of the change that it tells of, and read by pages."""

from __future__ import annotations

from typing import cast

import msgspec

from tocsin.adapters.postgres.statements import Connection, read_page, write
from tocsin.adapters.storing.rows import entry_of, entry_row
from tocsin.adapters.storing.values import Values
from tocsin.model.audit import AuditEntry
from tocsin.ports import AuditQuery


async def write_entry(connection: Connection, entry: AuditEntry) -> None:
    """Within the caller's transaction: the change and its entry are there together or not at all."""
    await write(connection, "add_audit_entry", entry_row(entry))


async def read_entries(connection: Connection, query: AuditQuery) -> list[tuple[int, AuditEntry]]:
    """A page, newest first, each entry with its number."""
    values: Values = msgspec.structs.asdict(query)
    return [(cast("int", row[0]), entry_of(row[1:])) for row in await read_page(connection, "audit", values)]
