"""Decides on submissions: which events, rows and answer they give, from what is known of their tenant.

The facts are changed as a verdict says, so that the next submission of the commit group finds them; a refused submission
changes nothing.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from tocsin.errors import InvalidRequest, TocsinError, VersionConflict
from tocsin.model.event import OWN_SUBJECT_TYPES, NewEvent
from tocsin.model.ids import EventId, IdMint, Millis
from tocsin.model.job import JobData, JobRow, Report
from tocsin.model.notice import Notices
from tocsin.model.noun import Noun
from tocsin.model.record import Change, DataVersionData
from tocsin.model.submission import (
    Changes,
    CloudEvents,
    DataVersions,
    Facts,
    Lineage,
    Overrun,
    Reports,
    RunEvents,
    StoredVersion,
    Submission,
    Verdict,
)
from tocsin.rules.accepting_runs import decide_runs
from tocsin.rules.job_reports import Told, told_by
from tocsin.rules.job_watch import NO_LIMITS, JobLimits, told, watched
from tocsin.rules.needs import NOTICE_SOURCE, seen_hash
from tocsin.rules.record_expansion import expand, missing_role
from tocsin.rules.streaks import counted

_ACCEPTED: Final = 202
_HIGHEST_VERSION: Final = 2**63 - 1
_encode = msgspec.json.Encoder().encode


class ReportAnswer(Noun, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one report. `job_id` is None when it could not be read."""

    job_id: str | None
    outcome: Literal["changed", "unchanged", "refused"]
    event_ids: list[EventId]
    problem: dict[str, object] | msgspec.UnsetType = msgspec.UNSET


class ChangeAnswer(Noun, frozen=True, kw_only=True):
    """The version of one change, and its events."""

    version_id: int
    event_ids: tuple[EventId, ...]


class DataVersionAnswer(Noun, frozen=True, kw_only=True):
    """The event of one data version."""

    data_category_id: str
    data_version: str
    event_ids: tuple[EventId, ...]


class CloudEventAnswer(Noun, frozen=True, kw_only=True):
    """What became of one CloudEvent; `id` is the producer's."""

    id: str
    outcome: Literal["accepted", "duplicate"]
    event_id: EventId


Answer = ReportAnswer | ChangeAnswer | DataVersionAnswer | CloudEventAnswer


class Answers(Noun, frozen=True, kw_only=True):
    """The body of an answer: one result for each item, in input order."""

    results: tuple[Answer, ...]


