"""The catalogue of event types: for each the schema of its data and what it looks like in every format."""

from __future__ import annotations

from functools import cache
from typing import Final

import msgspec

from tocsin.formats import KINDS, SAMPLE_TYPES, Template, renderer_of, sample_event
from tocsin.formats.event_data import is_json
from tocsin.model.endpoint import EndpointConfig, FormatSetting
from tocsin.model.event import Event
from tocsin.model.event_view import EventView
from tocsin.model.exchange import HeaderPairs
from tocsin.model.job import JobData
from tocsin.model.noun import Noun
from tocsin.model.record import DataVersionData, RecordData
from tocsin.model.secret import Secret

DATA_TYPES: Final[dict[str, type]] = {"job": JobData, "record": RecordData, "data_version": DataVersionData}
"""By subject type: the noun that the data of its events is."""


SECRET_SCHEMA: Final[dict[str, object]] = {
    "description": 'A secret is written as text and read as `{"set": true, "fingerprint": "..."}`, which may be sent back.',
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": 8192},
        {
            "type": "object",
            "properties": {"set": {"const": True}, "fingerprint": {"type": "string"}},
            "required": ["set", "fingerprint"],
            "additionalProperties": False,
        },
    ],
}


class ExampleShown(Noun, frozen=True, kw_only=True):
    """An event as a receiver gets it; a body that is no JSON is a string."""

    content_type: str
    headers: dict[str, str]
    body: msgspec.Raw


class EventTypeShown(Noun, frozen=True, kw_only=True):
    """An event type. An example is null where the format cannot express it, so that nothing is sent. Producers' CloudEvents
    have any type and data; `order.created` stands for them."""

    type: str
    subject_type: str
    verb: str
    schema: dict[str, object]
    examples: dict[str, ExampleShown | None]


@cache
def event_types() -> bytes:
    """The whole catalogue as a list, in JSON."""
    items = [_event_type(event) for event in map(sample_event, SAMPLE_TYPES) if event is not None]
    return msgspec.json.encode({"items": items, "next_cursor": None})


def _event_type(event: Event) -> EventTypeShown:
    data_type = DATA_TYPES.get(event.subject_type)
    return EventTypeShown(
        type=event.type,
        subject_type=event.subject_type,
        verb=event.verb,
        schema={} if data_type is None else msgspec.json.schema(data_type, schema_hook=schema_of_custom),
        examples={kind: example(event, kind) for kind in KINDS},
    )


def example(event: Event, kind: str) -> ExampleShown | None:
    """The event in the format of this kind, with the format's default settings; None when it has no words for it."""
    setting: FormatSetting = msgspec.convert({"kind": kind}, FormatSetting)
    renderer = renderer_of(EndpointConfig(name="example", url="https://receiver.example/", format=setting))
    view = EventView(event)
    if isinstance(renderer, Template) or not renderer.expresses(view):
        return None
    rendered = renderer.render(view)
    return ExampleShown(
        content_type=rendered.content_type,
        headers=_by_name(rendered.headers),
        body=msgspec.Raw(rendered.body if is_json(rendered.body) else msgspec.json.encode(rendered.body.decode())),
    )


def _by_name(headers: HeaderPairs) -> dict[str, str]:
    return dict(headers)


def schema_of_custom(kind: type) -> dict[str, object]:
    """The JSON Schema of types that msgspec does not know."""
    if kind is object:
        return {"description": "Any JSON value."}
    if kind is Secret:
        return SECRET_SCHEMA
    raise NotImplementedError(kind)
