"""CloudEvents attributes as HTTP headers (HTTP protocol binding 1.0.2, section 3.1.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from tocsin.model.exchange import HeaderPairs

_LITERAL: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
_CONTENT_TYPE: Final = re.compile(r"[!-~](?:[ -~\t]*[!-~])?")


def header_value(text: str) -> str:
    """Percent-encoded as section 3.1.3.2 wants: space, `"`, `%` and all that is not printable ASCII."""
    return quote(text, safe=_LITERAL)


def attribute_headers(attributes: Mapping[str, object]) -> HeaderPairs:
    """A `ce-` header for each attribute but `datacontenttype`, which is the Content-Type."""
    return tuple(
        (f"ce-{name}", header_value(_text_of(value))) for name, value in attributes.items() if name != "datacontenttype"
    )


def can_be_content_type(media_type: str) -> bool:
    """Whether this can stand as the Content-Type of a binary-mode request: a header value, and one that a receiver will
    not take for structured or batched mode (section 3)."""
    return _CONTENT_TYPE.fullmatch(media_type) is not None and not media_type.lower().startswith(
        "application/cloudevents"
    )


def _text_of(value: object) -> str:
    """The canonical string of an attribute value (CloudEvents 1.0.2, Type System)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
