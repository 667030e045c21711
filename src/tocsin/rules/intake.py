"""The replicated intake, as far as it is decided: what is refused at its door, what its producers are answered, what came before.

A receipt names a submission by the process that took it and its number there, so that it can be given out before anything is stored:
`rcp_` and, in hexadecimal, node (12), number (10), partition (2), and 8 digits that bind it to its tenant.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, Literal

import msgspec

from tocsin.errors import InvalidRequest, TocsinError
from tocsin.model.ids import Millis
from tocsin.model.intake import IntakeState
from tocsin.model.job import Report
from tocsin.model.noun import Noun
from tocsin.model.submission import (
    Changes,
    CloudEvents,
    DataVersions,
    Reports,
    RunEvent,
    RunEvents,
    Submission,
    Verdict,
)
from tocsin.rules.accepting_runs import RunEventAnswer, RunEventBatchAnswer, batch_answer
from tocsin.rules.record_expansion import missing_role

PREFIX: Final = "rcp_"
NODES: Final = 32
"""So many processes are remembered in each partition, each start of one counted."""
LATE_MS: Final = 700
"""So old is what its producer may not hear of any more, though the clocks of two nodes differ a little."""
_DIGITS: Final = 32
_CREATED: Final = 201
_OK: Final = 200
_ACCEPTED: Final = 202
_encode = msgspec.json.Encoder().encode


class QueuedReport(Noun, frozen=True, kw_only=True, omit_defaults=True):
    """A report that waits for its verdict, or was refused at the door. `job_id` is None when it could not be read."""

    job_id: str | None
    outcome: Literal["queued", "refused", "ignored"]
    event_ids: list[str]
    problem: dict[str, object] | msgspec.UnsetType = msgspec.UNSET


class QueuedChange(Noun, frozen=True, kw_only=True):
    """A change that waits for its verdict; `version_id` as it was given."""

    version_id: int | None
    outcome: Literal["queued"] = "queued"
    event_ids: tuple[str, ...] = ()


class QueuedDataVersion(Noun, frozen=True, kw_only=True):
    """A data version that waits for its verdict."""

    data_category_id: str
    data_version: str
    outcome: Literal["queued"] = "queued"
    event_ids: tuple[str, ...] = ()


class QueuedEvent(Noun, frozen=True, kw_only=True):
    """A CloudEvent that waits for its verdict; `id` is the producer's."""

    id: str
    outcome: Literal["queued"] = "queued"
    event_id: str | None = None


class QueuedAnswer(Noun, frozen=True, kw_only=True):
    """What a producer is answered whose submission is kept safely and waits for its verdict: `GET /v1/receipts/{receipt_id}` tells it."""

    results: tuple[QueuedReport | QueuedChange | QueuedDataVersion | QueuedEvent, ...]
    receipt_id: str


class QueuedBatchAnswer(RunEventBatchAnswer, frozen=True, kw_only=True):
    """The same for a batch of OpenLineage events: those that wait count as successful, and sending them again would not help."""

    receipt_id: str


class ReceiptName(Noun, frozen=True, kw_only=True):
    """What the id of a receipt says."""

    node: str
    number: int
    partition: int


def refused_at_door(submission: Submission) -> TocsinError | None:
    """What is wrong with it whatever the store knows."""
    match submission.body:
        case Reports(items=(item,), single=True) | RunEvents(items=(item,), single=True) if isinstance(
            item, TocsinError
        ):
            return item
        case Changes(items=changes, single=single):
            for index, change in enumerate(changes):
                missing = missing_role(change)
                if missing is not None:
                    problem = InvalidRequest.at(f"/{missing}", f"The action {change.action.value} needs this record.")
                    return problem if single else problem.under(f"/{index}")
            return None
        case _:
            return None


