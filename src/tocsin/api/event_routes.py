"""Events, the history of records and the catalogue of event types over HTTP."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.api.auth import EVERYBODY
from tocsin.api.catalogue import EventTypeShown, event_types
from tocsin.api.delivery_routes import shown as delivery_shown
from tocsin.api.paging import LIST, MAX_LIMIT, RANGE, TENANT, page_fields, page_reply
from tocsin.api.routing import Parameter, Reply, Request, Route
from tocsin.api.shapes import EventShown, EventWithDeliveries, event_shown
from tocsin.errors import NotFound
from tocsin.model.ids import EventId
from tocsin.ports import DeliveryQuery, EventQuery


async def _list(request: Request) -> Reply:
    query, page = request.query, page_fields(request.query)
    rows = await request.services.views.events(
        EventQuery(
            tenant=request.tenant_read(),
            type=query.get("type"),
            subject_type=query.get("subject_type"),
            subject_id=query.get("subject_id"),
            **page,
        )
    )
    return page_reply(rows, page, lambda row: row.position, event_shown)


async def _get(request: Request) -> Reply:
    services, tenant = request.services, request.tenant_read()
    event = await services.views.event(EventId(request.parts["event_id"]), tenant)
    if event is None:
        raise NotFound
    rows = await services.views.deliveries(DeliveryQuery(tenant=event.tenant, event=event.id, limit=MAX_LIMIT))
    document = EventWithDeliveries(
        **msgspec.structs.asdict(event_shown(event)), deliveries=[delivery_shown(services, row) for row in rows]
    )
    return Reply(body=msgspec.json.encode(document))


async def _record_history(request: Request) -> Reply:
    page = page_fields(request.query)
    rows = await request.services.views.events(
        EventQuery(
            tenant=request.tenant_read(),
            subject_type="record",
            subject_id=f"{request.parts['table']}/{request.parts['record_id']}",
            **page,
        )
    )
    if not rows and page["before"] is None and page["since"] is None and page["until"] is None:
        raise NotFound("There is no event about this record.")
    return page_reply(rows, page, lambda row: row.position, event_shown)


async def _event_types(request: Request) -> Reply:
    del request
    return Reply(body=event_types())


EVENT_ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/events",
        name="list_events",
        summary="Events, newest first.",
        answer=_list,
        roles=EVERYBODY,
        parameters=(
            *LIST,
            *RANGE,
            Parameter(name="type", meaning="An event type, like `job.succeeded`, or a glob, like `job.*`."),
            Parameter(name="subject_type", meaning="What the event is about: `job`, `record`, ..."),
            Parameter(name="subject_id", meaning="Which one: a job id, `<table>/<record id>`, ..."),
        ),
        gives=list[EventShown],
    ),
    Route(
        method="GET",
        path="/v1/events/{event_id}",
        name="get_event",
        summary="One event with its deliveries.",
        answer=_get,
        roles=EVERYBODY,
        parameters=(TENANT,),
        gives=EventWithDeliveries,
        problems=(NotFound,),
    ),
    Route(
        method="GET",
        path="/v1/records/{table}/{record_id}/history",
        name="get_record_history",
        summary="The events of one golden record, newest first.",
        answer=_record_history,
        roles=EVERYBODY,
        parameters=(*LIST, *RANGE),
        gives=list[EventShown],
        problems=(NotFound,),
    ),
    Route(
        method="GET",
        path="/v1/event-types",
        name="list_event_types",
        summary="The catalogue: each event type of Tocsin's own with its schema and an example in every format.",
        answer=_event_types,
        roles=EVERYBODY,
        gives=list[EventTypeShown],
    ),
)
