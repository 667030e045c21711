"""Rows in every table of an embedded store that nobody serves: values as awkward as their columns allow."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

import apsw

from tocsin.adapters.sqlite.store import prepare_file
from tocsin.ports.transferring import TABLES, Table

TEXTS: Final = ("", "a", "Ä", "ß\u2028", "\U0001f514" * 3, "x" * 3000, "a'b\"c", "~")
NUMBERS: Final = (0, 1, 255, 2**31, 2**62, 2**63 - 1)
STATES: Final = {
    "delivery": "pending", "batch": "split", "replay": "running", "erasure": "failed", "job": "running",
}  # fmt: skip
MAY_BE_NEGATIVE: Final = ("key", "version_id")


def plant(path: Path, rows: int, *, wide: int = 0) -> None:
    """So many in each table that may have many; the first event has `wide` bytes."""
    lock = prepare_file(path)
    connection = apsw.Connection(str(path))
    chance = random.Random(rows)
    with connection:
        for table in TABLES:
            connection.execute(f'DELETE FROM "{table.name}"')
            types = {
                name: (kind, bool(required))
                for _, name, kind, required, *_ in connection.execute(f'PRAGMA table_info("{table.name}")').fetchall()
            }
            is_one = table.is_single or "one" in table.columns
            for number in range(1, 2 if is_one else rows + 1):
                row = [_value(table, name, *types[name], number, chance) for name in table.columns]
                if number == 1 and table.name == "event":
                    row[-1] = chance.randbytes(wide)
                if table.name == "cursor":
                    row[0] = 0
                marks = ", ".join("?" * len(row))
                names = ", ".join(f'"{name}"' for name in table.columns)
                connection.execute(f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})', row)
        connection.execute("UPDATE sqlite_sequence SET seq = seq + 1000")
    connection.close()
    lock.release()


def _value(
    table: Table, name: str, kind: str, required: bool, number: int, chance: random.Random
) -> str | int | float | bytes | None:
    unique = name in table.key or name in {"id", "hash", "position", "number"}
    if not (required or unique) and chance.random() < 0.3:
        return None
    if kind == "TEXT":
        return _text(table, name, number, is_unique=unique, chance=chance)
    if kind == "REAL":
        return chance.random() * 1e9
    if kind == "BLOB":
        return chance.randbytes(16 if unique else chance.choice((0, 1, 32, 300)))
    if name in MAY_BE_NEGATIVE:
        return chance.randrange(-(2**63), 2**63)
    return number if unique or name == "lane" else chance.choice(NUMBERS)


def _text(table: Table, name: str, number: int, *, is_unique: bool, chance: random.Random) -> str:
    if name == "state":
        return STATES[table.name]
    if name in table.lists:
        return '["dlv_1","dlv_Ä"]'
    return f"{chance.choice(TEXTS)}{number}" if is_unique else chance.choice(TEXTS)
