"""The event log: accept in commit groups, read in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import apsw
import msgspec

from tocsin.adapters.sqlite.queue import SqliteQueue
from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.statements import read, read_among, read_one, statement, write, write_rows
from tocsin.adapters.sqlite.tallies import Tallies
from tocsin.adapters.sqlite.writer import Writer
from tocsin.adapters.storing.commit_groups import (
    Group,
    Item,
    Kept,
    Named,
    fault_of,
    kept_answer,
    streaks_touched,
    version_of,
)
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import decode_job_row, event_of, event_row, placed
from tocsin.errors import StorageFull, StoreUnavailable, TocsinError
from tocsin.model.event import Event
from tocsin.model.ids import EventId, Millis
from tocsin.model.submission import Accepted, Decide, Facts, Lineage, Needs
from tocsin.ports import Fanned, FanWithin, JobOver, Stretch


class SqliteLog:
    """`ports.Log` on the embedded store. Position order is commit order: there is one writer."""

    def __init__(
        self, writer: Writer, readers: Readers, tallies: Tallies, queue: SqliteQueue, now_ms: Callable[[], Millis]
    ) -> None:
        self._writer = writer
        self._queue = queue
        self._readers = readers
        self._tallies = tallies
        self._now_ms = now_ms
        self._head: tuple[int, int] | None = None
        self._tenants: set[str] = set()
        writer.on_reopen.append(self._forget)
        writer.on_undo.append(self._forget)

    def _forget(self) -> None:
        self._head = None
        self._tenants.clear()

    async def accept(
        self, submissions: Sequence[Item], decide: Decide, within: FanWithin | None = None
    ) -> list[Accepted | TocsinError]:
        last: list[Event] = []
        fanned: list[Fanned] | None = None

        def transaction(connection: apsw.Connection) -> list[Accepted | TocsinError]:
            nonlocal fanned
            answers = self._accept(connection, submissions, decide)
            events = [event for a in answers if isinstance(a, Accepted) for event in a.events]
            last[:] = events[-1:]
            fanning = within.plan(events) if within is not None and events else None
            fanned = None if fanning is None else self._queue.fan_within(connection, fanning)
            return answers

        def is_in(connection: apsw.Connection) -> bool:
            return bool(last) and read_one(connection, "event_id", (last[0].position,)) == (last[0].id,)

        try:
            answers = await self._writer.run(Rank.ACCEPT, transaction, is_in)
        except (StoreUnavailable, StorageFull):
            self._forget()
            raise
        except Exception as error:  # noqa: BLE001  # one submission's fault must not be its neighbours'
            self._forget()
            if len(submissions) == 1:
                return [fault_of(error)]
        else:
            pairs = zip(submissions, answers, strict=True)
            self._tenants.update([item[0].tenant for item, answer in pairs if isinstance(answer, Accepted)])
            if within is not None and fanned is not None:
                within.written(fanned)
            return answers
        return [await self._accept_alone(item, decide) for item in submissions]

    async def _accept_alone(self, item: Item, decide: Decide) -> Accepted | TocsinError:
        """One of a group that failed. Trouble of the store is its own answer: those before it were accepted."""
        try:
            return (await self.accept([item], decide))[0]
        except (StoreUnavailable, StorageFull) as error:
            return error

    def _accept(
        self, connection: apsw.Connection, submissions: Sequence[Item], decide: Decide
    ) -> list[Accepted | TocsinError]:
        position, previous = self._head or _head(connection)
        accepted_at = max(self._now_ms(), previous)
        facts = _load_facts(connection, submissions)
        _load_streaks(connection, submissions, facts)
        kept = _load_answers(connection, submissions)
        group = Group()
        answers: list[Accepted | TocsinError] = []
        for submission, needs in submissions:
            if submission.idempotency is not None:
                stored = kept_answer(group, kept, submission, submission.idempotency)
                if stored is not None:
                    answers.append(stored)
                    continue
            verdict = decide(submission, facts[submission.tenant])
            if verdict.problem is not None:
                answers.append(verdict.problem)
                continue
            events = tuple([placed(new, position + n, accepted_at) for n, new in enumerate(verdict.events, 1)])
            position += len(events)
            group.add(submission, verdict, [event_row(event) for event in events])
            if needs.counter or submission.tenant not in self._tenants:
                group.counters.add(submission.tenant)
            answers.append(Accepted(verdict=verdict, events=events))
        _write_group(connection, group, facts, accepted_at)
        self._tallies.write_accepted(connection, group.accepted)
        self._head = (position, accepted_at)
        return answers

    async def read(self, after: int, limit: int) -> list[Event]:
        return await self._readers.run(
            lambda connection: [event_of(row) for row in read(connection, "events_after", (after, limit))]
        )

    async def stretch(self, partitions: Sequence[int], after: int, limit: int) -> Stretch:
        del partitions  # there is one
        events = await self.read(after, limit)
        return Stretch(events=tuple(events), end=events[-1].position if events else after)

    async def jobs_over(self, limit: int) -> list[JobOver]:
        def query(connection: apsw.Connection) -> list[JobOver]:
            rows = connection.execute(statement("jobs_over"), {"limit": limit}).fetchall()
            return [msgspec.convert(dict(zip(JobOver.__struct_fields__, row, strict=True)), JobOver) for row in rows]

        return await self._readers.run(query)

    async def head(self) -> int:
        return await self._readers.run(lambda connection: _head(connection)[0])


def _write_group(connection: apsw.Connection, group: Group, facts: dict[str, Facts], at: int) -> None:
    write_rows(connection, "add_events", group.events)
    write_rows(connection, "save_jobs", group.job_rows(at))
    write_rows(connection, "add_seen", group.seen)
    write_rows(connection, "add_versions", group.versions)
    streaks = group.streak_rows()
    write_rows(connection, "save_streaks", [row for row in streaks if row[2]])
    for tenant, digest, failures, _ in streaks:
        if not failures:
            write(connection, "remove_streak", (tenant, digest))
    for tenant in group.counters:
        write(connection, "save_tenant", (tenant, facts[tenant].counter, at))
    write_rows(connection, "save_answer", group.answer_rows(at))


def _head(connection: apsw.Connection) -> tuple[int, int]:
    row = read_one(connection, "head")
    return cast("tuple[int, int]", row)


def _load_answers(connection: apsw.Connection, submissions: Sequence[Item]) -> dict[Named, Kept]:
    wanted: dict[tuple[str, str], set[str]] = {}
    for submission, _ in submissions:
        if (key := submission.idempotency) is not None:
            wanted.setdefault((submission.tenant, key.route), set()).add(key.key)
    kept: dict[Named, Kept] = {}
    for place, keys in wanted.items():
        for row in read_among(connection, "answers_by_key", place, keys):
            named, body_hash, status, body, at = cast("tuple[str, bytes, int, bytes, int]", row)
            kept[*place, named] = ((body_hash, status, body), at)
    return kept


def _load_facts(connection: apsw.Connection, submissions: Sequence[Item]) -> dict[str, Facts]:
    facts: dict[str, Facts] = {}
    needs: dict[str, list[Needs]] = {}
    for submission, needed in submissions:
        needs.setdefault(submission.tenant, []).append(needed)
    for tenant, wanted in needs.items():
        known = facts[tenant] = Facts()
        jobs = {job_id for needed in wanted for job_id in needed.jobs}
        for job_id, snapshot in read_among(connection, "jobs_by_id", (tenant,), jobs):
            known.jobs[str(job_id)] = decode_job_row(cast("bytes", snapshot))
        lineages = {job_id for needed in wanted for job_id in needed.lineages}
        for job_id, parent, root in read_among(connection, "lineages", (tenant,), lineages):
            known.lineages[str(job_id)] = Lineage(
                parent_job_id=None if parent is None else str(parent), root_job_id=str(root)
            )
        hashes = {digest for needed in wanted for digest in needed.seen}
        for digest, event_id in read_among(connection, "seen_by_hash", (tenant,), hashes):
            known.seen[cast("bytes", digest)] = EventId(str(event_id))
        versions = {version_id for needed in wanted for version_id in needed.versions}
        for version_id, content_hash, event_ids in read_among(connection, "versions_by_id", (tenant,), versions):
            known.versions[cast("int", version_id)] = version_of(cast("bytes", content_hash), cast("str", event_ids))
        if any(needed.counter for needed in wanted):
            row = read_one(connection, "tenant_counter", (tenant,))
            known.counter = cast("int", row[0]) if row else 0
    return facts


def _load_streaks(connection: apsw.Connection, submissions: Sequence[Item], facts: dict[str, Facts]) -> None:
    """Those that reports of the commit group may touch, once its jobs are known."""
    for tenant in {submission.tenant for submission, needed in submissions if needed.streaks}:
        known = facts[tenant]
        touched = streaks_touched(tenant, submissions, known)
        for digest, failures in read_among(connection, "streaks_by_hash", (tenant,), touched):
            known.streaks[cast("bytes", digest)] = cast("int", failures)
