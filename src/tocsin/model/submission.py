"""What one request hands to accept, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from tocsin.errors import TocsinError
from tocsin.model.event import CloudContext, Event, NewEvent
from tocsin.model.ids import EventId
from tocsin.model.job import JobRow, Report
from tocsin.model.notice import Notices
from tocsin.model.noun import Noun
from tocsin.model.record import Change, DataVersion


class CloudEvent(Noun, frozen=True, kw_only=True):
    """A producer's CloudEvent 1.0: its context, and its data as received; `digest` is by what it is recognised
    (`rules.needs.seen_hash`)."""

    digest: bytes
    context: CloudContext
    type: str
    subject_type: str
    verb: str
    time: int | None
    data: bytes


class Reports(Noun, frozen=True, kw_only=True):
    """Reports on jobs; one that could not even be read is the problem it has. Each stands alone unless `single`."""

    items: tuple[Report | TocsinError, ...]
    single: bool


class RunEvent(Noun, frozen=True, kw_only=True):
    """What an OpenLineage client says about a run, as a report on the job that the run is. `once`: by which one that always makes
    an event is recognised when it comes again."""

    report: Report
    once: str | None = None


class RunEvents(Noun, frozen=True, kw_only=True):
    """OpenLineage events; one that could not be read is the problem it has, and None is one that is not about a run. Each stands
    alone unless `single`; `is_batch` asks for the answer that OpenLineage has for batches."""

    items: tuple[RunEvent | TocsinError | None, ...]
    single: bool
    is_batch: bool = False


class Changes(Noun, frozen=True, kw_only=True):
    """Changes of records: all or nothing."""

    items: tuple[Change, ...]
    single: bool


class DataVersions(Noun, frozen=True, kw_only=True):
    """Published data versions: all or nothing."""

    items: tuple[DataVersion, ...]
    single: bool


class CloudEvents(Noun, frozen=True, kw_only=True):
    """CloudEvents: all or nothing."""

    items: tuple[CloudEvent, ...]


class Overrun(Noun, frozen=True, kw_only=True):
    """Jobs whose time is over, by id, and which of the two it is: to be judged again, for they may have reported."""

    items: tuple[tuple[str, Literal["overdue", "lost"]], ...]


class IdempotencyKey(Noun, frozen=True, kw_only=True):
    """The caller's key for one request (scope: tenant, route, key) and the hash of the body it came with."""

    route: str
    key: str
    body_hash: bytes


class Submission(Noun, frozen=True, kw_only=True):
    """What one request hands to accept. Reports, changes, ... of one tenant; `received_at` in ms, `size` in bytes."""

    tenant: str
    received_at: int
    size: int = 0
    body: Reports | RunEvents | Changes | DataVersions | CloudEvents | Notices | Overrun
    idempotency: IdempotencyKey | None = None


class StoredAnswer(Noun, frozen=True, kw_only=True):
    """The whole answer to a request that had an Idempotency-Key."""

    body_hash: bytes
    status: int
    body: bytes


class StoredVersion(Noun, frozen=True, kw_only=True):
    """What a version id was used for, and the events that came of it."""

    content_hash: bytes
    event_ids: tuple[EventId, ...]


class Lineage(Noun, frozen=True, kw_only=True):
    """Where a job hangs in the tree of jobs."""

    parent_job_id: str | None
    root_job_id: str


class Verdict(Noun, frozen=True, kw_only=True):
    """What became of a submission: the answer (a JSON body), or the problem; and what is to be written.

    A verdict with a problem writes nothing. `keeps_answer` says that the answer belongs under the idempotency key.
    """

    status: int
    body: bytes
    problem: TocsinError | None = None
    events: tuple[NewEvent, ...] = ()
    jobs: tuple[tuple[str, JobRow], ...] = ()
    seen: tuple[tuple[bytes, EventId], ...] = ()
    versions: tuple[tuple[int, StoredVersion], ...] = ()
    streaks: tuple[tuple[bytes, int], ...] = ()
    keeps_answer: bool = False


class Needs(Noun, frozen=True, kw_only=True):
    """What must be known before a submission can be decided on (all within its tenant). `streaks`: those that its reports may
    touch (`rules.streaks`)."""

    jobs: tuple[str, ...] = ()
    lineages: tuple[str, ...] = ()
    seen: tuple[bytes, ...] = ()
    versions: tuple[int, ...] = ()
    counter: bool = False
    streaks: bool = False


class Facts:
    """The working copy of what a commit group knows of one tenant; each verdict changes it for the next.

    A job, hash or version that is absent does not exist, a streak that is absent is none. `lineages` holds every known
    ancestor of the jobs named in `Needs.lineages`.
    """

    __slots__ = ("counter", "jobs", "lineages", "seen", "streaks", "versions")

    def __init__(self) -> None:
        self.jobs: dict[str, JobRow] = {}
        self.lineages: dict[str, Lineage] = {}
        self.seen: dict[bytes, EventId] = {}
        self.versions: dict[int, StoredVersion] = {}
        self.streaks: dict[bytes, int] = {}
        self.counter: int = 0


Decide = Callable[[Submission, Facts], Verdict]
"""Pure: the same submission and facts give the same verdict, but for minted ids."""


class Accepted(Noun, frozen=True, kw_only=True):
    """A verdict after its commit, with the events at their positions."""

    verdict: Verdict
    events: tuple[Event, ...] = ()
