"""The event log: accept in commit groups, read in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import apsw
import msgspec

from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.rows import decode_job_row, encode, event_of, event_row, placed
from tocsin.adapters.sqlite.statements import Row, read, read_among, read_one, statement, write, write_rows
from tocsin.adapters.sqlite.tallies import Tallies
from tocsin.adapters.sqlite.writer import DataRefusedError, Rank, Writer
from tocsin.errors import IdempotencyKeyReused, InvalidRequest, StorageFull, StoreUnavailable, TocsinError
from tocsin.model.event import Event
from tocsin.model.ids import EventId, Millis
from tocsin.model.job import JobRow
from tocsin.model.submission import (
    Accepted,
    Decide,
    Facts,
    IdempotencyKey,
    Lineage,
    Needs,
    StoredVersion,
    Submission,
    Verdict,
)
from tocsin.ports import JobOver
from tocsin.rules.needs import reports_in
from tocsin.rules.streaks import streaks_of
from tocsin.telemetry import log

ANSWERS_KEPT_MS = 24 * 3600 * 1000
_decode_event_ids = msgspec.json.Decoder(tuple[str, ...]).decode

Item = tuple[Submission, Needs]
Key = tuple[str, str, str]
"""Tenant, route and idempotency key."""
_Answer = tuple[bytes, int, bytes]
"""Hash of the body that was asked with, status and body of the answer."""


class SqliteLog:
    """`ports.Log` on the embedded store. Position order is commit order: there is one writer."""

    def __init__(self, writer: Writer, readers: Readers, tallies: Tallies, now_ms: Callable[[], Millis]) -> None:
        self._writer = writer
        self._readers = readers
        self._tallies = tallies
        self._now_ms = now_ms
        self._head: tuple[int, int] | None = None
        self._tenants: set[str] = set()
        writer.on_reopen.append(self._forget)

    def _forget(self) -> None:
        self._head = None
        self._tenants.clear()

    async def accept(self, submissions: Sequence[Item], decide: Decide) -> list[Accepted | TocsinError]:
        last: list[Event] = []

        def transaction(connection: apsw.Connection) -> list[Accepted | TocsinError]:
            answers = self._accept(connection, submissions, decide)
            last.extend([a.events[-1] for a in answers if isinstance(a, Accepted) and a.events][-1:])
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
                return [_fault(error)]
        else:
            pairs = zip(submissions, answers, strict=True)
            self._tenants.update([item[0].tenant for item, answer in pairs if isinstance(answer, Accepted)])
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
        group = _Group(connection)
        answers: list[Accepted | TocsinError] = []
        for submission, needs in submissions:
            if submission.idempotency is not None:
                stored = _kept_answer(group.answers, kept, submission, submission.idempotency)
                if stored is not None:
                    answers.append(stored)
                    continue
            verdict = decide(submission, facts[submission.tenant])
            if verdict.problem is not None:
                answers.append(verdict.problem)
                continue
            events = tuple([placed(new, position + n, accepted_at) for n, new in enumerate(verdict.events, 1)])
            position += len(events)
            group.add(submission, verdict, events)
            if needs.counter or submission.tenant not in self._tenants:
                group.counters.add(submission.tenant)
            answers.append(Accepted(verdict=verdict, events=events))
        group.write(facts, accepted_at)
        self._tallies.write_accepted(connection, group.accepted)
        self._head = (position, accepted_at)
        return answers

    async def read(self, after: int, limit: int) -> list[Event]:
        return await self._readers.run(
            lambda connection: [event_of(row) for row in read(connection, "events_after", (after, limit))]
        )

    async def jobs_over(self, limit: int) -> list[JobOver]:
        def query(connection: apsw.Connection) -> list[JobOver]:
            rows = connection.execute(statement("jobs_over"), {"limit": limit}).fetchall()
            return [msgspec.convert(dict(zip(JobOver.__struct_fields__, row, strict=True)), JobOver) for row in rows]

        return await self._readers.run(query)

    async def head(self) -> int:
        return await self._readers.run(lambda connection: _head(connection)[0])


class _Group:
    """What a commit group writes: gathered while deciding, written in a few statements."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._events: list[Row] = []
        self._jobs: dict[tuple[str, str], tuple[JobRow, int]] = {}
        self._seen: list[Row] = []
        self._versions: list[Row] = []
        self._streaks: dict[tuple[str, bytes], tuple[int, int]] = {}
        self.counters: set[str] = set()
        self.accepted: dict[str, int] = {}
        """How many events, by tenant."""
        self.answers: dict[Key, _Answer] = {}

    def add(self, submission: Submission, verdict: Verdict, events: Sequence[Event]) -> None:
        tenant = submission.tenant
        self._events += [event_row(event) for event in events]
        self.accepted[tenant] = self.accepted.get(tenant, 0) + len(events)
        for job_id, row in verdict.jobs:
            self._jobs[tenant, job_id] = (row, submission.received_at)
        self._seen += [(tenant, digest, event_id, submission.received_at) for digest, event_id in verdict.seen]
        for version_id, stored in verdict.versions:
            event_ids = encode(stored.event_ids).decode()
            self._versions.append((tenant, version_id, stored.content_hash, event_ids))
        for digest, failures in verdict.streaks:
            self._streaks[tenant, digest] = (failures, submission.received_at)
        if submission.idempotency is not None and verdict.keeps_answer:
            named = (tenant, submission.idempotency.route, submission.idempotency.key)
            self.answers[named] = (submission.idempotency.body_hash, verdict.status, verdict.body)

    def write(self, facts: dict[str, Facts], at: int) -> None:
        connection = self._connection
        write_rows(connection, "add_events", self._events)
        write_rows(
            connection,
            "save_jobs",
            [_job_row(tenant, row, seen_at) for (tenant, _), (row, seen_at) in self._jobs.items()],
        )
        write_rows(connection, "add_seen", self._seen)
        write_rows(connection, "add_versions", self._versions)
        streaks = [(tenant, digest, *counted) for (tenant, digest), counted in self._streaks.items()]
        write_rows(connection, "save_streaks", [row for row in streaks if row[2]])
        for tenant, digest, failures, _ in streaks:
            if not failures:
                write(connection, "remove_streak", (tenant, digest))
        for tenant in self.counters:
            write(connection, "save_tenant", (tenant, facts[tenant].counter, at))
        write_rows(connection, "save_answer", [(*key, *answer, at) for key, answer in self.answers.items()])


