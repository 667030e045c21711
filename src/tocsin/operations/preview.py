"""The preview of an endpoint: which of the newest events it wants, and what it would be sent. Nothing is sent or kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from tocsin.errors import InvalidRequest
from tocsin.formats import Expressing, Rendered, Unrendered, renderer_of
from tocsin.model.endpoint import Endpoint, EndpointConfig
from tocsin.model.event import Event
from tocsin.model.event_view import EventView
from tocsin.model.noun import Noun
from tocsin.operations.endpoint_checks import check_config
from tocsin.operations.endpoint_codec import EndpointCodec, with_fields
from tocsin.operations.merge_patch import merge_patched
from tocsin.operations.pieces import Pieces
from tocsin.pipeline.rendering import rendered as rendered_by
from tocsin.ports import EventQuery, Templates, Views
from tocsin.rules.matching import wants

TRIED: Final = ("filters", "format")
"""Settings that may be tried before they are saved."""
_COUNTED_PAGE: Final = 100
_COUNTED_BYTES: Final = 16 << 20
WhyNot = Literal[
    "the event was erased",
    "no filter matches",
    "the format cannot express it",
    "the template gives nothing",
    "the template fails",
]


class Previewed(Noun, frozen=True, kw_only=True):
    """One event, seen by an endpoint. `rendered` is there for the first that match; `why_not` None: it matches. A template
    is evaluated for those only, and no more once it had to be stopped; `failure` is what is wrong with it."""

    event: Event
    why_not: WhyNot | None
    rendered: Rendered | None
    failure: str | None = None


class Counted(Noun, frozen=True, kw_only=True):
    """How many of the newest events an endpoint wants and can express. Fewer than asked for were looked at when there are not
    more, or when they are large."""

    looked_at: int
    matching: int


class Previews:
    """Looks at the newest events of an endpoint's tenant as the endpoint would."""

    __slots__ = ("_allow_http", "_codec", "_templates", "_views")

    def __init__(self, views: Views, codec: EndpointCodec, templates: Templates, *, allow_http: bool) -> None:
        self._views = views
        self._codec = codec
        self._templates = templates
        self._allow_http = allow_http

    async def preview(
        self, endpoint: Endpoint, tried: Mapping[str, object], *, events: int, rendered: int
    ) -> list[Previewed]:
        """The newest `events` events, newest first, with the settings in `tried` in place of the endpoint's own; bodies of the
        first `rendered` that match. Raises InvalidRequest."""
        seen = with_fields(endpoint, config=self._with(endpoint.config, tried), active_from=-1)
        renderer = renderer_of(seen.config)
        shown: list[Previewed] = []
        left, pieces = rendered, Pieces()
        for event in await self._views.events(EventQuery(tenant=endpoint.tenant, limit=events)):
            await pieces.step()
            view = EventView(event)
            said = why_not(seen, renderer, view)
            if said is not None or left == 0:
                shown.append(Previewed(event=event, why_not=said, rendered=None))
                continue
            left -= 1
            made = await rendered_by(renderer, view, self._templates)
            shown.append(_seen(event, made))
            if isinstance(made, Unrendered) and made.cause == "killed":
                left = 0
        return shown

    async def counted(self, endpoint: Endpoint, events: int) -> Counted:
        """How many of the newest `events` events it wants. Read page by page, and no more once they are more than 16 MiB."""
        seen = with_fields(endpoint, config=with_fields(endpoint.config, enabled=True), active_from=-1)
        renderer, pieces = renderer_of(seen.config), Pieces()
        looked_at = matching = size = 0
        before: int | None = None
        while looked_at < events and size < _COUNTED_BYTES:
            asked = min(_COUNTED_PAGE, events - looked_at)
            page = await self._views.events(EventQuery(tenant=endpoint.tenant, limit=asked, before=before))
            for event in page:
                await pieces.step()
                matching += why_not(seen, renderer, EventView(event)) is None
                size += len(event.data)
            looked_at += len(page)
            if len(page) < asked:
                break
            before = page[-1].position
        return Counted(looked_at=looked_at, matching=matching)

    def _with(self, config: EndpointConfig, tried: Mapping[str, object]) -> EndpointConfig:
        document = self._codec.to_wire(with_fields(config, enabled=True))
        for name, value in tried.items():
            if name not in TRIED:
                raise InvalidRequest.at(f"/{name}", f"Only these can be tried: {', '.join(TRIED)}.")
            document = {**document, name: value} if name == "filters" else merge_patched(document, {name: value})
        changed = self._codec.from_wire(document, config)
        check_config(changed, allow_http=self._allow_http)
        return changed


def why_not(seen: Endpoint, renderer: Expressing, view: EventView) -> WhyNot | None:
    """Why an endpoint would not be sent this event; None: it would, unless it has a template that gives nothing."""
    if view.event.is_erased:
        return "the event was erased"
    if not wants(seen, view):
        return "no filter matches"
    return None if renderer.expresses(view) else "the format cannot express it"


def _seen(event: Event, made: Rendered | Unrendered) -> Previewed:
    if isinstance(made, Rendered):
        return Previewed(event=event, why_not=None, rendered=made)
    if made.cause == "nothing":
        return Previewed(event=event, why_not="the template gives nothing", rendered=None)
    return Previewed(event=event, why_not="the template fails", rendered=None, failure=made.reason)
