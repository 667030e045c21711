"""The read side: what lists and pages ask for, and what they get."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar

from tocsin.model.access import ApiKey
from tocsin.model.attempt import Attempt, Outcome
from tocsin.model.audit import Action, AuditEntry
from tocsin.model.delivery import DeliveryState
from tocsin.model.event import Event
from tocsin.model.exchange import ErrorKind
from tocsin.model.ids import BatchId, DeliveryId, EndpointId, EventId, KeyId, ReplayId
from tocsin.model.job import JobRow
from tocsin.model.noun import Noun
from tocsin.model.replay import ReplayState
from tocsin.model.tally import Span, Tally
from tocsin.ports.writing import StoredEndpoint

T = TypeVar("T")


class Page(Noun, frozen=True, kw_only=True):
    """What a list asks for: at most `limit` rows before `before` (a number or position; None: from the newest).
    `tenant` None: all (the operator). Times in ms, `[since, until)` over the time of acceptance."""

    tenant: str | None
    limit: int
    before: int | None = None
    since: int | None = None
    until: int | None = None


class Rows(list[T]):
    """The rows of a page. When there are fewer than were asked for, and `rest` is a place, that is only because enough rows were
    looked at: the list goes on below it."""

    rest: int | None = None


class EndpointQuery(Page, frozen=True, kw_only=True):
    """Filters of the list of endpoints."""


class DeliveryQuery(Page, frozen=True, kw_only=True):
    """Filters of the list of deliveries. `event_type` is a glob; `batch` and `replay` go with `state` only."""

    endpoint: EndpointId | None = None
    event: EventId | None = None
    batch: BatchId | None = None
    replay: ReplayId | None = None
    state: DeliveryState | None = None
    reason: str | None = None
    event_type: str | None = None
    subject_type: str | None = None
    subject_id: str | None = None


class EventQuery(Page, frozen=True, kw_only=True):
    """Filters of the list of events. `type` is a glob."""

    type: str | None = None
    subject_type: str | None = None
    subject_id: str | None = None


class JobQuery(Page, frozen=True, kw_only=True):
    """Filters of the list of jobs; `search` is a part of the name or of the id, in whatever case."""

    state: str | None = None
    job_type: str | None = None
    parent: str | None = None
    mode: str | None = None
    search: str | None = None


class KeyQuery(Page, frozen=True, kw_only=True):
    """Filters of the list of API keys."""


class AuditQuery(Page, frozen=True, kw_only=True):
    """Filters of the audit log: `target` is the id of what was changed, `actor` of the key that was used. `since` and
    `until` are over the time of the change."""

    action: Action | None = None
    target: str | None = None
    actor: KeyId | None = None


class ReplayQuery(Page, frozen=True, kw_only=True):
    """Filters of the list of replays."""

    endpoint: EndpointId | None = None
    state: ReplayState | None = None


class LastAttempt(Noun, frozen=True, kw_only=True):
    """How the newest attempt of a delivery went: `status` None when there was no answer."""

    started_at: int
    outcome: Outcome
    status: int | None
    error: ErrorKind | None
    total_ms: float


class DeliveryView(Noun, frozen=True, kw_only=True):
    """A delivery as people see it. `number` is its place, for cursors. `last` None: no attempt is kept. `accepted_at` and
    `is_erased` are of its event; `endpoint_name` None: the endpoint was deleted."""

    number: int
    id: DeliveryId
    tenant: str
    endpoint_id: EndpointId
    event_id: EventId
    event_type: str
    subject_type: str
    subject_id: str
    state: DeliveryState
    reason: str | None
    blocked: int
    attempts: int
    created_at: int
    due_at: int
    settled_at: int | None
    resend_of: DeliveryId | None
    endpoint: int
    batch_id: BatchId | None
    replay_id: ReplayId | None
    accepted_at: int
    is_erased: bool
    endpoint_name: str | None
    last: LastAttempt | None = None


Found = tuple[int, int, EndpointId, str]
"""A delivery's number, its endpoint's number and id, its tenant."""


class Count(Noun, frozen=True, kw_only=True):
    """How many there are; not `complete`: at least so many, enough was looked at."""

    count: int
    complete: bool


class DeadQuery(Noun, frozen=True, kw_only=True):
    """Whose dead deliveries by reason: one endpoint's, or those of the `most` that have most. The newest `looked` of each count."""

    tenant: str | None
    endpoint: EndpointId | None = None
    most: int
    looked: int


class DeadReason(Noun, frozen=True, kw_only=True):
    """How many deliveries were given up for a reason, and when the oldest and newest of them were; times in ms."""

    reason: str
    count: int
    first_at: int
    last_at: int


class DeadOfEndpoint(Noun, frozen=True, kw_only=True):
    """What is dead of an endpoint: `dead` is all of it, `looked` how many of the newest the reasons were counted over."""

    endpoint: StoredEndpoint
    dead: int
    looked: int
    reasons: tuple[DeadReason, ...]


class JobView(Noun, frozen=True, kw_only=True):
    """A job as people see it; times in ms."""

    number: int
    tenant: str
    row: JobRow
    created_at: int
    updated_at: int


class TreeJob(Noun, frozen=True, kw_only=True):
    """A job in its tree; `depth` is how far it is from the top one that is shown."""

    depth: int
    view: JobView


class JobTree(Noun, frozen=True, kw_only=True):
    """The tree that a job is in, each parent before its children and these in the order of their making. Not `complete`: of a tree
    with too many jobs, the way up from the job and what is below it, as far as there was room."""

    jobs: tuple[TreeJob, ...]
    complete: bool


