"""Reads producers' CloudEvents 1.0 from HTTP: structured, binary and batched, holding them to the specification.

Sources: CloudEvents 1.0.2 (spec.md), its JSON event format and its HTTP protocol binding. For binary mode the pointers of
problems are header names. A `tenant` extension does not route the event: the API key or `?tenant=` does.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from enum import Enum, auto
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import Raw

from tocsin.api.cloudevent_attributes import (
    MAX_TEXT,
    REMEMBERED,
    Attributes,
    Usual,
    Value,
    checked_context,
    usual_event,
)
from tocsin.api.decoding import MAX_ITEMS, decoded, is_array
from tocsin.api.text_checks import check_json_bytes, check_text, has_bad_text, may_be_too_deep
from tocsin.errors import FieldError, InvalidRequest, MalformedJson, TocsinError, TooLarge, UnsupportedMediaType
from tocsin.model.submission import CloudEvent, CloudEvents
from tocsin.operations.pointers import escaped

_STRUCTURED: Final = "application/cloudevents"
_BATCHED: Final = "application/cloudevents-batch"
_JSON_TYPE: Final = re.compile(r"[^/;]+/(?:[^;]+\+)?json", re.IGNORECASE)
_HEX: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')

_AROUND_DATA: Final = 2
"""A batch and an event."""
_decode_usual: Final = msgspec.json.Decoder(Usual).decode
_decode_usual_batch: Final = msgspec.json.Decoder(list[Usual]).decode
_decode_members: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_batch: Final = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_decode_any: Final = msgspec.json.Decoder().decode
_decode_raw: Final = msgspec.json.Decoder(Raw).decode


def decode_cloudevents(body: bytes, content_type: str, ce_headers: Mapping[str, str]) -> CloudEvents:
    """The events of one request. `ce_headers` are the headers that begin with `ce-`, without that prefix. Raises
    UnsupportedMediaType, MalformedJson, InvalidRequest, TooLarge."""
    form = _form(content_type)
    if form is _Form.OTHER_FORMAT:
        raise UnsupportedMediaType("Only the JSON format of CloudEvents is read.")
    if ce_headers and form in {_Form.JSON, _Form.OTHER}:
        return CloudEvents(items=(_binary(body, content_type, ce_headers),))
    if form is _Form.OTHER:
        raise UnsupportedMediaType("Send a CloudEvent: structured, batched, or binary with its ce- headers.")
    is_batch = is_array(body) if form is _Form.JSON else form is _Form.BATCH
    items = usual_events(body, is_batch=is_batch)
    if items is not None:
        return CloudEvents(items=items)
    check_json_bytes(body)
    check_text(body)
    if is_batch:
        return CloudEvents(items=_batch(decoded(_decode_batch, body)))
    return CloudEvents(items=(_structured(decoded(_decode_members, body)),))


class _Form(Enum):
    """What a Content-Type says of a request with CloudEvents."""

    STRUCTURED = auto()
    BATCH = auto()
    OTHER_FORMAT = auto()
    JSON = auto()
    OTHER = auto()


@lru_cache(maxsize=64)
def _form(content_type: str) -> _Form:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith(_STRUCTURED):
        forms = {f"{_STRUCTURED}+json": _Form.STRUCTURED, f"{_BATCHED}+json": _Form.BATCH}
        return forms.get(media_type, _Form.OTHER_FORMAT)
    is_json = not media_type or _JSON_TYPE.fullmatch(media_type) or media_type == "application/x-www-form-urlencoded"
    return _Form.JSON if is_json else _Form.OTHER


@lru_cache(maxsize=REMEMBERED)
def is_json_type(datacontenttype: str | None) -> bool:
    """Whether data of this type is JSON (`*/json`, `*/*+json`); data without a type is (JSON format, section 3.1)."""
    return datacontenttype is None or _JSON_TYPE.fullmatch(datacontenttype.partition(";")[0].strip()) is not None


def usual_events(body: bytes, *, is_batch: bool) -> tuple[CloudEvent, ...] | None:
    """Most events, in half the time. None when one of them is of another form, or wrong: then they are read the long way, which
    says what is wrong."""
    try:
        body.decode()
        members = _decode_usual_batch(body) if is_batch else [_decode_usual(body)]
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return None
    if len(members) > MAX_ITEMS or has_bad_text(body):
        return None
    events: list[CloudEvent] = []
    for each in members:
        event = usual_event(each) if is_json_type(each.datacontenttype) else None
        if event is None or may_be_too_deep(event.data, _AROUND_DATA):
            return None
        events.append(event)
    return tuple(events)


def _batch(items: list[dict[str, Raw]]) -> tuple[CloudEvent, ...]:
    if len(items) > MAX_ITEMS:
        raise TooLarge(f"A batch may have {MAX_ITEMS} events; this one has {len(items)}.")
    events: list[CloudEvent] = []
    for index, members in enumerate(items):
        try:
            events.append(_structured(members))
        except TocsinError as problem:
            raise problem.under(f"/{index}") from problem
    return tuple(events)


def _structured(members: dict[str, Raw]) -> CloudEvent:
    data = members.pop("data", None)
    encoded = members.pop("data_base64", None)
    attributes: Attributes = {}
    for name, raw in members.items():
        text = bytes(raw)
        value = text[1:-1].decode() if text[:1] == b'"' and b"\\" not in text else _attribute(name, text)
        if value is not None:
            attributes[name] = value
    base64_text = None if encoded is None else _attribute("data_base64", bytes(encoded))
    if data is not None and base64_text is not None:
        raise InvalidRequest.at("/data_base64", "An event has data or data_base64, not both.")
    content, has_data, is_base64 = b"", True, False
    if base64_text is not None:
        content, is_base64 = _from_base64(base64_text), True
    elif data is not None:
        content = bytes(data)
        if not is_json_type(_text_or_none(attributes.get("datacontenttype"))):
            content = _text_data(content)
    else:
        has_data = False
    return checked_context(attributes, "/", content, has_data=has_data, is_base64=is_base64)


def _attribute(name: str, raw: bytes) -> Value | None:
    """The value of an attribute in JSON; None for null, which stands for absence."""
    value = decoded(_decode_any, raw, f"/{escaped(name)}")
    if value is None or isinstance(value, str | bool | int):
        return value
    raise InvalidRequest.at(f"/{escaped(name)}", "An attribute is a text, a boolean or an integer.")


def _text_or_none(value: Value | None) -> str | None:
    """A text that may be remembered; None for what is no attribute's value anyway."""
    return value if isinstance(value, str) and len(value) <= MAX_TEXT else None


