"""Examples for the reference page of the formats: what the sample events become."""

from __future__ import annotations

import msgspec

from tocsin.formats import Rendered, Template, renderer_of, sample_event
from tocsin.model.endpoint import CloudEventsFormat, EndpointConfig, FormatSetting
from tocsin.model.event_view import EventView


def view(event_type: str) -> EventView:
    """The sample event of this type."""
    event = sample_event(event_type)
    assert event is not None, event_type
    return EventView(event)


def config(setting: FormatSetting) -> EndpointConfig:
    """An endpoint of this format."""
    return EndpointConfig(name="sample", url="https://receiver.example", format=setting)


def rendered(setting: FormatSetting, event_type: str) -> Rendered:
    """The sample event in this format."""
    renderer = renderer_of(config(setting))
    assert not isinstance(renderer, Template)
    return renderer.render(view(event_type))


def example(setting: FormatSetting, event_type: str) -> str:
    """A sentence and the body."""
    made = rendered(setting, event_type)
    body = msgspec.json.format(made.body, indent=2).decode()
    return f"`{event_type}`, sent as `Content-Type: {made.content_type}`:\n\n```json\n{body}\n```\n"


def binary_example(event_type: str) -> str:
    """The headers in binary mode."""
    made = rendered(CloudEventsFormat(mode="binary"), event_type)
    lines = (f"{name}: {value}" for name, value in (("Content-Type", made.content_type), *made.headers))
    return "```http\n" + "\n".join(lines) + "\n```\n"
