"""Deliveries over HTTP."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.api.auth import ADMINS, READERS
from tocsin.api.decoding import millis
from tocsin.api.delivery_filters import FILTERS, delivery_query
from tocsin.api.endpoint_routes import nothing_in
from tocsin.api.paging import LIST, TENANT, page_fields, page_reply
from tocsin.api.routing import Reply, Request, Route
from tocsin.api.services import Services
from tocsin.api.shapes import DeliveryWithAttempts, attempt_shown
from tocsin.errors import Conflict, NotFound
from tocsin.model.filter import Texts
from tocsin.model.ids import DeliveryId, EndpointId
from tocsin.operations.deliveries import PendingWanted
from tocsin.operations.documents import DeliveryShown, PendingCancelled, delivery_shown
from tocsin.operations.pointers import invalid_field
from tocsin.ports import DeliveryView


def shown(services: Services, view: DeliveryView) -> DeliveryShown:
    """A delivery as a list shows it: other nodes are not asked."""
    return delivery_shown(view, in_flight=services.out.known(view))


async def shown_whole(services: Services, view: DeliveryView) -> DeliveryShown:
    """A delivery as it is shown by itself."""
    return delivery_shown(view, in_flight=await services.out.asked(view))


def _delivery_id(request: Request) -> DeliveryId:
    return DeliveryId(request.parts["delivery_id"])


async def _list(request: Request) -> Reply:
    services, page = request.services, page_fields(request.query)
    rows = await services.views.deliveries(delivery_query(request.query, request.tenant_read(), page))
    return page_reply(rows, page, lambda row: row.number, lambda row: shown(services, row))


async def _get(request: Request) -> Reply:
    services = request.services
    tenant = request.tenant_read()
    view = await services.views.delivery(_delivery_id(request), tenant)
    if view is None:
        raise NotFound
    attempts = await services.views.attempts(view.number, tenant)
    document = DeliveryWithAttempts(
        **msgspec.structs.asdict(await shown_whole(services, view)),
        attempts=[attempt_shown(attempt) for attempt in attempts],
    )
    return Reply(body=msgspec.json.encode(document))


async def _resend(request: Request) -> Reply:
    nothing_in(request)
    services = request.services
    view = await services.deliveries.resend(_delivery_id(request), request.tenant_read(), by=request.actor())
    return Reply(status=202, body=msgspec.json.encode(await shown_whole(services, view)))


async def _cancel(request: Request) -> Reply:
    nothing_in(request)
    services = request.services
    view = await services.deliveries.cancel(_delivery_id(request), request.tenant_read(), by=request.actor())
    return Reply(body=msgspec.json.encode(await shown_whole(services, view)))


class CancelPending(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which pending deliveries: of events accepted in `[since, until)`, of these types (globs); what is not named: of any."""

    since: str | None = None
    until: str | None = None
    event_types: Texts | None = None


async def _cancel_pending(request: Request) -> Reply:
    try:
        asked = msgspec.convert(request.document(), CancelPending)
    except msgspec.ValidationError as error:
        raise invalid_field(error) from error
    wanted = PendingWanted(
        since=millis(asked.since, "/since"), until=millis(asked.until, "/until"), event_types=asked.event_types
    )
    endpoint_id = EndpointId(request.parts["endpoint_id"])
    done = await request.services.deliveries.cancel_pending(
        endpoint_id, request.tenant_read(), wanted, by=request.actor()
    )
    return Reply(body=msgspec.json.encode(done))


_ONE: Final = "/v1/deliveries/{delivery_id}"

DELIVERY_ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/deliveries",
        name="list_deliveries",
        summary="Deliveries, newest first.",
        answer=_list,
        roles=READERS,
        parameters=(*LIST, *FILTERS),
        gives=list[DeliveryShown],
    ),
    Route(
        method="GET",
        path=_ONE,
        name="get_delivery",
        summary="One delivery with its attempts.",
        answer=_get,
        roles=READERS,
        parameters=(TENANT,),
        gives=DeliveryWithAttempts,
        problems=(NotFound,),
    ),
    Route(
        method="POST",
        path=f"{_ONE}/resend",
        name="resend_delivery",
        summary="Send the event of a delivery to its endpoint again: a new delivery with the same webhook-id.",
        answer=_resend,
        roles=ADMINS,
        parameters=(TENANT,),
        gives=DeliveryShown,
        status=202,
        problems=(NotFound, Conflict),
    ),
    Route(
        method="POST",
        path=f"{_ONE}/cancel",
        name="cancel_delivery",
        summary="Give a pending delivery up. A request that is out may still succeed; then the delivery is delivered.",
        answer=_cancel,
        roles=ADMINS,
        parameters=(TENANT,),
        gives=DeliveryShown,
        problems=(NotFound, Conflict),
    ),
    Route(
        method="POST",
        path="/v1/endpoints/{endpoint_id}/cancel-pending",
        name="cancel_pending_deliveries",
        summary="Give up what is pending for an endpoint, or some of it. A request that is out may still succeed.",
        answer=_cancel_pending,
        roles=ADMINS,
        parameters=(TENANT,),
        takes=CancelPending,
        gives=PendingCancelled,
        problems=(NotFound,),
    ),
)
