"""Events: the log with filters, and one event with its data and its deliveries."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from tocsin.model.noun import Noun
from tocsin.model.times import to_text
from tocsin.ui.answers import Answer
from tocsin.ui.asking import UiRequest
from tocsin.ui.calls import Query, segment
from tocsin.ui.delivery_words import DeliveryRow, told
from tocsin.ui.pages.deliveries import Shown, endpoint_choices, seen
from tocsin.ui.pages.delivery import saved
from tocsin.ui.pages.delivery_filters import EVENT_NAMES, LAST_WORDS, asked, flags
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute
from tocsin.ui.texts import millis_of

PATH: Final = "/ui/events"
ROWS: Final = 50


class EventRow(Noun, frozen=True, kw_only=True):
    """An event as the list shows it."""

    id: str
    tenant: str
    type: str
    subject_type: str
    subject_id: str
    time: str
    accepted_at: str
    position: int
    erased: bool = False


class EventPage(Noun, frozen=True, kw_only=True):
    """A page of events."""

    items: tuple[EventRow, ...]
    next_cursor: str | None


class Context(Noun, frozen=True, kw_only=True):
    """What a CloudEvent says of itself."""

    id: str
    source: str
    time: str | None
    subject: str | None
    datacontenttype: str | None
    dataschema: str | None
    extensions: dict[str, str | bool | int]


class EventSeen(EventRow, frozen=True, kw_only=True):
    """An event with what it holds."""

    verb: str
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data_base64: str | msgspec.UnsetType = msgspec.UNSET
    cloudevent: Context | msgspec.UnsetType = msgspec.UNSET
    deliveries: tuple[DeliveryRow, ...]


async def _list(request: UiRequest) -> Answer:
    given = asked(request.query, request.now, EVENT_NAMES)
    query: Query = {"limit": ROWS, "cursor": request.query.get("cursor"), **given}
    found = await request.api.read("/v1/events", EventPage, query)
    return page(
        request,
        "events.html",
        title="Events",
        command=f"tocsin events list{flags(given)}",
        found=found,
        last_words=LAST_WORDS,
        given=given,
    )


async def _show(request: UiRequest) -> Answer:
    event, choices = await asyncio.gather(
        request.api.read(f"/v1/events/{segment(request.parts['event_id'])}", EventSeen), endpoint_choices(request)
    )
    return page(
        request,
        "event.html",
        title=f"{event.type} {event.subject_id}",
        command=f"tocsin events show {event.id}",
        event=event,
        until=to_text(millis_of(event.accepted_at) + 1),
        data=None if event.data is msgspec.UNSET else bytes(event.data).decode(),
        context=None if event.cloudevent is msgspec.UNSET else event.cloudevent,
        encoded=None if event.data_base64 is msgspec.UNSET else event.data_base64,
        found=[Shown(row=row, told=told(row, seen(choices, row))) for row in event.deliveries],
    )


async def _data(request: UiRequest) -> Answer:
    event_id = segment(request.parts["event_id"])
    answer = await request.api.change("GET", f"/v1/events/{event_id}/data")
    return saved(answer.body, f"{event_id}-data")


ROUTES: Final[tuple[UiRoute, ...]] = (
    UiRoute(method="GET", path=PATH, page=_list),
    UiRoute(method="GET", path=f"{PATH}/{{event_id}}", page=_show),
    UiRoute(method="GET", path=f"{PATH}/{{event_id}}/data", page=_data, is_whole=False),
)
