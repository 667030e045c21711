"""What the transfers of every store have in common: statements for a named table, and marks and progress as rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, cast

import msgspec

from tocsin.adapters.storing.values import Row, SqlValue
from tocsin.ports.transferring import Neutral, Progress, Table, TransferMark

PAGE_ROWS: Final = 500
PAGE_BYTES: Final = 4 * 1024 * 1024
"""A page ends with the row that goes beyond this."""
_PART: Final = re.compile(r"/\*(\w+)\*/.*?/\*\1\*/", re.DOTALL)
_DIGEST_BYTES: Final = 32
_KEY: Final = msgspec.msgpack.Decoder(tuple[object, ...])


def filled(text: str, parts: Mapping[str, str]) -> str:
    """A statement for any table: `/*table*/ event /*table*/` becomes what the part is given as."""
    return _PART.sub(lambda found: parts[found[1]], text)


def parts_of(table: Table) -> dict[str, str]:
    """The names in statements for this table."""
    return {
        "table": quoted([table.name]),
        "columns": quoted(table.columns),
        "key": quoted(table.key),
        "wide": quoted([table.wide or table.columns[0]]),
    }


def quoted(names: Iterable[str]) -> str:
    """As a list of identifiers."""
    return ", ".join(f'"{name}"' for name in names)


def rows_within(sizes: Iterable[int]) -> int:
    """How many rows of these sizes make a page."""
    total = count = 0
    for size in sizes:
        count += 1
        total += size
        if total > PAGE_BYTES:
            break
    return count


def mark_row(mark: TransferMark) -> Row:
    """For `transfer_save_mark`."""
    return mark.id, mark.side, mark.other, mark.began_at, int(mark.is_over)


def mark_of(row: Row | None) -> TransferMark | None:
    """Of `transfer_mark`."""
    if row is None:
        return None
    return msgspec.convert(dict(zip(TransferMark.__struct_fields__, row, strict=True)), TransferMark, strict=False)


def progress_row(table: Table, progress: Progress) -> Row:
    """For `transfer_save_progress`."""
    return (
        table.name,
        msgspec.msgpack.encode(progress.after or ()),
        progress.rows,
        progress.digest.to_bytes(_DIGEST_BYTES, "big"),
        int(progress.is_checked),
    )


def progress_of(rows: Iterable[Row]) -> dict[str, Progress]:
    """By the name of the table."""
    return {
        name: Progress(
            after=cast("tuple[Neutral, ...]", _KEY.decode(after)) or None,
            rows=count,
            digest=int.from_bytes(digest, "big"),
            is_checked=bool(checked),
        )
        for name, after, count, digest, checked in cast("Iterable[tuple[str, bytes, int, bytes, int]]", rows)
    }


def heads_of(rows: Iterable[tuple[SqlValue, ...]]) -> dict[str, int]:
    """By name, where a number was given at all."""
    return {name: number for name, number in cast("Iterable[tuple[str, int]]", rows) if number}
