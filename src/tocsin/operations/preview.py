"""The preview of an endpoint: which of the newest events it wants, and what it would be sent. Nothing is sent or kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from tocsin.errors import InvalidRequest
from tocsin.formats import Rendered, Unrendered, renderer_of
from tocsin.model.endpoint import Endpoint, EndpointConfig
from tocsin.model.event import Event
from tocsin.model.event_view import EventView
from tocsin.model.noun import Noun
from tocsin.operations.endpoint_checks import check_config
from tocsin.operations.endpoint_codec import EndpointCodec, with_fields
from tocsin.operations.merge_patch import merge_patched
from tocsin.pipeline.rendering import rendered as rendered_by
from tocsin.ports import EventQuery, Templates, Views
from tocsin.rules.matching import wants

TRIED: Final = ("filters", "format")
"""Settings that may be tried before they are saved."""
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
        left = rendered
        for event in await self._views.events(EventQuery(tenant=endpoint.tenant, limit=events)):
            view = EventView(event)
            why_not: WhyNot | None = None
            if event.is_erased:
                why_not = "the event was erased"
            elif not wants(seen, view):
                why_not = "no filter matches"
            elif not renderer.expresses(view):
                why_not = "the format cannot express it"
            if why_not is not None or left == 0:
                shown.append(Previewed(event=event, why_not=why_not, rendered=None))
                continue
            left -= 1
            made = await rendered_by(renderer, view, self._templates)
            shown.append(_seen(event, made))
            if isinstance(made, Unrendered) and made.cause == "killed":
                left = 0
        return shown

    def _with(self, config: EndpointConfig, tried: Mapping[str, object]) -> EndpointConfig:
        document = self._codec.to_wire(with_fields(config, enabled=True))
        for name, value in tried.items():
            if name not in TRIED:
                raise InvalidRequest.at(f"/{name}", f"Only these can be tried: {', '.join(TRIED)}.")
            document = {**document, name: value} if name == "filters" else merge_patched(document, {name: value})
        changed = self._codec.from_wire(document, config)
        check_config(changed, allow_http=self._allow_http)
        return changed


def _seen(event: Event, made: Rendered | Unrendered) -> Previewed:
    if isinstance(made, Rendered):
        return Previewed(event=event, why_not=None, rendered=made)
    if made.cause == "nothing":
        return Previewed(event=event, why_not="the template gives nothing", rendered=None)
    return Previewed(event=event, why_not="the template fails", rendered=None, failure=made.reason)
