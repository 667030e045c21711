"""What counting has in common in every store: which queries tallies answer, and what is dead by reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

import msgspec

from tocsin.adapters.storing.rows import endpoint_of
from tocsin.adapters.storing.values import Row
from tocsin.ports import Count, DeadOfEndpoint, DeadQuery, DeadReason, DeliveryQuery

PAGES: Final = 2
"""How often a count goes on where a page ended because enough was looked at."""
_TALLIED: Final = {"pending": 0, "dead": 1}
_WHOSE: Final = frozenset({"tenant", "limit", "endpoint", "state"})
"""Fields of a query that tallies can answer."""


def is_tallied(query: DeliveryQuery) -> bool:
    """Whether tallies say how many there are."""
    asked = {name for name, value in msgspec.structs.asdict(query).items() if value is not None}
    return query.state in _TALLIED and asked <= _WHOSE


def tallied(query: DeliveryQuery, rows: Sequence[Row]) -> Count:
    """From the columns of `delivery_counts.sql`."""
    assert query.state is not None
    return Count(count=cast("int", rows[0][_TALLIED[query.state]]) if rows else 0, complete=True)


def dead_of(row: Row, reasons: Sequence[Row], query: DeadQuery) -> DeadOfEndpoint:
    """From a row of `dead_endpoints.sql`, and those of `dead_reasons.sql`."""
    dead = cast("int", row[-1])
    return DeadOfEndpoint(
        endpoint=endpoint_of(row[:-1]),
        dead=dead,
        looked=min(dead, query.looked),
        reasons=tuple(
            DeadReason(reason=reason, count=count, first_at=first_at, last_at=last_at)
            for reason, count, first_at, last_at in cast("Sequence[tuple[str, int, int, int]]", reasons)
        ),
    )
