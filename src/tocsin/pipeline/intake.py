"""The door of the replicated intake: a submission is kept by a majority of its servers, then waits a moment for its verdict.

What is wrong whatever the store knows is refused here. The verdict comes from the holder of the tenant's partition; if it does not come
within a second, the producer has the answer `queued` and a receipt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from tocsin.errors import IntakeUnavailable, Overloaded, TocsinError, problem_of
from tocsin.model.intake import Handed, Sent
from tocsin.model.noun import Noun
from tocsin.model.submission import Accepted, Submission, Verdict
from tocsin.pipeline.accept import GROUP_BYTES, LEAST_BYTES, RETRY_AFTER_SECONDS, WAITING_BYTES, Tell
from tocsin.pipeline.answering import KeysAtWork, resolve
from tocsin.pipeline.commit_group import CommitGroup
from tocsin.ports.intake import Intake
from tocsin.rules.intake import queued_verdict, receipt_id, refused_at_door
from tocsin.rules.partitions import PARTITIONS, partition_of
from tocsin.telemetry import log

VERDICT_SECONDS: Final = 1.0
"""How long a producer waits for the verdict once its submission is kept."""
_FORM: Final = b"\x01"
"""Of what is handed in: MessagePack of `Handed`. Fields may be added to it; anything else is another form."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Handed).decode


class UnknownForm(Exception):
    """A newer version has handed it in, or something else has written to the stream."""


class _Waiter(Noun, frozen=True, kw_only=True):
    handed: Handed
    submission: Submission
    partition: int
    tell: Tell


class Door:
    """Hands in what producers of this process send. `node` names this process; another start of it has another name."""

    def __init__(
        self,
        intake: Intake,
        node: str,
        *,
        problem: Callable[[], str | None],
        is_hopeless: Callable[[], bool],
        queued: Callable[[], None],
    ) -> None:
        """`problem` says why nothing is to be handed in at the moment, if that is so, `is_hopeless` whether no verdict can come;
        `queued` is called for each that is answered so."""
        self._intake = intake
        self._node = node
        self._problem = problem
        self._is_hopeless = is_hopeless
        self._queued = queued
        self._empty = asyncio.Event()
        self._empty.set()
        self._group: CommitGroup[_Waiter] = CommitGroup(self._append, limit=GROUP_BYTES)
        self._waiting: dict[int, _Waiter] = {}
        self._at_work = KeysAtWork()
        self._number = 0

    async def __call__(self, submission: Submission, sent: Sent) -> Accepted:
        """Wait for the verdict, or the answer `queued`. Raises what `submit` raises, and the problem when it is refused."""
        future: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        self.submit(submission, sent, partial(resolve, future))
        return await future

    def submit(self, submission: Submission, sent: Sent, tell: Tell) -> None:
        """The same without a task that waits: `tell` hears of it. Raises IntakeUnavailable, Overloaded, RequestRunning for an
        idempotency key that is still at work, and what is wrong with it."""
        refused = refused_at_door(submission)
        if refused is not None:
            raise refused
        problem = self._problem()
        if problem is not None:
            raise IntakeUnavailable(problem, retry_after_seconds=RETRY_AFTER_SECONDS)
        if self._group.weight >= WAITING_BYTES:
            raise Overloaded(retry_after_seconds=RETRY_AFTER_SECONDS)
        self._at_work.enter(submission)
        self._number += 1
        handed = Handed(
            node=self._node,
            number=self._number,
            tenant=submission.tenant,
            received_at=submission.received_at,
            sent=sent,
            idempotency=submission.idempotency,
            is_queued=self._is_hopeless(),
        )
        partition = partition_of(submission.tenant, PARTITIONS)
        waiter = _Waiter(handed=handed, submission=submission, partition=partition, tell=tell)
        self._waiting[handed.number] = waiter
        self._empty.clear()
        self._group.add(waiter, max(submission.size, LEAST_BYTES))

    def submission_of(self, number: int) -> Submission | None:
        """What was handed in here under this number, as long as its producer waits: it need not be read again."""
        waiter = self._waiting.get(number)
        return None if waiter is None else waiter.submission

    def told(self, number: int, outcome: Accepted | TocsinError) -> None:
        """The verdict is there. Nobody may be waiting any more."""
        waiter = self._waiting.pop(number, None)
        if waiter is not None:
            self._tell(waiter, outcome)

    async def idle(self) -> None:
        """Wait until everything that was taken has its answer."""
        await self._group.idle()
        await self._empty.wait()

    async def _append(self, waiters: list[_Waiter]) -> None:
        contents = [(waiter.partition, _FORM + _encode(waiter.handed)) for waiter in waiters]
        answers: list[TocsinError | None]
        try:
            answers = await self._intake.append(contents)
        except TocsinError as problem:
            answers = [problem] * len(waiters)
        except Exception as fault:  # noqa: BLE001  # every waiting producer is told that it failed
            log.error("intake.fault", exc_info=fault)
            answers = [TocsinError()] * len(waiters)
        kept: list[int] = []
        queued: list[int] = []
        for waiter, answer in zip(waiters, answers, strict=True):
            if answer is None:
                (queued if waiter.handed.is_queued else kept).append(waiter.handed.number)
            else:
                self.told(waiter.handed.number, answer)
        self._queue(queued)
        if kept:
            asyncio.get_running_loop().call_later(VERDICT_SECONDS, self._queue, kept)

    def _queue(self, numbers: list[int]) -> None:
        for number in numbers:
            waiter = self._waiting.pop(number, None)
            if waiter is None:
                continue
            self._queued()
            receipt = receipt_id(self._node, number, waiter.partition, waiter.submission.tenant)
            self._tell(waiter, Accepted(verdict=queued_verdict(waiter.submission, receipt)))

    def _tell(self, waiter: _Waiter, outcome: Accepted | TocsinError) -> None:
        if not self._waiting:
            self._empty.set()
        self._at_work.leave(waiter.submission)
        try:
            waiter.tell(outcome)
        except Exception as fault:  # noqa: BLE001  # it must not be its neighbours': they wait as well
            log.error("intake.untold", exc_info=fault)


def handed_in(content: bytes) -> Handed:
    """What was handed in. Raises UnknownForm."""
    try:
        if content[:1] != _FORM:
            raise UnknownForm
        return _decode(content[1:])
    except msgspec.DecodeError as error:
        raise UnknownForm from error


class Told(Noun, frozen=True, kw_only=True, omit_defaults=True):
    """A verdict on its way to the process whose producer waits."""

    number: int
    status: int = 0
    body: bytes = b""
    problem: dict[str, object] | None = None


def told_of(number: int, outcome: Accepted | TocsinError) -> Told:
    """What is said of it."""
    if isinstance(outcome, TocsinError):
        return Told(number=number, problem=outcome.problem())
    return Told(number=number, status=outcome.verdict.status, body=outcome.verdict.body)


def verdict_of(told: Told) -> Accepted | TocsinError:
    """What was said."""
    if told.problem is not None:
        return problem_of(told.problem)
    return Accepted(verdict=Verdict(status=told.status, body=told.body))
