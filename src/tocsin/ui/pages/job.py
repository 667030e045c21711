"""One job: its tree on a timeline, its states with the deliveries that they caused, and what is known of it."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from tocsin.model.noun import Noun
from tocsin.ui.answers import Answer
from tocsin.ui.asking import UiRequest
from tocsin.ui.calls import ApiAnswer, Query, segment
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute
from tocsin.ui.texts import cut, millis_of
from tocsin.ui.timeline import ENDS, Sent, Span, Track, timeline

TREE: Final = 100
EVENTS: Final = 200
SHOWN_DELIVERIES: Final = 12
"""Deliveries of one event that stand in the table; the rest is behind a link."""
ENDPOINTS: Final = 500


T = TypeVar("T")


class ErrorShown(Noun, frozen=True, kw_only=True):
    """Why a job did not succeed."""

    reason: str
    message: str


class PastShown(Noun, frozen=True, kw_only=True):
    """A state that a job has left."""

    state: str
    since: str
    details: str | None
    error: ErrorShown | None


class ResourceShown(Noun, frozen=True, kw_only=True):
    """Something that a job worked on."""

    kind: str
    id: str
    name: str | None


class TreeJob(Noun, frozen=True, kw_only=True):
    """A job of the tree."""

    depth: int
    job_id: str
    tenant: str
    job_type: str
    mode: str
    name: str | None
    state: str
    state_since: str
    history: tuple[PastShown, ...]
    details: str | None
    error: ErrorShown | None
    resources: tuple[ResourceShown, ...]
    parent_job_id: str | None
    root_job_id: str
    attributes: dict[str, msgspec.Raw]
    labels: dict[str, str]
    overdue_after_seconds: float | None
    created_at: str
    updated_at: str

    @property
    def title(self) -> str:
        """By what people call it."""
        return self.name or self.job_id


class Tree(Noun, frozen=True, kw_only=True):
    """The tree; not `complete`: there is more of it."""

    jobs: tuple[TreeJob, ...]
    complete: bool


class DeliveryShown(Noun, frozen=True, kw_only=True):
    """A delivery that a job caused."""

    id: str
    endpoint_id: str
    event_id: str
    event_type: str
    subject_id: str
    state: str
    created_at: str


class Deliveries(Noun, frozen=True, kw_only=True):
    """Those of the whole tree."""

    items: tuple[DeliveryShown, ...] = ()


class EventData(Noun, frozen=True, kw_only=True):
    """Of which state an event tells."""

    state: str = ""
    state_since: str = ""
    details: str | None = None


class EventListed(Noun, frozen=True, kw_only=True):
    """An event about the job."""

    id: str
    type: str
    time: str
    data: EventData = EventData()


class Events(Noun, frozen=True, kw_only=True):
    """The newest events about the job."""

    items: tuple[EventListed, ...] = ()
    next_cursor: str | None = None


class EndpointListed(Noun, frozen=True, kw_only=True):
    """An endpoint by its name."""

    id: str
    name: str


class Endpoints(Noun, frozen=True, kw_only=True):
    """The newest endpoints."""

    items: tuple[EndpointListed, ...] = ()


class Told(Noun, frozen=True, kw_only=True):
    """An event with the deliveries that it caused; `more` is how many are not here."""

    event: EventListed
    deliveries: tuple[DeliveryShown, ...]
    more: int


class Status(Noun, frozen=True, kw_only=True):
    """A state of the job, how long it lasted (ms; None: it lasts), and the events that told of it."""

    state: str
    since: str
    lasted: int | None
    details: str | None
    error: ErrorShown | None
    told: tuple[Told, ...]


async def _job(request: UiRequest) -> Answer:
    job_id = request.parts["job_id"]
    name = segment(job_id)
    tree = await request.api.read(f"/v1/job-trees/{name}", Tree, {"limit": TREE})
    job = next(one for one in tree.jobs if one.job_id == job_id)
    whose: Query = {"tenant": job.tenant}
    events, deliveries, endpoints = await asyncio.gather(
        request.api.read("/v1/events", Events, {"subject_type": "job", "subject_id": job_id, "limit": EVENTS, **whose}),
        request.api.get(f"/v1/job-deliveries/{name}", whose),
        request.api.get("/v1/endpoints", {"limit": ENDPOINTS, **whose}),
    )
    sent = _or_none(deliveries, Deliveries).items
    names = {endpoint.id: endpoint.name for endpoint in _or_none(endpoints, Endpoints).items}
    by_job: dict[str, list[DeliveryShown]] = {}
    for delivery in sent:
        by_job.setdefault(delivery.subject_id, []).append(delivery)
    return page(
        request,
        "job.html",
        title=cut(job.title, 120),
        command=f"tocsin jobs show {shlex.quote(job_id)}",
        job=job,
        tree=tree,
        names=names,
        statuses=statuses(job, events.items, sent, request.now),
        has_older_events=events.next_cursor is not None,
        counts=counted(sent),
        may_see_deliveries=deliveries.is_ok,
        chart=timeline(
            [_track(request, one, job, by_job.get(one.job_id, ()), names) for one in tree.jobs], request.now
        ),
        address=lambda other: _address(request, other, job.tenant),
        attributes=msgspec.json.encode(job.attributes).decode() if job.attributes else "",
    )


def _or_none(answer: ApiAnswer, kind: type[T]) -> T:
    """What was answered, or nothing where this caller may not see it."""
    return answer.read(kind) if answer.is_ok else kind()


def _address(request: UiRequest, job_id: str, tenant: str) -> str:
    return request.url(f"/ui/jobs/{segment(job_id)}", {"tenant": tenant} if request.is_operator else {})


def _track(
    request: UiRequest, job: TreeJob, current: TreeJob, sent: Sequence[DeliveryShown], names: Mapping[str, str]
) -> Track:
    spans = [Span(state=past.state, since=millis_of(past.since)) for past in job.history]
    return Track(
        name=job.title,
        href=_address(request, job.job_id, job.tenant),
        depth=job.depth,
        is_current=job is current,
        spans=(*spans, Span(state=job.state, since=millis_of(job.state_since))),
        sent=tuple(
            Sent(
                at=millis_of(delivery.created_at),
                state=delivery.state,
                href=request.url(f"/ui/deliveries/{delivery.id}"),
                words=f"{delivery.event_type} → {cut(names.get(delivery.endpoint_id, delivery.endpoint_id), 32)} {delivery.state}",
            )
            for delivery in sent
        ),
        more=request.url("/ui/deliveries", {"job": job.job_id}),
    )


def statuses(
    job: TreeJob, events: Iterable[EventListed], deliveries: Sequence[DeliveryShown], now: int
) -> list[Status]:
    """The states of the job, the newest first, each with what was told while it was in it."""
    by_event: dict[str, list[DeliveryShown]] = {}
    for delivery in deliveries:
        by_event.setdefault(delivery.event_id, []).append(delivery)
    by_state: dict[tuple[str, str], list[Told]] = {}
    for event in events:
        caused = by_event.get(event.id, [])
        told = Told(
            event=event,
            deliveries=tuple(caused[:SHOWN_DELIVERIES]),
            more=max(len(caused) - SHOWN_DELIVERIES, 0),
        )
        by_state.setdefault((event.data.state, event.data.state_since), []).append(told)
    entered = [(past.state, past.since, past.details, past.error) for past in job.history]
    entered.append((job.state, job.state_since, job.details, job.error))
    shown: list[Status] = []
    until: int | None = None if job.state in ENDS else now
    for state, since, details, error in reversed(entered):
        begin = millis_of(since)
        shown.append(
            Status(
                state=state,
                since=since,
                lasted=None if until is None else max(until - begin, 0),
                details=details,
                error=error,
                told=tuple(by_state.pop((state, since), ())),
            )
        )
        until = begin
    return [*shown, *_left(by_state)]


def _left(by_state: Mapping[tuple[str, str], list[Told]]) -> list[Status]:
    """Events of states that the history does not have (any more), or has with another begin."""
    return [
        Status(state=state, since=since, lasted=None, details=None, error=None, told=tuple(told))
        for (state, since), told in by_state.items()
        if state and since
    ]


def counted(deliveries: Iterable[DeliveryShown]) -> dict[str, dict[str, int]]:
    """How many deliveries each job of the tree has in each state."""
    counts: dict[str, dict[str, int]] = {}
    for delivery in deliveries:
        of_job = counts.setdefault(delivery.subject_id, {})
        of_job[delivery.state] = of_job.get(delivery.state, 0) + 1
    return counts


ROUTES: Final[tuple[UiRoute, ...]] = (UiRoute(method="GET", path="/ui/jobs/{job_id}", page=_job),)
