"""Places in the log: of a time, of a job, of the events about a subject.

The index of subjects lies in blocks of 2048 positions. A subject is looked for in one block after another, in the order in which its
events are wanted, until there are enough; where retention left a gap, the search goes on behind it.
"""

from __future__ import annotations

from typing import Final, cast

import apsw

from tocsin.adapters.sqlite.statements import read_one, read_page, statement
from tocsin.adapters.storing.values import Values
from tocsin.model.ids import Millis

SHIFT: Final = 11
"""As in the index: position >> 11 is the block."""
BLOCKS: Final = 8192
"""Blocks that one search looks into, at most: 16 million events, some milliseconds."""
NO_END: Final = 1 << 62
_FIRST: Final = 16
_MOST: Final = 1024
"""Blocks in the first statement of a search, and in any."""
_LATE_MS: Final = 60_000
"""How much later than it was received a report may have been accepted elsewhere."""


class Positions(list[int]):
    """What a search found. `rest` is where it goes on, if there may be more: below it, or from it on where the oldest come first.
    `looked` is how many blocks it looked into."""

    rest: int | None = None
    looked: int = 0


def position_at(connection: apsw.Connection, at: Millis) -> int:
    """The first position accepted at this time or later; behind the head when there is none."""
    row = connection.execute(statement("position_at"), {"time": at}).fetchone()
    return cast("int", row[0]) if row else 1


def span_of_job(connection: apsw.Connection, created_at: Millis, updated_at: Millis) -> range:
    """Where the events of a job are: they change its row when they are accepted. A row that came from PostgreSQL has the times at which
    reports were received."""
    return range(position_at(connection, created_at), position_at(connection, updated_at + _LATE_MS))


def newest_of_subject(
    connection: apsw.Connection,
    subject_id: str,
    tenant: str | None,
    limit: int,
    *,
    subject_type: str | None = None,
    span: range = range(1, NO_END),
    blocks: int = BLOCKS,
) -> Positions:
    """The events about a subject, the newest first."""
    about: Values = {"subject_id": subject_id, "tenant": tenant, "subject_type": subject_type, "low": span.start}
    found = Positions()
    below, count = span.stop, _FIRST
    while (top := _nearest(connection, "position_below", below)) is not None and top >= span.start:
        if found.looked >= blocks:
            found.rest = below
            break
        last = top >> SHIFT
        first = max(last - min(count, blocks - found.looked) + 1, span.start >> SHIFT)
        values = {**about, "below": below, "limit": limit - len(found)}
        found += _positions(connection, values, range(first, last + 1))
        found.looked += last - first + 1
        if len(found) >= limit:
            found.rest = found[-1]
            break
        below, count = min(below, first << SHIFT), min(4 * count, _MOST)
    return found


def oldest_of_subject(
    connection: apsw.Connection, subject_id: str, tenant: str, limit: int, *, subject_type: str, span: range
) -> Positions:
    """The same, the oldest first."""
    about: Values = {"subject_id": subject_id, "tenant": tenant, "subject_type": subject_type, "below": span.stop}
    found = Positions()
    low, count = span.start, _FIRST
    while (bottom := _nearest(connection, "position_from", low)) is not None and bottom < span.stop:
        if found.looked >= BLOCKS:
            found.rest = low
            break
        first = bottom >> SHIFT
        last = min(first + count - 1, (span.stop - 1) >> SHIFT)
        values = {**about, "low": low, "limit": limit - len(found)}
        found += _positions(connection, values, range(first, last + 1), "oldest")
        found.looked += last - first + 1
        if len(found) >= limit:
            found.rest = found[-1] + 1
            break
        low, count = (last + 1) << SHIFT, min(4 * count, _MOST)
    return found


def _nearest(connection: apsw.Connection, name: str, position: int) -> int | None:
    row = read_one(connection, name, (position,))
    return cast("int | None", row[0]) if row else None


def _positions(connection: apsw.Connection, values: Values, blocks: range, *words: str) -> list[int]:
    rows = cast("list[tuple[int]]", read_page(connection, "positions_of_subject", values, *words, among=blocks))
    return [position for (position,) in rows]
