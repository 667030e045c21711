"""Drafts of endpoints over HTTP: what one would send, whether its settings are right, and a request to try it, all before it is
saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from tocsin.api.auth import ADMINS
from tocsin.api.paging import TENANT
from tocsin.api.routing import Reply, Request, Route
from tocsin.api.shapes import AttemptShown, RequestShown, attempt_shown, request_shown
from tocsin.errors import Conflict, InvalidRequest, NotFound
from tocsin.model.endpoint import Endpoint, EndpointConfig
from tocsin.model.event import Event
from tocsin.model.ids import EndpointId, EventId
from tocsin.model.noun import Noun
from tocsin.operations.drafts import DraftPreview
from tocsin.operations.pointers import invalid_field
from tocsin.operations.preview import Counted, WhyNot

MOST_COUNTED: Final = 1000
EventTypeName = Annotated[str, Meta(min_length=1, max_length=512)]
T = TypeVar("T", bound=msgspec.Struct)


class _Draft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`instead_of` is the endpoint whose settings these would replace: secrets of it may be sent as they were read."""

    instead_of: str | None = None


class _TestAsked(_Draft, frozen=True, kw_only=True, forbid_unknown_fields=True):
    endpoint: dict[str, object]
    event_type: EventTypeName | None = None


class _PreviewAsked(_TestAsked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    event_id: str | None = None
    count: Annotated[int, Meta(ge=0, le=MOST_COUNTED)] = 0


class DraftToTest(_Draft, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings as for a new endpoint, and which sample to send; without a type, one that the format expresses."""

    endpoint: EndpointConfig
    event_type: EventTypeName | None = None


class DraftToPreview(_Draft, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings as for a new endpoint, and which event to show the request of: a sample of this type, or one that was accepted;
    without either, a sample that the endpoint wants. `count`: how many of the newest events to match with its filters."""

    endpoint: EndpointConfig
    event_type: EventTypeName | None = None
    event_id: str | None = None
    count: Annotated[int, Meta(ge=0, le=MOST_COUNTED)] = 0


class EventSeen(Noun, frozen=True, kw_only=True):
    """The event that a request is shown of."""

    id: str
    type: str
    subject_type: str
    subject_id: str
    is_sample: bool


class DraftPreviewShown(Noun, frozen=True, kw_only=True):
    """What would be sent; `request` is null when that is nothing, and shown even when no filter matches. A signature is made with
    the draft's secret, or with one that is made for this answer. `counted` is null when nothing was counted."""

    event: EventSeen
    matches: bool
    why_not: WhyNot | None
    failure: str | None
    request: RequestShown | None
    counted: Counted | None


async def _preview(request: Request) -> Reply:
    asked = _asked(request.document(), _PreviewAsked)
    if asked.event_type is not None and asked.event_id is not None:
        raise InvalidRequest.at("/event_id", "Give either an event or an event type.")
    draft, _ = await _draft(request, asked)
    event_id = None if asked.event_id is None else EventId(asked.event_id)
    seen = await request.services.drafts.preview(draft, asked.event_type, event_id, count=asked.count)
    return Reply(body=msgspec.json.encode(_shown(seen)))


async def _test(request: Request) -> Reply:
    asked = _asked(request.document(), _TestAsked)
    draft, instead_of = await _draft(request, asked)
    attempt = await request.services.drafts.test(draft, instead_of, asked.event_type, by=request.actor())
    return Reply(body=msgspec.json.encode(attempt_shown(attempt)))


def _asked(document: Mapping[str, object], kind: type[T]) -> T:
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise invalid_field(error) from error


async def _draft(request: Request, asked: _TestAsked) -> tuple[Endpoint, Endpoint | None]:
    """The draft, and the endpoint whose settings it would replace."""
    endpoints, present = request.services.endpoints, None
    if asked.instead_of is None:
        tenant = request.tenant_written(None)
    else:
        present = await endpoints.get(EndpointId(asked.instead_of), request.tenant_read())
        tenant = present.tenant
    try:
        return await endpoints.draft(tenant, asked.endpoint, present), present
    except InvalidRequest as problem:
        raise problem.under("/endpoint") from problem


def _shown(seen: DraftPreview) -> DraftPreviewShown:
    request = seen.request
    return DraftPreviewShown(
        event=_event_seen(seen.event, is_sample=seen.is_sample),
        matches=seen.why_not is None,
        why_not=seen.why_not,
        failure=seen.failure,
        request=None if request is None else request_shown(request.url, request.shown, request.body),
        counted=seen.counted,
    )


def _event_seen(event: Event, *, is_sample: bool) -> EventSeen:
    return EventSeen(
        id=event.id,
        type=event.type,
        subject_type=event.subject_type,
        subject_id=event.subject_id,
        is_sample=is_sample,
    )


DRAFT_ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/endpoints/preview",
        name="preview_draft",
        summary="The request that an endpoint with these settings would send, and how many of the newest events it wants. Nothing is sent or saved.",
        answer=_preview,
        roles=ADMINS,
        parameters=(TENANT,),
        takes=DraftToPreview,
        gives=DraftPreviewShown,
        problems=(NotFound,),
    ),
    Route(
        method="POST",
        path="/v1/endpoints/test",
        name="test_draft",
        summary="Send a sample event by these settings now and show the attempt. They are not saved; the audit log tells of the test.",
        answer=_test,
        roles=ADMINS,
        parameters=(TENANT,),
        takes=DraftToTest,
        gives=AttemptShown,
        problems=(NotFound, Conflict),
    ),
)
