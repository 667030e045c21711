"""The read side: pages by key, newest first, fetched whole."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, cast

import apsw

from tocsin.adapters.sqlite.audit import read_entries
from tocsin.adapters.sqlite.counts import count_deliveries, read_dead
from tocsin.adapters.sqlite.lists import (
    delivery_numbers,
    delivery_views,
    list_deliveries,
    list_events,
    list_jobs,
)
from tocsin.adapters.sqlite.positions import position_at
from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.statements import read_one, read_page, statement_with, write
from tocsin.adapters.sqlite.stats import read_backlogs, read_stats
from tocsin.adapters.sqlite.strips import read_attempts, read_strips
from tocsin.adapters.sqlite.trees import read_job_deliveries, read_tree
from tocsin.adapters.sqlite.writer import Writer
from tocsin.adapters.storing.commit_groups import ANSWERS_KEPT_MS
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import ATTEMPT_BITS, attempt_of, endpoint_of, event_of, job_view_of, key_of
from tocsin.adapters.storing.values import Values
from tocsin.model.access import ApiKey
from tocsin.model.attempt import Attempt
from tocsin.model.audit import AuditEntry
from tocsin.model.event import Event
from tocsin.model.ids import DeliveryId, EndpointId, EventId, Millis
from tocsin.model.submission import StoredAnswer
from tocsin.model.tally import Tally
from tocsin.ports import (
    PENDING_BEGIN,
    AttemptsQuery,
    AuditQuery,
    Count,
    DeadOfEndpoint,
    DeadQuery,
    DeliveryQuery,
    DeliveryView,
    EndpointQuery,
    EventQuery,
    Found,
    JobQuery,
    JobTree,
    JobView,
    KeyQuery,
    PendingPage,
    PendingPlace,
    PendingQuery,
    Rows,
    StatsQuery,
    StatsView,
    StoredEndpoint,
    Strip,
    StripQuery,
)

_PENDING_PAGE: Final = 2000
_LONG_PAGE: Final = 5000
"""Where only the index is read."""
_PendingRow = tuple[int, int, int, int, int, str]


class SqliteViews:
    """`ports.Views` on the embedded store. The fields of a query are the names of the optional lines of its statement."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def endpoints(self, query: EndpointQuery) -> list[StoredEndpoint]:
        values: Values = {"tenant": query.tenant, "before": query.before, "limit": query.limit}
        return await self._readers.run(lambda c: [endpoint_of(row) for row in read_page(c, "endpoints", values)])

    async def deliveries(self, query: DeliveryQuery) -> Rows[DeliveryView]:
        return await self._readers.run(lambda connection: list_deliveries(connection, query))

    async def found(self, query: DeliveryQuery) -> Rows[Found]:
        return await self._readers.run(lambda connection: delivery_numbers(connection, query))

    async def count(self, query: DeliveryQuery) -> Count:
        return await self._readers.run(lambda connection: count_deliveries(connection, query))

    async def dead(self, query: DeadQuery) -> list[DeadOfEndpoint]:
        return await self._readers.run(lambda connection: read_dead(connection, query))

    async def delivery(self, delivery_id: DeliveryId, tenant: str | None) -> DeliveryView | None:
        values: Values = {"id": delivery_id, "tenant": tenant, "limit": 1}
        views = await self._readers.run(lambda c: delivery_views(c, read_page(c, "deliveries", values)))
        return views[0] if views else None

    async def attempts(self, delivery: int, tenant: str | None) -> list[Attempt]:
        first = delivery << ATTEMPT_BITS
        values: Values = {
            "first": first,
            "end": first + (1 << ATTEMPT_BITS),
            "tenant": tenant,
            "delivery": None if tenant is None else delivery,
        }
        batched: Values = {"delivery": delivery, "tenant": tenant}
        rows, batch_rows = await self._readers.run(
            lambda c: (read_page(c, "attempts", values), read_page(c, "batch_attempts", batched))
        )
        attempts: list[Attempt] = []
        body = b""
        for detail, own_body in cast("list[tuple[bytes, bytes | None]]", [*rows, *(row[1:] for row in batch_rows)]):
            body = body if own_body is None else own_body
            attempts.append(attempt_of(detail, body))
        return attempts

    async def events(self, query: EventQuery) -> Rows[Event]:
        return await self._readers.run(lambda connection: list_events(connection, query))

    async def event(self, event_id: EventId, tenant: str | None) -> Event | None:
        values: Values = {"id": event_id, "tenant": tenant, "low": 1, "below": 1 << 62, "limit": 1}
        rows = await self._readers.run(lambda c: read_page(c, "events", values))
        return event_of(rows[0]) if rows else None

    async def jobs(self, query: JobQuery) -> Rows[JobView]:
        return await self._readers.run(lambda connection: list_jobs(connection, query))

    async def job(self, job_id: str, tenant: str | None) -> JobView | None:
        values: Values = {"id": job_id, "tenant": tenant, "low": 1, "below": 1 << 62, "limit": 1}
        rows = await self._readers.run(lambda c: read_page(c, "jobs", values))
        return job_view_of(rows[0]) if rows else None

    async def job_tree(self, job: JobView, limit: int) -> JobTree:
        return await self._readers.run(lambda connection: read_tree(connection, job, limit))

    async def job_deliveries(self, tenant: str, job_ids: Sequence[str], limit: int, most: int) -> list[DeliveryView]:
        return await self._readers.run(lambda c: read_job_deliveries(c, tenant, tuple(job_ids), limit, most))

    async def keys(self, query: KeyQuery) -> list[tuple[int, ApiKey]]:
        values: Values = {"tenant": query.tenant, "before": query.before, "limit": query.limit}
        rows = await self._readers.run(lambda c: read_page(c, "keys", values))
        return [(cast("int", row[0]), key_of(row)) for row in rows]

    async def audit(self, query: AuditQuery) -> list[tuple[int, AuditEntry]]:
        return await self._readers.run(lambda connection: read_entries(connection, query))

    async def tenants(self, after: str, limit: int) -> list[str]:
        values: Values = {"after": after, "limit": limit}
        rows = await self._readers.run(lambda c: read_page(c, "tenants", values))
        return [cast("str", row[0]) for row in rows]

    async def newest(self) -> int:
        row = await self._readers.run(lambda connection: read_one(connection, "delivery_head"))
        return cast("int", row[0]) if row else 0

    async def pending(self, query: PendingQuery, after: PendingPlace = PENDING_BEGIN) -> PendingPage:
        is_about_events = not (query.since is None and query.until is None and query.wants is None)
        text = statement_with("pending_page", frozenset({"event"} if is_about_events else ()))
        limit = _PENDING_PAGE if is_about_events else _LONG_PAGE

        def read_pending(connection: apsw.Connection) -> PendingPage:
            rows = cast("list[_PendingRow]", connection.execute(text, (query.endpoint, *after, limit)).fetchall())
            end = rows[-1][:4] if len(rows) == limit else None
            if is_about_events:
                first = 0 if query.since is None else position_at(connection, query.since)
                last = sys.maxsize if query.until is None else position_at(connection, query.until) - 1
                wants = query.wants or (lambda _: True)
                rows = [row for row in rows if first <= row[4] <= last and wants(row[5])]
            numbers = sorted([row[3] for row in rows if row[3] <= query.newest], reverse=True)
            return PendingPage(numbers=numbers, end=end)

        return await self._readers.run(read_pending)

    async def stats(self, query: StatsQuery) -> StatsView:
        return await self._readers.run(lambda connection: read_stats(connection, query))

    async def strips(self, query: StripQuery) -> dict[int, Strip]:
        return await self._readers.run(lambda connection: read_strips(connection, query))

    async def last_attempts(self, query: AttemptsQuery) -> list[tuple[DeliveryId, Attempt]]:
        return await self._readers.run(lambda connection: read_attempts(connection, query))

    async def backlogs(self, limit: int) -> list[tuple[str, EndpointId, Tally]]:
        return await self._readers.run(lambda connection: read_backlogs(connection, limit))


class SqliteAnswers:
    """`ports.Answers` on the embedded store."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    @asynccontextmanager
    async def at_work(self, tenant: str, route: str, key: str) -> AsyncIterator[bool]:
        del tenant, route, key  # nobody else has the file open
        yield True

    async def find(self, tenant: str, route: str, key: str, now: Millis) -> StoredAnswer | None:
        def query(connection: apsw.Connection) -> StoredAnswer | None:
            row = read_one(connection, "answer", (tenant, route, key, now - ANSWERS_KEPT_MS))
            if row is None:
                return None
            body_hash, status, body = cast("tuple[bytes, int, bytes]", row)
            return StoredAnswer(body_hash=body_hash, status=status, body=body)

        return await self._readers.run(query)

    async def keep(self, tenant: str, route: str, key: str, answer: StoredAnswer, now: Millis) -> None:
        row = (tenant, route, key, answer.body_hash, answer.status, answer.body, now)
        await self._writer.run(Rank.REST, lambda connection: write(connection, "save_answer", row))