def queued_verdict(submission: Submission, receipt: str) -> Verdict:
    """The answer to a submission that is kept safely, and of which nothing more is known yet."""
    match submission.body:
        case Reports(items=reports):
            return _queued(_ACCEPTED, tuple(_report(n, item) for n, item in enumerate(reports)), receipt)
        case RunEvents(items=runs, is_batch=True):
            whole = batch_answer([_run(n, item) for n, item in enumerate(runs)])
            body = QueuedBatchAnswer(**msgspec.structs.asdict(whole), receipt_id=receipt)
            return Verdict(status=_OK, body=_encode(body))
        case RunEvents(items=runs):
            return _queued(_CREATED, tuple(_report(n, item) for n, item in enumerate(runs)), receipt)
        case Changes(items=changes):
            return _queued(_ACCEPTED, tuple(QueuedChange(version_id=one.version_id) for one in changes), receipt)
        case DataVersions(items=versions):
            return _queued(
                _ACCEPTED,
                tuple(
                    QueuedDataVersion(data_category_id=one.data_category_id, data_version=one.data_version)
                    for one in versions
                ),
                receipt,
            )
        case CloudEvents(items=events):
            return _queued(_ACCEPTED, tuple(QueuedEvent(id=one.context.id) for one in events), receipt)
        case _:
            raise TypeError("Producers hand in nothing else.")


def _report(index: int, item: Report | RunEvent | TocsinError | None) -> QueuedReport:
    match item:
        case None:
            return QueuedReport(job_id=None, outcome="ignored", event_ids=[])
        case TocsinError():
            problem = item.under(f"/{index}").problem()
            return QueuedReport(job_id=None, outcome="refused", event_ids=[], problem=problem)
        case RunEvent(report=report):
            return QueuedReport(job_id=report.job_id, outcome="queued", event_ids=[])
        case Report(job_id=job_id):
            return QueuedReport(job_id=job_id, outcome="queued", event_ids=[])


def _run(index: int, item: RunEvent | TocsinError | None) -> RunEventAnswer:
    if isinstance(item, TocsinError):
        problem = item.under(f"/{index}").problem()
        return RunEventAnswer(job_id=None, outcome="refused", event_ids=[], problem=problem)
    return RunEventAnswer(job_id=None, outcome="ignored", event_ids=[])


def _queued(
    status: int, results: tuple[QueuedReport | QueuedChange | QueuedDataVersion | QueuedEvent, ...], receipt: str
) -> Verdict:
    return Verdict(status=status, body=_encode(QueuedAnswer(results=results, receipt_id=receipt)))


def receipt_id(node: str, number: int, partition: int, tenant: str) -> str:
    """The id of a submission's receipt; `node` has 12 hexadecimal digits."""
    name = f"{node}{number:010x}{partition:02x}"
    return f"{PREFIX}{name}{_bound(name, tenant)}"


def receipt_name(text: str, tenant: str | None) -> ReceiptName | None:
    """What an id says to this tenant (None: the operator); None when it is no id, or another tenant's."""
    digits = text.removeprefix(PREFIX)
    if not text.startswith(PREFIX) or len(digits) != _DIGITS or not set(digits) <= set("0123456789abcdef"):
        return None
    name = digits[:24]
    if tenant is not None and digits[24:] != _bound(name, tenant):
        return None
    return ReceiptName(node=name[:12], number=int(name[12:22], 16), partition=int(name[22:], 16))


def _bound(name: str, tenant: str) -> str:
    return blake2b(f"{name}{tenant}".encode(), digest_size=4).hexdigest()


def is_late(received_at: Millis, now: Millis) -> bool:
    """Whether its producer may have been answered `queued`. A clock that is far behind says nothing either."""
    return abs(now - received_at) > LATE_MS


def takes(numbers: dict[str, int], node: str, number: int) -> bool:
    """Whether it was not accepted before, by the numbers of its partition, which know it from now on. A node hands in one thing after another, and
    again only what may not have been kept; nodes that were not heard of for longest are forgotten."""
    before = numbers.pop(node, -1)
    numbers[node] = max(before, number)
    if len(numbers) > NODES:
        del numbers[next(iter(numbers))]
    return number > before


def mismatch(incarnation: str | None, highest: int, state: IntakeState | None) -> str | None:
    """Why what the store knows of the intake (`highest`: the furthest of its cursors) and what its servers say do not belong together."""
    if incarnation is None:
        return None if state is None else _fault(state)
    if state is None:
        return "The intake is gone: its servers have no such stream any more."
    if state.incarnation != incarnation:
        return f"The intake is another one: {state.incarnation}, and the store has taken from {incarnation}."
    if state.last < highest:
        return f"The intake has lost something: it ends at {state.last}, and the store has taken {highest}."
    return _fault(state)


def _fault(state: IntakeState) -> str | None:
    return f"The stream of the intake is not as it has to be: {'; '.join(state.faults)}." if state.faults else None
