"""The catalogue of event types: what there is, what its data looks like, and how each format writes it."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.model.noun import Noun
from tocsin.ui.answers import Answer
from tocsin.ui.asking import UiRequest
from tocsin.ui.calls import ProblemShown, Refused
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute

PATH: Final = "/ui/catalogue"
FIRST: Final = "cloudevents"
"""The format that is shown when none is chosen."""


class ExampleRead(Noun, frozen=True, kw_only=True):
    """An event as a receiver gets it."""

    content_type: str
    headers: dict[str, str]
    body: msgspec.Raw


class EventTypeRead(Noun, frozen=True, kw_only=True):
    """An event type with its schema, and an example in every format that has words for it."""

    type: str
    subject_type: str
    verb: str
    schema: msgspec.Raw
    examples: dict[str, ExampleRead | None]

    @property
    def formats(self) -> list[str]:
        """Those that express it."""
        return [kind for kind, example in self.examples.items() if example is not None]


class Catalogue(Noun, frozen=True, kw_only=True):
    """All of it."""

    items: tuple[EventTypeRead, ...]


async def _list(request: UiRequest) -> Answer:
    catalogue = await _read(request)
    return page(
        request,
        "catalogue.html",
        title="Catalogue",
        command="tocsin openapi",
        items=catalogue.items,
        formats=list(catalogue.items[0].examples),
    )


async def _show(request: UiRequest) -> Answer:
    name, kind = request.parts["event_type"], request.query.get("format", FIRST)
    catalogue = await _read(request)
    event_type = next((one for one in catalogue.items if one.type == name), None)
    if event_type is None or kind not in event_type.examples:
        raise Refused(ProblemShown(title="There is no such event type, or no such format.", status=404))
    example = event_type.examples[kind]
    return page(
        request,
        "event_type.html",
        title=event_type.type,
        command=f"tocsin endpoints add NAME https://receiver.example/ --event-type {event_type.type} --format {kind}",
        event_type=event_type,
        kind=kind,
        tabs=[(name, request.here(format=name), name == kind) for name in event_type.examples],
        example=example,
        headers={} if example is None else {"content-type": example.content_type, **example.headers},
        body="" if example is None else _text(example.body),
        schema=bytes(event_type.schema).decode(),
        events=request.url("/ui/events", {"type": event_type.type}),
        others=request.url(PATH),
    )


async def _read(request: UiRequest) -> Catalogue:
    return await request.api.read("/v1/event-types", Catalogue, {"tenant": None})


def _text(body: msgspec.Raw) -> str:
    """As it is sent: a body that is no JSON stands in the catalogue as a string."""
    text = bytes(body).decode()
    return str(msgspec.json.decode(text)) if text.startswith('"') else text


ROUTES: Final[tuple[UiRoute, ...]] = (
    UiRoute(method="GET", path=PATH, page=_list),
    UiRoute(method="GET", path=f"{PATH}/{{event_type}}", page=_show),
)
