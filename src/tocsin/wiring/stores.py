"""Which store there is: by the URL of the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from tocsin.adapters.sqlite.store import SqliteStore, prepare_file
from tocsin.config import Settings
from tocsin.errors import Misconfigured
from tocsin.model.database import SharedDatabase
from tocsin.model.ids import Millis
from tocsin.operations.transfer import check_servable
from tocsin.ports import (
    Answers,
    Batches,
    Copies,
    DataKeys,
    Directory,
    Erasures,
    Holding,
    Inspection,
    Log,
    NoticeStore,
    Queue,
    Replays,
    RetentionStore,
    SessionStore,
    SharedStandings,
    StandingStore,
    Transfers,
    Views,
    WatchedStore,
)
from tocsin.ports.intake import IntakeStore


class DirectoryStore(Directory, StandingStore, Protocol):
    """Endpoints, their standing, and keys."""

    async def finish_removals(self, now: Millis) -> None:
        """Cancel what is pending for endpoints whose removal was cut short by a crash."""


class Store(Protocol):
    """Every port of a store. `standings` and `watched` are there where several
    processes may have it open. `free_bytes` tells how much of its disk is free, and may block; None where nobody can tell."""

    @property
    def log(self) -> Log: ...

    @property
    def queue(self) -> Queue: ...

    @property
    def batches(self) -> Batches: ...

    @property
    def holding(self) -> Holding: ...

    @property
    def replays(self) -> Replays: ...

    @property
    def directory(self) -> DirectoryStore: ...

    @property
    def notices(self) -> NoticeStore: ...

    @property
    def erasures(self) -> Erasures: ...

    @property
    def data_keys(self) -> DataKeys: ...

    @property
    def sessions(self) -> SessionStore: ...

    @property
    def standings(self) -> SharedStandings | None: ...

    @property
    def watched(self) -> WatchedStore | None: ...

    @property
    def views(self) -> Views: ...

    @property
    def intake(self) -> IntakeStore | None: ...

    @property
    def retention(self) -> RetentionStore: ...

    @property
    def answers(self) -> Answers: ...

    @property
    def inspection(self) -> Inspection: ...

    @property
    def copies(self) -> Copies: ...

    @property
    def transfers(self) -> Transfers: ...

    @property
    def free_bytes(self) -> Callable[[], int] | None: ...


@asynccontextmanager
async def open_store(settings: Settings, now_ms: Callable[[], Millis]) -> AsyncIterator[Store]:
    """The store of the settings, to be served, closed in the end. Raises Misconfigured."""
    async with opened(settings.database, now_ms, lease_seconds=settings.lease_ms / 1000) as store:
        check_servable(await store.transfers.mark(), name_of(settings.database))
        yield store


@asynccontextmanager
async def opened(
    database: Path | SharedDatabase,
    now_ms: Callable[[], Millis],
    *,
    alone: bool = False,
    lease_seconds: float = 10.0,
) -> AsyncIterator[Store]:
    """The store in a database, closed in the end. `alone`: nobody else has it open meanwhile, which is always so of the embedded
    one. Raises Misconfigured."""
    if isinstance(database, SharedDatabase):
        try:
            from tocsin.adapters.postgres.store import PostgresStore  # noqa: PLC0415 (an extra: not everybody has it)
        except ImportError as error:
            raise _missing() from error
        shared = await PostgresStore.open(
            database.url.reveal(), now_ms, time.monotonic, alone=alone, lease_seconds=lease_seconds
        )
        try:
            yield shared
        finally:
            await shared.close()
    else:
        embedded = SqliteStore(database, now_ms, time.monotonic)
        try:
            yield embedded
        finally:
            await asyncio.to_thread(embedded.close)


def name_of(database: Path | SharedDatabase) -> str:
    """Its URL, without the password."""
    return str(database) if isinstance(database, SharedDatabase) else f"sqlite:///{database}"


def migrate_store(settings: Settings) -> None:
    """Bring the database up to date and let go of it. Raises Misconfigured, also while a server has the embedded store open."""
    if not isinstance(settings.database, SharedDatabase):
        prepare_file(settings.database).release()
        return
    try:
        from tocsin.adapters.postgres.database import prepare_database  # noqa: PLC0415 (as above)
    except ImportError as error:
        raise _missing() from error
    asyncio.run(prepare_database(settings.database.url.reveal(), lease_seconds=settings.lease_ms / 1000))


def _missing() -> Misconfigured:
    return Misconfigured("PostgreSQL needs one more part: pip install 'tocsin[postgres]'.")
