"""The event log: accept in commit groups, read in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import cast
from zlib import crc32

import msgspec

from tocsin.adapters.postgres.lines import Slots, lock_slots
from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.postgres.statements import Connection, read_among, read_one, write, write_rows
from tocsin.adapters.postgres.tallies import Tallies
from tocsin.adapters.postgres.writer import Writer
from tocsin.adapters.storing.commit_groups import (
    ANSWERS_KEPT_MS,
    Group,
    Item,
    answer_again,
    fault_of,
    streaks_touched,
    version_of,
)
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import decode_job_row, event_of, new_event_row, placed
from tocsin.errors import StorageFull, StoreUnavailable, TocsinError
from tocsin.model.event import Event
from tocsin.model.ids import EventId, Millis
from tocsin.model.submission import Accepted, Decide, Facts, Lineage, Needs, Submission, Verdict
from tocsin.ports import JobOver

Decided = list[tuple[Submission, Verdict] | Accepted | TocsinError]
"""What became of each submission; a verdict whose events have no positions yet."""


class PostgresLog:
    """`ports.Log` on the shared store. Position order is commit order: whoever appends has the head of the log until COMMIT."""

    def __init__(self, writer: Writer, readers: Readers, tallies: Tallies, now_ms: Callable[[], Millis]) -> None:
        self._writer = writer
        self._readers = readers
        self._tallies = tallies
        self._now_ms = now_ms
        self._tenants: set[str] = set()

    async def accept(self, submissions: Sequence[Item], decide: Decide) -> list[Accepted | TocsinError]:
        async def transaction(connection: Connection) -> list[Accepted | TocsinError]:
            return await self._accept(connection, submissions, decide)

        try:
            answers = await self._writer.run(Rank.ACCEPT, transaction)
        except (StoreUnavailable, StorageFull):
            raise
        except Exception as error:  # noqa: BLE001  # one submission's fault must not be its neighbours'
            if len(submissions) == 1:
                return [fault_of(error)]
        else:
            pairs = zip(submissions, answers, strict=True)
            self._tenants.update(item[0].tenant for item, answer in pairs if isinstance(answer, Accepted))
            return answers
        return [await self._accept_alone(item, decide) for item in submissions]

    async def _accept_alone(self, item: Item, decide: Decide) -> Accepted | TocsinError:
        """One of a group that failed. Trouble of the store is its own answer: those before it were accepted."""
        try:
            return (await self.accept([item], decide))[0]
        except (StoreUnavailable, StorageFull) as error:
            return error

    async def _accept(
        self, connection: Connection, submissions: Sequence[Item], decide: Decide
    ) -> list[Accepted | TocsinError]:
        await lock_slots(connection, Slots.FACTS, _slots_of(submissions))
        facts = await _load_facts(connection, submissions)
        group = Group()
        decided: Decided = []
        for submission, needs in submissions:
            stored = await _stored_answer(connection, group, submission)
            if stored is not None:
                decided.append(stored)
                continue
            verdict = decide(submission, facts[submission.tenant])
            if verdict.problem is not None:
                decided.append(verdict.problem)
                continue
            group.add(submission, verdict, [new_event_row(new) for new in verdict.events])
            if needs.counter or submission.tenant not in self._tenants:
                group.counters.add(submission.tenant)
            decided.append((submission, verdict))
        now = self._now_ms()
        await _write(connection, group, facts, now)
        self._tallies.accepted(group.accepted)
        await self._tallies.flush(connection)
        return _placed(decided, *await _append(connection, group, now))

    async def read(self, after: int, limit: int) -> list[Event]:
        return [event_of(row) for row in await self._readers.read("events_after", (after, limit))]

    async def jobs_over(self, limit: int) -> list[JobOver]:
        rows = await self._readers.page("jobs_over", {"limit": limit})
        return [msgspec.convert(dict(zip(JobOver.__struct_fields__, row, strict=True)), JobOver) for row in rows]

    async def head(self) -> int:
        ((position, _),) = await self._readers.read("head")
        return cast("int", position)


async def _append(connection: Connection, group: Group, now: Millis) -> tuple[int, Millis]:
    """The events at the head of the log, in the last statement before COMMIT; gives the position before them and their time."""
    if not group.events:
        return 0, now
    columns = [list(column) for column in zip(*group.events, strict=True)]
    return cast("tuple[int, int]", await read_one(connection, "add_events", (now, *columns)))


def _placed(decided: Decided, position: int, accepted_at: Millis) -> list[Accepted | TocsinError]:
    answers: list[Accepted | TocsinError] = []
    for one in decided:
        if not isinstance(one, tuple):
            answers.append(one)
            continue
        _, verdict = one
        events = tuple(placed(new, position + n, accepted_at) for n, new in enumerate(verdict.events, 1))
        position += len(events)
        answers.append(Accepted(verdict=verdict, events=events))
    return answers


async def _write(connection: Connection, group: Group, facts: dict[str, Facts], at: Millis) -> None:
    """Everything but the events."""
    await write_rows(connection, "save_jobs", group.job_rows())
    await write_rows(connection, "add_seen", group.seen)
    await write_rows(connection, "add_versions", group.versions)
    streaks = group.streak_rows()
    await write_rows(connection, "save_streaks", [row for row in streaks if row[2]])
    for tenant, digest, failures, _ in streaks:
        if not failures:
            await write(connection, "remove_streak", (tenant, digest))
    for tenant in sorted(group.counters):
        await write(connection, "save_tenant", (tenant, facts[tenant].counter, at))
    for row in group.answer_rows(at):
        await write(connection, "save_answer", row)


def _slots_of(submissions: Sequence[Item]) -> set[int]:
    """What nobody else may decide about meanwhile: idempotency keys, jobs, what was seen, and the versions of a tenant."""
    slots: set[int] = set()
    for submission, needs in submissions:
        tenant = submission.tenant
        if (key := submission.idempotency) is not None:
            slots.add(crc32(f"key\0{tenant}\0{key.route}\0{key.key}".encode()))
        slots.update(crc32(f"job\0{tenant}\0{job_id}".encode()) for job_id in needs.jobs)
        slots.update(map(crc32, needs.seen))
        if needs.counter or needs.versions:
            slots.add(crc32(f"versions\0{tenant}".encode()))
        if needs.streaks:
            slots.add(crc32(f"streaks\0{tenant}".encode()))
    return slots


async def _stored_answer(connection: Connection, group: Group, submission: Submission) -> Accepted | TocsinError | None:
    key = submission.idempotency
    if key is None:
        return None
    if (known := group.answered(submission)) is not None:
        return known
    oldest = submission.received_at - ANSWERS_KEPT_MS
    row = await read_one(connection, "answer", (submission.tenant, key.route, key.key, oldest))
    return None if row is None else answer_again(key, *cast("tuple[bytes, int, bytes]", row))


async def _load_facts(connection: Connection, submissions: Sequence[Item]) -> dict[str, Facts]:
    needs: dict[str, list[Needs]] = {}
    for submission, needed in submissions:
        needs.setdefault(submission.tenant, []).append(needed)
    facts = {tenant: await _facts_of(connection, tenant, wanted) for tenant, wanted in needs.items()}
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
    hashes = {digest for needed in wanted for digest in needed.seen}
    for digest, event_id in await read_among(connection, "seen_by_hash", (tenant,), hashes):
        known.seen[cast("bytes", digest)] = EventId(str(event_id))
    versions = {version_id for needed in wanted for version_id in needed.versions}
    for version_id, content_hash, event_ids in await read_among(connection, "versions_by_id", (tenant,), versions):
        known.versions[cast("int", version_id)] = version_of(cast("bytes", content_hash), cast("str", event_ids))
    if any(needed.counter for needed in wanted):
        row = await read_one(connection, "tenant_counter", (tenant,))
        known.counter = cast("int", row[0]) if row else 0
    return known
