"""One header with the HMAC of the raw body, as many systems sign and as Visier documents it."""

from __future__ import annotations

import base64
import hmac
from typing import Final, Literal

from tocsin.model.exchange import HeaderPairs
from tocsin.model.signing import HmacSigning
from tocsin.signing.base64_text import from_base64

PREVIOUS_SUFFIX: Final = "-previous"
"""Ends the name of the header that the old key signs in: such a header has room for one signature only."""


def hmac_key(key: str, encoding: Literal["utf8", "base64"]) -> bytes:
    """The bytes of a key as written. ValueError when it is empty or not in its encoding."""
    if not key:
        raise ValueError("the key must not be empty")
    return from_base64(key, "the key") if encoding == "base64" else key.encode()


def signature_headers(signing: HmacSigning) -> tuple[str, str]:
    """The header of the signature, and of the one that the old key makes while there is one."""
    return signing.header, signing.header + PREVIOUS_SUFFIX


class HmacHeader:
    """Algorithm, encoding and prefix of an endpoint, and the key of each header: the new one, then the old one if there
    is one."""

    __slots__ = ("_headers", "_is_hex", "_prefix")

    def __init__(self, signing: HmacSigning, keys: tuple[bytes, ...]) -> None:
        self._is_hex = signing.encoding == "hex"
        self._prefix = signing.prefix
        # Copied for each request: `hmac.digest` would give up the interpreter lock each time, however short the body.
        self._headers = tuple(
            (name, hmac.new(key, digestmod=signing.algorithm))
            for name, key in zip(signature_headers(signing), keys, strict=False)
        )

    def sign(self, webhook_id: str, timestamp: int, body: bytes, headers: HeaderPairs) -> HeaderPairs:  # noqa: ARG002 (only the body is signed)
        return tuple([(name, self._prefix + self._signature(keyed, body)) for name, keyed in self._headers])

    def _signature(self, keyed: hmac.HMAC, body: bytes) -> str:
        mac = keyed.copy()
        mac.update(body)
        digest = mac.digest()
        return digest.hex() if self._is_hex else base64.b64encode(digest).decode()
