"""The payload that Standard Webhooks 1.0.0 recommends: `{"type", "timestamp", "data"}`, minified."""

from __future__ import annotations

import msgspec

from tocsin.formats.event_data import json_value_of
from tocsin.formats.rendering import JSON, Rendered, encode, setting_of
from tocsin.model.endpoint import EndpointConfig, StandardWebhooksFormat
from tocsin.model.event_view import EventView
from tocsin.model.times import to_text


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """In this key order. `timestamp` is when the event happened, ISO 8601."""

    type: str
    timestamp: str
    data: msgspec.Raw | str | None


class StandardWebhooksRenderer:
    """No settings."""

    __slots__ = ()

    def __init__(self, config: EndpointConfig) -> None:
        setting_of(config, StandardWebhooksFormat)

    def expresses(self, view: EventView) -> bool:  # noqa: ARG002 (it has words for everything)
        return True

    def render(self, view: EventView) -> Rendered:
        event = view.event
        cloud = event.cloud
        timestamp = cloud.time if cloud is not None and cloud.time is not None else to_text(event.time)
        body = encode(Payload(type=event.type, timestamp=timestamp, data=json_value_of(event)))
        if event.subject_type != "job":  # only the data of a job are all our own, and so have no white space
            body = msgspec.json.format(body, indent=-1)
        return Rendered(content_type=JSON, body=body)
