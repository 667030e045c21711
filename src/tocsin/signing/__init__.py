"""How a request proves its origin: one module per signature scheme, and the table of schemes."""

from __future__ import annotations

import base64
from typing import Final, Protocol

from tocsin.model.endpoint import FormatSetting, VisierFormat
from tocsin.model.exchange import HeaderPairs
from tocsin.model.secret import Secret
from tocsin.model.signing import HmacSigning, HttpMessageSigning, NoSigning, Signing, StandardWebhooksSigning
from tocsin.signing.hmac_header import HmacHeader, hmac_key
from tocsin.signing.standard_webhooks import WHSEC, StandardWebhooks, standard_webhooks_key

__all__ = [
    "SECRET_BYTES",
    "Signer",
    "check_key",
    "default_signing",
    "generated_secret",
    "signer_of",
]

SECRET_BYTES: Final = 32
"""How many random bytes a generated secret holds."""


class Signer(Protocol):
    """Signs requests for one endpoint."""

    def sign(self, webhook_id: str, timestamp: int, body: bytes, headers: HeaderPairs) -> HeaderPairs:
        """The headers that hold the signature. `timestamp` is in seconds since the epoch, as sent; `headers` are those of
        this request alone (content type, ids, what the format adds)."""


class Unsigned:
    """Adds nothing."""

    __slots__ = ()

    def sign(self, webhook_id: str, timestamp: int, body: bytes, headers: HeaderPairs) -> HeaderPairs:  # noqa: ARG002 (nothing to sign)
        return ()


def signer_of(signing: Signing) -> Signer:
    """The signer of an endpoint, its key decoded once. ValueError for a secret that is absent or malformed."""
    match signing:
        case NoSigning():
            return Unsigned()
        case StandardWebhooksSigning():
            return StandardWebhooks(standard_webhooks_key(_revealed(signing.secret)))
        case HttpMessageSigning():
            raise ValueError("not supported yet")
        case HmacSigning():
            return HmacHeader(signing, hmac_key(_revealed(signing.key), signing.key_encoding))


def check_key(signing: Signing) -> None:
    """ValueError, with a text for people, when the secret that was given is malformed. An absent one is not."""
    secret = _secret_of(signing)
    if secret is not None and not secret.is_kept:
        signer_of(signing)


def generated_secret(random_bytes: bytes) -> str:
    """A new secret for Standard Webhooks, of SECRET_BYTES from a cryptographic source."""
    return WHSEC + base64.b64encode(random_bytes).decode()


def default_signing(setting: FormatSetting) -> Signing:
    """How an endpoint of this format signs when nothing is said about it; without a secret."""
    if isinstance(setting, VisierFormat):
        return HmacSigning(header="x-visier-signature", algorithm="sha256", encoding="hex")
    return StandardWebhooksSigning()


def _revealed(secret: Secret | None) -> str:
    if secret is None:
        raise ValueError("there is no secret to sign with")
    return secret.reveal()


def _secret_of(signing: Signing) -> Secret | None:
    match signing:
        case NoSigning():
            return None
        case StandardWebhooksSigning() | HttpMessageSigning():
            return signing.secret
        case HmacSigning():
            return signing.key
