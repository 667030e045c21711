"""How endpoints stand: what other processes have written, and what they wish of an endpoint's holder."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import msgspec

from tocsin.adapters.postgres.audit import write_entry
from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.postgres.statements import Connection, read, read_one, write, write_among
from tocsin.adapters.postgres.writer import Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import encode
from tocsin.model.audit import AuditEntry
from tocsin.model.endpoint import Standing
from tocsin.ports.wishing import StandingsMoved, Wish

_standing = msgspec.json.Decoder(Standing).decode
_wish = msgspec.json.Decoder(Wish).decode


def _standings_of(rows: Sequence[tuple[bytes]]) -> tuple[Standing, ...]:
    """At the start they are those of all endpoints."""
    return tuple(_standing(state) for (state,) in rows)


class PostgresStandings:
    """`ports.SharedStandings`."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def since(self, revision: int) -> StandingsMoved:
        async def query(connection: Connection) -> StandingsMoved:
            # The revision first: what is written behind it is read once more the next time.
            row = await read_one(connection, "standings_revision")
            standings = cast("list[tuple[bytes]]", await read(connection, "standings_since", (revision or -1,)))
            wishes = cast("list[tuple[int, bytes]]", await read(connection, "wishes"))
            return StandingsMoved(
                revision=cast("tuple[int]", row)[0],
                standings=await asyncio.to_thread(_standings_of, standings),
                wishes=tuple((number, _wish(wish)) for number, wish in wishes),
            )

        return await self._readers.run(query)

    async def wish(self, wish: Wish, entry: AuditEntry | None = None) -> None:
        row = (wish.endpoint, "resume" if wish.consent is None else "consent", encode(wish))

        async def transaction(connection: Connection) -> None:
            await write(connection, "move_revision", ("standings",))
            await write(connection, "add_wish", row)
            if entry is not None:
                await write_entry(connection, entry)

        await self._writer.run(Rank.REST, transaction)

    async def fulfil(self, numbers: Sequence[int]) -> None:
        await self._writer.run(Rank.REST, lambda connection: write_among(connection, "remove_wishes", (), numbers))
