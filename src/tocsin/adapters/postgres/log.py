"""The event log: accept in commit groups, read in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar, cast
from zlib import crc32

import asyncpg
import msgspec

from tocsin.adapters.postgres.database import Overtaken
from tocsin.adapters.postgres.lines import Slots, lock_slots
from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.postgres.statements import Connection, read, read_among, read_one, write_rows
from tocsin.adapters.postgres.tallies import Tallies
from tocsin.adapters.postgres.writer import Writer
from tocsin.adapters.storing.commit_groups import (
    Group,
    Item,
    Kept,
    Named,
    Stored,
    fault_of,
    kept_answer,
    streaks_touched,
    version_of,
)
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import decode_job_row, event_of, new_event_row, placed
from tocsin.errors import StorageFull, StoreUnavailable, TocsinError
from tocsin.model.event import Event
from tocsin.model.ids import EventId, Millis
from tocsin.model.submission import Accepted, Decide, Facts, Lineage, Needs, Verdict
from tocsin.ports import FanWithin, JobOver, Stretch
from tocsin.rules.partitions import PARTITIONS, partition_of

T = TypeVar("T")
SPAN: Final = 20_000
"""Positions that one stretch looks at, at most."""
ASIDE: Final = 128
"""Groups of more than so many things are decided about in a thread: the event loop goes on meanwhile."""


class Decided:
    """What became of each submission (events of a verdict have no positions yet), and what is to be written."""

    __slots__ = ("group", "outcomes")

    def __init__(self) -> None:
        self.group = Group()
        self.outcomes: list[Verdict | Accepted | TocsinError] = []


Along = Callable[[Connection, Sequence[Verdict | Accepted | TocsinError]], Awaitable[None]]
"""Writes what depends on the verdicts."""


class PostgresLog:
    """`ports.Log` on the shared store. Position order is commit order: whoever appends has the head of the log until COMMIT."""

    def __init__(self, writer: Writer, readers: Readers, tallies: Tallies, now_ms: Callable[[], Millis]) -> None:
        self._writer = writer
        self._readers = readers
        self._tallies = tallies
        self._now_ms = now_ms
        self._tenants: set[str] = set()

    async def accept(
        self, submissions: Sequence[Item], decide: Decide, within: FanWithin | None = None
    ) -> list[Accepted | TocsinError]:
        del within  # the holder of the tenants fans out, which may be another process

        async def transaction(connection: Connection) -> tuple[Decided, int, Millis]:
            return await self.accept_within(connection, submissions, decide)

        try:
            decided, position, accepted_at = await self._writer.run(Rank.ACCEPT, transaction)
        except (StoreUnavailable, StorageFull):
            raise
        except Exception as error:  # noqa: BLE001  # one submission's fault must not be its neighbours'
            if len(submissions) == 1:
                return [fault_of(error)]
        else:
            return await self.accepted(submissions, decided, position, accepted_at)
        return [await self._accept_alone(item, decide) for item in submissions]

    async def _accept_alone(self, item: Item, decide: Decide) -> Accepted | TocsinError:
        """One of a group that failed. Trouble of the store is its own answer: those before it were accepted."""
        try:
            return (await self.accept([item], decide))[0]
        except (StoreUnavailable, StorageFull) as error:
            return error

    async def accepted(
        self, submissions: Sequence[Item], decided: Decided, position: int, accepted_at: Millis
    ) -> list[Accepted | TocsinError]:
        """What is told of it after COMMIT."""
        answers = await _aside(len(decided.group.events), lambda: _placed(decided, position, accepted_at))
        pairs = zip(submissions, answers, strict=True)
        self._tenants.update(item[0].tenant for item, answer in pairs if isinstance(answer, Accepted))
        return answers

    async def accept_within(
        self, connection: Connection, submissions: Sequence[Item], decide: Decide, along: Along | None = None
    ) -> tuple[Decided, int, Millis]:
        """Everything up to COMMIT, and what else is to be written `along` with it; gives the position before the events, and when they
        were accepted."""
        await lock_slots(connection, Slots.FACTS, _slots_of(submissions))
        facts = await _load_facts(connection, submissions)
        answers = await _load_answers(connection, submissions)
        size = sum(1 + len(needs.jobs) + len(needs.seen) + len(needs.versions) for _, needs in submissions)
        decided = await _aside(size, lambda: self._decide(submissions, decide, facts, answers))
        now = self._now_ms()
        await _write(connection, decided.group, facts, now)
        if along is not None:
            await along(connection, decided.outcomes)
        self._tallies.accepted(decided.group.accepted)
        await self._tallies.flush(connection)
        return decided, *await _append(connection, decided.group, now)

    def _decide(
        self, submissions: Sequence[Item], decide: Decide, facts: dict[str, Facts], answers: Mapping[Named, Kept]
    ) -> Decided:
        decided = Decided()
        for submission, needs in submissions:
            if submission.idempotency is not None:
                stored = kept_answer(decided.group, answers, submission, submission.idempotency)
                if stored is not None:
                    decided.outcomes.append(stored)
                    continue
            verdict = decide(submission, facts[submission.tenant])
            if verdict.problem is not None:
                decided.outcomes.append(verdict.problem)
                continue
            decided.group.add(submission, verdict, [new_event_row(new) for new in verdict.events])
            if needs.counter or submission.tenant not in self._tenants:
                decided.group.counters.add(submission.tenant)
            decided.outcomes.append(verdict)
        return decided

    async def read(self, after: int, limit: int) -> list[Event]:
        return [event_of(row) for row in await self._readers.read("events_after", (after, limit))]

    async def stretch(self, partitions: Sequence[int], after: int, limit: int) -> Stretch:
        rows = await self._readers.read("stretch", (list(partitions), after, limit, SPAN))
        events = tuple(event_of(row[1:]) for row in rows if row[1] is not None)
        end = events[-1].position if len(events) == limit else max(after, cast("int", rows[0][0]))
        return Stretch(events=events, end=end)

    async def jobs_over(self, limit: int) -> list[JobOver]:
        rows = await self._readers.page("jobs_over", {"limit": limit})
        return [msgspec.convert(dict(zip(JobOver.__struct_fields__, row, strict=True)), JobOver) for row in rows]

    async def head(self) -> int:
        ((position, _),) = await self._readers.read("head")
        return cast("int", position)


async def _append(connection: Connection, group: Group, now: Millis) -> tuple[int, Millis]:
    """The events at the head of the log, in the last statement before COMMIT, with what was seen; gives the position before them
    and their time. Raises Overtaken when somebody else has just seen one of them."""
    try:
        if not group.events:
            await write_rows(connection, "add_seen", group.seen)
            return 0, now
        columns = [list(column) for column in zip(*group.events, strict=True)]
        columns.append([partition_of(cast("str", row[1]), PARTITIONS) for row in group.events])
        seen = [list(column) for column in zip(*group.seen, strict=True)] or [[]] * 4
        row = await read_one(connection, "add_events", (now, len(group.events), *seen, *columns))
    except asyncpg.UniqueViolationError as error:
        if error.table_name != "seen":
            raise
        raise Overtaken from error
    return cast("tuple[int, int]", row)


async def _aside(size: int, work: Callable[[], T]) -> T:
    return work() if size <= ASIDE else await asyncio.to_thread(work)


def _placed(decided: Decided, position: int, accepted_at: Millis) -> list[Accepted | TocsinError]:
    answers: list[Accepted | TocsinError] = []
    for one in decided.outcomes:
        if not isinstance(one, Verdict):
            answers.append(one)
            continue
        events = tuple(placed(new, position + n, accepted_at) for n, new in enumerate(one.events, 1))
        position += len(events)
        answers.append(Accepted(verdict=one, events=events))
    return answers


async def _write(connection: Connection, group: Group, facts: dict[str, Facts], at: Millis) -> None:
    """Everything but the events."""
    await write_rows(connection, "save_jobs", group.job_rows())
    await write_rows(connection, "add_versions", group.versions)
    streaks = group.streak_rows()
    await write_rows(connection, "save_streaks", [row for row in streaks if row[2]])
    await write_rows(connection, "remove_streak", [row[:2] for row in streaks if not row[2]])
    counters = [(tenant, facts[tenant].counter, at) for tenant in sorted(group.counters)]
    await write_rows(connection, "save_tenant", counters)
    await write_rows(connection, "save_answer", group.answer_rows(at))


def _slots_of(submissions: Sequence[Item]) -> set[int]:
    """What nobody else may decide about meanwhile: idempotency keys, jobs, and the versions of a tenant. What was seen has no slot:
    whoever adds the same second is told, and begins anew."""
    slots: set[int] = set()
    for submission, needs in submissions:
        tenant = submission.tenant
        if (key := submission.idempotency) is not None:
            slots.add(crc32(f"key\0{tenant}\0{key.route}\0{key.key}".encode()))
        slots.update(crc32(f"job\0{tenant}\0{job_id}".encode()) for job_id in needs.jobs)
        if needs.counter or needs.versions:
            slots.add(crc32(f"versions\0{tenant}".encode()))
        if needs.streaks:
            slots.add(crc32(f"streaks\0{tenant}".encode()))
    return slots


async def _load_answers(connection: Connection, submissions: Sequence[Item]) -> dict[Named, Kept]:
    """What was answered under their keys."""
    rows = [(one.tenant, key.route, key.key) for one, _ in submissions if (key := one.idempotency) is not None]
    found = await read(connection, "answers_among", list(zip(*rows, strict=True))) if rows else []
    return {cast("Named", row[:3]): (cast("Stored", row[3:6]), cast("int", row[6])) for row in found}


async def _load_facts(connection: Connection, submissions: Sequence[Item]) -> dict[str, Facts]:
    needs: dict[str, list[Needs]] = {}
    for submission, needed in submissions:
        needs.setdefault(submission.tenant, []).append(needed)
    facts = {tenant: await _facts_of(connection, tenant, wanted) for tenant, wanted in needs.items()}
    hashes = {(one.tenant, digest) for one, needed in submissions for digest in needed.seen}
    columns = [list(column) for column in zip(*hashes, strict=True)]
    for tenant, digest, event_id in await read(connection, "seen_by_hash", columns) if hashes else ():
        facts[cast("str", tenant)].seen[cast("bytes", digest)] = EventId(str(event_id))
    for tenant in {submission.tenant for submission, needed in submissions if needed.streaks}:
        known = facts[tenant]
        touched = streaks_touched(tenant, submissions, known)
        for digest, failures in await read_among(connection, "streaks_by_hash", (tenant,), touched):
            known.streaks[cast("bytes", digest)] = cast("int", failures)
    return facts


async def _facts_of(connection: Connection, tenant: str, wanted: Iterable[Needs]) -> Facts:
    known = Facts()
    jobs = {job_id for needed in wanted for job_id in needed.jobs}
    for job_id, snapshot in await read_among(connection, "jobs_by_id", (tenant,), jobs):
        known.jobs[str(job_id)] = decode_job_row(cast("bytes", snapshot))
    lineages = {job_id for needed in wanted for job_id in needed.lineages}
    for job_id, parent, root in await read_among(connection, "lineages", (tenant,), lineages):
        parent_id = None if parent is None else str(parent)
        known.lineages[str(job_id)] = Lineage(parent_job_id=parent_id, root_job_id=str(root))
    versions = {version_id for needed in wanted for version_id in needed.versions}
    for version_id, content_hash, event_ids in await read_among(connection, "versions_by_id", (tenant,), versions):
        known.versions[cast("int", version_id)] = version_of(cast("bytes", content_hash), cast("str", event_ids))
    if any(needed.counter for needed in wanted):
        row = await read_one(connection, "tenant_counter", (tenant,))
        known.counter = cast("int", row[0]) if row else 0
    return known
