"""Erasures: what is found of a subject is replaced, a little in each transaction, which also keeps how far it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar, cast

import msgspec

from tocsin.adapters.postgres.audit import write_entry
from tocsin.adapters.postgres.lines import end_batch, leave_lines, mark_lines
from tocsin.adapters.postgres.queue import check_holder, claims_of
from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.postgres.statements import (
    Connection,
    read,
    read_among,
    read_one,
    write,
    write_rows,
)
from tocsin.adapters.postgres.tallies import Tallies
from tocsin.adapters.postgres.writer import Writer
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
_NEIGHBOURS: Final = 1
"""The parts of one action stand side by side; an action has two, at most."""


class PostgresErasures:
    """`ports.Erasures` on the shared store. `vacuum` takes what was replaced out of the tables."""

    def __init__(
        self, writer: Writer, readers: Readers, tallies: Tallies, vacuum: Callable[[], Awaitable[None]]
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._tallies = tallies
        self._vacuum = vacuum

    async def add(self, erasure: Erasure, entry: AuditEntry) -> Erasure:
        subject = erasure.subject

        async def transaction(connection: Connection) -> Erasure:
            report = ErasureReport()
            if subject.type == "job":
                row = await read_one(connection, "job_children", (subject.id, subject.tenant))
                gone = cast("tuple[str] | None", await read_one(connection, "erase_job", (subject.id, subject.tenant)))
                if gone is not None:
                    # Without a name, its runs that failed in a row are known by its id.
                    await write_rows(
                        connection, "remove_streak", [(subject.tenant, streak_hash(gone[0], None, subject.id))]
                    )
                report = ErasureReport(jobs=int(gone is not None), job_children=cast("int", row[0]) if row else 0)
            progress = Progress(report=report)
            new = (erasure.id, subject.tenant, subject.type, subject.id, encode(progress), erasure.created_at)
            number, last = cast("tuple[int, int]", await read_one(connection, "add_erasure", new))
            await write_entry(connection, entry)
            return msgspec.structs.replace(erasure, number=number, last=last, progress=progress)

        return await self._writer.run(Rank.REST, transaction)

    async def erasure(self, erasure_id: ErasureId, tenant: str | None) -> Erasure | None:
        values: Values = {"id": erasure_id, "tenant": tenant}
        rows = await self._readers.page("erasures", values)
        return erasure_of(rows[0]) if rows else None

    async def erasures(self, query: ErasureQuery) -> list[Erasure]:
        values: Values = {"tenant": query.tenant, "before": query.before, "limit": query.limit, "state": query.state}
        return [erasure_of(row) for row in await self._readers.page("erasures", values)]

    async def running(self) -> list[Erasure]:
        rows = await self._readers.page("erasures", {}, "running")
        return [erasure_of(row) for row in reversed(rows)]

    async def move(self, erasure: Erasure, progress: Progress) -> Erasure:
        async def step(_: Connection) -> Progress:
            return progress

        return await self._step(erasure, step)

    async def end(self, erasure: Erasure, state: ErasureState, reason: str | None, now: Millis) -> None:
        """Receipts of the tenant lose what they say: it is there for a day only, and is not known by subject."""

        async def transaction(connection: Connection) -> int:
            await write(connection, "erase_receipts", (erasure.subject.tenant,))
            return await write(connection, "end_erasure", (state, reason, now, erasure.number))

        await self._writer.run(Rank.REST, transaction)

    async def page(self, erasure: Erasure) -> SubjectPage:
        subject, progress = erasure.subject, erasure.progress
        of_subject = (subject.type, subject.id, subject.tenant, erasure.last, EVENTS)

        async def query(connection: Connection) -> SubjectPage:
            events: list[SubjectEvent] = []
            room = _PAGE_BYTES
            for row in await read(connection, "subject_events", of_subject):
                events.append(subject_event_of(row))
                room -= len(cast("bytes | None", row[3]) or b"")
                if room < 0:
                    break
            head = cast("tuple[int]", await read_one(connection, "delivery_head"))[0]
            if not events:
                return SubjectPage(events=(), deliveries=(), is_all=True, head=head)
            positions = [event.position for event in events]
            behind = (positions, progress.position, progress.number, DELIVERIES)
            rows = await read(connection, "deliveries_of_events", behind)
            deliveries = tuple(subject_delivery_of(row) for row in rows)
            return SubjectPage(
                events=tuple(events), deliveries=deliveries, is_all=len(deliveries) < DELIVERIES, head=head
            )

        return await self._readers.run(query)

    async def withdraw(
        self, holder: Holder, erasure: Erasure, deliveries: Sequence[int], in_flight: frozenset[int], now: Millis
    ) -> tuple[Erasure, list[Claim]]:
        here = [number for number in deliveries if number not in in_flight]

        async def transaction(connection: Connection) -> tuple[Erasure, list[Claim]]:
            await check_holder(connection, holder)
            cancelled = await read(connection, "cancel", (ERASED, now, list(deliveries)))
            left = await _without_batches(connection, here, now)
            await mark_lines(connection, sorted(set(deliveries).difference(left)))
            ready = await claims_of(connection, await leave_lines(connection, left))
            await self._tallies.write(connection, moves_of(cancelled, DeliveryState.PENDING, DeliveryState.CANCELLED))
            progress = counted(erasure.progress, deliveries_cancelled=len(cancelled))
            return await _moved(connection, erasure, progress), ready

        return await self._writer.run(Rank.RETENTION, transaction)

    async def attempts(self, deliveries: Sequence[int], after: int) -> list[AttemptSize]:
        return await self._sizes("attempt_sizes", deliveries, after)

    async def erase_attempts(self, erasure: Erasure, places: Sequence[int]) -> Erasure:
        async def step(connection: Connection) -> Progress:
            count = await _erase_attempts(connection, "attempt_details", "erase_attempt", places)
            return counted(erasure.progress, attempts=count)

        return await self._step(erasure, step)

    async def batches(self, deliveries: Sequence[int]) -> list[int]:
        async def query(connection: Connection) -> list[int]:
            rows = cast("list[tuple[int]]", await read_among(connection, "batches_of", (), deliveries))
            rows = cast("list[tuple[int]]", await read_among(connection, "batches_above", (), [n for (n,) in rows]))
            return [number for (number,) in rows]

        return await self._readers.run(query)

    async def batch_attempts(self, batches: Sequence[int], after: int) -> list[AttemptSize]:
        return await self._sizes("batch_attempt_sizes", batches, after)

    async def erase_batch_attempts(self, erasure: Erasure, places: Sequence[int]) -> Erasure:
        async def step(connection: Connection) -> Progress:
            count = await _erase_attempts(connection, "batch_attempt_details", "erase_batch_attempt", places)
            return counted(erasure.progress, batch_attempts=count)

        return await self._step(erasure, step)

    async def erase_deliveries(self, erasure: Erasure, deliveries: Sequence[int], progress: Progress) -> Erasure:
        async def step(connection: Connection) -> Progress:
            await write(connection, "erase_reasons", (list(deliveries),))
            return progress

        return await self._step(erasure, step)

    async def erase_events(self, erasure: Erasure, events: Sequence[SubjectEvent], head: int) -> Erasure:
        async def step(connection: Connection) -> Progress:
            progress = erasure.progress
            for event in events:
                row = await read_one(connection, "deliveries_of_event", (event.position,))
                deliveries, newest = cast("tuple[int, int]", row)
                if newest > head:
                    return msgspec.structs.replace(progress, position=event.position, number=head)
                progress = await _erase_event(connection, erasure.subject, event, progress)
                progress = counted(progress, deliveries=deliveries)
            return progress

        return await self._step(erasure, step)

    async def answers(self, tenant: str, after: tuple[str, str], limit: int) -> list[KeptAnswer]:
        async def query(connection: Connection) -> list[KeptAnswer]:
            rows = await read(connection, "answers_behind", (tenant, *after, limit))
            names = KeptAnswer.__struct_fields__
            return [msgspec.convert(dict(zip(names, row, strict=True)), KeptAnswer) for row in rows]

        return await self._readers.run(query)

    async def about(self, erasure: Erasure, events: Sequence[EventId]) -> frozenset[EventId]:
        subject = erasure.subject
        of_subject = (subject.type, subject.id, subject.tenant, erasure.last)
        rows = await self._readers.read("subject_events_among", (*of_subject, list(events)))
        return frozenset(EventId(cast("str", event_id)) for (event_id,) in rows)

    async def erase_answers(self, erasure: Erasure, answers: Sequence[KeptAnswer], progress: Progress) -> Erasure:
        async def step(connection: Connection) -> Progress:
            rows = [(answer.tenant, answer.route, answer.key, answer.at) for answer in answers]
            return counted(progress, kept_answers=sum([await write(connection, "erase_answer", row) for row in rows]))

        return await self._step(erasure, step)

    async def erase_filters(self, erasure: Erasure, replays: Sequence[Replay], progress: Progress) -> Erasure:
        async def step(connection: Connection) -> Progress:
            rows = [(encode(replay.filters), replay.dead_reason, replay.number) for replay in replays]
            erased = [await write(connection, "erase_replay_filters", row) for row in rows]
            return counted(progress, replay_filters=sum(erased))

        return await self._step(erasure, step)

    async def erase_entries(self, erasure: Erasure, numbers: Sequence[int], progress: Progress) -> Erasure:
        async def step(connection: Connection) -> Progress:
            if numbers:
                await write(connection, "erase_audit", (list(numbers),))
            return counted(progress, audit_entries=len(numbers))

        return await self._step(erasure, step)

    async def shrink(self) -> bool:
        return False  # there is no file of ours to shrink

    async def empty_wal(self) -> None:
        await self._vacuum()

    async def _step(self, erasure: Erasure, step: Callable[[Connection], Awaitable[Progress]]) -> Erasure:
        """One transaction: what it does, and the progress that it gives."""

        async def transaction(connection: Connection) -> Erasure:
            return await _moved(connection, erasure, await step(connection))

        return await self._writer.run(Rank.RETENTION, transaction)

    async def _sizes(self, name: str, numbers: Sequence[int], after: int) -> list[AttemptSize]:
        async def query(connection: Connection) -> list[AttemptSize]:
            rows = await read(connection, name, (list(numbers), after, ATTEMPTS))
            return [AttemptSize(place=cast("int", place), size=cast("int", size)) for place, size in rows]

        return await self._readers.run(query)


async def _moved(connection: Connection, erasure: Erasure, progress: Progress) -> Erasure:
    await write(connection, "move_erasure", (encode(progress), erasure.number))
    return msgspec.structs.replace(erasure, progress=progress)


async def _without_batches(connection: Connection, deliveries: Sequence[int], now: Millis) -> list[int]:
    """Take deliveries out of the batches that may still be sent, and end those that are left without anything to send; gives what
    is to leave its lines."""
    rows = cast("list[tuple[int, int]]", await read_among(connection, "in_pending_batches", (), deliveries))
    leaving = list(deliveries)
    if rows:
        members = [number for number, _ in rows]
        await write(connection, "remember_batches", (list(members),))
        await write(connection, "leave_batches", (list(members),))
    for batch in sorted({batch for _, batch in rows}):
        if await read_one(connection, "has_pending_member", (batch,)) is None:
            leaving.extend(await end_batch(connection, batch, now))
    return leaving


async def _erase_attempts(connection: Connection, details: str, erase: str, places: Sequence[int]) -> int:
    """Gives how many had anything in them."""
    count = 0
    for place, detail in cast("list[tuple[int, bytes]]", await read_among(connection, details, (), places)):
        attempt = attempt_of(detail, b"")
        left = attempt_without(attempt)
        count += left != attempt
        await write(connection, erase, (encode(left), place))
    return count


async def _erase_event(connection: Connection, subject: Subject, event: SubjectEvent, progress: Progress) -> Progress:
    """The event, the order keys of the other parts of its action, and what its version was recognised by."""
    others: list[str] = []
    if event.keys:
        around = (event.position - _NEIGHBOURS, event.position + _NEIGHBOURS, subject.tenant)
        for position, subject_id, keys in cast(
            "list[tuple[int, str, str]]", await read(connection, "event_parts", around)
        ):
            if position == event.position or decode_keys(keys) != event.keys:
                continue
            left = keys_without(event.keys, f"{subject.type}\0{subject_id}", subject)
            await write(connection, "change_order_keys", (encode(left).decode() if left else None, position))
            others.append(subject_id)
    versions = 0
    if event.version_id is not None:
        versions = await write(connection, "erase_versions", (subject.tenant, [event.version_id]))
    erased = await write(connection, "erase_event", (event.position,))
    moved = counted(progress, events=erased, order_keys=len(others), versions=versions)
    report = msgspec.structs.replace(moved.report, merged_with=named_too(moved.report.merged_with, others))
    return msgspec.structs.replace(moved, report=report)
