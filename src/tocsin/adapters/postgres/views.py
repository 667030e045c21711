"""The read side: pages by key, newest first, fetched whole."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final, cast

from tocsin.adapters.postgres.audit import read_entries
from tocsin.adapters.postgres.counts import count_deliveries, read_dead
from tocsin.adapters.postgres.lists import (
    delivery_numbers,
    delivery_views,
    list_deliveries,
    list_events,
    list_jobs,
    position_at,
)
from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.postgres.statements import Connection, read_page, statement_with
from tocsin.adapters.postgres.stats import read_backlogs, read_stats
from tocsin.adapters.postgres.strips import read_attempts, read_strips
from tocsin.adapters.postgres.trees import read_job_deliveries, read_tree
from tocsin.adapters.storing.rows import ATTEMPT_BITS, attempt_of, endpoint_of, event_of, job_view_of, key_of
from tocsin.adapters.storing.values import Row, Values
from tocsin.model.access import ApiKey
from tocsin.model.attempt import Attempt
from tocsin.model.audit import AuditEntry
from tocsin.model.event import Event
from tocsin.model.ids import DeliveryId, EndpointId, EventId
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


class PostgresViews:
    """`ports.Views` on the shared store. The fields of a query are the names of the optional lines of its statement."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def endpoints(self, query: EndpointQuery) -> list[StoredEndpoint]:
        values: Values = {"tenant": query.tenant, "before": query.before, "limit": query.limit}
        return [endpoint_of(row) for row in await self._readers.page("endpoints", values)]

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

        async def query(connection: Connection) -> list[DeliveryView]:
            return await delivery_views(connection, await read_page(connection, "deliveries", values))

        views = await self._readers.run(query)
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

        async def query(connection: Connection) -> list[Row]:
            rows = await read_page(connection, "attempts", values)
            return rows + [row[1:] for row in await read_page(connection, "batch_attempts", batched)]

        rows = await self._readers.run(query)
        attempts: list[Attempt] = []
        body = b""
        for detail, own_body in cast("list[tuple[bytes, bytes | None]]", rows):
            body = body if own_body is None else own_body
            attempts.append(attempt_of(detail, body))
        return attempts

    async def events(self, query: EventQuery) -> Rows[Event]:
        return await self._readers.run(lambda connection: list_events(connection, query))

    async def event(self, event_id: EventId, tenant: str | None) -> Event | None:
        values: Values = {"id": event_id, "tenant": tenant, "low": 1, "below": 1 << 62, "limit": 1}
        rows = await self._readers.page("events", values)
        return event_of(rows[0]) if rows else None

    async def jobs(self, query: JobQuery) -> Rows[JobView]:
        return await self._readers.run(lambda connection: list_jobs(connection, query))

    async def job(self, job_id: str, tenant: str | None) -> JobView | None:
        values: Values = {"id": job_id, "tenant": tenant, "low": 1, "below": 1 << 62, "limit": 1}
        rows = await self._readers.page("jobs", values)
        return job_view_of(rows[0]) if rows else None

    async def job_tree(self, job: JobView, limit: int) -> JobTree:
        return await self._readers.run(lambda connection: read_tree(connection, job, limit))

    async def job_deliveries(self, tenant: str, job_ids: Sequence[str], limit: int, most: int) -> list[DeliveryView]:
        return await self._readers.run(lambda c: read_job_deliveries(c, tenant, tuple(job_ids), limit, most))

    async def keys(self, query: KeyQuery) -> list[tuple[int, ApiKey]]:
        values: Values = {"tenant": query.tenant, "before": query.before, "limit": query.limit}
        rows = await self._readers.page("keys", values)
        return [(cast("int", row[0]), key_of(row)) for row in rows]

    async def audit(self, query: AuditQuery) -> list[tuple[int, AuditEntry]]:
        return await self._readers.run(lambda connection: read_entries(connection, query))

    async def tenants(self, after: str, limit: int) -> list[str]:
        return [cast("str", row[0]) for row in await self._readers.read("tenants", (after, limit))]

    async def newest(self) -> int:
        ((number,),) = await self._readers.read("delivery_head")
        return cast("int", number)

    async def pending(self, query: PendingQuery, after: PendingPlace = PENDING_BEGIN) -> PendingPage:
        is_about_events = not (query.since is None and query.until is None and query.wants is None)
        text, _ = statement_with("pending_page", frozenset({"event"} if is_about_events else ()))
        limit = _PENDING_PAGE if is_about_events else _LONG_PAGE

        async def read_pending(connection: Connection) -> PendingPage:
            rows = cast(
                "list[_PendingRow]", list(map(tuple, await connection.fetch(text, query.endpoint, *after, limit)))
            )
            end = rows[-1][:4] if len(rows) == limit else None
            if is_about_events:
                first = 0 if query.since is None else await position_at(connection, query.since)
                last = sys.maxsize if query.until is None else await position_at(connection, query.until) - 1
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
