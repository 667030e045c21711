"""The exact bytes of an attempt and of an event over HTTP: bodies as they were sent and received, and what was signed."""

from __future__ import annotations

from typing import Final

from tocsin.api.auth import EVERYBODY, READERS
from tocsin.api.paging import TENANT
from tocsin.api.routing import Reply, Request, Route
from tocsin.errors import NotFound
from tocsin.model.attempt import Attempt
from tocsin.model.ids import DeliveryId, EndpointId, EventId
from tocsin.model.signing import HmacSigning
from tocsin.signing.signed_text import signed_text

BYTES: Final = "application/octet-stream"
"""Whatever it is, a browser does not show it as a page of ours."""


async def _attempt(request: Request) -> tuple[Attempt, EndpointId]:
    """The attempt that the path names. Raises NotFound, also when its bodies are not kept any more."""
    views, tenant = request.services.views, request.tenant_read()
    view = await views.delivery(DeliveryId(request.parts["delivery_id"]), tenant)
    if view is None:
        raise NotFound
    number = request.parts["number"]
    for attempt in await views.attempts(view.number, tenant):
        if str(attempt.number) == number:
            if attempt.bodies_removed:
                raise NotFound("The bodies of this attempt are not kept any more.")
            return attempt, view.endpoint_id
    raise NotFound("There is no such attempt, or it is not kept any more.")


async def _request_body(request: Request) -> Reply:
    attempt, _ = await _attempt(request)
    return Reply(body=attempt.request_body, content_type=BYTES)


async def _response_body(request: Request) -> Reply:
    attempt, _ = await _attempt(request)
    if attempt.response is None:
        raise NotFound("Nothing was answered to this attempt.")
    return Reply(body=attempt.response.body, content_type=BYTES)


async def _signed_text(request: Request) -> Reply:
    attempt, endpoint_id = await _attempt(request)
    if len(attempt.request_body) < attempt.request_body_bytes:
        raise NotFound("The body is not kept whole: it was too long, or was erased.")
    text = signed_text(
        attempt.url, attempt.request_headers, attempt.request_body, await _body_header(request, endpoint_id)
    )
    if text is None:
        raise NotFound("The request has no signature whose text is known.")
    return Reply(body=text, content_type=BYTES)


async def _body_header(request: Request, endpoint_id: EndpointId) -> str | None:
    """The header of an `hmac` signature, as the endpoint is set now."""
    try:
        endpoint = await request.services.endpoints.get(endpoint_id, request.tenant_read())
    except NotFound:
        return None
    signing = endpoint.config.signing
    return signing.header if isinstance(signing, HmacSigning) else None


async def _event_data(request: Request) -> Reply:
    event = await request.services.views.event(EventId(request.parts["event_id"]), request.tenant_read())
    if event is None:
        raise NotFound
    if event.is_erased:
        raise NotFound("This event was erased.")
    return Reply(body=event.data, content_type=BYTES)


ATTEMPT_ROUTES: Final = (
    *(
        Route(
            method="GET",
            path=f"/v1/deliveries/{{delivery_id}}/attempts/{{number}}/{part}",
            name=name,
            summary=summary,
            answer=answer,
            roles=READERS,
            parameters=(TENANT,),
            content_type=BYTES,
            problems=(NotFound,),
        )
        for part, name, summary, answer in (
            (
                "request-body",
                "get_request_body",
                "The body of an attempt, byte by byte as it was sent; its first 64 KiB.",
                _request_body,
            ),
            (
                "response-body",
                "get_response_body",
                "What was answered to an attempt, byte by byte; its first 16 KiB.",
                _response_body,
            ),
            (
                "signed-text",
                "get_signed_text",
                "What the signature of an attempt was made over, for whoever checks it by hand.",
                _signed_text,
            ),
        )
    ),
    Route(
        method="GET",
        path="/v1/events/{event_id}/data",
        name="get_event_data",
        summary="The data of an event, byte by byte as it was accepted.",
        answer=_event_data,
        roles=EVERYBODY,
        parameters=(TENANT,),
        content_type=BYTES,
        problems=(NotFound,),
    ),
)