def _fault(error: Exception) -> TocsinError:
    """What a submission gets that fails even alone: its data, or a fault of ours."""
    if isinstance(error, DataRefusedError):
        return InvalidRequest(f"The store cannot take this: {error}.")
    log.error("accept.fault", exc_info=error)
    return TocsinError()


def _head(connection: apsw.Connection) -> tuple[int, int]:
    row = read_one(connection, "head")
    return cast("tuple[int, int]", row)


def _job_row(tenant: str, row: JobRow, at: Millis) -> Row:
    job = row.job
    return (
        tenant,
        job.job_id,
        job.state,
        job.job_type,
        job.mode,
        job.name,
        job.parent_job_id,
        job.root_job_id,
        at,
        at,
        row.overdue_at,
        row.lost_at,
        encode(row),
    )


def _kept_answer(
    ours: Mapping[Key, _Answer], kept: Mapping[Key, tuple[_Answer, Millis]], submission: Submission, key: IdempotencyKey
) -> Accepted | TocsinError | None:
    """What the same request was answered, in this commit group or within a day."""
    named = (submission.tenant, key.route, key.key)
    answer = ours.get(named)
    if answer is None and named in kept:
        answer, at = kept[named]
        if at <= submission.received_at - ANSWERS_KEPT_MS:
            return None
    if answer is None:
        return None
    body_hash, status, body = answer
    if body_hash != key.body_hash:
        return IdempotencyKeyReused(key.key)
    return Accepted(verdict=Verdict(status=status, body=body))


def _load_answers(connection: apsw.Connection, submissions: Sequence[Item]) -> dict[Key, tuple[_Answer, Millis]]:
    wanted: dict[tuple[str, str], set[str]] = {}
    for submission, _ in submissions:
        if (key := submission.idempotency) is not None:
            wanted.setdefault((submission.tenant, key.route), set()).add(key.key)
    kept: dict[Key, tuple[_Answer, Millis]] = {}
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
            known.versions[cast("int", version_id)] = StoredVersion(
                content_hash=cast("bytes", content_hash),
                event_ids=tuple(EventId(text) for text in _decode_event_ids(cast("str", event_ids))),
            )
        if any(needed.counter for needed in wanted):
            row = read_one(connection, "tenant_counter", (tenant,))
            known.counter = cast("int", row[0]) if row else 0
    return facts


def _load_streaks(connection: apsw.Connection, submissions: Sequence[Item], facts: dict[str, Facts]) -> None:
    """Those that reports of the commit group may touch, once its jobs are known."""
    for tenant in {submission.tenant for submission, needed in submissions if needed.streaks}:
        known = facts[tenant]
        reports = [
            report for submission, _ in submissions if submission.tenant == tenant for report in reports_in(submission)
        ]
        touched = streaks_of(reports, known.jobs)
        for digest, failures in read_among(connection, "streaks_by_hash", (tenant,), touched):
            known.streaks[cast("bytes", digest)] = cast("int", failures)
