"""Notices: kept in the transaction of what they tell of, until they are events; and what was given up on, gathered by minute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, cast

from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.postgres.statements import Connection, read, read_one, write
from tocsin.adapters.postgres.writer import Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import given_up_of, notice_of, notice_row
from tocsin.model.event import OPERATIONAL_SUBJECT_TYPES
from tocsin.model.ids import Millis
from tocsin.model.notice import NAMED, GivenUp, Notice

MINUTE_MS: Final = 60_000
_GATHERED: Final = 200
_OPERATIONAL: Final = tuple(sorted(OPERATIONAL_SUBJECT_TYPES))


async def write_notice(connection: Connection, notice: Notice) -> None:
    """Keep it, within the caller's transaction."""
    await write(connection, "add_notice", notice_row(notice))


async def count_given_up(
    connection: Connection, numbers: Sequence[int], now: Millis, reason: str | None = None
) -> None:
    """Count those of these deliveries that are dead, within the transaction that made them so; `reason` stands for theirs. `now`
    is the time of that transaction: whoever gathers a minute after its end finds all of it."""
    if not numbers:
        return
    values = (now // MINUTE_MS, reason, list(numbers), list(_OPERATIONAL), NAMED)
    await write(connection, "add_given_up", values)


class PostgresNotices:
    """`ports.NoticeStore` on the shared store."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def waiting(self, limit: int) -> list[tuple[int, Notice]]:
        rows = await self._readers.read("notices", (limit,))
        return [(cast("int", row[0]), notice_of(row[1:])) for row in rows]

    async def told(self, numbers: Sequence[int]) -> None:
        await self._writer.run(Rank.REST, lambda connection: write(connection, "remove_notices", (list(numbers),)))

    async def gather(self, now: Millis, note: Callable[[GivenUp], Notice]) -> None:
        minute = now // MINUTE_MS

        async def transaction(connection: Connection) -> bool:
            rows = await read(connection, "given_up", (minute, _GATHERED))
            for row in rows:
                given_up = given_up_of(row)
                await write_notice(connection, note(given_up))
                await write(connection, "remove_given_up", (given_up.endpoint, given_up.minute))
            return len(rows) == _GATHERED

        if await self._readers.run(lambda connection: read_one(connection, "has_given_up", (minute,))) is not None:
            while await self._writer.run(Rank.REST, transaction):
                continue
