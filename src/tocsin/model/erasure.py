"""An erasure: everything about one subject goes, wherever it stands; what it found is its report."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

from tocsin.model.ids import ErasureId, Millis
from tocsin.model.noun import Noun

ERASED: Final = "erased"
"""The reason of deliveries that were cancelled by an erasure, and what stands in place of texts that may have held something."""
MOST_NAMED: Final = 100
"""Ids that a report names of a kind, at most."""

Phase = Literal["fanout", "answers", "events", "replays", "audit", "disk"]
"""What an erasure is at: wait until fan-out has read what was accepted; kept answers; events, deliveries and attempts; replays; the
audit log; and what is left of it all in the files."""


class ErasureState(StrEnum):
    """Where an erasure stands."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


class Subject(Noun, frozen=True, kw_only=True):
    """What is erased: a subject of one tenant."""

    tenant: str
    type: str
    id: str


class ErasureReport(Noun, frozen=True, kw_only=True):
    """How much of the subject was found in each kind of place, and erased there. `merged_with` are the records that a merge or
    unmerge ties to it, and `endpoints_naming_it` the endpoints that have it in a filter: both are named, not changed. `job_children`
    are jobs that name it as their parent: they keep the id."""

    events: int = 0
    deliveries: int = 0
    deliveries_cancelled: int = 0
    attempts: int = 0
    batch_attempts: int = 0
    versions: int = 0
    order_keys: int = 0
    jobs: int = 0
    job_children: int = 0
    kept_answers: int = 0
    replay_filters: int = 0
    audit_entries: int = 0
    merged_with: tuple[str, ...] = ()
    endpoints_naming_it: tuple[str, ...] = ()


class Progress(Noun, frozen=True, kw_only=True):
    """How far an erasure is: in `phase` everything up to `position` and delivery `number`, or up to the kept answer `answer` (tenant,
    route, key), or down to the row `before`, is done."""

    phase: Phase = "fanout"
    position: int = 0
    number: int = 0
    answer: tuple[str, str, str] | None = None
    before: int | None = None
    report: ErasureReport = ErasureReport()


class Erasure(Noun, frozen=True, kw_only=True):
    """One erasure. It is about what stood in the log up to position `last`, its head when it was asked for; what is accepted
    later is new. `reason` is why it failed."""

    number: int
    id: ErasureId
    subject: Subject
    state: ErasureState
    reason: str | None
    last: int
    progress: Progress
    created_at: Millis
    finished_at: Millis | None


class SubjectEvent(Noun, frozen=True, kw_only=True):
    """An event that is to be erased: `size` is that of its data, `version_id` that of the change it came from."""

    position: int
    keys: tuple[str, ...]
    size: int
    version_id: int | None


class SubjectDelivery(Noun, frozen=True, kw_only=True):
    """A delivery of such an event; endpoint and batch by number."""

    position: int
    number: int
    endpoint: int
    is_pending: bool
    batch: int | None


class SubjectPage(Noun, frozen=True, kw_only=True):
    """The next events to be erased and the next of their deliveries, in order. `is_all`: they have no others, up to delivery
    number `head`."""

    events: tuple[SubjectEvent, ...]
    deliveries: tuple[SubjectDelivery, ...]
    is_all: bool
    head: int


class AttemptSize(Noun, frozen=True, kw_only=True):
    """An attempt of a delivery, or of a batch, by its place; `size` in bytes."""

    place: int
    size: int


class KeptAnswer(Noun, frozen=True, kw_only=True):
    """An answer that is kept under an idempotency key; `body` may be sealed. Time in ms."""

    tenant: str
    route: str
    key: str
    body: bytes
    at: Millis
