"""The Idempotency-Key header: a string of structured fields (RFC 9651 section 3.3.3), or the bare text that most send."""

from __future__ import annotations

import re
from typing import Final

from tocsin.errors import MalformedRequest

MAX_LENGTH: Final = 255
_QUOTED: Final = re.compile(rb'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_BARE: Final = re.compile(rb"[!#-+\--~]+")


def idempotency_key(header: bytes) -> str:
    """The key in the header's value. Raises MalformedRequest."""
    value = header.strip()
    quoted = _QUOTED.fullmatch(value)
    if quoted:
        key = re.sub(rb"\\(.)", rb"\1", quoted[1])
    elif _BARE.fullmatch(value):
        key = value
    else:
        raise MalformedRequest(
            "The Idempotency-Key must be a quoted string or visible ASCII without quotes and commas."
        )
    if not 0 < len(key) <= MAX_LENGTH:
        raise MalformedRequest(f"The Idempotency-Key must have 1 to {MAX_LENGTH} characters.")
    return key.decode()
