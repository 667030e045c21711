"""Standard Webhooks 1.0.0: `v1` (HMAC-SHA256) and `v1a` (Ed25519) over `{id}.{timestamp}.{body}`."""

from __future__ import annotations

from binascii import b2a_base64

from tocsin.model.exchange import HeaderPairs
from tocsin.signing.keys import SigningKey


class StandardWebhooks:
    """Signs with each key, all in one header; `webhook-id` and `webhook-timestamp` are headers of every request already."""

    __slots__ = ("_marks",)

    def __init__(self, keys: tuple[SigningKey, ...]) -> None:
        self._marks = tuple((f"{' ' if number else ''}{key.version},", key.sign) for number, key in enumerate(keys))

    def sign(self, webhook_id: str, timestamp: int, body: bytes, headers: HeaderPairs) -> HeaderPairs:  # noqa: ARG002 (only id, time and body are signed)
        signed = b"%b.%d.%b" % (webhook_id.encode(), timestamp, body)
        value = ""
        for start, sign in self._marks:
            value += start + b2a_base64(sign(signed), newline=False).decode()
        return (("webhook-signature", value),)
