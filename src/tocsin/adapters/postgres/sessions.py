"""Who is signed in to the web interface, and links that sign in."""

from __future__ import annotations

from typing import cast

from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.postgres.statements import Connection, read_page
from tocsin.adapters.postgres.writer import Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.sessions import LINKS, SESSIONS_OF_KEY, session_of
from tocsin.adapters.storing.values import Values
from tocsin.model.ids import KeyId, Millis
from tocsin.ports import KeptSession


class PostgresSessions:
    """`ports.SessionStore` on the shared store."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def add(self, hashed: bytes, key_id: KeyId, now: Millis, over: Millis, *, is_by_link: bool) -> None:
        new: Values = {"hash": hashed, "key": key_id, "now": now, "is_by_link": int(is_by_link)}

        async def transaction(connection: Connection) -> None:
            await read_page(connection, "add_session", new)
            await read_page(connection, "sweep_sessions", {"over": over, "key": key_id, "limit": SESSIONS_OF_KEY})

        await self._writer.run(Rank.REST, transaction)

    async def find(self, hashed: bytes, now: Millis) -> KeptSession | None:
        values: Values = {"hash": hashed, "now": now}
        return session_of(await self._readers.run(lambda connection: read_page(connection, "session", values)))

    async def touch(self, hashed: bytes, now: Millis) -> None:
        values: Values = {"hash": hashed, "now": now}
        await self._writer.run(Rank.REST, lambda connection: read_page(connection, "touch_session", values))

    async def end(self, hashed: bytes) -> None:
        await self._writer.run(Rank.REST, lambda connection: read_page(connection, "end_session", {"hash": hashed}))

    async def add_link(self, hashed: bytes, now: Millis, ends_at: Millis) -> None:
        async def transaction(connection: Connection) -> None:
            await read_page(connection, "add_link", {"hash": hashed, "ends_at": ends_at})
            await read_page(connection, "sweep_links", {"now": now, "limit": LINKS})

        await self._writer.run(Rank.REST, transaction)

    async def take_link(self, hashed: bytes, now: Millis) -> bool:
        taken = await self._writer.run(
            Rank.REST, lambda connection: read_page(connection, "take_link", {"hash": hashed})
        )
        return any(cast("int", ends_at) > now for (ends_at,) in taken)
