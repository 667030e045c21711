"""What the attributes of a CloudEvent must be (CloudEvents 1.0.2, sections "Context Attributes" and "Type System")."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Final, cast

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from tocsin.api.decoding import millis
from tocsin.errors import FieldError, InvalidRequest
from tocsin.model.event import OWN_SUBJECT_TYPES, CloudContext
from tocsin.model.submission import CloudEvent
from tocsin.model.times import from_text
from tocsin.operations.pointers import escaped
from tocsin.rules.needs import seen_hash

Value = str | bool | int
Attributes = dict[str, Value]

MAX_TEXT: Final = 2048
REQUIRED: Final = ("id", "source", "specversion", "type")
OPTIONAL: Final = ("datacontenttype", "dataschema", "subject", "time")
REMEMBERED: Final = 1024
_KNOWN: Final = frozenset(REQUIRED + OPTIONAL)
_REPEATED: Final = frozenset({"source", "specversion", "type", "datacontenttype", "dataschema"})
"""Attributes that have few values in a producer's events: the verdict on a value is remembered."""

_NAME: Final = re.compile(r"[a-z0-9]{1,64}", re.ASCII)
_BAD_CHARACTER: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(17))
    + "]"
)
_URI_REFERENCE: Final = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+", re.ASCII)
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.+", re.ASCII)
_WORD: Final = r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+"
_MEDIA_TYPE: Final = re.compile(rf'{_WORD}/{_WORD}(?:\s*;\s*{_WORD}=(?:{_WORD}|"(?:[^"\\]|\\.)*"))*\s*;?\s*', re.ASCII)


def checked_context(attributes: Attributes, prefix: str, data: bytes, *, has_data: bool, is_base64: bool) -> CloudEvent:
    """The event that these attributes and data make. `prefix` stands before a name in pointers: `/` or `ce-`. Raises
    InvalidRequest with everything that is wrong."""
    errors = _errors(attributes, prefix)
    if errors:
        raise InvalidRequest(errors[0].detail, errors=tuple(errors))
    texts = cast("dict[str, str]", attributes)
    kind, time = texts["type"], texts.get("time")
    subject_type, verb = _split(kind)
    if subject_type in OWN_SUBJECT_TYPES:
        raise InvalidRequest.at(
            f"{prefix}type", f"The subject type {subject_type} is reserved for Tocsin's own events."
        )
    context = CloudContext(
        id=texts["id"],
        source=texts["source"],
        time=time,
        subject=texts.get("subject"),
        datacontenttype=texts.get("datacontenttype"),
        dataschema=texts.get("dataschema"),
        has_data=has_data,
        is_base64=is_base64,
        extensions={name: value for name, value in attributes.items() if name not in _KNOWN},
    )
    return CloudEvent(
        digest=seen_hash(context.source, context.id),
        context=context,
        type=kind,
        subject_type=subject_type,
        verb=verb,
        time=millis(time, f"{prefix}time"),
        data=data,
    )


Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]


class Usual(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The members of most events: attributes that are texts, data as JSON, no extensions."""

    specversion: Text
    id: Text
    source: Text
    type: Text
    subject: Text | None = None
    time: Text | None = None
    datacontenttype: Text | None = None
    dataschema: Text | None = None
    data: Raw | UnsetType = UNSET


def usual_event(members: Usual) -> CloudEvent | None:
    """The event, or None when anything about it is to be objected to."""
    kind, time, subject, data = members.type, members.time, members.subject, members.data
    if _is_faulty(members.source, members.specversion, kind, members.datacontenttype, members.dataschema):
        return None
    if not _is_clean(members.id) or (subject is not None and not _is_clean(subject)):
        return None
    subject_type, verb = _split(kind)
    try:
        at = None if time is None else from_text(time)
    except ValueError:
        return None
    if time is not None and " " in time:
        return None
    return CloudEvent(
        digest=seen_hash(members.source, members.id),
        context=CloudContext(
            id=members.id,
            source=members.source,
            time=time,
            subject=subject,
            datacontenttype=members.datacontenttype,
            dataschema=members.dataschema,
            has_data=data is not UNSET,
        ),
        type=kind,
        subject_type=subject_type,
        verb=verb,
        time=at,
        data=b"" if data is UNSET else bytes(data),
    )


@lru_cache(maxsize=REMEMBERED)
def _is_faulty(source: str, specversion: str, kind: str, datacontenttype: str | None, dataschema: str | None) -> bool:
    """Whether anything is wrong with the attributes that have few values."""
    given = {
        "source": source,
        "specversion": specversion,
        "type": kind,
        "datacontenttype": datacontenttype,
        "dataschema": dataschema,
    }
    faults = [_attribute_fault(name, value) for name, value in given.items() if value is not None]
    return any(faults) or _split(kind)[0] in OWN_SUBJECT_TYPES


@lru_cache(maxsize=REMEMBERED)
def _split(kind: str) -> tuple[str, str]:
    """Subject type and verb: the type is split at its last dot; without a dot there is no verb."""
    subject_type, dot, verb = kind.rpartition(".")
    return (subject_type, verb) if dot else (kind, "")


def _errors(attributes: Attributes, prefix: str) -> list[FieldError]:
    errors = [FieldError(prefix + name, "This attribute is required.") for name in REQUIRED if name not in attributes]
    for name, value in attributes.items():
        is_remembered = name in _REPEATED and isinstance(value, str) and len(value) <= MAX_TEXT
        detail = _repeated_fault(name, value) if is_remembered else _attribute_fault(name, value)
        if detail:
            errors.append(FieldError(prefix + escaped(name), detail))
    return errors


def _attribute_fault(name: str, value: Value) -> str | None:
    """What is wrong with one attribute, if anything."""
    if name in _KNOWN:
        if not isinstance(value, str) or not value:
            return "This attribute is a text that is not empty."
        return _text_fault(value) or _known_fault(name, value)
    if _NAME.fullmatch(name) is None:
        return "The name of an attribute consists of lower-case letters and digits."
    if isinstance(value, str):
        return _text_fault(value)
    return None if -(2**31) <= value < 2**31 else "An integer attribute has 32 bits; send a larger number as a text."


_repeated_fault = lru_cache(maxsize=REMEMBERED, typed=True)(_attribute_fault)


def _text_fault(value: str) -> str | None:
    if len(value) > MAX_TEXT:
        return f"An attribute has at most {MAX_TEXT} characters."
    if not _is_clean(value):
        return "A text must not contain control characters, noncharacters or half of a surrogate pair."
    return None


def _is_clean(value: str) -> bool:
    return (value.isascii() and value.isprintable()) or _BAD_CHARACTER.search(value) is None


def _known_fault(name: str, value: str) -> str | None:
    match name:
        case "specversion" if value != "1.0":
            return "The version of CloudEvents must be 1.0."
        case "source" if _URI_REFERENCE.fullmatch(value) is None:
            return "The source must be a URI-reference (RFC 3986)."
        case "dataschema" if _URI_REFERENCE.fullmatch(value) is None or _ABSOLUTE.fullmatch(value) is None:
            return "The data schema must be an absolute URI (RFC 3986)."
        case "datacontenttype" if _MEDIA_TYPE.fullmatch(value) is None:
            return "The type of the data must be a media type (RFC 2046)."
        case "time" if " " in value:
            return "Not a time: RFC 3339 with a T between date and time."
        case _:
            return None
