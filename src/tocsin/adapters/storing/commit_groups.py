"""What a commit group of accept reads and writes, gathered in memory while deciding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tocsin.adapters.storing.ranks import DataRefusedError
from tocsin.adapters.storing.rows import encode
from tocsin.adapters.storing.values import Row
from tocsin.errors import IdempotencyKeyReused, InvalidRequest, TocsinError
from tocsin.model.ids import EventId, Millis
from tocsin.model.job import JobRow
from tocsin.model.submission import (
    Accepted,
    Facts,
    IdempotencyKey,
    Needs,
    StoredVersion,
    Submission,
    Verdict,
)
from tocsin.rules.needs import reports_in
from tocsin.rules.streaks import streaks_of
from tocsin.telemetry import log

ANSWERS_KEPT_MS: Final = 24 * 3600 * 1000
_decode_event_ids = msgspec.json.Decoder(tuple[str, ...]).decode
Item = tuple[Submission, Needs]
Named = tuple[str, str, str]
"""What an answer is kept under: tenant, route, idempotency key."""
Stored = tuple[bytes, int, bytes]
"""Hash of the body that was asked with, status and body of the answer."""
Kept = tuple[Stored, Millis]
"""With the time of the answer."""


class Group:
    """What a commit group writes. `counters` are the tenants whose counter is kept, `accepted` how many events, by tenant."""

    def __init__(self) -> None:
        self.events: list[Row] = []
        self.seen: list[Row] = []
        self.versions: list[Row] = []
        self.counters: set[str] = set()
        self.accepted: dict[str, int] = {}
        self._jobs: dict[tuple[str, str], tuple[JobRow, int]] = {}
        self._streaks: dict[tuple[str, bytes], tuple[int, int]] = {}
        self.answers: dict[Named, Stored] = {}

    def add(self, submission: Submission, verdict: Verdict, events: Sequence[Row]) -> None:
        tenant = submission.tenant
        self.events += events
        self.accepted[tenant] = self.accepted.get(tenant, 0) + len(events)
        for job_id, row in verdict.jobs:
            self._jobs[tenant, job_id] = (row, submission.received_at)
        self.seen += [(tenant, digest, event_id, submission.received_at) for digest, event_id in verdict.seen]
        for version_id, stored in verdict.versions:
            event_ids = encode(stored.event_ids).decode()
            self.versions.append((tenant, version_id, stored.content_hash, event_ids))
        for digest, failures in verdict.streaks:
            self._streaks[tenant, digest] = (failures, submission.received_at)
        if submission.idempotency is not None and verdict.keeps_answer:
            named = (tenant, submission.idempotency.route, submission.idempotency.key)
            self.answers[named] = (submission.idempotency.body_hash, verdict.status, verdict.body)

    def job_rows(self, at: Millis | None = None) -> list[Row]:
        """`at`: when they were accepted, if that is what is kept; otherwise when each report was received."""
        return [
            _job_row(tenant, row, received_at if at is None else at)
            for (tenant, _), (row, received_at) in self._jobs.items()
        ]

    def streak_rows(self) -> list[tuple[str, bytes, int, int]]:
        """Tenant, hash, failures in a row (0: it is over), when."""
        return [(tenant, digest, *counted) for (tenant, digest), counted in self._streaks.items()]

    def answer_rows(self, at: Millis) -> list[Row]:
        return [(*named, *answer, at) for named, answer in self.answers.items()]


def kept_answer(
    group: Group, kept: Mapping[Named, Kept], submission: Submission, key: IdempotencyKey
) -> Accepted | TocsinError | None:
    """What the same request was answered, in this commit group or within a day."""
    named = (submission.tenant, key.route, key.key)
    answer = group.answers.get(named)
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


def streaks_touched(tenant: str, submissions: Sequence[Item], known: Facts) -> set[bytes]:
    """Those that reports of the commit group may touch, once its jobs are known."""
    reports = [
        report for submission, _ in submissions if submission.tenant == tenant for report in reports_in(submission)
    ]
    return set(streaks_of(reports, known.jobs))


def version_of(content_hash: bytes, event_ids: str) -> StoredVersion:
    """From the columns of `versions_by_id.sql` behind the id."""
    return StoredVersion(
        content_hash=content_hash, event_ids=tuple(EventId(text) for text in _decode_event_ids(event_ids))
    )


def fault_of(error: Exception) -> TocsinError:
    """What a submission gets that fails even alone: its data, or a fault of ours."""
    if isinstance(error, DataRefusedError):
        return InvalidRequest(f"The store cannot take this: {error}.")
    log.error("accept.fault", exc_info=error)
    return TocsinError()


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