class Deciding:
    """Decides (`model.submission.Decide`). The mint and the limits of jobs are all that it keeps."""

    __slots__ = ("_limits", "_mint")

    def __init__(self, mint: IdMint, limits: JobLimits = NO_LIMITS) -> None:
        self._mint = mint
        self._limits = limits

    def __call__(self, submission: Submission, facts: Facts) -> Verdict:
        match submission.body:
            case Reports() as body:
                return self._on_reports(body, submission, facts)
            case Changes() as body:
                return self._on_changes(body, submission, facts)
            case CloudEvents() as body:
                return self._on_cloud_events(body, submission, facts)
            case DataVersions() as body:
                return self._on_data_versions(body, submission)
            case RunEvents() as body:
                return decide_runs(body, submission, facts, self._heard, self._job_events)
            case Notices() as body:
                return self._on_notices(body, submission, facts)
            case Overrun() as body:
                return self._on_overrun(body, submission, facts)

    def _on_reports(self, body: Reports, submission: Submission, facts: Facts) -> Verdict:
        """Each report stands alone and sees what those before it did."""
        answers: list[Answer] = []
        events: list[NewEvent] = []
        rows: dict[str, JobRow] = {}
        streaks: dict[bytes, int] = {}
        for index, item in enumerate(body.items):
            job_id = None if isinstance(item, TocsinError) else item.job_id
            before = facts.jobs.get(job_id) if job_id is not None else None
            told = item if isinstance(item, TocsinError) else self._told(item, facts, submission.received_at)
            if isinstance(told, TocsinError):
                if body.single:
                    return _refused(told)
                problem = told.under(f"/{index}").problem()
                answers.append(ReportAnswer(job_id=job_id, outcome="refused", event_ids=[], problem=problem))
                continue
            if told.row is None:
                if job_id is not None and (heard := facts.jobs.get(job_id)) is not None and heard is not before:
                    rows[job_id] = heard
                answers.append(ReportAnswer(job_id=job_id, outcome="unchanged", event_ids=[]))
                continue
            new = self._job_events(told, told.row, submission.tenant, counted(told, told.row.job, facts, streaks))
            events += new
            rows[told.row.job.job_id] = told.row
            answers.append(ReportAnswer(job_id=job_id, outcome="changed", event_ids=[event.id for event in new]))
        return _accepted(answers, events, jobs=tuple(rows.items()), streaks=tuple(streaks.items()))

    def _told(self, report: Report, facts: Facts, received_at: Millis) -> Told | TocsinError:
        """What the report says that was not known; the facts now know it too, and until when the next one may take."""
        told = told_by(report, facts.jobs.get(report.job_id), facts.lineages, received_at)
        return told if isinstance(told, TocsinError) else self._heard(told, report.job_id, facts, received_at)

    def _heard(self, told: Told, job_id: str, facts: Facts, received_at: Millis) -> Told:
        """What was told, with the watch over the job set anew; the facts now know it."""
        old = facts.jobs.get(job_id)
        if told.row is None:
            if old is not None:
                facts.jobs[job_id] = watched(old, self._limits, received_at, old)
            return told
        row = watched(told.row, self._limits, received_at, old)
        job = row.job
        facts.jobs[job_id] = row
        if old is None or old.job.parent_job_id != job.parent_job_id or old.job.root_job_id != job.root_job_id:
            facts.lineages[job_id] = Lineage(parent_job_id=job.parent_job_id, root_job_id=job.root_job_id)
        return Told(row=row, verbs=told.verbs, time=told.time)

    def _on_overrun(self, body: Overrun, submission: Submission, facts: Facts) -> Verdict:
        events: list[NewEvent] = []
        rows: dict[str, JobRow] = {}
        for job_id, kind in body.items:
            row = facts.jobs.get(job_id)
            after = None if row is None else told(row, kind, submission.received_at)
            if after is None:
                continue
            facts.jobs[job_id] = rows[job_id] = after
            overrun = Told(row=after, verbs=(kind,), time=submission.received_at)
            events += self._job_events(overrun, after, submission.tenant)
        return _accepted([], events, jobs=tuple(rows.items()))

    def _job_events(self, told: Told, row: JobRow, tenant: str, failures: int = 0) -> list[NewEvent]:
        """With so many failures in a row on the event about the end of the run, if there are some."""
        if not told.verbs:
            return []
        data = _encode(row.job)
        events = [
            NewEvent(
                id=self._mint.event(),
                tenant=tenant,
                type="job." + verb,
                subject_type="job",
                subject_id=row.job.job_id,
                verb=verb,
                time=told.time,
                data=data,
            )
            for verb in told.verbs
        ]
        if failures:
            ended = JobData(**msgspec.structs.asdict(row.job), failures_in_a_row=failures)
            events[-1] = msgspec.structs.replace(events[-1], data=_encode(ended))
        return events

    def _on_changes(self, body: Changes, submission: Submission, facts: Facts) -> Verdict:
        answers: list[Answer] = []
        events: list[NewEvent] = []
        used: dict[int, StoredVersion] = {}
        counter = facts.counter
        for index, change in enumerate(body.items):
            version_id = counter + 1 if change.version_id is None else change.version_id
            known = used.get(version_id) or facts.versions.get(version_id)
            if change.version_id is not None and known is not None and known.content_hash == change.content_hash:
                answers.append(ChangeAnswer(version_id=version_id, event_ids=known.event_ids))
                continue
            problem = _fault(change, version_id, counter, known)
            if problem is not None:
                return _refused(problem if body.single else problem.under(f"/{index}"))
            new = expand(change, version_id, submission.tenant, submission.received_at, self._mint.event)
            event_ids = tuple(event.id for event in new)
            counter = version_id
            used[version_id] = StoredVersion(content_hash=change.content_hash, event_ids=event_ids)
            events += new
            answers.append(ChangeAnswer(version_id=version_id, event_ids=event_ids))
        facts.counter = counter
        facts.versions.update(used)
        return _accepted(answers, events, versions=tuple(used.items()))

    def _on_cloud_events(self, body: CloudEvents, submission: Submission, facts: Facts) -> Verdict:
        for index, item in enumerate(body.items):
            if item.subject_type in OWN_SUBJECT_TYPES:
                pointer = "/type" if len(body.items) == 1 else f"/{index}/type"
                return _refused(InvalidRequest.at(pointer, f"The subject type {item.subject_type} is Tocsin's own."))
        answers: list[Answer] = []
        events: list[NewEvent] = []
        seen: list[tuple[bytes, EventId]] = []
        for item in body.items:
            context = item.context
            digest = item.digest
            known = facts.seen.get(digest)
            if known is not None:
                answers.append(CloudEventAnswer(id=context.id, outcome="duplicate", event_id=known))
                continue
            event_id = self._mint.event()
            events.append(
                NewEvent(
                    id=event_id,
                    tenant=submission.tenant,
                    type=item.type,
                    subject_type=item.subject_type,
                    subject_id=context.subject or "",
                    verb=item.verb,
                    time=submission.received_at if item.time is None else item.time,
                    data=item.data,
                    cloud=context,
                )
            )
            facts.seen[digest] = event_id
            seen.append((digest, event_id))
            answers.append(CloudEventAnswer(id=context.id, outcome="accepted", event_id=event_id))
        return _accepted(answers, events, seen=tuple(seen))

    def _on_data_versions(self, body: DataVersions, submission: Submission) -> Verdict:
        answers: list[Answer] = []
        events: list[NewEvent] = []
        for item in body.items:
            category, version = item.data_category_id, item.data_version
            event = NewEvent(
                id=self._mint.event(),
                tenant=submission.tenant,
                type="data_version.published",
                subject_type="data_version",
                subject_id=category,
                verb="published",
                time=submission.received_at if item.time is None else item.time,
                data=_encode(DataVersionData(data_category_id=category, data_version=version)),
            )
            events.append(event)
            answers.append(DataVersionAnswer(data_category_id=category, data_version=version, event_ids=(event.id,)))
        return _accepted(answers, events)

    def _on_notices(self, body: Notices, submission: Submission, facts: Facts) -> Verdict:
        events: list[NewEvent] = []
        seen: list[tuple[bytes, EventId]] = []
        for item in body.items:
            digest = seen_hash(NOTICE_SOURCE, item.once)
            if digest in facts.seen:
                continue
            subject_type, _, verb = item.type.partition(".")
            event = NewEvent(
                id=self._mint.event(),
                tenant=submission.tenant,
                type=item.type,
                subject_type=subject_type,
                subject_id=item.about,
                verb=verb,
                time=item.time,
                data=item.data,
            )
            facts.seen[digest] = event.id
            seen.append((digest, event.id))
            events.append(event)
        return _accepted([], events, seen=tuple(seen))


