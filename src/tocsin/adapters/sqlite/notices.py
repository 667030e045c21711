"""Notices: kept in the transaction of what they tell of, until they are events; and what was given up on, gathered by minute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, cast

import apsw
import msgspec

from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.statements import Row, listed, read, read_one, statement, write
from tocsin.adapters.sqlite.writer import Rank, Writer
from tocsin.model.event import OPERATIONAL_SUBJECT_TYPES
from tocsin.model.ids import EndpointId, Millis
from tocsin.model.notice import NAMED, GivenUp, Notice

MINUTE_MS: Final = 60_000
_GATHERED: Final = 200
_decode_reasons = msgspec.json.Decoder(dict[str, int]).decode
_decode_ids = msgspec.json.Decoder(list[list[str]]).decode
_OPERATIONAL: Final = tuple(sorted(OPERATIONAL_SUBJECT_TYPES))


def write_notice(connection: apsw.Connection, notice: Notice) -> None:
    """Keep it, within the caller's transaction."""
    row: Row = (notice.tenant, notice.type, notice.about, notice.time, notice.data, notice.once)
    write(connection, "add_notice", row)


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
        names = Notice.__struct_fields__
        return [(cast("int", row[0]), msgspec.convert(dict(zip(names, row[1:], strict=True)), Notice)) for row in rows]

    async def told(self, numbers: Sequence[int]) -> None:
        await self._writer.run(
            Rank.REST, lambda connection: connection.execute(statement("remove_notices"), (listed(numbers),))
        )

    async def gather(self, now: Millis, note: Callable[[GivenUp], Notice]) -> None:
        minute = now // MINUTE_MS

        def transaction(connection: apsw.Connection) -> bool:
            rows = read(connection, "given_up", (minute, _GATHERED))
            for row in rows:
                given_up = _given_up_of(row)
                write_notice(connection, note(given_up))
                write(connection, "remove_given_up", (given_up.endpoint, given_up.minute))
            return len(rows) == _GATHERED

        if await self._readers.run(lambda connection: read_one(connection, "has_given_up", (minute,))) is not None:
            while await self._writer.run(Rank.REST, transaction):
                continue


def _given_up_of(row: Row) -> GivenUp:
    endpoint, endpoint_id, tenant, minute, count, reasons, ids = cast("tuple[int, str, str, int, int, str, str]", row)
    return GivenUp(
        endpoint=endpoint,
        endpoint_id=EndpointId(endpoint_id),
        tenant=tenant,
        minute=minute,
        count=count,
        reasons=_decode_reasons(reasons),
        delivery_ids=[one for some in _decode_ids(ids) for one in some][:NAMED],
    )
