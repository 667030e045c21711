"""Decides on OpenLineage events: each stands alone, and sees what those before it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec

from tocsin.errors import FieldError, TocsinError
from tocsin.model.event import NewEvent
from tocsin.model.ids import EventId, Millis
from tocsin.model.job import JobRow
from tocsin.model.noun import Noun
from tocsin.model.submission import Facts, RunEvent, RunEvents, Submission, Verdict
from tocsin.rules.job_reports import Told
from tocsin.rules.needs import RUN_EVENT_SOURCE, seen_hash
from tocsin.rules.run_events import told_by_run
from tocsin.rules.streaks import counted

Heard = Callable[[Told, str, Facts, Millis], Told]
JobEvents = Callable[[Told, JobRow, str, int], list[NewEvent]]

_CREATED: Final = 201
_OK: Final = 200
_encode = msgspec.json.Encoder().encode


class RunEventAnswer(Noun, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one OpenLineage event. `job_id` is the run's id; None when it could not be read or is not about a run."""

    job_id: str | None
    outcome: Literal["changed", "unchanged", "ignored", "refused"]
    event_ids: list[EventId]
    problem: dict[str, object] | msgspec.UnsetType = msgspec.UNSET


class RunEventAnswers(Noun, frozen=True, kw_only=True):
    """One result for each event, in input order."""

    results: tuple[RunEventAnswer, ...]


class FailedEvent(Noun, frozen=True, kw_only=True):
    """An event of a batch that was refused: which one (from 0) and why. Sending it again would not help."""

    index: int
    reason: str
    retriable: bool = False


class BatchSummary(Noun, frozen=True, kw_only=True):
    """How many events of a batch there were, and what became of them."""

    received: int
    successful: int
    failed: int
    retriable: int
    non_retriable: int


class RunEventBatchAnswer(Noun, frozen=True, kw_only=True):
    """What OpenLineage has as the answer to a batch (OpenLineage.yml, `/lineage/batch`)."""

    status: Literal["success", "partial_success", "failure"]
    summary: BatchSummary
    failed_events: tuple[FailedEvent, ...]


def decide_runs(body: RunEvents, submission: Submission, facts: Facts, heard: Heard, job_events: JobEvents) -> Verdict:
    """The verdict. `heard` lets the facts know what was told, `job_events` makes its events."""
    answers: list[RunEventAnswer] = []
    events: list[NewEvent] = []
    rows: dict[str, JobRow] = {}
    seen: list[tuple[bytes, EventId]] = []
    streaks: dict[bytes, int] = {}
    for index, item in enumerate(body.items):
        if item is None:
            answers.append(RunEventAnswer(job_id=None, outcome="ignored", event_ids=[]))
            continue
        told = item if isinstance(item, TocsinError) else _told(item, facts, submission.received_at)
        if isinstance(item, TocsinError) or isinstance(told, TocsinError):
            assert isinstance(told, TocsinError)
            if body.single:
                return Verdict(status=told.status, body=b"", problem=told)
            answers.append(_refused(item, told, index))
            continue
        job_id = item.report.job_id
        before = facts.jobs.get(job_id)
        told = heard(told, job_id, facts, submission.received_at)
        row = facts.jobs.get(job_id)
        event_ids: list[EventId] = []
        if row is not None and row is not before:
            rows[job_id] = row
            new = job_events(told, row, submission.tenant, counted(told, row.job, facts, streaks))
            events += new
            event_ids = [event.id for event in new]
        if item.once is not None and event_ids:
            digest = seen_hash(RUN_EVENT_SOURCE, item.once)
            facts.seen[digest] = event_ids[-1]
            seen.append((digest, event_ids[-1]))
        outcome: Literal["changed", "unchanged"] = "unchanged" if told.row is None else "changed"
        answers.append(RunEventAnswer(job_id=job_id, outcome=outcome, event_ids=event_ids))
    return Verdict(
        status=_OK if body.is_batch else _CREATED,
        body=_encode(batch_answer(answers) if body.is_batch else RunEventAnswers(results=tuple(answers))),
        events=tuple(events),
        jobs=tuple(rows.items()),
        seen=tuple(seen),
        streaks=tuple(streaks.items()),
        keeps_answer=True,
    )


def _told(item: RunEvent, facts: Facts, received_at: Millis) -> Told | TocsinError:
    if item.once is not None and seen_hash(RUN_EVENT_SOURCE, item.once) in facts.seen:
        return Told()
    return told_by_run(item.report, facts.jobs.get(item.report.job_id), facts.lineages, received_at)


def _refused(item: RunEvent | TocsinError, problem: TocsinError, index: int) -> RunEventAnswer:
    return RunEventAnswer(
        job_id=None if isinstance(item, TocsinError) else item.report.job_id,
        outcome="refused",
        event_ids=[],
        problem=problem.under(f"/{index}").problem(),
    )


def batch_answer(answers: Sequence[RunEventAnswer]) -> RunEventBatchAnswer:
    """What OpenLineage has as the answer to what became of these."""
    failed = tuple(
        FailedEvent(index=index, reason=_reason(answer.problem))
        for index, answer in enumerate(answers)
        if answer.outcome == "refused"
    )
    status: Literal["success", "partial_success", "failure"] = "partial_success"
    if not failed:
        status = "success"
    elif len(failed) == len(answers):
        status = "failure"
    return RunEventBatchAnswer(
        status=status,
        summary=BatchSummary(
            received=len(answers),
            successful=len(answers) - len(failed),
            failed=len(failed),
            retriable=0,
            non_retriable=len(failed),
        ),
        failed_events=failed,
    )


def _reason(problem: dict[str, object] | msgspec.UnsetType) -> str:
    """The sentences of a problem with their pointers."""
    assert isinstance(problem, dict)
    errors = problem.get("errors")
    if not isinstance(errors, list):
        return str(problem.get("detail") or problem.get("title"))
    return " ".join(f"{error.pointer}: {error.detail}" for error in errors if isinstance(error, FieldError))
