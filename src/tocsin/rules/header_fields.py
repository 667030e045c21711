"""Which header fields the owner of an endpoint may set: well-formed ones that are not Tocsin's own.

Source: RFC 9110 sections 5.1, 5.5, 5.6.2 and 7.6.1. Values are narrower than the RFC: no obs-text.
"""

from __future__ import annotations

import re

MAX_NAME_LENGTH = 128
MAX_VALUE_LENGTH = 8192

RESERVED_NAMES = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-digest",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "signature",
        "signature-input",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
RESERVED_PREFIXES = ("ce-", "proxy-", "webhook-")

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")
_VALUE = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")


def check_header(name: str, value: str) -> None:
    """Raises ValueError when the field may not be configured. `Content-Type` and `Authorization` are not judged here: that
    depends on the endpoint's other settings. No value is repeated in the text: it may be a secret."""
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
        raise ValueError(
            f"A header name consists of 1 to {MAX_NAME_LENGTH} letters, digits and !#$%&'*+-.^_`|~ (RFC 9110)."
        )
    if is_reserved(name):
        raise ValueError(f"The header {name} is set by Tocsin and cannot be configured.")
    if not is_field_value(value):
        raise ValueError(
            f"The value of the header {name} must be visible ASCII with spaces or tabs only inside, "
            f"at most {MAX_VALUE_LENGTH} characters."
        )


def is_reserved(name: str) -> bool:
    """Whether Tocsin or the HTTP connection itself decides this field."""
    lowered = name.lower()
    return lowered in RESERVED_NAMES or lowered.startswith(RESERVED_PREFIXES)


def is_field_value(value: str) -> bool:
    """Whether `value` can stand on the wire as it is: nothing in it could end the field or the head."""
    return len(value) <= MAX_VALUE_LENGTH and _VALUE.fullmatch(value) is not None
