"""The shared store as a whole: opened with all its checks, closed in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Self

import asyncpg

from tocsin.adapters.postgres.answers import PostgresAnswers
from tocsin.adapters.postgres.batches import PostgresBatches
from tocsin.adapters.postgres.data_keys import PostgresDataKeys
from tocsin.adapters.postgres.database import LOST, connect, hang_up, prepare_database, problem_of
from tocsin.adapters.postgres.directory import PostgresDirectory
from tocsin.adapters.postgres.eras import Eras
from tocsin.adapters.postgres.erasing import PostgresErasures
from tocsin.adapters.postgres.holding import PostgresHolding
from tocsin.adapters.postgres.inspecting import PostgresCopies, PostgresInspection
from tocsin.adapters.postgres.intake import PostgresIntake
from tocsin.adapters.postgres.log import PostgresLog
from tocsin.adapters.postgres.notices import PostgresNotices
from tocsin.adapters.postgres.queue import PostgresQueue
from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.postgres.replays import PostgresReplays
from tocsin.adapters.postgres.retention import PostgresRetention
from tocsin.adapters.postgres.sessions import PostgresSessions
from tocsin.adapters.postgres.standings import PostgresStandings
from tocsin.adapters.postgres.tallies import Tallies
from tocsin.adapters.postgres.transfers import PostgresTransfers
from tocsin.adapters.postgres.views import PostgresViews
from tocsin.adapters.postgres.watching import PostgresWatched
from tocsin.adapters.postgres.writer import Writer
from tocsin.errors import Misconfigured, StoreUnavailable
from tocsin.model.ids import Millis

_READ_SECONDS: Final = 5.0
_VACUUM_SECONDS: Final = 3600.0
_VACUUMED: Final = "VACUUM event, delivery, attempt, batch_attempt, answer, version, job, replay, audit"
"""The tables that an erasure replaces something in."""


class PostgresStore:
    """Every port of the shared store over one database."""

    def __init__(
        self, url: str, now_ms: Callable[[], Millis], monotonic: Callable[[], float], *, alone: bool = False
    ) -> None:
        """Connects to nothing yet: see `open`. `alone`: no other process has it open for writing meanwhile."""
        self._url = url
        self.free_bytes: Callable[[], int] | None = None
        self._writer = Writer(url, alone=alone)
        self._readers = Readers(url, limit_seconds=_READ_SECONDS)
        tallies = Tallies(now_ms)
        self._writer.on_connect.append(tallies.connected)
        self._writer.on_begin.append(tallies.begin)
        self._writer.on_commit.append(tallies.flush)
        self._writer.on_committed.append(tallies.committed)
        self.log = PostgresLog(self._writer, self._readers, tallies, now_ms)
        self.intake = PostgresIntake(self._writer, self._readers, self.log, now_ms)
        self.queue = PostgresQueue(self._writer, self._readers, tallies, now_ms)
        self.batches = PostgresBatches(self._writer, self._readers, tallies, now_ms)
        self.holding = PostgresHolding(url)
        self.replays = PostgresReplays(self._writer, self._readers, self.queue.add, tallies)
        self.directory = PostgresDirectory(self._writer, self._readers, tallies)
        self.notices = PostgresNotices(self._writer, self._readers)
        self.erasures = PostgresErasures(self._writer, self._readers, tallies, self._vacuum)
        self.data_keys = PostgresDataKeys(self._writer, self._readers)
        self.sessions = PostgresSessions(self._writer, self._readers)
        self.standings = PostgresStandings(self._writer, self._readers)
        self.watched = PostgresWatched(self._readers)
        self.views = PostgresViews(self._readers)
        eras = Eras(url, self._writer, tallies, monotonic)
        self.retention = PostgresRetention(self._writer, self._readers, tallies, monotonic, now_ms, eras)
        self.answers = PostgresAnswers(url, self._writer, self._readers)
        self.inspection = PostgresInspection(url, self._readers)
        self.copies = PostgresCopies()
        self.transfers = PostgresTransfers(url, self._writer, self._readers, tallies, eras)

    @classmethod
    async def open(
        cls,
        url: str,
        now_ms: Callable[[], Millis],
        monotonic: Callable[[], float],
        *,
        alone: bool = False,
        lease_seconds: float = 10.0,
    ) -> Self:
        """Check the server, bring the schema up to date, connect. Raises Misconfigured, also when others have it open and this one
        wants it `alone`, or another has it alone."""
        await prepare_database(url, lease_seconds=lease_seconds)
        store = cls(url, now_ms, monotonic, alone=alone)
        try:
            await store._writer.open()
        except StoreUnavailable as error:
            raise Misconfigured(
                f"The database cannot be opened: {error.detail}", reason=error.members.get("reason")
            ) from error
        return store

    async def close(self) -> None:
        """Finish what waits to be written, then let go of the server."""
        await self._readers.close()
        await self._writer.close()
        await self.answers.close()
        await self.holding.close()

    async def _vacuum(self) -> None:
        """Take what was deleted or replaced out of the tables. Raises StoreUnavailable."""
        connection = await connect(self._url, seconds=_VACUUM_SECONDS)
        try:
            await connection.execute(_VACUUMED)
        except (*LOST, asyncpg.PostgresError) as error:
            raise problem_of(error) from error
        finally:
            await hang_up(connection)
