"""Replays: what they need of the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tocsin.model.audit import AuditEntry
from tocsin.model.delivery import Claim, NewDelivery
from tocsin.model.event import Event
from tocsin.model.ids import ReplayId
from tocsin.model.notice import Notice
from tocsin.model.noun import Noun
from tocsin.model.replay import Replay, ReplayState
from tocsin.ports.reading import ReplayQuery
from tocsin.ports.writing import Fanned, Holder

Note = Callable[[Replay], Notice]
"""What is told of a replay that is over."""


class Candidates(Noun, frozen=True, kw_only=True):
    """Events that a replay may take, oldest first; everything up to and including position `end` was looked at."""

    events: tuple[Event, ...]
    end: int


class Replays(Protocol):
    """Replays and their lanes."""

    async def span(self, tenant: str, since: int | None, until: int | None) -> tuple[int, int]:
        """The positions accepted in `[since, until)` (ms): behind the first, up to and including the second, which is no
        further than the fan-out of this tenant has read."""

    async def add(self, replay: Replay, entry: AuditEntry) -> Replay:
        """Store a new one together with its entry in the audit log: the store gives `number`."""

    async def replay(self, replay_id: ReplayId, tenant: str | None) -> Replay | None:
        """One, seen by a tenant (None: the operator), with its progress of the moment."""

    async def replays(self, query: ReplayQuery) -> list[Replay]: ...

    async def under_way(self) -> list[Replay]:
        """Those that run, are paused, or were cancelled and still have something to cancel."""

    async def candidates(self, replay: Replay, after: int, limit: int) -> Candidates:
        """Events behind position `after` that `only` allows and that were not erased; filters are not judged."""

    async def pending(self, number: int) -> int:
        """How many of its deliveries are unsettled."""

    async def move(self, number: int, old: int, new: int, deliveries: Sequence[NewDelivery]) -> list[Fanned] | None:
        """Insert deliveries and move the replay from position `old` to `new`, in one transaction; None when it does not run, is
        not at `old`, or one of the events was erased since it was a candidate."""

    async def change(
        self,
        replay: Replay,
        to: ReplayState,
        reason: str | None,
        now: int,
        entry: AuditEntry | None = None,
        note: Note | None = None,
    ) -> bool:
        """Change its state if it is still the one in `replay`, and write the entry (None: the server did it by itself); an end
        keeps its final numbers, and what `note` tells of it."""

    async def cancel_pending(
        self, holder: Holder, replay: Replay, in_flight: frozenset[int], now: int, note: Note
    ) -> list[Claim] | None:
        """Cancel some of what is pending; gives the deliveries that became ready by it, None when nothing was
        pending: then its final numbers are kept, and what `note` tells of its end. Raises Fenced when the holder was: nothing was
        written."""
