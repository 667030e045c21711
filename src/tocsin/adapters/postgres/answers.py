"""Answers under idempotency keys, and keys that are at work: each at one node at a time.

A key at work is an advisory lock of a session that has nothing else: it ends with its connection, so that a crash leaves none behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import Final, cast

import asyncpg

from tocsin.adapters.postgres.database import LOST, connect, hang_up, problem_of
from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.postgres.statements import Connection, read_one, write_rows
from tocsin.adapters.postgres.writer import Writer
from tocsin.adapters.storing.commit_groups import ANSWERS_KEPT_MS
from tocsin.adapters.storing.ranks import Rank
from tocsin.errors import StoreUnavailable
from tocsin.model.ids import Millis
from tocsin.model.submission import StoredAnswer

LIMIT_SECONDS: Final = 3.0


class PostgresAnswers:
    """`ports.Answers` on the shared store."""

    def __init__(self, url: str, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers
        self._keys = _KeysAtWork(url)

    @asynccontextmanager
    async def at_work(self, tenant: str, route: str, key: str) -> AsyncIterator[bool]:
        number = _number_of(tenant, route, key)
        is_ours = await self._keys.take(number)
        try:
            yield is_ours
        finally:
            if is_ours:
                await self._keys.leave(number)

    async def find(self, tenant: str, route: str, key: str, now: Millis) -> StoredAnswer | None:
        async def query(connection: Connection) -> StoredAnswer | None:
            row = await read_one(connection, "answer", (tenant, route, key, now - ANSWERS_KEPT_MS))
            if row is None:
                return None
            body_hash, status, body = cast("tuple[bytes, int, bytes]", row)
            return StoredAnswer(body_hash=body_hash, status=status, body=body)

        return await self._readers.run(query)

    async def keep(self, tenant: str, route: str, key: str, answer: StoredAnswer, now: Millis) -> None:
        row = (tenant, route, key, answer.body_hash, answer.status, answer.body, now)
        await self._writer.run(Rank.REST, lambda connection: write_rows(connection, "save_answer", [row]))

    async def close(self) -> None:
        """Let go of the server."""
        await self._keys.close()


class _KeysAtWork:
    """The locks of this node, on a connection that is made when the first is taken. Nobody here asks for one that is taken here:
    a session has as many of a lock as it asks for."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()
        self._is_closed = False

    async def take(self, number: int) -> bool:
        """Whether nobody else has it. Raises StoreUnavailable."""
        try:
            return await self._take(number)
        except asyncio.CancelledError:
            await self.leave(number)  # the server may have given it all the same
            raise

    async def leave(self, number: int) -> None:
        """Nobody has it any more: not even when the connection is lost, which then is the end of it."""
        await asyncio.shield(self._leave(number))

    async def close(self) -> None:
        async with self._turn:
            self._is_closed = True
            if self._connection is not None:
                await hang_up(self._connection)
                self._connection = None

    async def _take(self, number: int) -> bool:
        async with self._turn:
            if self._is_closed:
                raise StoreUnavailable("The store is closed.")
            if self._connection is None or self._connection.is_closed():
                self._connection = await connect(self._url, seconds=LIMIT_SECONDS, is_prompt=True)
            try:
                return await read_one(self._connection, "take_key", (number,)) == (True,)
            except (*LOST, asyncpg.PostgresError) as error:
                self._connection.terminate()
                raise problem_of(error) from error

    async def _leave(self, number: int) -> None:
        async with self._turn:
            if self._connection is None or self._connection.is_closed():
                return
            try:
                await read_one(self._connection, "leave_key", (number,))
            except (*LOST, asyncpg.PostgresError):
                self._connection.terminate()


def _number_of(tenant: str, route: str, key: str) -> int:
    """The name of its lock."""
    digest = blake2b("\0".join((tenant, route, key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