def _fault(change: Change, version_id: int, counter: int, known: StoredVersion | None) -> TocsinError | None:
    missing = missing_role(change)
    if missing is not None:
        return InvalidRequest.at(f"/{missing}", f"The action {change.action.value} needs this record.")
    if known is None and counter < version_id <= _HIGHEST_VERSION:
        return None
    if version_id > _HIGHEST_VERSION:
        detail = "No version id is left: the highest one has been used."
    elif known is not None:
        detail = f"Version {version_id} was used for another change."
    else:
        detail = f"Version {version_id} is not higher than {counter}, the highest one used."
    return VersionConflict(detail).under("/version_id")


def _accepted(
    answers: list[Answer],
    events: list[NewEvent],
    *,
    jobs: tuple[tuple[str, JobRow], ...] = (),
    seen: tuple[tuple[bytes, EventId], ...] = (),
    versions: tuple[tuple[int, StoredVersion], ...] = (),
    streaks: tuple[tuple[bytes, int], ...] = (),
) -> Verdict:
    return Verdict(
        status=_ACCEPTED,
        body=_encode(Answers(results=tuple(answers))),
        events=tuple(events),
        jobs=jobs,
        seen=seen,
        versions=versions,
        streaks=streaks,
        keeps_answer=True,
    )


def _refused(problem: TocsinError) -> Verdict:
    return Verdict(status=problem.status, body=b"", problem=problem)
