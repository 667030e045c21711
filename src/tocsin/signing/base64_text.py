"""Base64 as people paste it: the standard alphabet with padding, and nothing else (RFC 4648 section 4)."""

from __future__ import annotations

import base64
import binascii


def from_base64(text: str, what: str) -> bytes:
    """The bytes. ValueError, naming `what`, for anything else, and for no bytes at all."""
    try:
        decoded = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError(f"{what} is not base64 (standard alphabet, with padding)") from None
    if not decoded:
        raise ValueError(f"{what} must not be empty")
    return decoded
