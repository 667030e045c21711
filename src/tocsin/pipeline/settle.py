"""Settle: what an exchange means is written down, many at a time; until then the delivery counts as held."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic
from typing import Final, TypeVar

import msgspec

from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.model.attempt import Attempt, Settlement
from tocsin.model.delivery import Claim
from tocsin.pipeline.commit_group import CommitGroup
from tocsin.ports import Fenced, Holder, Queue
from tocsin.telemetry import log

T = TypeVar("T")

GROUP: Final = 512
_STALLED_SECONDS: Final = 1.0
_WAIT_SECONDS: Final = 0.2
_LONGEST_WAIT_SECONDS: Final = 5.0


async def written(write: Callable[[], Awaitable[T]], *, failing: Callable[[], None] = lambda: None) -> T:
    """What `write` gives, however long the store takes to be there again; `failing` is called each time that it is not."""
    wait = _WAIT_SECONDS
    while True:
        try:
            return await write()
        except (StoreUnavailable, StorageFull) as error:
            failing()
            log.error("settle.waits", problem=error.slug)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)


class Settle:
    """Takes settlements; `settled` hears of each group after its commit, with the deliveries that became ready by it; None when
    these are only in the store.

    While outcomes cannot be written, for a second or for good, nothing is given up: `is_stalled` tells, and no new
    requests should start. One object writes for one holder: `fenced` is called when that one may not write any more.
    """

    def __init__(
        self,
        queue: Queue,
        holder: Holder,
        settled: Callable[[Sequence[Settlement], Sequence[Claim] | None], None],
        fenced: Callable[[], None] = lambda: None,
    ) -> None:
        self._queue = queue
        self._holder = holder
        self._settled = settled
        self._fenced = fenced
        self._is_over = False
        self._group: CommitGroup[Settlement] = CommitGroup(self._write, limit=GROUP)
        self._is_failing = False
        self._began: float | None = None

    @property
    def is_stalled(self) -> bool:
        if self._began is None:
            return False
        return self._is_failing or monotonic() - self._began > _STALLED_SECONDS

    def add(self, settlement: Settlement) -> None:
        self._group.add(settlement)

    def abandon(self) -> None:
        """Others have taken over: nothing more is written, and nobody hears of what was."""
        self._is_over = True
        self._began = None

    async def written(self) -> None:
        """Wait until everything that was added so far is written."""
        await self._group.written()

    async def _write(self, settlements: list[Settlement]) -> None:
        if self._is_over:
            return
        self._began = monotonic()
        wait = _WAIT_SECONDS
        while True:
            try:
                ready = await written(partial(self._queue.settle, self._holder, settlements), failing=self._failed)
            except Fenced:
                self.abandon()
                self._fenced()
                return
            except Exception as error:  # noqa: BLE001  # data that the store refuses: only the culprit may suffer
                if len(settlements) > 1:
                    for settlement in settlements:
                        await self._write([settlement])
                    return
                log.error("settle.refused", delivery=settlements[0].delivery, exc_info=error)
                bare = without_texts(settlements[0].attempt)
                settlements = [msgspec.structs.replace(settlements[0], attempt=bare, reason=None)]
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
            else:
                self._is_failing = False
                self._began = None
                if not self._is_over:
                    self._settled(settlements, ready)
                return

    def _failed(self) -> None:
        if self._is_over:
            raise Fenced
        self._is_failing = True


def without_texts(attempt: Attempt) -> Attempt:
    """The attempt without what came from outside."""
    return msgspec.structs.replace(attempt, response=None, request_body=b"", request_headers=(), error=None)
