"""Erasures: what they need of the store. Each step is one transaction, which also keeps how far the erasure is; it gives the
erasure as it stands after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tocsin.model.audit import AuditEntry
from tocsin.model.delivery import Claim
from tocsin.model.erasure import (
    AttemptSize,
    Erasure,
    ErasureState,
    KeptAnswer,
    Progress,
    SubjectEvent,
    SubjectPage,
)
from tocsin.model.ids import ErasureId, EventId, Millis
from tocsin.model.replay import Replay
from tocsin.ports.reading import Page
from tocsin.ports.writing import Holder


class ErasureQuery(Page, frozen=True, kw_only=True):
    """Filters of the list of erasures."""

    state: ErasureState | None = None


class Erasures(Protocol):
    """Erasures, and everything that they look for."""

    async def add(self, erasure: Erasure, entry: AuditEntry) -> Erasure:
        """Store a new one with its entry in the audit log, and erase the row of a job: the store gives `number` and `last`. What is
        reported of the job from then on is of a new one."""

    async def erasure(self, erasure_id: ErasureId, tenant: str | None) -> Erasure | None:
        """One, seen by a tenant (None: the operator)."""

    async def erasures(self, query: ErasureQuery) -> list[Erasure]: ...

    async def running(self) -> list[Erasure]:
        """Those that are not over, the oldest first."""

    async def move(self, erasure: Erasure, progress: Progress) -> Erasure:
        """Keep how far it is."""

    async def end(self, erasure: Erasure, state: ErasureState, reason: str | None, now: Millis) -> None: ...

    async def page(self, erasure: Erasure) -> SubjectPage:
        """The next events and deliveries. Events are found by the index over subjects, where erased ones are no more; deliveries by
        the position of their event."""

    async def withdraw(
        self, holder: Holder, erasure: Erasure, deliveries: Sequence[int], in_flight: frozenset[int], now: Millis
    ) -> tuple[Erasure, list[Claim]]:
        """Cancel what is pending of these, and take those that are not in flight out of their lines and pending batches; gives the
        deliveries that became ready by it. Raises Fenced when the holder was: nothing was written."""

    async def attempts(self, deliveries: Sequence[int], after: int) -> list[AttemptSize]:
        """The next attempts of these, behind a place."""

    async def erase_attempts(self, erasure: Erasure, places: Sequence[int]) -> Erasure: ...

    async def batches(self, deliveries: Sequence[int]) -> list[int]:
        """The batches that these deliveries are in or have left, and all that these were split from."""

    async def batch_attempts(self, batches: Sequence[int], after: int) -> list[AttemptSize]:
        """The next attempts of these, behind a place."""

    async def erase_batch_attempts(self, erasure: Erasure, places: Sequence[int]) -> Erasure: ...

    async def erase_deliveries(self, erasure: Erasure, deliveries: Sequence[int], progress: Progress) -> Erasure:
        """Why they ended, in words, goes; they are done."""

    async def erase_events(self, erasure: Erasure, events: Sequence[SubjectEvent], head: int) -> Erasure:
        """Leave their places in the log, and take the subject out of what stands beside them: the order keys of the other parts of one
        action, and versions. One that has a delivery newer than `head` stays: then the next page has that delivery."""

    async def answers(self, tenant: str, after: tuple[str, str], limit: int) -> list[KeptAnswer]:
        """Kept answers in the order of route and key, behind one of them."""

    async def about(self, erasure: Erasure, events: Sequence[EventId]) -> frozenset[EventId]:
        """Which of these events are about the subject."""

    async def erase_answers(self, erasure: Erasure, answers: Sequence[KeptAnswer], progress: Progress) -> Erasure:
        """Keep the keys alone: a request that is repeated under one of them is refused, and does not bring anything back."""

    async def erase_filters(self, erasure: Erasure, replays: Sequence[Replay], progress: Progress) -> Erasure:
        """Replace the filters of replays by those that are given."""

    async def erase_entries(self, erasure: Erasure, numbers: Sequence[int], progress: Progress) -> Erasure:
        """Take before and after out of entries of the audit log."""

    async def shrink(self) -> bool:
        """Give some pages that are free back to the file system, with what was on them; False when none is left."""

    async def empty_wal(self) -> None:
        """Copy the WAL into the database and empty it."""
