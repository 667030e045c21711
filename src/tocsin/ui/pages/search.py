"""The search box: an id leads to its page at once, anything else to what may be meant by it."""

from __future__ import annotations

import asyncio
from typing import Final

from tocsin.model.noun import Noun
from tocsin.ui.answers import Answer
from tocsin.ui.asking import UiRequest
from tocsin.ui.calls import segment
from tocsin.ui.navigation import HOME, PLACES
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute

MANY: Final = 20


class EndpointFound(Noun, frozen=True, kw_only=True):
    """What is looked at of an endpoint."""

    id: str
    name: str
    url: str = ""
    state: str = ""


class EndpointsFound(Noun, frozen=True, kw_only=True):
    """A page of endpoints."""

    items: tuple[EndpointFound, ...]


class JobFound(Noun, frozen=True, kw_only=True):
    """What is looked at of a job."""

    job_id: str
    job_type: str
    state: str


class EventFound(Noun, frozen=True, kw_only=True):
    """What is looked at of an event."""

    id: str
    type: str
    subject_type: str
    subject_id: str


class EventsFound(Noun, frozen=True, kw_only=True):
    """A page of events."""

    items: tuple[EventFound, ...]


async def _search(request: UiRequest) -> Answer:
    text = request.query.get("q", "").strip()
    place = PLACES.get(text[:4])
    if place is not None:
        return request.redirect(place + segment(text))
    if text.startswith("key_"):
        return request.redirect("/ui/api-keys")
    if text.startswith("bat_"):
        return request.redirect("/ui/deliveries", query={"batch": text})
    if not text:
        return request.redirect(HOME)
    endpoints, job, events = await asyncio.gather(
        _endpoints(request, text), _job(request, text), _events(request, text)
    )
    if job is not None and not endpoints:
        return request.redirect(f"/ui/jobs/{segment(text)}")
    table, _, record_id = text.partition("/")
    if record_id and not endpoints and {event.subject_type for event in events} == {"record"}:
        return request.redirect(f"/ui/records/{segment(table)}/{segment(record_id)}")
    if job is None and len(endpoints) == 1 and not events:
        return request.redirect(f"/ui/endpoints/{endpoints[0].id}")
    return page(request, "search.html", title=f"Search: {text}", text=text, endpoints=endpoints, job=job, events=events)


async def _endpoints(request: UiRequest, text: str) -> list[EndpointFound]:
    """By a part of their name or URL."""
    answer = await request.api.get("/v1/endpoints", {"search": text, "limit": MANY})
    return list(answer.read(EndpointsFound).items) if answer.is_ok else []


async def _job(request: UiRequest, text: str) -> JobFound | None:
    answer = await request.api.get(f"/v1/jobs/{segment(text)}")
    return answer.read(JobFound) if answer.is_ok else None


async def _events(request: UiRequest, text: str) -> tuple[EventFound, ...]:
    """By their subject."""
    answer = await request.api.get("/v1/events", {"subject_id": text, "limit": MANY})
    return answer.read(EventsFound).items if answer.is_ok else ()


ROUTES: Final = (UiRoute(method="GET", path="/ui/search", page=_search),)
