"""Proof of origin: Standard Webhooks signatures and plain HMAC headers, checked against the bytes as received."""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from collections.abc import Iterable, Mapping
from typing import Final, Literal, Protocol

TOLERANCE_SECONDS: Final = 300
"""How far `webhook-timestamp` may be from the receiver's clock, both ways."""


class NotVerified(Exception):
    """The request does not prove where it comes from; the text says why. Answer 401 and do not read the body."""


class Verifier(Protocol):
    """Raises NotVerified unless the request is genuine. Header names are lower case; `now` is Unix seconds."""

    def verify(self, headers: Mapping[str, str], body: bytes, now: float | None = None) -> None: ...


class StandardWebhooks:
    """Standard Webhooks 1.0.0, scheme `v1`: HMAC-SHA256 over `{id}.{timestamp}.{body}`.

    Takes one secret or several (`whsec_` and base64): while a secret is being rotated, any of them will do. Not for `v1a`
    (`whsk_`, `whpk_`): Ed25519 is not in the standard library.
    """

    __slots__ = ("_keys", "_tolerance")

    def __init__(self, secrets: str | Iterable[str], *, tolerance_seconds: float = TOLERANCE_SECONDS) -> None:
        """Raises ValueError for a secret that is not base64, with or without `whsec_`."""
        given = (secrets,) if isinstance(secrets, str) else tuple(secrets)
        if not given:
            raise ValueError("at least one secret is needed")
        self._keys = tuple(_key_of(secret) for secret in given)
        self._tolerance = tolerance_seconds

    def verify(self, headers: Mapping[str, str], body: bytes, now: float | None = None) -> None:
        webhook_id, timestamp, signatures = (
            _required(headers, name) for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
        )
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise NotVerified("webhook-timestamp is not a number of seconds")
        distance = int(timestamp) - (time.time() if now is None else now)
        if abs(distance) > self._tolerance:
            raise NotVerified(f"webhook-timestamp is too {'new' if distance > 0 else 'old'}")
        signed = b"%s.%s.%s" % (webhook_id.encode("utf-8", "replace"), timestamp.encode(), body)
        given = [text[3:].encode("utf-8", "replace") for text in signatures.split(" ") if text.startswith("v1,")]
        if not given:
            raise NotVerified("webhook-signature has no v1 signature (v1a, Ed25519, is not supported here)")
        matched = False
        for key in self._keys:
            expected = base64.b64encode(hmac.digest(key, signed, "sha256"))
            for signature in given:
                matched |= hmac.compare_digest(signature, expected)
        if not matched:
            raise NotVerified("no signature matches: other secret, or the body was changed")


class Hmac:
    """One header with the HMAC of the raw body, as Visier, GitHub and others sign.

    Takes one key or several. While a key is being rotated, the old one signs in `<header>-previous`, which is looked at too.
    """

    __slots__ = ("_algorithm", "_encoding", "_header", "_keys", "_prefix")

    def __init__(
        self,
        keys: str | Iterable[str],
        *,
        header: str = "x-visier-signature",
        algorithm: Literal["sha256", "sha384", "sha512"] = "sha256",
        encoding: Literal["hex", "base64"] = "hex",
        prefix: str = "",
        key_encoding: Literal["utf8", "base64"] = "utf8",
    ) -> None:
        """Raises ValueError for keys that are not base64 although they are said to be."""
        given = (keys,) if isinstance(keys, str) else tuple(keys)
        if not given:
            raise ValueError("at least one key is needed")
        self._keys = tuple(_base64(key) if key_encoding == "base64" else key.encode() for key in given)
        self._header = header.lower()
        self._algorithm = algorithm
        self._encoding = encoding
        self._prefix = prefix

    def verify(self, headers: Mapping[str, str], body: bytes, now: float | None = None) -> None:  # noqa: ARG002 (no clock in this scheme)
        texts = (_required(headers, self._header), headers.get(f"{self._header}-previous", ""))
        given = [text.encode("utf-8", "replace") for text in texts]
        matched = False
        for key in self._keys:
            digest = hmac.digest(key, body, self._algorithm)
            text = digest.hex().encode() if self._encoding == "hex" else base64.b64encode(digest)
            for signature in given:
                matched |= hmac.compare_digest(signature, self._prefix.encode() + text)
        if not matched:
            raise NotVerified(f"{self._header} does not match: other key, or the body was changed")


def _required(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise NotVerified(f"{name} is missing")
    return value


def _key_of(secret: str) -> bytes:
    return _base64(secret.removeprefix("whsec_"))


def _base64(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the secret is not base64") from None
    if not key:
        raise ValueError("the secret is empty")
    return key