PendingPlace = tuple[int, int, int, int]
"""A place among an endpoint's pending deliveries, whatever it means to the store."""
PENDING_BEGIN: Final[PendingPlace] = (-1, -1, -1, -1)


class PendingQuery(Noun, frozen=True, kw_only=True):
    """Which pending deliveries of an endpoint (its number): up to delivery number `newest`, of events accepted in `[since,
    until)` (ms), whose type `wants` takes; None: of any."""

    endpoint: int
    newest: int
    since: int | None = None
    until: int | None = None
    wants: Callable[[str], bool] | None = None


class PendingPage(Noun, frozen=True, kw_only=True):
    """The numbers of some of an endpoint's pending deliveries, newest first; `end` is the place to read on from, None when
    there are no more. A delivery that waits for another is on the same page or a later one."""

    numbers: list[int]
    end: PendingPlace | None


class StatsQuery(Noun, frozen=True, kw_only=True):
    """Whose numbers: a tenant's (None: everybody's), or those of one endpoint of it, by number; in the moment, and over a range:
    points begin at `minutes` (since 1970), the last one is the end, and they are read from periods of `step` minutes. At most
    `failing` endpoints are told of."""

    tenant: str | None
    endpoint: int | None = None
    minutes: range = range(0)
    step: int = 1
    failing: int = 0


class FailingEndpoint(Noun, frozen=True, kw_only=True):
    """An endpoint with failed attempts in the range, and what is pending and dead of it now."""

    endpoint: StoredEndpoint
    pending: int
    dead: int
    attempts: int
    failures: int


class StatsView(Noun, frozen=True, kw_only=True):
    """`now` is the moment, and `head` the last position; `points` and `whole` are what happened in the range (`whole` None: none was
    asked for)."""

    now: Tally
    head: int
    whole: Span | None = None
    points: tuple[Span, ...] = ()
    failing: tuple[FailingEndpoint, ...] = ()


class StripQuery(Noun, frozen=True, kw_only=True):
    """Endpoints by number, of a tenant (None: of any), and marks as in `StatsQuery`."""

    tenant: str | None
    endpoints: tuple[int, ...]
    minutes: range
    step: int


class StripCell(Noun, frozen=True, kw_only=True):
    """Attempts in the period that begins in `minute`."""

    minute: int
    delivered: int
    failed: int


class Strip(Noun, frozen=True, kw_only=True):
    """An endpoint lately: attempts by period, how long 99 of 100 took at most, and what is pending and dead now."""

    cells: tuple[StripCell, ...]
    attempt_p99_ms: float | None
    pending: int
    dead: int


class AttemptsQuery(Noun, frozen=True, kw_only=True):
    """The last attempts of an endpoint, by its number."""

    tenant: str | None
    endpoint: int
    limit: int


class Views(Protocol):
    """The read side: pages, newest first, fetched whole, limited in time. Every statement binds the tenant."""

    async def endpoints(self, query: EndpointQuery) -> list[StoredEndpoint]: ...

    async def deliveries(self, query: DeliveryQuery) -> Rows[DeliveryView]: ...

    async def found(self, query: DeliveryQuery) -> Rows[Found]:
        """The same page, told in few words."""

    async def count(self, query: DeliveryQuery) -> Count:
        """How many deliveries there are, up to the query's limit; what is pending or dead of an endpoint or a tenant by tallies."""

    async def dead(self, query: DeadQuery) -> list[DeadOfEndpoint]:
        """What was given up on, by endpoint and reason."""

    async def delivery(self, delivery_id: DeliveryId, tenant: str | None) -> DeliveryView | None: ...

    async def attempts(self, delivery: int, tenant: str | None) -> list[Attempt]:
        """The attempts of a delivery, request bodies filled in, oldest first."""

    async def events(self, query: EventQuery) -> Rows[Event]: ...

    async def event(self, event_id: EventId, tenant: str | None) -> Event | None: ...

    async def jobs(self, query: JobQuery) -> Rows[JobView]: ...

    async def job(self, job_id: str, tenant: str | None) -> JobView | None: ...

    async def job_tree(self, job: JobView, limit: int) -> JobTree: ...

    async def job_deliveries(self, tenant: str, job_ids: Sequence[str], limit: int, most: int) -> list[DeliveryView]:
        """The deliveries of each job's newest events, newest first: at most `limit` for each job and `most` in all, of which the
        first jobs come first."""

    async def keys(self, query: KeyQuery) -> list[tuple[int, ApiKey]]: ...

    async def audit(self, query: AuditQuery) -> list[tuple[int, AuditEntry]]: ...

    async def tenants(self, after: str, limit: int) -> list[str]:
        """The names of tenants that have events or deliveries, after this one."""

    async def newest(self) -> int:
        """The highest number of a delivery."""

    async def pending(self, query: PendingQuery, after: PendingPlace = PENDING_BEGIN) -> PendingPage:
        """Pending deliveries of an endpoint, in every lane. What changes its place between two pages may be missed."""

    async def stats(self, query: StatsQuery) -> StatsView:
        """From tallies: costs the same however much there is."""

    async def strips(self, query: StripQuery) -> dict[int, Strip]:
        """By endpoint number, from tallies; an endpoint that nothing was ever made for may be left out."""

    async def last_attempts(self, query: AttemptsQuery) -> list[tuple[DeliveryId, Attempt]]:
        """Newest first, without request bodies: of the newest deliveries, of each the newest few. An attempt of a batch is there
        once, with the id of one member."""

    async def backlogs(self, limit: int) -> list[tuple[str, EndpointId, Tally]]:
        """The endpoints with the most pending deliveries, over all tenants."""
