"""Erasures: what is found of a subject is replaced, a little in each transaction, which also keeps how far it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar, cast

import apsw
import msgspec

from tocsin.adapters.sqlite.audit import write_entry
from tocsin.adapters.sqlite.lines import end_batch, leave_lines
from tocsin.adapters.sqlite.positions import oldest_of_subject
from tocsin.adapters.sqlite.queue import check_holder, claims_of
from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.statements import listed, read, read_among, read_one, read_page, statement, write
from tocsin.adapters.sqlite.tallies import Tallies
from tocsin.adapters.sqlite.writer import Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import (
    attempt_of,
    decode_keys,
    encode,
    erasure_of,
    subject_delivery_of,
    subject_event_of,
)
from tocsin.adapters.storing.tally_changes import moves_of
from tocsin.adapters.storing.values import Values
from tocsin.model.audit import AuditEntry
from tocsin.model.delivery import Claim, DeliveryState
from tocsin.model.erasure import (
    ERASED,
    AttemptSize,
    Erasure,
    ErasureReport,
    ErasureState,
    KeptAnswer,
    Progress,
    Subject,
    SubjectEvent,
    SubjectPage,
)
from tocsin.model.ids import ErasureId, EventId, Millis
from tocsin.model.replay import Replay
from tocsin.ports import ErasureQuery, Holder
from tocsin.rules.erasing import attempt_without, counted, keys_without, named_too
from tocsin.rules.streaks import streak_hash

T = TypeVar("T")
EVENTS: Final = 64
DELIVERIES: Final = 64
ATTEMPTS: Final = 256
_PAGE_BYTES: Final = 4 * 1024 * 1024
_PAGES: Final = 64
"""Pages of the file that are given back in one transaction."""
_NEIGHBOURS: Final = 1
"""The parts of one action stand side by side; an action has two, at most."""


class SqliteErasures:
    """`ports.Erasures` on the embedded store. `empty_wal` is what checkpoints do."""

    def __init__(
        self, writer: Writer, readers: Readers, tallies: Tallies, empty_wal: Callable[[], Awaitable[None]]
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._tallies = tallies
        self._empty_wal = empty_wal

    async def add(self, erasure: Erasure, entry: AuditEntry) -> Erasure:
        subject = erasure.subject

        def transaction(connection: apsw.Connection) -> Erasure:
            report = ErasureReport()
            if subject.type == "job":
                row = read_one(connection, "job_children", (subject.id, subject.tenant))
                gone = cast("tuple[str] | None", read_one(connection, "erase_job", (subject.id, subject.tenant)))
                if gone is not None:
                    # Without a name, its runs that failed in a row are known by its id.
                    write(connection, "remove_streak", (subject.tenant, streak_hash(gone[0], None, subject.id)))
                report = ErasureReport(jobs=int(gone is not None), job_children=cast("int", row[0]) if row else 0)
            progress = Progress(report=report)
            new = (erasure.id, subject.tenant, subject.type, subject.id, encode(progress), erasure.created_at)
            number, last = cast("tuple[int, int]", read_one(connection, "add_erasure", new))
            write_entry(connection, entry)
            return msgspec.structs.replace(erasure, number=number, last=last, progress=progress)

        return await self._writer.run(Rank.REST, transaction)

    async def erasure(self, erasure_id: ErasureId, tenant: str | None) -> Erasure | None:
        values: Values = {"id": erasure_id, "tenant": tenant}
        rows = await self._readers.run(lambda c: read_page(c, "erasures", values))
        return erasure_of(rows[0]) if rows else None

    async def erasures(self, query: ErasureQuery) -> list[Erasure]:
        values: Values = {"tenant": query.tenant, "before": query.before, "limit": query.limit, "state": query.state}
        return await self._readers.run(lambda c: [erasure_of(row) for row in read_page(c, "erasures", values)])

    async def running(self) -> list[Erasure]:
        rows = await self._readers.run(lambda c: read_page(c, "erasures", {}, "running"))
        return [erasure_of(row) for row in reversed(rows)]

    async def move(self, erasure: Erasure, progress: Progress) -> Erasure:
        return await self._step(erasure, lambda _: progress)

    async def end(self, erasure: Erasure, state: ErasureState, reason: str | None, now: Millis) -> None:
        ended = (state, reason, now, erasure.number)
        await self._writer.run(Rank.REST, lambda connection: write(connection, "end_erasure", ended))

    async def page(self, erasure: Erasure) -> SubjectPage:
        subject, progress = erasure.subject, erasure.progress
        first = await self._first_of(subject, erasure.last)

        def query(connection: apsw.Connection) -> SubjectPage:
            events: list[SubjectEvent] = []
            room = _PAGE_BYTES
            for row in connection.execute(statement("subject_events"), (listed(first), subject.tenant)):
                events.append(subject_event_of(row))
                room -= len(cast("bytes | None", row[3]) or b"")
                if room < 0:
                    break
            head = cast("tuple[int]", read_one(connection, "delivery_head"))[0]
            if not events:
                return SubjectPage(events=(), deliveries=(), is_all=True, head=head)
            positions = listed(event.position for event in events)
            behind = (positions, progress.position, progress.number, DELIVERIES)
            rows = connection.execute(statement("deliveries_of_events"), behind).fetchall()
            deliveries = tuple(subject_delivery_of(row) for row in rows)
            return SubjectPage(
                events=tuple(events), deliveries=deliveries, is_all=len(deliveries) < DELIVERIES, head=head
            )

        return await self._readers.run(query)

    async def _first_of(self, subject: Subject, last: int) -> list[int]:
        """The first events that are left of a subject, whatever it takes to find them."""
        first: list[int] = []
        rest: int | None = 1
        while rest is not None and len(first) < EVENTS:
            span, room = range(rest, last + 1), EVENTS - len(first)
            search = partial(
                oldest_of_subject,
                subject_id=subject.id,
                tenant=subject.tenant,
                limit=room,
                subject_type=subject.type,
                span=span,
            )
            found = await self._readers.run(search)
            first += found
            rest = found.rest
        return first

    async def withdraw(
        self, holder: Holder, erasure: Erasure, deliveries: Sequence[int], in_flight: frozenset[int], now: Millis
    ) -> tuple[Erasure, list[Claim]]:
        ready: list[Claim] = []
        here = [number for number in deliveries if number not in in_flight]

        def step(connection: apsw.Connection) -> Progress:
            check_holder(connection, holder)
            cancelled = connection.execute(statement("cancel"), (ERASED, now, listed(deliveries))).fetchall()
            self._tallies.write(connection, moves_of(cancelled, DeliveryState.PENDING, DeliveryState.CANCELLED))
            ready.extend(claims_of(connection, leave_lines(connection, _without_batches(connection, here, now))))
            return counted(erasure.progress, deliveries_cancelled=len(cancelled))

        return await self._step(erasure, step), ready

    async def attempts(self, deliveries: Sequence[int], after: int) -> list[AttemptSize]:
        return await self._sizes("attempt_sizes", deliveries, after)

    async def erase_attempts(self, erasure: Erasure, places: Sequence[int]) -> Erasure:
        def step(connection: apsw.Connection) -> Progress:
            count = _erase_attempts(connection, "attempt_details", "erase_attempt", places)
            return counted(erasure.progress, attempts=count)

        return await self._step(erasure, step)

    async def batches(self, deliveries: Sequence[int]) -> list[int]:
        def query(connection: apsw.Connection) -> list[int]:
            rows = cast("list[tuple[int]]", read_among(connection, "batches_of", (), deliveries))
            rows = cast("list[tuple[int]]", read_among(connection, "batches_above", (), [n for (n,) in rows]))
            return [number for (number,) in rows]

        return await self._readers.run(query)

    async def batch_attempts(self, batches: Sequence[int], after: int) -> list[AttemptSize]:
        return await self._sizes("batch_attempt_sizes", batches, after)

    async def erase_batch_attempts(self, erasure: Erasure, places: Sequence[int]) -> Erasure:
        def step(connection: apsw.Connection) -> Progress:
            count = _erase_attempts(connection, "batch_attempt_details", "erase_batch_attempt", places)
            return counted(erasure.progress, batch_attempts=count)

        return await self._step(erasure, step)

    async def erase_deliveries(self, erasure: Erasure, deliveries: Sequence[int], progress: Progress) -> Erasure:
        def step(connection: apsw.Connection) -> Progress:
            connection.execute(statement("erase_reasons"), (listed(deliveries),))
            return progress

        return await self._step(erasure, step)

    async def erase_events(self, erasure: Erasure, events: Sequence[SubjectEvent], head: int) -> Erasure:
        def step(connection: apsw.Connection) -> Progress:
            progress = erasure.progress
            for event in events:
                row = read_one(connection, "deliveries_of_event", (event.position,))
                deliveries, newest = cast("tuple[int, int]", row)
                if newest > head:
                    return msgspec.structs.replace(progress, position=event.position, number=head)
                progress = _erase_event(connection, erasure.subject, event, progress)
                progress = counted(progress, deliveries=deliveries)
            return progress

        return await self._step(erasure, step)

    async def answers(self, tenant: str, after: tuple[str, str], limit: int) -> list[KeptAnswer]:
        def query(connection: apsw.Connection) -> list[KeptAnswer]:
            rows = read(connection, "answers_behind", (tenant, *after, limit))
            names = KeptAnswer.__struct_fields__
            return [msgspec.convert(dict(zip(names, row, strict=True)), KeptAnswer) for row in rows]

        return await self._readers.run(query)

    async def about(self, erasure: Erasure, events: Sequence[EventId]) -> frozenset[EventId]:
        subject = erasure.subject
        of_subject = (subject.type, subject.id, subject.tenant, erasure.last)
        rows = await self._readers.run(lambda c: read_among(c, "subject_events_among", of_subject, events))
        return frozenset(EventId(cast("str", event_id)) for (event_id,) in rows)

    async def erase_answers(self, erasure: Erasure, answers: Sequence[KeptAnswer], progress: Progress) -> Erasure:
        def step(connection: apsw.Connection) -> Progress:
            rows = ((answer.tenant, answer.route, answer.key, answer.at) for answer in answers)
            return counted(progress, kept_answers=sum(write(connection, "erase_answer", row) for row in rows))

        return await self._step(erasure, step)

    async def erase_filters(self, erasure: Erasure, replays: Sequence[Replay], progress: Progress) -> Erasure:
        def step(connection: apsw.Connection) -> Progress:
            rows = ((encode(replay.filters), replay.dead_reason, replay.number) for replay in replays)
            return counted(progress, replay_filters=sum(write(connection, "erase_replay_filters", row) for row in rows))

        return await self._step(erasure, step)

    async def erase_entries(self, erasure: Erasure, numbers: Sequence[int], progress: Progress) -> Erasure:
        def step(connection: apsw.Connection) -> Progress:
            if numbers:
                connection.execute(statement("erase_audit"), (listed(numbers),))
            return counted(progress, audit_entries=len(numbers))

        return await self._step(erasure, step)

    async def shrink(self) -> bool:
        def transaction(connection: apsw.Connection) -> bool:
            connection.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
            return connection.execute("PRAGMA freelist_count").fetchone() != (0,)

        return await self._writer.run(Rank.RETENTION, transaction)

    async def empty_wal(self) -> None:
        await self._empty_wal()

    async def _step(self, erasure: Erasure, step: Callable[[apsw.Connection], Progress]) -> Erasure:
        """One transaction: what it does, and the progress that it gives."""

        def transaction(connection: apsw.Connection) -> Erasure:
            progress = step(connection)
            write(connection, "move_erasure", (encode(progress), erasure.number))
            return msgspec.structs.replace(erasure, progress=progress)

        return await self._writer.run(Rank.RETENTION, transaction)

    async def _sizes(self, name: str, numbers: Sequence[int], after: int) -> list[AttemptSize]:
        def query(connection: apsw.Connection) -> list[AttemptSize]:
            rows = connection.execute(statement(name), (listed(numbers), after, ATTEMPTS)).fetchall()
            return [AttemptSize(place=cast("int", place), size=cast("int", size)) for place, size in rows]

        return await self._readers.run(query)


def _without_batches(connection: apsw.Connection, deliveries: Sequence[int], now: Millis) -> list[int]:
    """Take deliveries out of the batches that may still be sent, and end those that are left without anything to send; gives what
    is to leave its lines."""
    rows = cast("list[tuple[int, int]]", read_among(connection, "in_pending_batches", (), deliveries))
    leaving = list(deliveries)
    if rows:
        members = [number for number, _ in rows]
        connection.execute(statement("remember_batches"), (listed(members),))
        connection.execute(statement("leave_batches"), (listed(members),))
    for batch in sorted({batch for _, batch in rows}):
        if read_one(connection, "has_pending_member", (batch,)) is None:
            leaving.extend(end_batch(connection, batch, now))
    return leaving


def _erase_attempts(connection: apsw.Connection, details: str, erase: str, places: Sequence[int]) -> int:
    """Gives how many had anything in them."""
    count = 0
    for place, detail in cast("list[tuple[int, bytes]]", read_among(connection, details, (), places)):
        attempt = attempt_of(detail, b"")
        left = attempt_without(attempt)
        count += left != attempt
        write(connection, erase, (encode(left), place))
    return count


def _erase_event(connection: apsw.Connection, subject: Subject, event: SubjectEvent, progress: Progress) -> Progress:
    """The event, the order keys of the other parts of its action, and what its version was recognised by."""
    others: list[str] = []
    if event.keys:
        around = (event.position - _NEIGHBOURS, event.position + _NEIGHBOURS, subject.tenant)
        for position, subject_id, keys in cast("list[tuple[int, str, str]]", read(connection, "event_parts", around)):
            if position == event.position or decode_keys(keys) != event.keys:
                continue
            left = keys_without(event.keys, f"{subject.type}\0{subject_id}", subject)
            write(connection, "change_order_keys", (encode(left).decode() if left else None, position))
            others.append(subject_id)
    versions = 0
    if event.version_id is not None:
        connection.execute(statement("erase_versions"), (subject.tenant, listed((event.version_id,))))
        versions = connection.changes()
    erased = write(connection, "erase_event", (event.position,))
    moved = counted(progress, events=erased, order_keys=len(others), versions=versions)
    report = msgspec.structs.replace(moved.report, merged_with=named_too(moved.report.merged_with, others))
    return msgspec.structs.replace(moved, report=report)
