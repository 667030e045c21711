"""Accept: a submission becomes events in the log, durable before anybody is told so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from tocsin.errors import Overloaded, StorageFull
from tocsin.model.event import Event
from tocsin.model.noun import Noun
from tocsin.model.submission import Accepted, Decide, Needs, Submission
from tocsin.pipeline.answering import KeysAtWork, resolve
from tocsin.pipeline.commit_group import CommitGroup
from tocsin.ports import FanWithin, Log
from tocsin.telemetry import log

Tell = Callable[[Accepted | Exception], None]
"""What hears of a submission's verdict after its commit, or why there is none."""
GROUP_BYTES: Final = 512 * 1024
"""Submissions in one transaction, at most: some 20 ms for the writer. A larger one has a transaction of its own."""
WAITING_BYTES: Final = 32 * 1024 * 1024
"""Submissions that may wait for the writer; beyond it producers are told to come back."""
LEAST_BYTES: Final = 4096
"""What a submission counts for, however small it is."""
RETRY_AFTER_SECONDS: Final = 1


class _Waiter(Noun, frozen=True, kw_only=True):
    submission: Submission
    needs: Needs
    tell: Tell


class Accept:
    """Takes submissions; `committed` hears of the events of each commit group, in log order. `within` gives the fan-out that goes
    along with a group, None where that is not possible."""

    def __init__(
        self,
        log: Log,
        needs_of: Callable[[Submission], Needs],
        decide: Decide,
        committed: Callable[[Sequence[Event]], None],
        within: Callable[[], FanWithin | None] = lambda: None,
    ) -> None:
        self._log = log
        self._needs_of = needs_of
        self._decide = decide
        self._committed = committed
        self._within = within
        self._group: CommitGroup[_Waiter] = CommitGroup(self._write, limit=GROUP_BYTES)
        self._at_work = KeysAtWork()
        self.is_full = False
        """Less of the disk is free than the reserve that settling and retention need."""

    async def __call__(self, submission: Submission) -> Accepted:
        """Wait for the verdict and its commit. Raises what `submit` raises, and the problem when the submission is refused."""
        future: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        self.submit(submission, partial(resolve, future))
        return await future

    def submit(self, submission: Submission, tell: Tell) -> None:
        """The same without a task that waits: `tell` hears of it. Raises Overloaded when too many wait, RequestRunning for an
        idempotency key that is still at work, StorageFull when the disk is."""
        if self.is_full:
            raise StorageFull("Less of the disk is free than the reserve.")
        if self._group.weight >= WAITING_BYTES:
            raise Overloaded(retry_after_seconds=RETRY_AFTER_SECONDS)
        waiter = _Waiter(submission=submission, needs=self._needs_of(submission), tell=tell)
        self._at_work.enter(submission)
        self._group.add(waiter, max(submission.size, LEAST_BYTES))

    async def idle(self) -> None:
        """Wait until everything that was taken has its answer."""
        await self._group.idle()

    async def _write(self, waiters: list[_Waiter]) -> None:
        within = self._within()
        try:
            await self._write_with(within, waiters)
        finally:
            if within is not None:
                within.over()

    async def _write_with(self, within: FanWithin | None, waiters: list[_Waiter]) -> None:
        try:
            answers = await self._log.accept([(w.submission, w.needs) for w in waiters], self._decide, within)
        except Exception as error:  # noqa: BLE001  # nothing was accepted: every waiting producer is told why
            for waiter in waiters:
                self._tell(waiter, error)
            return
        events = [event for a in answers if isinstance(a, Accepted) for event in a.events]
        if events:
            self._committed(events)
        for waiter, answer in zip(waiters, answers, strict=True):
            self._tell(waiter, answer)

    def _tell(self, waiter: _Waiter, answer: Accepted | Exception) -> None:
        self._at_work.leave(waiter.submission)
        try:
            waiter.tell(answer)
        except Exception as fault:  # noqa: BLE001  # it must not be its neighbours': they wait as well
            log.error("accept.untold", exc_info=fault)
