"""Databases with a past: rows that were made long ago, and rows made older than they are."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from tests.contracts.given import settlement

from tocsin.adapters.sqlite.database import open_connection
from tocsin.adapters.sqlite.store import prepare_file
from tocsin.adapters.storing.rows import encode
from tocsin.model.ids import IdMint

DAY = 24 * 3_600_000
_COUNTED = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count) "


def old_database(path: Path, count: int, *, days: int, tenant: str = "default") -> None:
    """A new database with so many events, each delivered to the endpoint that will be made first, so many days ago."""
    prepare_file(path).release()
    at = time.time_ns() // 1_000_000 - days * DAY
    attempt = encode(settlement(IdMint(lambda: at, lambda size: b"\x01" * size), 1, at=at).attempt)
    values = {"count": count, "at": at, "tenant": tenant, "attempt": attempt}
    with closing(open_connection(path)) as connection, connection:
        connection.execute(
            _COUNTED
            + "INSERT INTO event (position, id, tenant, type, subject_type, subject_id, verb, time, accepted_at, data)"
            " SELECT i, 'evt_old' || i, :tenant, 'order.created', 'order', 's' || i, 'created', :at, :at + i, x'7b7d' FROM n",
            values,
        )
        connection.execute(
            _COUNTED
            + "INSERT INTO delivery (number, id, tenant, endpoint, position, lane, state, blocked, due_at, step,"
            " at_once, attempts, created_at, settled_at)"
            " SELECT i, 'dlv_old' || i, :tenant, 1, i, 0, 'delivered', 0, 0, 0, 0, 1, :at + i, :at + i FROM n",
            values,
        )
        connection.execute(
            _COUNTED + "INSERT INTO attempt (place, detail, body) SELECT (i << 20) + 1, :attempt, x'7b7d' FROM n",
            values,
        )
        connection.execute("UPDATE cursor SET position = :count", values)


def age(path: Path, *, days: float) -> None:
    """Make everything in a database, that no server has open, so much older than it is."""
    ms = {"ms": round(days * DAY)}
    with closing(open_connection(path)) as connection, connection:
        connection.execute("UPDATE event SET accepted_at = accepted_at - :ms", ms)
        connection.execute(
            "UPDATE delivery SET created_at = created_at - :ms, settled_at = settled_at - :ms, due_at = due_at - :ms",
            ms,
        )
        connection.execute("UPDATE job SET created_at = created_at - :ms, updated_at = updated_at - :ms", ms)
        connection.execute("UPDATE replay SET finished_at = finished_at - :ms", ms)


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(open_connection(path, read_only=True)) as connection:
        return connection.execute(query).fetchall()
