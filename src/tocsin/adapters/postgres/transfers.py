"""One side of a transfer on the shared store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

import asyncpg

from tocsin.adapters.postgres.database import LOST, connect, hang_up, problem_of
from tocsin.adapters.postgres.eras import PARTED, Eras
from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.postgres.shards import fold_shards
from tocsin.adapters.postgres.statements import Connection, read, statement, statement_with, write
from tocsin.adapters.postgres.tallies import Tallies
from tocsin.adapters.postgres.writer import Writer
from tocsin.adapters.storing.ranks import DataRefusedError, Rank
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
from tocsin.errors import Conflict
from tocsin.ports.transferring import TABLES, NeutralRow, Progress, Table, TransferMark
from tocsin.rules.partitions import PARTITIONS, partition_of

_LONG_SECONDS: Final = 3600.0
_HEADS: Final = frozenset({"event", "accepted_at"})
_BY_TENANT: Final = frozenset({"event", "endpoint"})
"""Tables whose rows are kept with the partition of their tenant."""
_BEHIND: Final = (
    "Events of this database still wait for their fan-out, those of some tenants longer than others: have it served until they are"
    " through, and begin then."
)


class PostgresTransfers:
    """`ports.Transfers` on the shared store. Rows are written by COPY, which also takes numbers that the server would give."""

    def __init__(self, url: str, writer: Writer, readers: Readers, tallies: Tallies, eras: Eras) -> None:
        self._url = url
        self._tallies = tallies
        self._writer = writer
        self._readers = readers
        self._eras = eras

    async def mark(self) -> TransferMark | None:
        return mark_of(next(iter(await self._readers.read("transfer_mark")), None))

    async def set_mark(self, mark: TransferMark | None) -> None:
        async def transaction(connection: Connection) -> None:
            if mark is None:
                await write(connection, "transfer_remove_mark")
            else:
                self._tallies.forget()
                await fold_shards(connection)
                await write(connection, "transfer_save_mark", mark_row(mark))

        await self._writer.run(Rank.REST, transaction)

    async def begin(self, mark: TransferMark) -> None:
        async def transaction(connection: Connection) -> None:
            for table in TABLES:
                if table.is_single:
                    await connection.execute(filled(statement("transfer_clear"), parts_of(table)))
            await write(connection, "transfer_save_mark", mark_row(mark))

        await self._writer.run(Rank.REST, transaction)

    async def finish(self, mark: TransferMark) -> None:
        """The planner is told of what is there now, before anybody asks."""
        await self._at_length(statement("transfer_analyze"))
        await self._at_length(statement("mark_all_lines"))

        async def transaction(connection: Connection) -> None:
            await write(connection, "transfer_forget_progress")
            await write(connection, "transfer_save_mark", mark_row(mark))

        await self._writer.run(Rank.REST, transaction)

    async def count(self, table: Table) -> int:
        if table.name == "cursor":
            return len(await self._cursor())
        ((count,),) = await self._at_length(filled(statement("transfer_count"), parts_of(table)))
        return cast("int", count)

    async def page(self, table: Table, after: NeutralRow | None) -> list[NeutralRow]:
        if table.name == "cursor":
            return [] if after else await self._cursor()
        given = frozenset({"after"} if after else ())
        parts = parts_of(table) | {"after": ", ".join(f"${number + 2}" for number in range(table.keys))}
        bindings = after or ()

        async def query(connection: Connection) -> list[NeutralRow]:
            count = PAGE_ROWS
            if table.wide is not None:
                text = filled(statement_with("transfer_sizes", given)[0], parts)
                sizes = await connection.fetch(text, count, *bindings)
                count = rows_within(size for (size,) in cast("list[tuple[int]]", sizes))
            text = filled(statement_with("transfer_page", given)[0], parts)
            rows = map(tuple, await connection.fetch(text, count, *bindings))
            return [_neutral(row) for row in rows] if table.lists else list(rows)

        return await self._readers.run(query)

    async def progress(self) -> Mapping[str, Progress]:
        return progress_of(await self._readers.read("transfer_progress"))

    async def save(self, table: Table, rows: Sequence[NeutralRow], progress: Progress) -> None:
        async def transaction(connection: Connection) -> None:
            if rows and table.name in PARTED:
                number = cast("int", rows[-1][table.columns.index(table.key[0])])
                await self._eras.open_for(connection, table.name, number >> 20 if table.name == "attempt" else number)
            if rows and table.name == "cursor":
                await write(connection, "transfer_set_cursors", rows[0][1:])
            elif rows:
                await _copy(connection, table, rows)
            await write(connection, "transfer_save_progress", progress_row(table, progress))

        try:
            await self._writer.run(Rank.REST, transaction)
        except DataRefusedError as error:
            raise Conflict(f"PostgreSQL cannot keep a row of {table.name}: {error}.") from error

    async def heads(self) -> Mapping[str, int]:
        return heads_of(await self._readers.read("transfer_heads"))

    async def set_heads(self, heads: Mapping[str, int]) -> None:
        async def transaction(connection: Connection) -> None:
            await write(connection, "transfer_set_log_head", (heads.get("event", 0), heads.get("accepted_at", 0)))
            for name in heads.keys() - _HEADS:
                await read(connection, "transfer_set_number", (name, heads[name]))

        await self._writer.run(Rank.REST, transaction)

    async def _cursor(self) -> list[NeutralRow]:
        """The one row that the neutral table has. Raises Conflict when there is no one place for it."""
        rows = await self._at_length(statement("transfer_cursor"))
        if not all(row[-1] for row in rows):
            raise Conflict(_BEHIND)
        return [_neutral(row[:-1]) for row in rows]

    async def _at_length(self, text: str) -> list[tuple[object, ...]]:
        """On a connection that may take its time. Raises StoreUnavailable."""
        connection = await connect(self._url, seconds=_LONG_SECONDS)
        try:
            return list(map(tuple, await connection.fetch(text)))
        except (*LOST, asyncpg.PostgresError) as error:
            raise problem_of(error) from error
        finally:
            await hang_up(connection)


def _neutral(row: tuple[object, ...]) -> NeutralRow:
    return cast("NeutralRow", tuple(tuple(value) if isinstance(value, list) else value for value in row))


async def _copy(connection: Connection, table: Table, rows: Sequence[NeutralRow]) -> None:
    columns: Sequence[str] = table.columns
    if table.name in _BY_TENANT:
        place = columns.index("tenant")
        rows = [(*row, partition_of(str(row[place]), PARTITIONS)) for row in rows]
        columns = (*columns, "partition")
    await connection.copy_records_to_table(table.name, records=rows, columns=columns)
