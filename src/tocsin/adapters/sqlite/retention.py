"""Retention on the embedded store: removes what is old in transactions of a few milliseconds.

A transaction takes a few rows after another until its time is used up. What is still needed is asked within it, whatever was
read before; it is left behind in a table of its own, so that no cursor goes back for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, cast

import apsw
import msgspec

from tocsin.adapters.sqlite.audit import write_entry
from tocsin.adapters.sqlite.lines import let_go
from tocsin.adapters.sqlite.notices import count_given_up
from tocsin.adapters.sqlite.queue import check_holder, claims_of
from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.retention_tables import look_through
from tocsin.adapters.sqlite.statements import read, read_among, read_one, read_page, write, write_among
from tocsin.adapters.sqlite.tallies import Tallies
from tocsin.adapters.sqlite.writer import Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import encode, stripped
from tocsin.adapters.storing.tally_changes import moves_of
from tocsin.adapters.storing.values import Row, Values
from tocsin.model.audit import AuditEntry
from tocsin.model.delivery import Claim, DeliveryState
from tocsin.model.ids import DeliveryId, Millis
from tocsin.model.retention import RetentionCursor, RetentionRule, Table, What
from tocsin.ports import (
    Aged,
    AgedPage,
    Ages,
    Dropped,
    Era,
    Expired,
    Holder,
    Key,
    Oldest,
    Removed,
    RetentionState,
    Space,
)

STEP_SECONDS: Final = 0.008
"""After this a transaction takes no more; the last few rows may take it to about twice that."""
_MOST: Final = 64
"""Rows dealt with before the time is looked at, at most; fewer when they turn out to be large."""
_SLICE_SECONDS: Final = 0.002
_OF_EVENTS: Final = frozenset({"rows", "remains"})
_decode_rules = msgspec.json.Decoder(tuple[RetentionRule, ...]).decode
_DELIVERIES_AT_ONCE: Final = 512


class SqliteRetention:
    """`ports.RetentionStore` on the embedded store."""

    def __init__(
        self,
        writer: Writer,
        readers: Readers,
        tallies: Tallies,
        monotonic: Callable[[], float],
        now_ms: Callable[[], Millis],
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._tallies = tallies
        self._monotonic = monotonic
        self._now_ms = now_ms
        self._few: dict[What, int] = {}

    async def load(self) -> RetentionState:
        def query(connection: apsw.Connection) -> RetentionState:
            rules = cast("list[tuple[str, bytes]]", read(connection, "retention_rules"))
            names = RetentionCursor.__struct_fields__
            clock = read_one(connection, "retention_clock")
            return RetentionState(
                rules={tenant: _decode_rules(text) for tenant, text in rules},
                cursors=tuple(
                    msgspec.convert(dict(zip(names, row, strict=True)), RetentionCursor)
                    for row in read(connection, "retention_cursors")
                ),
                judged_at=None if clock is None else cast("int", clock[0]),
            )

        return await self._readers.run(query)

    async def save_rules(self, tenant: str, rules: Sequence[RetentionRule], entry: AuditEntry) -> None:
        def transaction(connection: apsw.Connection) -> None:
            if rules:
                write(connection, "retention_save_rules", (tenant, encode(tuple(rules))))
            else:
                write(connection, "retention_remove_rules", (tenant,))
            write_entry(connection, entry)

        await self._writer.run(Rank.REST, transaction)

    async def save_cursors(self, cursors: Sequence[RetentionCursor], judged_at: Millis) -> None:
        def transaction(connection: apsw.Connection) -> None:
            write(connection, "retention_remove_cursors")
            for cursor in cursors:
                _save_cursor(connection, cursor, cursor.position)
            write(connection, "retention_save_clock", (judged_at,))

        await self._writer.run(Rank.RETENTION, transaction)

    async def page(self, what: What, scope: str, after: int, until: Millis, limit: int) -> AgedPage:
        name = "retention_events" if what in _OF_EVENTS else "retention_deliveries"
        values: Values = {"after": after, "scope": scope or None, "limit": limit}

        def query(connection: apsw.Connection) -> AgedPage:
            found = [_aged_of(row) for row in read_page(connection, name, values)]
            young = next((place for place, one in enumerate(found) if one.begun_at > until), len(found))
            next_at = found[young].begun_at if young < len(found) else None
            old = tuple(found[:young])
            return AgedPage(found=old, end=old[-1].number if old else after, next_at=next_at)

        return await self._readers.run(query)

    async def left(self, what: What, after: int, limit: int) -> AgedPage:
        name = "retention_left_events" if what in _OF_EVENTS else "retention_left_deliveries"
        values: Values = {"what": what, "after": after, "limit": limit}

        def query(connection: apsw.Connection) -> AgedPage:
            found = tuple(_aged_of(row) for row in read_page(connection, name, values))
            return AgedPage(found=found, end=found[-1].number if found else after, next_at=None)

        return await self._readers.run(query)

    async def remove(
        self, what: What, numbers: Sequence[int], before: Millis, cursor: RetentionCursor | None = None
    ) -> Removed:
        asked = self._monotonic()

        def transaction(connection: apsw.Connection) -> Removed:
            began = self._monotonic()
            counts = Counts()
            dealt = 0
            now = began
            while dealt < len(numbers) and now - began < STEP_SECONDS:
                few = numbers[dealt : dealt + self._few.get(what, 1)]
                gone = _REMOVALS[what](connection, few, before, counts)
                if cursor is None:
                    write_among(connection, "retention_take_up", (what,), gone)
                elif len(gone) < len(few):
                    kept = set(few).difference(gone)
                    write_among(connection, "retention_leave", (what,), sorted(kept))
                dealt += len(few)
                now, then = self._monotonic(), now
                self._few[what] = _next_size(len(few), now - then)
            if cursor is not None:
                is_all = dealt >= len(numbers)
                _save_cursor(connection, cursor, cursor.position if is_all else numbers[dealt - 1])
            self._tallies.write(connection, moves_of(counts.dead, DeliveryState.DEAD, None))
            took_ms, waited_ms = (now - began) * 1000, (began - asked) * 1000
            return Removed(counts=counts, dealt=dealt, took_ms=took_ms, waited_ms=waited_ms)

        return await self._writer.run(Rank.RETENTION, transaction)

    async def era(self, what: What, after: int) -> Era | None:
        del what, after
        return None  # one file, which gives back pages

    async def drop_era(self, what: What, era: Era, before: Millis) -> Dropped:
        del what, era, before
        return "one by one"

    async def tend_eras(self) -> None:
        """There are none."""

    async def expire(
        self, holder: Holder | None, numbers: Sequence[int], began_by: Millis, in_flight: frozenset[int], now: Millis
    ) -> tuple[list[Expired], list[Claim]]:
        def transaction(connection: apsw.Connection) -> tuple[list[Expired], list[Claim]]:
            if holder is not None:
                check_holder(connection, holder)
            asked = _pending_of(connection, "retention_expiring", numbers)
            batches = {one.batch for one in asked if one.batch is not None}
            members = _pending_of(connection, "retention_members", sorted(batches))
            waiting = {one.batch for one in members if one.created_at > began_by or one.number in in_flight}
            ended = [one for one in asked if one.batch is None and one.number not in in_flight]
            ended = [one for one in ended if one.created_at <= began_by]
            ended += [one for one in members if one.batch not in waiting]
            gone = [one.number for one in ended]
            expired = read_among(connection, "retention_expire", (now,), gone)
            self._tallies.write(connection, moves_of(expired, DeliveryState.PENDING, DeliveryState.DEAD))
            count_given_up(connection, gone, self._now_ms())
            kept = sorted({one.number for one in asked}.difference(gone))
            write_among(connection, "retention_leave", ("expire",), kept)
            left = sorted({*numbers, *gone}.difference(kept))
            write_among(connection, "retention_take_up", ("expire",), left)
            out = frozenset(gone) if holder is None else in_flight
            ready = claims_of(connection, let_go(connection, gone, out, now))
            told = [Expired(id=DeliveryId(e.id), endpoint=e.endpoint, subject_type=e.subject_type) for e in ended]
            return told, ready

        return await self._writer.run(Rank.RETENTION, transaction)

    async def look_through(self, table: Table, after: Key | None, ages: Ages) -> tuple[int, Key | None]:
        return await look_through(self._writer, self._readers, table, after, ages)

    async def oldest(self, tenant: str | None) -> Oldest | None:
        rows = await self._readers.run(lambda c: read_page(c, "retention_oldest", {"tenant": tenant}))
        if not rows:
            return None
        position, accepted_at = cast("tuple[int, int]", rows[0])
        return Oldest(position=position, accepted_at=accepted_at)

    async def space(self) -> Space:
        return await self._readers.run(_space)

    async def give_back(self, most: int) -> int:
        def transaction(connection: apsw.Connection) -> int:
            began, before = self._monotonic(), _space(connection).file
            left = most
            while left > 0 and self._monotonic() - began < STEP_SECONDS:
                read(connection, "retention_give_back")
                left = most - (before - _space(connection).file)
                if _space(connection).unused == 0:
                    break
            return before - _space(connection).file

        return await self._writer.run(Rank.RETENTION, transaction)


def _next_size(size: int, seconds: float) -> int:
    """How many rows next, so that they take about a slice of time."""
    if seconds > _SLICE_SECONDS:
        return max(1, size // 2)
    return min(_MOST, size * 2) if seconds < _SLICE_SECONDS / 2 else size


class _Pending(msgspec.Struct, frozen=True, array_like=True):
    number: int
    id: str
    endpoint: int
    subject_type: str
    created_at: int
    batch: int | None


def _pending_of(connection: apsw.Connection, name: str, numbers: Sequence[int]) -> list[_Pending]:
    return [msgspec.convert(row, _Pending) for row in read_among(connection, name, (), numbers)]


def _aged_of(row: Row) -> Aged:
    number, tenant, event_type, begun_at, ended_at, endpoint = cast(
        "tuple[int, str | None, str | None, int | None, int | None, int]", row
    )
    return Aged(
        number=number,
        tenant=tenant or "",
        event_type=event_type,
        begun_at=begun_at or 0,
        ended_at=ended_at,
        endpoint=endpoint,
    )


def _save_cursor(connection: apsw.Connection, cursor: RetentionCursor, position: int) -> None:
    row = (cursor.what, cursor.scope, cursor.keep, cursor.policy, position)
    write(connection, "retention_save_cursor", row)


def _space(connection: apsw.Connection) -> Space:
    pages, unused, size = cast("tuple[int, int, int]", read_one(connection, "retention_space"))
    return Space(file=pages * size, unused=unused * size)


class Counts(dict[str, int]):
    """How many rows of each kind were removed; `dead` are the dead deliveries among them: number, endpoint, lane."""

    def __init__(self) -> None:
        super().__init__()
        self.dead: list[Row] = []


def _count(counts: Counts, name: str, number: int) -> None:
    counts[name] = counts.get(name, 0) + number


def _ended(connection: apsw.Connection, numbers: Sequence[int], before: Millis) -> list[int]:
    """Those of these deliveries that may be touched. One that is gone may."""
    kept = {cast("int", number) for (number,) in read_among(connection, "retention_unended", (before,), numbers)}
    return [number for number in numbers if number not in kept]


def _strip(connection: apsw.Connection, numbers: Sequence[int], before: Millis, counts: Counts) -> list[int]:
    ended = _ended(connection, numbers, before)
    for place, detail in cast("list[tuple[int, bytes]]", read_among(connection, "retention_attempts", (), ended)):
        without = stripped(detail)
        if without is not None:
            write(connection, "retention_strip_attempt", (without, place))
            _count(counts, "bodies", 1)
    return ended


def _drop_attempts(connection: apsw.Connection, numbers: Sequence[int], before: Millis, counts: Counts) -> list[int]:
    ended = _ended(connection, numbers, before)
    _remove_attempts(connection, ended, counts)
    return ended


def _remove_attempts(connection: apsw.Connection, numbers: Sequence[int], counts: Counts) -> None:
    _count(counts, "attempts", write_among(connection, "retention_remove_attempts", (), numbers))


def _drop_events(connection: apsw.Connection, positions: Sequence[int], before: Millis, counts: Counts) -> list[int]:
    """Events go first, so that nobody sees one with only a part of its deliveries; what is too much for now follows."""
    kept = {cast("int", number) for (number,) in read_among(connection, "retention_needed", (before,), positions)}
    gone = [position for position in positions if position not in kept]
    _count(counts, "events", write_among(connection, "retention_remove_events", (), gone))
    if gone and not _drop_remains(connection, gone, before, counts):
        write_among(connection, "retention_leave", ("remains",), gone)
    return gone


def _drop_remains(connection: apsw.Connection, positions: Sequence[int], before: Millis, counts: Counts) -> list[int]:
    """Deliveries of events that are gone; gives the events if none is left of them, otherwise nothing."""
    del before  # that was judged when the event went
    rows = cast("list[tuple[int, int]]", read_among(connection, "retention_deliveries_at", (), positions))
    numbers = [number for number, _ in rows]
    _remove_attempts(connection, numbers, counts)
    counts.dead += read_among(connection, "dead_among", (), numbers)
    write_among(connection, "retention_remove_batches_left", (), numbers)
    _count(counts, "deliveries", write_among(connection, "retention_remove_deliveries", (), numbers))
    return list(positions) if len(rows) < _DELIVERIES_AT_ONCE else []


def _leave_alone(connection: apsw.Connection, numbers: Sequence[int], before: Millis, counts: Counts) -> list[int]:
    """Nothing of what expires is removed: it is not pending any more."""
    del connection, before, counts
    return list(numbers)


_REMOVALS: Final[dict[What, Callable[[apsw.Connection, Sequence[int], Millis, Counts], list[int]]]] = {
    "bodies": _strip,
    "attempts": _drop_attempts,
    "rows": _drop_events,
    "remains": _drop_remains,
    "expire": _leave_alone,
}
