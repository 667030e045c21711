"""How many deliveries there are: by tallies where they say it, else by looking at a bounded number of rows."""

from __future__ import annotations

import apsw
import msgspec

from tocsin.adapters.sqlite.lists import delivery_numbers
from tocsin.adapters.sqlite.statements import read, read_page
from tocsin.adapters.storing.counts import PAGES, dead_of, is_tallied, tallied
from tocsin.adapters.storing.values import Values
from tocsin.ports import Count, DeadOfEndpoint, DeadQuery, DeliveryQuery


def count_deliveries(connection: apsw.Connection, query: DeliveryQuery) -> Count:
    """How many there are, up to the query's limit."""
    if is_tallied(query):
        values: Values = {"tenant": query.tenant, "endpoint": query.endpoint}
        return tallied(query, read_page(connection, "delivery_counts", values))
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
    return [
        dead_of(row, read(connection, "dead_reasons", (row[0], query.looked)), query)
        for row in read_page(connection, "dead_endpoints", values)
    ]
