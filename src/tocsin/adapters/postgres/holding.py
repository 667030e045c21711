"""Who holds which partition: joining, beating, fencing, taking, on a connection of its own that gives up within seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar, cast

import asyncpg

from tocsin.adapters.postgres.database import LOST, connect, hang_up, problem_of
from tocsin.adapters.postgres.hints import Hints
from tocsin.adapters.postgres.statements import Connection, read, read_one, write
from tocsin.adapters.postgres.writer import NEWEST, TOO_OLD
from tocsin.errors import StoreUnavailable
from tocsin.ports import Beat, Cursor, Hint, Holder, Neighbour, Revisions, Taken
from tocsin.rules.partitions import PARTITIONS

T = TypeVar("T")
LIMIT_SECONDS: Final = 2.0
"""A server that needs longer for one of these is as good as gone."""


class PostgresHolding:
    """`ports.Holding` on the shared store. What is given back keeps the time of the last fence: whoever takes it next may have to
    wait for that one still."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()
        self._hints = Hints(url, PARTITIONS)

    @property
    def partitions(self) -> int:
        return PARTITIONS

    @property
    def is_shared(self) -> bool:
        return True

    async def join(self, name: str) -> Holder:
        row = await self._run(lambda connection: read_one(connection, "join", (name, NEWEST)))
        if row is None:
            raise StoreUnavailable(TOO_OLD)
        (epoch,) = cast("tuple[int]", row)
        return Holder(epoch=epoch)

    async def beat(self, holder: Holder, *, is_watching: bool) -> Beat | None:
        row = await self._run(lambda connection: read_one(connection, "beat", (holder.epoch, is_watching)))
        if row is None:
            return None
        epochs, names, beats, watching, holders, revisions, endpoints, at = cast(
            "tuple[list[int], list[str], list[int], list[bool], list[int], list[int], int, int]", row
        )
        api_keys, data_keys, replays, retention, standings = revisions
        others = zip(epochs, names, beats, watching, strict=True)
        return Beat(
            neighbours=tuple(
                Neighbour(epoch=epoch, name=name, beats=count, is_watching=is_watching)
                for epoch, name, count, is_watching in others
            ),
            holders=dict(enumerate(holders)),
            revisions=Revisions(
                endpoints=endpoints,
                standings=standings,
                api_keys=api_keys,
                data_keys=data_keys,
                replays=replays,
                retention=retention,
            ),
            at=at,
        )

    async def fence(self, holder: Holder, gone: Neighbour) -> bool:
        async def transaction(connection: Connection) -> bool:
            if not await write(connection, "remove_node", (gone.epoch, gone.beats, holder.epoch)):
                return False
            # Only now, since it may have taken some until its row was gone.
            await write(connection, "free_partitions", (gone.epoch,))
            return True

        return await self._transact(transaction)

    async def take(self, holder: Holder, limit: int) -> list[Taken]:
        rows = await self._run(lambda connection: read(connection, "take", (holder.epoch, limit)))
        return [
            Taken(
                partition=partition,
                cursor=Cursor(position=position, endpoint=endpoint),
                fenced_ago_ms=None if ago is None else max(0, ago),
            )
            for partition, position, endpoint, ago in cast("list[tuple[int, int, int, int | None]]", rows)
        ]

    async def give_back(self, holder: Holder, partitions: Sequence[int]) -> None:
        await self._run(lambda connection: write(connection, "give_back", (holder.epoch, list(partitions))))

    async def leave(self, holder: Holder) -> None:
        async def transaction(connection: Connection) -> None:
            await write(connection, "give_back_all", (holder.epoch,))
            await write(connection, "leave", (holder.epoch,))

        await self._transact(transaction)

    async def cursors(self, holder: Holder) -> dict[int, Cursor] | None:
        rows = await self._run(lambda connection: read(connection, "cursors", (holder.epoch,)))
        return _cursors_of(rows) if rows else None

    async def listen(self, heard: Callable[[Hint], None]) -> None:
        await self._hints.listen(heard)

    def tell(self, hint: Hint) -> None:
        self._hints.tell(hint)

    async def close(self) -> None:
        """Tell what waits to be told, then let go of the server."""
        await self._hints.close()
        async with self._turn:
            if self._connection is not None:
                await hang_up(self._connection)
                self._connection = None

    async def _transact(self, transaction: Callable[[Connection], Awaitable[T]]) -> T:
        async def run(connection: Connection) -> T:
            await connection.execute("BEGIN")
            result = await transaction(connection)
            await connection.execute("COMMIT")
            return result

        return await self._run(run)

    async def _run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Raises StoreUnavailable. After any trouble there is a new connection, which has no open transaction."""
        async with self._turn:
            connection = self._connection
            if connection is None or connection.is_closed():
                connection = await connect(self._url, seconds=LIMIT_SECONDS, is_prompt=True)
            self._connection = None
            try:
                result = await work(connection)
            except (*LOST, asyncpg.PostgresError) as error:
                connection.terminate()
                raise _prompt(error) from error
            except BaseException:
                connection.terminate()
                raise
            self._connection = connection
            return result


def _prompt(error: BaseException) -> StoreUnavailable:
    found = problem_of(error)
    return found if isinstance(found, StoreUnavailable) else StoreUnavailable(type(error).__name__)


def _cursors_of(rows: Sequence[Sequence[object]]) -> dict[int, Cursor]:
    """Of `cursors`: one row without a partition when there are none."""
    return {
        partition: Cursor(position=position, endpoint=endpoint)
        for partition, position, endpoint in cast("Sequence[tuple[int | None, int, int]]", rows)
        if partition is not None
    }
