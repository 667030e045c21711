"""The data of an event as a member of a JSON document: spliced in as received wherever that is JSON."""

from __future__ import annotations

import base64
from functools import lru_cache

import msgspec

from tocsin.model.event import Event

_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode


@lru_cache(maxsize=256)
def is_json_type(media_type: str) -> bool:
    """Whether a media type says JSON: `*/json` or `*/*+json` (CloudEvents JSON format 3.1.1)."""
    kind, _, subtype = media_type.partition(";")[0].strip().lower().partition("/")
    return bool(kind) and (subtype == "json" or subtype.endswith("+json"))


def is_json(data: bytes) -> bool:
    """Whether these bytes are one JSON value in UTF-8."""
    try:
        _decode_raw(data)
        if not data.isascii():
            data.decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def data_of(event: Event) -> msgspec.Raw | str | bytes | None:
    """What the event carries: JSON as it came, text, bytes that are neither, or None when it has no data.

    Data of a JSON type that are no JSON after all count as bytes, so that whatever is built around them stays JSON.
    """
    cloud = event.cloud
    if cloud is None:
        return msgspec.Raw(event.data)
    if not cloud.has_data:
        return None
    if cloud.is_base64:
        return event.data
    if cloud.datacontenttype is None or is_json_type(cloud.datacontenttype):
        return msgspec.Raw(event.data) if is_json(event.data) else event.data
    try:
        return event.data.decode()
    except UnicodeDecodeError:
        return event.data


def json_value_of(event: Event) -> msgspec.Raw | str | None:
    """The data as a JSON value where the format has a single place for it: bytes that are no text become base64."""
    data = data_of(event)
    return base64.b64encode(data).decode() if isinstance(data, bytes) else data