def _from_base64(value: Value) -> bytes:
    try:
        if isinstance(value, str):
            return binascii.a2b_base64(value.encode(), strict_mode=True)
    except ValueError:
        pass
    raise InvalidRequest.at("/data_base64", "This is not base64 (RFC 4648 section 4).")


def _text_data(raw: bytes) -> bytes:
    """The text of `data` whose type is not JSON (JSON format, section 3.1): it must be a string."""
    value = decoded(_decode_any, raw, "/data")
    if not isinstance(value, str):
        raise InvalidRequest.at("/data", "Data of a type other than JSON is a string, or is sent as data_base64.")
    return value.encode()


def _binary(body: bytes, content_type: str, headers: Mapping[str, str]) -> CloudEvent:
    if "datacontenttype" in headers:
        raise InvalidRequest.at("ce-datacontenttype", "The type of the data is the Content-Type header.")
    attributes: Attributes = {name: _header_text(name, value) for name, value in headers.items()}
    is_base64 = False
    if content_type:
        attributes["datacontenttype"] = content_type
    if body and content_type and len(content_type) <= MAX_TEXT and is_json_type(content_type):
        check_json_bytes(body)
        check_text(body)
        decoded(_decode_raw, body)
    elif body and not content_type:
        is_base64 = not _is_json(body)
    return checked_context(attributes, "ce-", body, has_data=bool(body), is_base64=is_base64)


def _is_json(body: bytes) -> bool:
    try:
        check_json_bytes(body)
        check_text(body)
        decoded(_decode_raw, body)
    except (MalformedJson, InvalidRequest):
        return False
    return True


def _header_text(name: str, value: str) -> str:
    """The text in a header value (HTTP binding, section 3.1.3.2): unquoted first, then percent-decoded once."""
    quoted = _QUOTED.fullmatch(value)
    if quoted:
        value = re.sub(r"\\(.)", r"\1", quoted[1])
    if "%" not in value:
        return value
    if _HEX.search(value):
        raise InvalidRequest.at(f"ce-{name}", "A percent sign must be followed by two hexadecimal digits.")
    try:
        parts = value.encode("latin-1").split(b"%")
        return (parts[0] + b"".join(bytes([int(part[:2], 16)]) + part[2:] for part in parts[1:])).decode()
    except UnicodeError as error:
        detail = "The percent-encoded value is not UTF-8."
        raise InvalidRequest(detail, errors=(FieldError(f"ce-{name}", detail),)) from error
