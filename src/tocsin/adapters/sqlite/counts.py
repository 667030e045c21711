"""How many deliveries there are: by tallies where they say it, else by looking at a bounded number of rows."""

from __future__ import annotations

from typing import Final, cast

import apsw
import msgspec

from tocsin.adapters.sqlite.lists import delivery_numbers
from tocsin.adapters.sqlite.rows import endpoint_of
from tocsin.adapters.sqlite.statements import Values, read, read_page
from tocsin.ports import Count, DeadOfEndpoint, DeadQuery, DeadReason, DeliveryQuery

PAGES: Final = 4
"""How often a count goes on where a page ended because enough was looked at."""
_TALLIED: Final = {"pending": 0, "dead": 1}
_WHOSE: Final = frozenset({"tenant", "limit", "endpoint", "state"})
"""Fields of a query that tallies can answer."""


def count_deliveries(connection: apsw.Connection, query: DeliveryQuery) -> Count:
    """How many there are, up to the query's limit."""
    if query.state in _TALLIED and _is_tallied(query):
        rows = read_page(connection, "delivery_counts", {"tenant": query.tenant, "endpoint": query.endpoint})
        return Count(count=cast("int", rows[0][_TALLIED[query.state]]) if rows else 0, complete=True)
    found = 0
    at = query
    for _ in range(PAGES):
        page = delivery_numbers(connection, msgspec.structs.replace(at, limit=query.limit + 1 - found))
        found += len(page)
        if found > query.limit:
            return Count(count=query.limit, complete=False)
        if page.rest is None:
            return Count(count=found, complete=True)
        at = msgspec.structs.replace(at, before=page.rest)
    return Count(count=found, complete=False)


def read_dead(connection: apsw.Connection, query: DeadQuery) -> list[DeadOfEndpoint]:
    """By endpoint, those with most first; and by reason, the most common first."""
    values: Values = {"tenant": query.tenant, "endpoint": query.endpoint, "most": query.most}
    found: list[DeadOfEndpoint] = []
    for row in read_page(connection, "dead_endpoints", values):
        endpoint, dead = endpoint_of(row[:-1]), cast("int", row[-1])
        rows = cast(
            "list[tuple[str, int, int, int]]", read(connection, "dead_reasons", (endpoint.number, query.looked))
        )
        reasons = tuple(
            DeadReason(reason=reason, count=count, first_at=first_at, last_at=last_at)
            for reason, count, first_at, last_at in rows
        )
        found.append(DeadOfEndpoint(endpoint=endpoint, dead=dead, looked=min(dead, query.looked), reasons=reasons))
    return found


def _is_tallied(query: DeliveryQuery) -> bool:
    return all(value is None for name, value in msgspec.structs.asdict(query).items() if name not in _WHOSE)
