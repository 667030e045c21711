"""What stands beside events and deliveries: looked through in pages, and rid of what nothing needs any more.

Keys, versions and jobs have no order of age. A pass goes through each of these tables from time to time, reading beside
the writer; only what is to be removed costs it something.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, cast

import apsw

from tocsin.adapters.sqlite.positions import BLOCKS, newest_of_subject, span_of_job
from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.statements import read, read_one, read_page, write, write_among
from tocsin.adapters.sqlite.writer import Writer
from tocsin.adapters.storing.commit_groups import ANSWERS_KEPT_MS
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import stripped
from tocsin.adapters.storing.values import SqlValue, Values
from tocsin.model.retention import Table
from tocsin.ports import Ages, Key

PAGE: Final = 256
_AT_ONCE: Final = 64
"""Rows removed, or batches emptied, in one transaction."""
_ENDED: Final = frozenset({"succeeded", "failed", "stopped"})
_BODIES, _ATTEMPTS = 1, 2
_FAILURE: Final = "job.failed"
"""The events that a streak is made of."""
Removal = Callable[[apsw.Connection], int]
Read = Callable[[apsw.Connection], tuple[list[Removal], Key | None]]


async def look_through(
    writer: Writer, readers: Readers, table: Table, after: Key | None, ages: Ages
) -> tuple[int, Key | None]:
    """One page of a table. Gives how much it removed and where to go on."""
    if table in {"answer", "audit"}:
        removed = await _first_rows(writer, readers, table, ages)
        return removed, (("", 0) if removed else None)
    removals, end = await readers.run(_READS[table](after or ("", -1), ages))
    count = 0
    for at in range(0, len(removals), _AT_ONCE):
        count += await writer.run(Rank.RETENTION, _together(removals[at : at + _AT_ONCE]))
    return count, end


def _together(removals: Sequence[Removal]) -> Removal:
    return lambda connection: sum(remove(connection) for remove in removals)


async def _first_rows(writer: Writer, readers: Readers, table: Table, ages: Ages) -> int:
    """These are in the order of their age: nothing is old when the first one is not."""
    before = ages.now - ANSWERS_KEPT_MS if table == "answer" else ages.audit_before()
    first = None if before is None else await readers.run(lambda c: read_one(c, f"retention_first_{table}"))
    if before is None or first is None or cast("int", first[0]) > before:
        return 0
    name = "retention_remove_answers" if table == "answer" else "retention_remove_audit"
    return await writer.run(Rank.RETENTION, lambda connection: write(connection, name, (PAGE, before)))


def _seen(after: Key, ages: Ages) -> Read:
    before = ages.seen_before()

    def query(connection: apsw.Connection) -> tuple[list[Removal], Key | None]:
        if before is None:
            return [], None
        values: Values = {"tenant": after[0], "key": b"" if after[1] == -1 else after[1], "before": before}
        rows = read_page(connection, "retention_seen", {**values, "limit": PAGE})
        return _by_tenant("retention_remove_seen", rows, (before,)), _end(rows)

    return query


def _versions(after: Key, ages: Ages) -> Read:
    del ages  # a version goes with its events

    def query(connection: apsw.Connection) -> tuple[list[Removal], Key | None]:
        rows = read_page(connection, "retention_versions", {"tenant": after[0], "key": after[1], "limit": PAGE})
        return _by_tenant("retention_remove_versions", rows, ()), _end(rows)

    return query


def _streaks(after: Key, ages: Ages) -> Read:
    def query(connection: apsw.Connection) -> tuple[list[Removal], Key | None]:
        values: Values = {"tenant": after[0], "key": b"" if after[1] == -1 else after[1], "limit": PAGE}
        rows = read_page(connection, "retention_streaks", values)
        old = [row for row in rows if ages.is_old("rows", cast("str", row[0]), _FAILURE, cast("int", row[2]))]
        return [_one("retention_remove_streak", row) for row in old], _end(rows)

    return query


def _jobs(after: Key, ages: Ages) -> Read:
    def query(connection: apsw.Connection) -> tuple[list[Removal], Key | None]:
        rows = read(connection, "retention_jobs", (after[1], PAGE))
        numbers: list[int] = []
        gone: list[Removal] = []
        looked = 0
        for number, tenant, job_id, state, created_at, at in cast("list[tuple[int, str, str, str, int, int]]", rows):
            if looked >= BLOCKS:
                return gone, ("", numbers[-1])
            numbers.append(number)
            if state in _ENDED and ages.is_old("rows", tenant, f"job.{state}", at):
                span = span_of_job(connection, created_at, at)
                left = newest_of_subject(connection, job_id, tenant, 1, subject_type="job", span=span)
                looked += left.looked
                # An event that came since then has changed `updated_at`.
                if left.rest is None:
                    gone.append(_one("retention_remove_job", (number, at)))
        return gone, _end_of_numbers(numbers)

    return query


def _replays(after: Key, ages: Ages) -> Read:
    def query(connection: apsw.Connection) -> tuple[list[Removal], Key | None]:
        rows = cast("list[tuple[int, str, int | None]]", read(connection, "retention_replays", (after[1], PAGE)))
        old = [number for number, tenant, at in rows if at is not None and ages.is_old("rows", tenant, None, at)]
        return [_one("retention_remove_replay", (n,)) for n in old], _end_of_numbers([row[0] for row in rows])

    return query


def _batches(after: Key, ages: Ages) -> Read:
    def query(connection: apsw.Connection) -> tuple[list[Removal], Key | None]:
        rows = cast("list[tuple[int, str, int | None, int]]", read(connection, "retention_batches", (after[1], PAGE)))
        steps: list[Removal] = []
        for number, tenant, at, removed in rows:
            if at is None:
                continue
            if removed < _ATTEMPTS and ages.is_old("attempts", tenant, None, at):
                steps.append(_drop_batch_attempts(number))
            elif removed < _BODIES and ages.is_old("bodies", tenant, None, at):
                steps.append(_strip_batch(number))
            if ages.is_old("rows", tenant, None, at):
                steps.append(_drop_batch(number))
        return steps, _end_of_numbers([row[0] for row in rows])

    return query


def _drop_batch_attempts(number: int) -> Removal:
    def remove(connection: apsw.Connection) -> int:
        removed = write(connection, "retention_remove_batch_attempts", (number,))
        write(connection, "retention_mark_batch", (_ATTEMPTS, number))
        return removed

    return remove


def _strip_batch(number: int) -> Removal:
    def strip(connection: apsw.Connection) -> int:
        rows = cast("list[tuple[int, bytes]]", read(connection, "retention_batch_attempts", (number,)))
        for place, detail in rows:
            without = stripped(detail)
            if without is not None:
                write(connection, "retention_strip_batch_attempt", (without, place))
        write(connection, "retention_mark_batch", (_BODIES, number))
        return len(rows)

    return strip


def _drop_batch(number: int) -> Removal:
    def remove(connection: apsw.Connection) -> int:
        removed = write(connection, "retention_remove_batch", (number,))
        if removed:
            write(connection, "retention_remove_batch_attempts", (number,))
        return removed

    return remove


def _one(name: str, row: tuple[SqlValue, ...]) -> Removal:
    return lambda connection: write(connection, name, row)


def _by_tenant(name: str, rows: Sequence[tuple[SqlValue, ...]], before: tuple[int, ...]) -> list[Removal]:
    keys: dict[str, list[int | bytes]] = {}
    for tenant, key, may_go in rows:
        if may_go:
            keys.setdefault(cast("str", tenant), []).append(cast("int | bytes", key))
    return [_among(name, (tenant, *before), found) for tenant, found in keys.items()]


def _among(name: str, values: tuple[SqlValue, ...], keys: Sequence[int | bytes]) -> Removal:
    return lambda connection: write_among(connection, name, values, cast("Sequence[int]", keys))


def _end(rows: Sequence[tuple[SqlValue, ...]]) -> Key | None:
    return cast("Key", rows[-1][:2]) if len(rows) == PAGE else None


def _end_of_numbers(numbers: Sequence[int]) -> Key | None:
    return ("", numbers[-1]) if len(numbers) == PAGE else None


_READS: Final[dict[Table, Callable[[Key, Ages], Read]]] = {
    "seen": _seen,
    "version": _versions,
    "streak": _streaks,
    "job": _jobs,
    "replay": _replays,
    "batch": _batches,
}
