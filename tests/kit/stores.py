"""The stores under test: where each has its data, how it is opened, and what is in it, seen from outside."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import apsw
import asyncpg

from tocsin.adapters.postgres.store import PostgresStore
from tocsin.adapters.sqlite.store import SqliteStore

Store = SqliteStore | PostgresStore


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
