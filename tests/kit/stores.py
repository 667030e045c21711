"""The stores under test: where each has its data, how it is opened, and what is in it, seen from outside."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import apsw
import asyncpg

from tocsin.adapters.postgres.batches import PostgresBatches
from tocsin.adapters.postgres.directory import PostgresDirectory
from tocsin.adapters.postgres.erasing import PostgresErasures
from tocsin.adapters.postgres.queue import PostgresQueue
from tocsin.adapters.postgres.store import PostgresStore
from tocsin.adapters.sqlite.batches import SqliteBatches
from tocsin.adapters.sqlite.directory import SqliteDirectory
from tocsin.adapters.sqlite.erasing import SqliteErasures
from tocsin.adapters.sqlite.queue import SqliteQueue
from tocsin.adapters.sqlite.store import SqliteStore
from tocsin.ports import Cursor, Holder, Move

Store = SqliteStore | PostgresStore
PARTS: dict[str, tuple[type, type]] = {
    "batches": (SqliteBatches, PostgresBatches),
    "directory": (SqliteDirectory, PostgresDirectory),
    "erasures": (SqliteErasures, PostgresErasures),
    "queue": (SqliteQueue, PostgresQueue),
}
"""The classes behind the ports, for tests that make a method of them late or lossy."""


class Place(Protocol):
    """Where the data of one store is."""

    url: str

    async def open(self, now_ms: Callable[[], int]) -> Store: ...

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        """What a query gives, from a connection of our own."""


class SqlitePlace:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"

    async def open(self, now_ms: Callable[[], int]) -> Store:
        return SqliteStore(self.path, now_ms, time.monotonic)

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        connection = apsw.Connection(str(self.path))
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()


class PostgresPlace:
    def __init__(self, url: str) -> None:
        self.url = url

    async def open(self, now_ms: Callable[[], int]) -> Store:
        return await PostgresStore.open(self.url, now_ms, time.monotonic)

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(self.url)
        try:
            return list(map(tuple, await connection.fetch(query)))
        finally:
            await connection.close()


async def close(store: Store) -> None:
    """Let go of the data, whichever store it is."""
    if isinstance(store, PostgresStore):
        await store.close()
    else:
        store.close()


def place_of(url: str) -> Place:
    """By the URL of the database."""
    return SqlitePlace(Path(url.removeprefix("sqlite:///"))) if url.startswith("sqlite:") else PostgresPlace(url)


def part_of(url: str, name: str) -> type:
    """The class behind a port of the store that has this URL."""
    return PARTS[name][not url.startswith("sqlite:")]


async def held(store: Store) -> tuple[Holder, Cursor]:
    """A new holder of everything, which takes the right of all before it, and where the fan-out stands."""
    holder = await store.holding.join("test")
    seen = await store.holding.beat(holder, is_watching=False)
    assert seen is not None
    for other in seen.neighbours:
        assert await store.holding.fence(holder, other)
    taken = await store.holding.take(holder, store.holding.partitions)
    assert sorted(one.partition for one in taken) == list(range(store.holding.partitions))
    (cursor,) = {one.cursor for one in taken}
    return holder, cursor


def moves(store: Store, old: Cursor, new: Cursor) -> list[Move]:
    """Of every partition."""
    return [Move(partition=number, old=old, new=new) for number in range(store.holding.partitions)]


async def position(store: Store, holder: Holder) -> Cursor | None:
    """Where the fan-out of everything stands; None when the holder was fenced."""
    cursors = await store.holding.cursors(holder)
    if cursors is None:
        return None
    (cursor,) = set(cursors.values())
    return cursor
