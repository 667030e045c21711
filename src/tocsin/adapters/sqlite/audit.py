"""The audit log: an entry is written in the transaction of the change that it tells of, and read by pages."""

from __future__ import annotations

from typing import cast

import apsw
import msgspec

from tocsin.adapters.sqlite.statements import Row, Values, read_page, write
from tocsin.model.access import Role
from tocsin.model.audit import Actor, AuditEntry
from tocsin.ports import AuditQuery


def write_entry(connection: apsw.Connection, entry: AuditEntry) -> None:
    """Within the caller's transaction: the change and its entry are there together or not at all."""
    actor = entry.actor
    write(
        connection,
        "add_audit_entry",
        (
            entry.id,
            entry.at,
            entry.tenant,
            actor.key_id,
            actor.key_name,
            actor.role,
            entry.action,
            entry.target,
            entry.before,
            entry.after,
        ),
    )


def read_entries(connection: apsw.Connection, query: AuditQuery) -> list[tuple[int, AuditEntry]]:
    """A page, newest first, each entry with its number."""
    values: Values = msgspec.structs.asdict(query)
    return [(cast("int", row[0]), _entry_of(row[1:])) for row in read_page(connection, "audit", values)]


def _entry_of(row: Row) -> AuditEntry:
    """From the columns of `audit.sql` behind the number."""
    id_, at, tenant, key_id, key_name, role, action, target, before, after = row
    fields = {"id": id_, "at": at, "tenant": tenant, "action": action, "target": target}
    actor = Actor(
        key_id=cast("str | None", key_id),
        key_name=cast("str | None", key_name),
        role=None if role is None else Role(cast("str", role)),
    )
    return msgspec.convert(fields | {"actor": actor, "before": before, "after": after}, AuditEntry)
