"""Notices: kept in the transaction of what they tell of, until they are events; and what was given up on, gathered by minute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, cast

import apsw

from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.statements import listed, read, read_one, statement, write
from tocsin.adapters.sqlite.writer import Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import given_up_of, notice_of, notice_row
from tocsin.model.event import OPERATIONAL_SUBJECT_TYPES
from tocsin.model.ids import Millis
from tocsin.model.notice import NAMED, GivenUp, Notice

MINUTE_MS: Final = 60_000
_GATHERED: Final = 200
_OPERATIONAL: Final = tuple(sorted(OPERATIONAL_SUBJECT_TYPES))


def write_notice(connection: apsw.Connection, notice: Notice) -> None:
    """Keep it, within the caller's transaction."""
    write(connection, "add_notice", notice_row(notice))


def count_given_up(connection: apsw.Connection, numbers: Sequence[int], now: Millis, reason: str | None = None) -> None:
    """Count those of these deliveries that are dead, within the transaction that made them so; `reason` stands for theirs. `now`
    is the time of that transaction: whoever gathers a minute after its end finds all of it."""
    if not numbers:
        return
    values = {
        "minute": now // MINUTE_MS,
        "reason": reason,
        "numbers": listed(numbers),
        "operational": apsw.carray(_OPERATIONAL),
        "named": NAMED,
    }
    connection.execute(statement("add_given_up"), values)


class SqliteNotices:
    """`ports.NoticeStore` on the embedded store."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def waiting(self, limit: int) -> list[tuple[int, Notice]]:
        rows = await self._readers.run(lambda connection: read(connection, "notices", (limit,)))
        return [(cast("int", row[0]), notice_of(row[1:])) for row in rows]

    async def told(self, numbers: Sequence[int]) -> None:
        await self._writer.run(
            Rank.REST, lambda connection: connection.execute(statement("remove_notices"), (listed(numbers),))
        )

    async def gather(self, now: Millis, note: Callable[[GivenUp], Notice]) -> None:
        minute = now // MINUTE_MS

        def transaction(connection: apsw.Connection) -> bool:
            rows = read(connection, "given_up", (minute, _GATHERED))
            for row in rows:
                given_up = given_up_of(row)
                write_notice(connection, note(given_up))
                write(connection, "remove_given_up", (given_up.endpoint, given_up.minute))
            return len(rows) == _GATHERED

        if await self._readers.run(lambda connection: read_one(connection, "has_given_up", (minute,))) is not None:
            while await self._writer.run(Rank.REST, transaction):
                continue
