"""Standard Webhooks 1.0.0, scheme `v1`: HMAC-SHA256 over `{id}.{timestamp}.{body}`."""

from __future__ import annotations

import base64
import hmac
from typing import Final

from tocsin.model.exchange import HeaderPairs
from tocsin.signing.base64_text import from_base64

WHSEC: Final = "whsec_"
KEY_BYTES: Final = range(24, 65)
"""How long a key may be (Standard Webhooks 1.0.0, "Symmetric")."""


def standard_webhooks_key(secret: str) -> bytes:
    """The key inside `whsec_...`. ValueError when it is not one."""
    if not secret.startswith(WHSEC):
        raise ValueError(f"the secret must start with {WHSEC}")
    key = from_base64(secret.removeprefix(WHSEC), "the secret")
    if len(key) not in KEY_BYTES:
        raise ValueError(f"the secret must hold {KEY_BYTES[0]} to {KEY_BYTES[-1]} bytes, not {len(key)}")
    return key


class StandardWebhooks:
    """Signs with one key; `webhook-id` and `webhook-timestamp` are headers of every request already."""

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        # Copied for each request: `hmac.digest` would give up the interpreter lock each time, however short the body.
        self._keyed = hmac.new(key, digestmod="sha256")

    def sign(self, webhook_id: str, timestamp: int, body: bytes, headers: HeaderPairs) -> HeaderPairs:  # noqa: ARG002 (only id, time and body are signed)
        mac = self._keyed.copy()
        mac.update(b"%b.%d.%b" % (webhook_id.encode(), timestamp, body))
        return (("webhook-signature", "v1," + base64.b64encode(mac.digest()).decode()),)
