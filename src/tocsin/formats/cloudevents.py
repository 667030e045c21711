"""CloudEvents 1.0 over HTTP: structured mode, and binary mode where the event has a body of its own.

An accepted CloudEvent leaves as it came, with `tenant` added. Tocsin's own events carry the extensions partitioning,
recorded time and sequence; the sequence is the position in the event log, within the source of its tenant.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from urllib.parse import quote

import msgspec

from tocsin.formats.event_data import data_of
from tocsin.formats.http_binding import attribute_headers, can_be_content_type
from tocsin.formats.rendering import JSON, Rendered, encode, setting_of
from tocsin.model.endpoint import CloudEventsFormat, EndpointConfig
from tocsin.model.event import CloudContext, Event
from tocsin.model.event_view import EventView
from tocsin.model.times import to_text

STRUCTURED = "application/cloudevents+json"
SEQUENCE_DIGITS = 20
"""Enough for every position, so that sequences sort as text (sequence extension)."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event in this key order: one of Tocsin's own, or a producer's that has no extensions."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    tenant: str
    partitionkey: str | None = None
    recordedtime: str | None = None
    sequence: str | None = None
    data: msgspec.Raw | str | None = None


@lru_cache(maxsize=1024)
def own_source(tenant: str) -> str:
    """The source of Tocsin's own events for a tenant: a URI reference."""
    return "/tocsin/" + quote(tenant, safe="")


class CloudEventsRenderer:
    """`mode`, `type` and `source` of the endpoint; the latter two for Tocsin's own events only."""

    __slots__ = ("_is_binary", "_source", "_type")

    def __init__(self, config: EndpointConfig) -> None:
        setting = setting_of(config, CloudEventsFormat)
        self._is_binary = setting.mode == "binary"
        self._source = setting.source
        self._type = setting.type

    def expresses(self, view: EventView) -> bool:  # noqa: ARG002 (it has words for everything)
        return True

    def render(self, view: EventView) -> Rendered:
        event = view.event
        if self._is_binary:
            content_type = _binary_content_type(event)
            if content_type is not None:
                attributes = self._attributes(event)
                return Rendered(content_type=content_type, headers=attribute_headers(attributes), body=event.data)
        if event.cloud is None:
            return Rendered(content_type=STRUCTURED, body=encode(self._own(event, msgspec.Raw(event.data))))
        body = view.envelope
        if body is None:
            body = view.envelope = _enveloped(event, event.cloud)
        return Rendered(content_type=STRUCTURED, body=body)

    def _own(self, event: Event, data: msgspec.Raw | None) -> Envelope:
        subject = event.subject_id or None
        return Envelope(
            specversion="1.0",
            id=event.id,
            source=self._source or own_source(event.tenant),
            type=self._type or event.type,
            subject=subject,
            time=to_text(event.time),
            datacontenttype=JSON,
            tenant=event.tenant,
            partitionkey=subject,
            recordedtime=to_text(event.accepted_at),
            sequence=f"{event.position:0{SEQUENCE_DIGITS}d}",
            data=data,
        )

    def _attributes(self, event: Event) -> dict[str, object]:
        if event.cloud is not None:
            return _accepted(event, event.cloud)
        own: dict[str, object] = msgspec.structs.asdict(self._own(event, None))
        return {name: value for name, value in own.items() if value is not None}


def _accepted(event: Event, cloud: CloudContext) -> dict[str, object]:
    """The attributes as they came; only `tenant` is ours."""
    attributes: dict[str, object] = {"specversion": "1.0", "id": cloud.id, "source": cloud.source, "type": event.type}
    if cloud.subject is not None:
        attributes["subject"] = cloud.subject
    if cloud.time is not None:
        attributes["time"] = cloud.time
    if cloud.datacontenttype is not None:
        attributes["datacontenttype"] = cloud.datacontenttype
    if cloud.dataschema is not None:
        attributes["dataschema"] = cloud.dataschema
    attributes |= cloud.extensions
    attributes["tenant"] = event.tenant
    return attributes


def _enveloped(event: Event, cloud: CloudContext) -> bytes:
    """An accepted CloudEvent in structured mode. Most have no extensions, and are written in two thirds of the time."""
    data = data_of(event)
    if cloud.extensions or isinstance(data, bytes):
        return encode(_accepted(event, cloud) | _data_member(data))
    return encode(
        Envelope(
            specversion="1.0",
            id=cloud.id,
            source=cloud.source,
            type=event.type,
            subject=cloud.subject,
            time=cloud.time,
            datacontenttype=cloud.datacontenttype,
            dataschema=cloud.dataschema,
            tenant=event.tenant,
            data=data,
        )
    )


def _data_member(data: msgspec.Raw | str | bytes | None) -> dict[str, object]:
    if data is None:
        return {}
    if isinstance(data, bytes):
        return {"data_base64": base64.b64encode(data).decode()}
    return {"data": data}


def _binary_content_type(event: Event) -> str | None:
    """The Content-Type of binary mode; None for an event that only structured mode can carry unchanged.

    Those are: no body to send (webhook delivery forbids an empty one), a type that would be taken for structured mode
    or that no header can hold, and bytes of which nobody said what they are.
    """
    cloud = event.cloud
    if not event.data:
        return None
    if cloud is None:
        return JSON
    content_type = cloud.datacontenttype
    if content_type is None:
        return JSON if isinstance(data_of(event), msgspec.Raw) else None
    return content_type if can_be_content_type(content_type) else None
