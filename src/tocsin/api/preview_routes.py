"""The preview of an endpoint over HTTP."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tocsin.api.auth import READERS
from tocsin.api.paging import TENANT
from tocsin.api.routing import Reply, Request, Route
from tocsin.api.shapes import BodyEncoding, text_of
from tocsin.errors import NotFound
from tocsin.model.endpoint import FormatSetting
from tocsin.model.filter import Filter
from tocsin.model.ids import EndpointId
from tocsin.model.noun import Noun
from tocsin.model.times import to_text
from tocsin.operations.pointers import invalid_field
from tocsin.operations.preview import Previewed, WhyNot

SHOWN_BYTES: Final = 16384


class PreviewRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many of the newest events to look at, and for how many of those that match to show the body; filters and a format
    to try in place of the endpoint's."""

    events: Annotated[int, Meta(ge=1, le=500)] = 100
    shown: Annotated[int, Meta(ge=0, le=50)] = 10
    filters: tuple[Filter, ...] | msgspec.UnsetType = msgspec.UNSET
    format: FormatSetting | msgspec.UnsetType = msgspec.UNSET


class BodyShown(Noun, frozen=True, kw_only=True):
    """What would be sent: content type, headers of the format, and the first 16 KiB of the body."""

    content_type: str
    headers: dict[str, str]
    body: str
    body_encoding: BodyEncoding
    body_bytes: int


class PreviewedShown(Noun, frozen=True, kw_only=True):
    """One event, seen by the endpoint; `failure` is what is wrong with its template."""

    event_id: str
    type: str
    subject_type: str
    subject_id: str
    accepted_at: str
    matches: bool
    why_not: WhyNot | None
    failure: str | None
    request: BodyShown | None


class PreviewShown(Noun, frozen=True, kw_only=True):
    """The newest events, newest first."""

    looked_at: int
    matching: int
    items: list[PreviewedShown]


async def _preview(request: Request) -> Reply:
    document = request.document()
    try:
        asked = msgspec.convert(document, PreviewRequest)
    except msgspec.ValidationError as error:
        raise invalid_field(error) from error
    services = request.services
    endpoint = await services.endpoints.get(EndpointId(request.parts["endpoint_id"]), request.tenant_read())
    tried: dict[str, object] = {name: document[name] for name in ("filters", "format") if name in document}
    seen = await services.previews.preview(endpoint, tried, events=asked.events, rendered=asked.shown)
    shown = PreviewShown(
        looked_at=len(seen),
        matching=sum(one.why_not is None for one in seen),
        items=[_shown(one) for one in seen],
    )
    return Reply(body=msgspec.json.encode(shown))


def _shown(one: Previewed) -> PreviewedShown:
    event, rendered = one.event, one.rendered
    body = None
    if rendered is not None:
        text, encoding = text_of(rendered.body[:SHOWN_BYTES])
        body = BodyShown(
            content_type=rendered.content_type,
            headers=dict(rendered.headers),
            body=text,
            body_encoding=encoding,
            body_bytes=len(rendered.body),
        )
    return PreviewedShown(
        event_id=event.id,
        type=event.type,
        subject_type=event.subject_type,
        subject_id=event.subject_id,
        accepted_at=to_text(event.accepted_at),
        matches=one.why_not is None,
        why_not=one.why_not,
        failure=one.failure,
        request=body,
    )


PREVIEW_ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/endpoints/{endpoint_id}/preview",
        name="preview_endpoint",
        summary="Which of the newest events match the endpoint, and how they would look. Nothing is sent.",
        answer=_preview,
        roles=READERS,
        parameters=(TENANT,),
        takes=PreviewRequest,
        gives=PreviewShown,
        problems=(NotFound,),
    ),
)
