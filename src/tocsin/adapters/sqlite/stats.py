"""Numbers as they are read: from tallies, by a few look-ups for each point of a range."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import pairwise
from operator import sub
from typing import cast

import apsw
import msgspec

from tocsin.adapters.storing.rows import endpoint_of
from tocsin.adapters.sqlite.statements import Row, Values, listed, read_one, read_page, statement, statement_with
from tocsin.adapters.sqlite.tallies import EVERYTHING, Scope
from tocsin.adapters.storing.tally_changes import BLOCK_BITS, FIELDS, PACKED
from tocsin.model.ids import EndpointId, Millis
from tocsin.model.tally import ERROR_KINDS, Percentiles, Span, Tally
from tocsin.ports import FailingEndpoint, StatsQuery, StatsView
from tocsin.rules import histograms
from tocsin.rules.ranges import MINUTE_MS

_SHARES = (0.5, 0.95, 0.99)
_NAMES = {"pending", "dead", "oldest_at"}


def read_stats(connection: apsw.Connection, query: StatsQuery) -> StatsView:
    """Everything of one moment."""
    scope = EVERYTHING if query.tenant is None else (query.tenant, query.endpoint or 0)
    minute, now = _current(connection, scope)
    (head,) = read_page(connection, "last_position", {"tenant": query.tenant})[0]
    oldest = _oldest(connection, query, scope) if now.pending else None
    now = msgspec.structs.replace(now, oldest_at=oldest)
    whole: Span | None = None
    points: tuple[Span, ...] = ()
    failing: tuple[FailingEndpoint, ...] = ()
    if query.minutes:
        tallies = _at(connection, scope, query.minutes, query.step, minute, now)
        marks = list(zip(query.minutes, tallies, strict=True))
        points = tuple(_between(*before, *after) for before, after in pairwise(marks))
        whole = _between(*marks[0], *marks[-1])
        if query.failing:
            failing = _failing(connection, query)
    return StatsView(
        now=now,
        head=cast("int", head),
        whole=whole,
        points=points,
        failing=failing,
    )


def read_backlogs(connection: apsw.Connection, limit: int) -> list[tuple[str, EndpointId, Tally]]:
    """The endpoints with most pending."""
    rows = connection.execute(statement("largest_backlogs"), {"limit": limit}).fetchall()
    return [
        (tenant, EndpointId(id_), Tally(pending=pending, dead=dead))
        for tenant, id_, pending, dead in cast("list[tuple[str, str, int, int]]", rows)
    ]


def _current(connection: apsw.Connection, scope: Scope) -> tuple[int, Tally]:
    row = read_one(connection, "tally", scope)
    if row is None:
        return 0, Tally()
    return cast("int", row[0]), _tally_of(row[1:], [cast("bytes", part) for part in row[1 + PACKED :]])


def _at(connection: apsw.Connection, scope: Scope, minutes: range, step: int, minute: int, now: Tally) -> list[Tally]:
    """How it stood at the start of each minute. What changed last before it is in the current row, or in the history."""
    past = [at for at in minutes if at <= minute]
    found: dict[int, Tally] = {}
    if past:
        values = {"tenant": scope[0], "endpoint": scope[1], "step": step, "minutes": listed(past)}
        for at, *row in connection.execute(statement("tallies_at"), values):
            packed = [zlib.decompress(part) for part in row[PACKED : len(FIELDS)]]
            found[at] = _tally_of(tuple(row), packed, cast("int | None", row[len(FIELDS)]))
    empty = Tally()
    return [found.get(at, empty) if at <= minute else now for at in minutes]


def _tally_of(row: Row, packed: Sequence[bytes], oldest_at: Millis | None = None) -> Tally:
    counts = cast("tuple[int, ...]", row[:PACKED])
    values = (*counts, *(int.from_bytes(part, "little") for part in packed))
    return Tally(**dict(zip(FIELDS, values, strict=True)), oldest_at=oldest_at)


def _between(since: int, before: Tally, until: int, after: Tally) -> Span:
    """What happened between two moments, given as minutes."""
    differences = {name: sub(getattr(after, name), getattr(before, name)) for name in FIELDS if name not in _NAMES}
    errors = histograms.counts(differences.pop("errors"))
    attempt_ms, delivered_ms = differences.pop("attempt_ms"), differences.pop("delivered_ms")
    return Span(
        **differences,
        since=since * MINUTE_MS,
        until=until * MINUTE_MS,
        errors={kind: count for kind, count in zip(ERROR_KINDS, errors, strict=False) if count},
        attempt_ms=_percentiles(attempt_ms),
        delivered_ms=_percentiles(delivered_ms),
        pending=after.pending,
        oldest_at=after.oldest_at,
    )


def _percentiles(histogram: int) -> Percentiles:
    p50, p95, p99 = histograms.percentiles(histogram, _SHARES)
    return Percentiles(p50=p50, p95=p95, p99=p99)


def _oldest(connection: apsw.Connection, query: StatsQuery, scope: Scope) -> Millis | None:
    """The first pending delivery of the first block that has some."""
    block = read_one(connection, "oldest_block", scope)
    if block is None:
        return None
    first = cast("int", block[0]) << BLOCK_BITS
    values: Values = {
        "first": first,
        "end": first + (1 << BLOCK_BITS),
        "tenant": query.tenant,
        "endpoint": query.endpoint,
    }
    rows = read_page(connection, "oldest_pending", values)
    return cast("int", rows[0][0]) if rows else None


def _failing(connection: apsw.Connection, query: StatsQuery) -> tuple[FailingEndpoint, ...]:
    values: Values = {
        "tenant": query.tenant,
        "since": query.minutes[0],
        "until": query.minutes[-1],
        "step": query.step,
        "limit": query.failing,
    }
    given = frozenset({"tenant"} if query.tenant is not None else ())
    rows = connection.execute(statement_with("failing_endpoints", given), values).fetchall()
    found: list[FailingEndpoint] = []
    for row in rows:
        pending, dead, attempts, failures = cast("tuple[int, int, int, int]", row[-4:])
        stored = endpoint_of(tuple(row[:-4]))
        found.append(FailingEndpoint(endpoint=stored, pending=pending, dead=dead, attempts=attempts, failures=failures))
    return tuple(found)
