"""One side of a transfer on the embedded store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

import apsw
import msgspec

from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.statements import read, read_one, statement, statement_with, write
from tocsin.adapters.sqlite.writer import Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.transfers import (
    PAGE_ROWS,
    filled,
    heads_of,
    mark_of,
    mark_row,
    parts_of,
    progress_of,
    progress_row,
    rows_within,
)
from tocsin.adapters.storing.values import Row, SqlValue
from tocsin.ports.transferring import TABLES, Neutral, NeutralRow, Progress, Table, TransferMark

_CHUNK: Final = 64
_BY_ROWS: Final = frozenset({"event", "accepted_at", "job", "delivery", "notice"})
"""Where the next number follows from the rows."""
_TEXTS: Final = msgspec.json.Decoder(tuple[str, ...])


class SqliteTransfers:
    """`ports.Transfers` on the embedded store."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def mark(self) -> TransferMark | None:
        return mark_of(await self._readers.run(lambda connection: read_one(connection, "transfer_mark")))

    async def set_mark(self, mark: TransferMark | None) -> None:
        def transaction(connection: apsw.Connection) -> None:
            if mark is None:
                write(connection, "transfer_remove_mark")
            else:
                write(connection, "transfer_save_mark", mark_row(mark))

        await self._writer.run(Rank.REST, transaction)

    async def begin(self, mark: TransferMark) -> None:
        def transaction(connection: apsw.Connection) -> None:
            for table in TABLES:
                if table.is_single:
                    connection.execute(filled(statement("transfer_clear"), parts_of(table)))
            write(connection, "transfer_save_mark", mark_row(mark))

        await self._writer.run(Rank.REST, transaction)

    async def finish(self, mark: TransferMark) -> None:
        def transaction(connection: apsw.Connection) -> None:
            write(connection, "transfer_forget_progress")
            write(connection, "transfer_save_mark", mark_row(mark))

        await self._writer.run(Rank.REST, transaction)

    async def count(self, table: Table) -> int:
        text = filled(statement("transfer_count"), parts_of(table))
        # Readers give up after seconds; nothing waits for the writer now.
        rows = await self._writer.run(Rank.REST, lambda connection: connection.execute(text).fetchall())
        return cast("int", rows[0][0])

    async def page(self, table: Table, after: NeutralRow | None) -> list[NeutralRow]:
        given = frozenset({"after"} if after else ())
        parts = parts_of(table) | {"after": ", ".join("?" * table.keys)}
        bindings = cast("Row", after or ())

        def query(connection: apsw.Connection) -> list[Row]:
            count = PAGE_ROWS
            if table.wide is not None:
                text = filled(statement_with("transfer_sizes", given), parts)
                sizes = connection.execute(text, (*bindings, count)).fetchall()
                count = rows_within(size for (size,) in cast("list[tuple[int]]", sizes))
            text = filled(statement_with("transfer_page", given), parts)
            return connection.execute(text, (*bindings, count)).fetchall()

        rows = await self._readers.run(query)
        return [_neutral(table, row) for row in rows] if table.lists else cast("list[NeutralRow]", rows)

    async def progress(self) -> Mapping[str, Progress]:
        return progress_of(await self._readers.run(lambda connection: read(connection, "transfer_progress")))

    async def save(self, table: Table, rows: Sequence[NeutralRow], progress: Progress) -> None:
        kept = [tuple(map(_kept, row)) for row in rows]

        def transaction(connection: apsw.Connection) -> None:
            for at in range(0, len(kept), _CHUNK):
                _add(connection, table, kept[at : at + _CHUNK])
            write(connection, "transfer_save_progress", progress_row(table, progress))

        await self._writer.run(Rank.REST, transaction)

    async def heads(self) -> Mapping[str, int]:
        return heads_of(await self._readers.run(lambda connection: read(connection, "transfer_heads")))

    async def set_heads(self, heads: Mapping[str, int]) -> None:
        def transaction(connection: apsw.Connection) -> None:
            for name in heads.keys() - _BY_ROWS:
                write(connection, "transfer_forget_number", (name,))
                write(connection, "transfer_set_number", (name, heads[name]))

        await self._writer.run(Rank.REST, transaction)


def _add(connection: apsw.Connection, table: Table, rows: Sequence[Row]) -> None:
    group = f"({', '.join('?' * len(table.columns))})"
    parts = parts_of(table) | {"rows": ", ".join([group] * len(rows))}
    connection.execute(filled(statement("transfer_add"), parts), [value for row in rows for value in row])


def _neutral(table: Table, row: Row) -> NeutralRow:
    """Several texts are kept as JSON."""
    named = zip(table.columns, row, strict=True)
    return tuple(_TEXTS.decode(str(value)) if name in table.lists else value for name, value in named)


def _kept(value: Neutral) -> SqlValue:
    return msgspec.json.encode(value).decode() if isinstance(value, tuple) else value
