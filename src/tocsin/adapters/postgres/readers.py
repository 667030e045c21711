"""Reading connections: short queries, each of one moment, limited in time, fetched whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import asyncpg

from tocsin.adapters.postgres.database import LOST, connect, hang_up, problem_of
from tocsin.adapters.postgres.statements import Connection, read, read_page
from tocsin.adapters.storing.values import Row, Values
from tocsin.errors import InvalidRequest, StoreUnavailable

T = TypeVar("T")
Query = Callable[[Connection], Awaitable[T]]
CONNECTIONS: Final = 2


class Readers:
    """A few connections. `close` waits for the reads under way."""

    def __init__(self, url: str, *, limit_seconds: float) -> None:
        self._url = url
        self._limit_seconds = limit_seconds
        self._idle: list[Connection] = []
        self._room = asyncio.Semaphore(CONNECTIONS)
        self._closed = False

    async def run(self, query: Query[T]) -> T:
        """Run a query that sees one moment. Raises StoreUnavailable when it takes too long or the server cannot be reached."""

        async def of_one_moment(connection: Connection) -> T:
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                return await query(connection)
            finally:
                if not connection.is_closed():
                    await connection.execute("COMMIT")

        return await self._run(of_one_moment)

    async def read(self, name: str, values: Sequence[object] = ()) -> list[Row]:
        """All rows of one statement. Raises StoreUnavailable likewise."""
        return await self._run(lambda connection: read(connection, name, values))

    async def page(self, name: str, values: Values, *words: str) -> list[Row]:
        """All rows of one statement with optional lines. Raises StoreUnavailable likewise."""
        return await self._run(lambda connection: read_page(connection, name, values, *words))

    async def close(self) -> None:
        """Wait for the reads under way, then let go of the server. What still waits for room is refused."""
        self._closed = True
        for _ in range(CONNECTIONS):
            await self._room.acquire()
        while self._idle:
            await hang_up(self._idle.pop())
        for _ in range(CONNECTIONS):
            self._room.release()

    async def _run(self, query: Query[T]) -> T:
        """A connection that was idle may be gone: then there is one more try, on a new one."""
        async with self._room:
            if self._closed:
                raise StoreUnavailable("The store is closed.")
            while self._idle:
                connection = self._idle.pop()
                if connection.is_closed():
                    continue
                try:
                    return await self._on(connection, query)
                except StoreUnavailable as error:
                    if not isinstance(error.__cause__, LOST):
                        raise
            return await self._on(await connect(self._url, seconds=self._limit_seconds, is_paged=True), query)

    async def _on(self, connection: Connection, query: Query[T]) -> T:
        try:
            result = await query(connection)
        except asyncpg.QueryCanceledError as error:
            self._idle.append(connection)
            raise StoreUnavailable("The query took too long; ask for less.") from error
        except asyncpg.DataError as error:  # a text with NUL, a number of 20 digits: asyncpg or the server notices
            self._idle.append(connection)
            raise InvalidRequest("The store cannot hold what is looked for.") from error
        except (*LOST, asyncpg.PostgresError) as error:  # a lock, a disk, a table that goes: whoever asks may ask again
            connection.terminate()
            raise problem_of(error) from error
        except BaseException:
            connection.terminate()
            raise
        self._idle.append(connection)
        return result
