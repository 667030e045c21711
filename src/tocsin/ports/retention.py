"""Retention: what it needs of the store. Reading is done beside the writer, removing in transactions of a few milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from tocsin.model.audit import AuditEntry
from tocsin.model.delivery import Claim
from tocsin.model.ids import DeliveryId, Millis
from tocsin.model.noun import Noun
from tocsin.model.retention import Kind, RetentionCursor, RetentionRule, Table, What
from tocsin.ports.writing import Holder

Key = tuple[str, int | bytes]
"""Where a look through a table stands: a tenant and what is unique within it, or an empty text and a number."""


class Aged(Noun, frozen=True, kw_only=True):
    """A delivery, or an event with all its deliveries, by number or position. `event_type` is None when the event is gone, `ended_at`
    while something of it is pending."""

    number: int
    tenant: str
    event_type: str | None
    begun_at: Millis
    ended_at: Millis | None
    endpoint: int


class AgedPage(Noun, frozen=True, kw_only=True):
    """Everything up to and including `end` was looked at. `next_at` is when the first one behind it began, None when there is
    none."""

    found: tuple[Aged, ...]
    end: int
    next_at: Millis | None


class Removed(Noun, frozen=True, kw_only=True):
    """What one transaction removed, by name; it dealt with the first `dealt` of what it was given, in so many milliseconds, after
    waiting so many for the writer."""

    counts: Mapping[str, int]
    dealt: int
    took_ms: float
    waited_ms: float


class Expired(Noun, frozen=True, kw_only=True):
    """A delivery that was given up on for its age."""

    id: DeliveryId
    endpoint: int
    subject_type: str


class RetentionState(Noun, frozen=True, kw_only=True):
    """What is stored of retention itself. `judged_at` None: it never ran."""

    rules: Mapping[str, tuple[RetentionRule, ...]]
    cursors: tuple[RetentionCursor, ...]
    judged_at: Millis | None


class Oldest(Noun, frozen=True, kw_only=True):
    """The oldest event of a tenant, or of all."""

    position: int
    accepted_at: Millis


class Space(Noun, frozen=True, kw_only=True):
    """Bytes of the database file, and how many of them nothing uses."""

    file: int
    unused: int


class Era(Noun, frozen=True, kw_only=True):
    """Rows that may go as a whole: those up to and including `end`. The next one began at `oldest_at`, the last at `youngest_at`."""

    end: int
    oldest_at: Millis
    youngest_at: Millis


Dropped = Literal["dropped", "later", "one by one"]
"""What became of an era that was to go: it is gone but for what is still needed; somebody was in the way; too much of it is needed."""


class Ages(Protocol):
    """What is old."""

    def is_old(self, kind: Kind, tenant: str, event_type: str | None, at: Millis) -> bool:
        """Whether what happened at a time may go. Without an event type: whichever it may be of."""

    def audit_before(self) -> Millis | None: ...

    def seen_before(self) -> Millis | None: ...

    @property
    def now(self) -> Millis: ...


class RetentionStore(Protocol):
    """Rules, cursors, and removing. Nothing that is still needed is removed, whatever is asked: what is pending, what fan-out has
    not read, what a replay under way has not looked at or made, the newest event and the newest delivery."""

    async def load(self) -> RetentionState: ...

    async def save_rules(self, tenant: str, rules: Sequence[RetentionRule], entry: AuditEntry) -> None:
        """Replace the rules of a tenant, together with the entry in the audit log; none at all: it has no rules of its own."""

    async def save_cursors(self, cursors: Sequence[RetentionCursor], judged_at: Millis) -> None:
        """Keep these cursors and no others, and the time by which ages are judged."""

    async def page(self, what: What, scope: str, after: int, until: Millis, limit: int) -> AgedPage:
        """The next ones behind a place that began at a time or earlier."""

    async def left(self, what: What, after: int, limit: int) -> AgedPage:
        """Of those that were left behind."""

    async def remove(
        self, what: What, numbers: Sequence[int], before: Millis, cursor: RetentionCursor | None = None
    ) -> Removed:
        """Remove of these what has ended at a time or before, and leave behind the others. The cursor is kept in the same
        transaction, as far as that got (None: these had been left behind)."""

    async def era(self, what: What, after: int) -> Era | None:
        """The one in which the next row behind a place lies. None: rows go one by one there."""

    async def drop_era(self, what: What, era: Era, before: Millis) -> Dropped:
        """Remove all of it that has ended at a time or before, and leave behind the others."""

    async def tend_eras(self) -> None:
        """Make room for the next rows, and give back the room of those that are gone."""

    async def expire(
        self, holder: Holder | None, numbers: Sequence[int], began_by: Millis, in_flight: frozenset[int], now: Millis
    ) -> tuple[list[Expired], list[Claim]]:
        """Deliveries that are still pending, not in flight and old enough are dead. One in a batch waits until all of that are
        old enough. Gives those that expired, and the deliveries that became ready; the others are left behind. Where another process
        holds them (None) nobody here knows what is out: then all that expire keep their order keys until it releases what has ended.
        Raises Fenced when the holder was: nothing was written."""

    async def look_through(self, table: Table, after: Key | None, ages: Ages) -> tuple[int, Key | None]:
        """Remove what is old among the next rows of a table. Gives how many it removed and where to go on, None at the end."""

    async def oldest(self, tenant: str | None) -> Oldest | None:
        """The oldest event that is kept."""

    async def space(self) -> Space: ...

    async def give_back(self, most: int) -> int:
        """Give unused bytes of the file back to the disk, for a few milliseconds; gives how many."""
