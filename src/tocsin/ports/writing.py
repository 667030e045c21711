"""What changes: the log, deliveries, endpoints and keys, what is sent, and secrets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Literal, Protocol, TypeVar

from tocsin.errors import TocsinError
from tocsin.model.access import ApiKey
from tocsin.model.attempt import Settlement
from tocsin.model.audit import AuditEntry
from tocsin.model.delivery import Claim, NewDelivery
from tocsin.model.endpoint import Standing
from tocsin.model.event import Event
from tocsin.model.exchange import Exchange, Outbound
from tocsin.model.ids import EndpointId, KeyId
from tocsin.model.notice import GivenUp, Notice
from tocsin.model.noun import Noun
from tocsin.model.submission import Accepted, Decide, Needs, StoredAnswer, Submission


class Holder(Noun, frozen=True, kw_only=True):
    """The right of this process to fan out and to deliver; a write of one that was fenced is refused."""

    epoch: int


class Fenced(Exception):
    """The holder may not write any more: others went on without it. Nothing was written."""


class Cursor(Noun, frozen=True, kw_only=True):
    """How far fan-out has read: every event up to `position` is done for all endpoints; the one after it for endpoints up
    to and including number `endpoint`."""

    position: int
    endpoint: int = 0


class Move(Noun, frozen=True, kw_only=True):
    """The fan-out of a partition goes on from `old` to `new`."""

    partition: int
    old: Cursor
    new: Cursor


class Stretch(Noun, frozen=True, kw_only=True):
    """Events of some partitions, oldest first: all of them behind a position, up to and including position `end`."""

    events: tuple[Event, ...]
    end: int


class Fanned(Noun, frozen=True, kw_only=True):
    """A delivery after its insertion: its number, and how many of its lines it does not head (0: ready)."""

    number: int
    blocked: int


class Fanning(Noun, frozen=True, kw_only=True):
    """What fan-out writes of events: where the cursors go, and deliveries (at most 512). Nothing is written when a cursor, the holder or
    the directory is not what it was planned for."""

    holder: Holder
    moves: tuple[Move, ...]
    deliveries: tuple[NewDelivery, ...]
    directory_revision: int


class FanWithin(Protocol):
    """Fan-out that goes along with one accept, in its transaction."""

    def plan(self, events: Sequence[Event]) -> Fanning | None:
        """For the events that are being accepted; called within the transaction, in whatever thread that runs. None: they are
        fanned out later. Never raises."""

    def written(self, fanned: Sequence[Fanned]) -> None:
        """What was planned is durable."""

    def over(self) -> None:
        """The accept is over, whatever became of it."""


Place = tuple[int, int]
"""A place among the deliveries of a lane: when due, and number."""
BEGINNING: Final[Place] = (-1, -1)


class DuePage(Noun, frozen=True, kw_only=True):
    """Deliveries that are due now, oldest first; `is_all` when there are no more of them. `end` is the place to read on
    from. `next_due_at` is when the earliest of those that are not due yet will be, if any."""

    claims: tuple[Claim, ...]
    end: Place
    is_all: bool
    next_due_at: int | None


class Waiting(Noun, frozen=True, kw_only=True):
    """A lane of an endpoint that has unsettled deliveries which nothing blocks; the earliest is due at `due_at`."""

    endpoint: int
    lane: int
    due_at: int


class StoredEndpoint(Noun, frozen=True, kw_only=True):
    """An endpoint as stored: `config` is opaque here (its secrets are sealed inside)."""

    number: int
    id: EndpointId
    tenant: str
    revision: int
    active_from: int
    created_at: int
    config: bytes
    is_deleted: bool = False


class JobOver(Noun, frozen=True, kw_only=True):
    """A job that is overdue or lost at a time (ms), if nothing else is heard of it."""

    tenant: str
    job_id: str
    kind: Literal["overdue", "lost"]
    at: int


class Log(Protocol):
    """The event log: durable, totally ordered."""

    async def accept(
        self, submissions: Sequence[tuple[Submission, Needs]], decide: Decide, within: FanWithin | None = None
    ) -> list[Accepted | TocsinError]:
        """Load the facts, decide, write: one commit group. The answer is durable (fsync) when this returns. A submission
        whose data the store cannot take fails alone. A store may fan out with `within` in the same transaction, or not.
        Raises StoreUnavailable or StorageFull: then nothing was accepted."""

    async def read(self, after: int, limit: int) -> list[Event]:
        """Events in positions after `after`, oldest first."""

    async def stretch(self, partitions: Sequence[int], after: int, limit: int) -> Stretch:
        """At most `limit` events of these partitions behind a position. `end` is that position when there is nothing new yet."""

    async def jobs_over(self, limit: int) -> list[JobOver]:
        """The jobs whose time is over first, `limit` of each kind, past ones and coming ones."""

    async def head(self) -> int:
        """The highest position, 0 when the log is empty."""


class Queue(Protocol):
    """Deliveries that are not settled yet."""

    async def fan(
        self, holder: Holder, moves: Sequence[Move], deliveries: Sequence[NewDelivery], *, directory_revision: int
    ) -> list[Fanned] | None:
        """Insert deliveries (at most 512) and move the cursors, in one transaction; None when a cursor, the holder or the
        directory is not what the caller saw, in which case nothing was written."""

    async def due(self, endpoint: int, lane: int, now: int, limit: int, after: Place = BEGINNING) -> DuePage:
        """Ready deliveries of one lane that are due, behind a place."""

    async def settle(self, holder: Holder, settlements: Sequence[Settlement]) -> list[Claim] | None:
        """Write outcomes and attempts; gives the deliveries of ordered endpoints that became ready by it, None when all of it was
        written before: then these are found in the store. A delivery that was cancelled or expired meanwhile becomes delivered by a success
        and stays as it is otherwise. Raises Fenced when the holder was: nothing was written."""

    async def waiting(self, partitions: Sequence[int]) -> list[Waiting]:
        """Every lane of these partitions' endpoints with something ready, due or not."""

    async def release_ended(self, holder: Holder, endpoints: Sequence[int], in_flight: frozenset[int]) -> list[Claim]:
        """What ended without its holder (elsewhere, or before a crash) gives up its order keys, unless it is in flight, and batches of
        nothing but cancelled members end. `in_flight` is all that is out or may still go out meanwhile: what waits in memory may have
        been cancelled. Gives the deliveries that became ready by it. Costs next to nothing when there is nothing."""

    async def cancel(
        self,
        holder: Holder | None,
        numbers: Sequence[int],
        in_flight: frozenset[int],
        reason: str,
        now: int,
        entry: AuditEntry | None = None,
    ) -> tuple[int, list[Claim]]:
        """Cancel what is still pending of these; keys of those in flight stay held until their exchange is settled. Gives
        how many were pending, and the deliveries that became ready by it. The entry (None: the server gave up by itself) is
        written if any was pending. A batch that is not in flight and has no pending member any more is sent no more. Only the holder knows
        what is out: without one (None) all of them keep their keys, until their holder releases what has ended. Raises Fenced when the
        holder was: nothing was written."""

    async def give_up(self, holder: Holder, number: int, reason: str, now: int) -> list[Claim]:
        """A delivery that is not in flight is dead without an attempt, if it was pending. Gives the deliveries that became
        ready by it. Raises Fenced when the holder was: nothing was written."""

    async def resend(self, original: int, new: NewDelivery, note: Callable[[Fanned], AuditEntry]) -> Fanned | None:
        """A new delivery of the same event to the same endpoint; None when the original is unknown, or its event was erased."""


