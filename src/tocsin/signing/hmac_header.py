"""One header with the HMAC of the raw body, as many systems sign and as Visier documents it."""

from __future__ import annotations

import base64
import hmac
from typing import Literal

from tocsin.model.exchange import HeaderPairs
from tocsin.model.signing import HmacSigning
from tocsin.signing.base64_text import from_base64


def hmac_key(key: str, encoding: Literal["utf8", "base64"]) -> bytes:
    """The bytes of a key as written. ValueError when it is empty or not in its encoding."""
    if not key:
        raise ValueError("the key must not be empty")
    return from_base64(key, "the key") if encoding == "base64" else key.encode()


class HmacHeader:
    """Header, algorithm, encoding and prefix of an endpoint, with its key."""

    __slots__ = ("_header", "_is_hex", "_keyed", "_prefix")

    def __init__(self, signing: HmacSigning, key: bytes) -> None:
        self._header = signing.header
        self._is_hex = signing.encoding == "hex"
        self._prefix = signing.prefix
        # Copied for each request: `hmac.digest` would give up the interpreter lock each time, however short the body.
        self._keyed = hmac.new(key, digestmod=signing.algorithm)

    def sign(self, webhook_id: str, timestamp: int, body: bytes, headers: HeaderPairs) -> HeaderPairs:  # noqa: ARG002 (only the body is signed)
        mac = self._keyed.copy()
        mac.update(body)
        digest = mac.digest()
        text = digest.hex() if self._is_hex else base64.b64encode(digest).decode()
        return ((self._header, self._prefix + text),)