class StandingStore(Protocol):
    """Health of endpoints, written by their holder only."""

    async def save(self, holder: Holder, standing: Standing, notice: Notice | None = None) -> None:
        """Keep it: it is relied on only after this returned. What is to be told of the change is kept with it, or neither. Raises Fenced
        when the holder was: nothing was written."""

    async def load(self) -> list[Standing]:
        """Of every endpoint that has one."""


class NoticeStore(Protocol):
    """What is to be told, kept in the transaction of what it tells of."""

    async def gather(self, now: int, note: Callable[[GivenUp], Notice]) -> None:
        """Make notices of what was given up on in minutes that are over, each in the transaction that strikes it out."""

    async def waiting(self, limit: int) -> list[tuple[int, Notice]]:
        """Those that wait to be told, oldest first, each with its number."""

    async def told(self, numbers: Sequence[int]) -> None:
        """They are events now."""


class Directory(Protocol):
    """Endpoints and API keys. Each change is written together with its entry in the audit log, or neither is."""

    async def endpoints(self, since: int = 0) -> tuple[int, list[StoredEndpoint]]:
        """The revision of the directory, which grows with each change of an endpoint, and the endpoints that changed after
        the revision `since`, deleted ones marked; from the beginning (0), deleted ones are left out."""

    async def endpoint(self, endpoint_id: EndpointId, tenant: str | None) -> StoredEndpoint | None:
        """One, seen by a tenant (None: the operator)."""

    async def add_endpoint(self, endpoint: StoredEndpoint, entry: AuditEntry) -> StoredEndpoint:
        """Store a new one: the store gives `number` and sets `active_from` to the head of the
        log."""

    async def change_endpoint(
        self, endpoint: StoredEndpoint, entry: AuditEntry, *, at_revision: int, to_head: bool
    ) -> StoredEndpoint | None:
        """Replace its configuration if it still has revision `at_revision`; `to_head` sets `active_from` to the head of the
        log (enabling). None when somebody was quicker."""

    async def remove_endpoint(self, endpoint: StoredEndpoint, entry: AuditEntry) -> bool:
        """Delete it at the time of the entry, if it still has the revision that is given: its secrets are erased, what is
        pending for it is cancelled. False when somebody was quicker."""

    async def note(self, entry: AuditEntry) -> None:
        """Write an entry of its own: of what changes nothing here."""

    async def add_key(self, key: ApiKey, entry: AuditEntry) -> bool:
        """Store a key; False when there is or was one with this value."""

    async def keys(self) -> list[ApiKey]:
        """All keys that were not revoked."""

    async def remove_key(self, key_id: KeyId, tenant: str | None, entry: AuditEntry) -> bool:
        """Revoke at the time of the entry; False when a tenant (None: the operator) has no such key, or it is the last operator key
        that is valid then."""

    async def tell(self, entry: AuditEntry) -> None:
        """An entry about what changes nothing in the store."""

    async def touch_keys(self, used: Sequence[tuple[KeyId, int]]) -> None:
        """Keep when keys were last used."""


class Answers(Protocol):
    """Answers to requests with an Idempotency-Key that do not pass through the log; bodies are sealed by the caller."""

    def at_work(self, tenant: str, route: str, key: str) -> AbstractAsyncContextManager[bool]:
        """Have the key to oneself for a while, which ends with a crash as well; gives False when another server has it. Not for a key
        that this one has already. Raises StoreUnavailable."""

    async def find(self, tenant: str, route: str, key: str, now: int) -> StoredAnswer | None:
        """The answer kept under the key in the last 24 hours."""

    async def keep(self, tenant: str, route: str, key: str, answer: StoredAnswer, now: int) -> None:
        """Keep it for 24 hours."""


Sent_contra = TypeVar("Sent_contra", bound=Outbound, contravariant=True)


class Sender(Protocol[Sent_contra]):
    """Sends one request of its kind, or one mail, once."""

    def send(self, request: Sent_contra) -> Awaitable[Exchange]:
        """Never raises for a bad peer: that is an exchange with a failure. One call is at most one request on the wire."""

    async def close(self) -> None:
        """Close every connection."""


class PromptSender(Sender[Sent_contra], Protocol[Sent_contra]):
    """A sender that may have a way open already."""

    def send(self, request: Sent_contra, opened: Callable[[], None] | None = None) -> Awaitable[Exchange]:
        """As any sender; `opened` is called when a connection was opened for the request, or could not be."""

    def has_connection(self, pool: str) -> bool:
        """Whether `begin` would find one, for a request to one of this name."""

    def begin(self, request: Sent_contra, done: Callable[[Exchange], None]) -> bool:
        """Send at once, if that is possible without waiting: `done` gets the exchange in the turn of the event loop in which it
        ends. False: nothing was sent, and `send` is to be used."""


class SecretBox(Protocol):
    """Seals secrets at rest. `context` binds a sealed value to its place: it opens nowhere else."""

    def seal(self, plain: bytes, context: str) -> bytes: ...

    def open(self, sealed: bytes, context: str) -> bytes:
        """Raises ValueError when the value was not sealed with a known key for this context."""

    def fingerprint(self, plain: bytes) -> str:
        """A short keyed hash, by which people tell secrets apart."""
