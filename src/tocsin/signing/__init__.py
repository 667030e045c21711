"""How a request proves its origin: one module per signature scheme, and the table of schemes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from tocsin.model.endpoint import EmailFormat, FormatSetting, SlackFormat, TeamsFormat, VisierFormat
from tocsin.model.exchange import HeaderPairs, Target
from tocsin.model.ids import Millis
from tocsin.model.secret import Secret
from tocsin.model.signing import (
    HmacSigning,
    HttpMessageSigning,
    KeyedSigning,
    NoSigning,
    Signing,
    StandardWebhooksSigning,
)
from tocsin.model.times import from_text
from tocsin.signing.hmac_header import HmacHeader, hmac_key, signature_headers
from tocsin.signing.http_message import HttpMessage
from tocsin.signing.keys import SECRET_BYTES, check_secret, generated_secret, public_key_of, signing_key
from tocsin.signing.standard_webhooks import StandardWebhooks

__all__ = [
    "SECRET_BYTES",
    "Signer",
    "check_key",
    "check_previous",
    "default_signing",
    "generated_key",
    "public_key_of",
    "secret_of",
    "signature_headers",
    "signer_of",
]

K = TypeVar("K")


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


class Rotating:
    """Signs with the new and the old secret until the old one ends, then with the new one alone. The attempt's own time
    decides, so that nobody has to remember the end."""

    __slots__ = ("_alone", "_both", "_until")

    def __init__(self, both: Signer, alone: Signer, until: Millis) -> None:
        self._both = both
        self._alone = alone
        self._until = until

    def sign(self, webhook_id: str, timestamp: int, body: bytes, headers: HeaderPairs) -> HeaderPairs:
        signer = self._both if timestamp * 1000 < self._until else self._alone
        return signer.sign(webhook_id, timestamp, body, headers)


def signer_of(signing: Signing, target: Target) -> Signer:
    """The signer of an endpoint, its keys decoded once. ValueError for a secret that is absent or malformed."""
    match signing:
        case NoSigning():
            return Unsigned()
        case StandardWebhooksSigning():
            return _signer(signing, signing_key, StandardWebhooks)
        case HttpMessageSigning():
            return _signer(signing, signing_key, lambda keys: HttpMessage(signing, target, keys))
        case HmacSigning():
            return _signer(
                signing, lambda key: hmac_key(key, signing.key_encoding), lambda keys: HmacHeader(signing, keys)
            )


def check_key(signing: Signing) -> None:
    """ValueError, with a text for people, when the secret that was given is malformed. An absent one is not."""
    secret = secret_of(signing)
    if secret is None or secret.is_kept:
        return
    match signing:
        case StandardWebhooksSigning() | HttpMessageSigning():
            check_secret(secret.reveal(), signing.algorithm)
        case HmacSigning():
            hmac_key(secret.reveal(), signing.key_encoding)
        case NoSigning():
            pass


def check_previous(signing: Signing) -> None:
    """The same of the secret before the last rotation, which may have been made for another algorithm."""
    match signing:
        case StandardWebhooksSigning(previous=previous) | HttpMessageSigning(previous=previous) if previous is not None:
            signing_key(previous.secret.reveal())
        case HmacSigning(previous=previous) if previous is not None:
            hmac_key(previous.secret.reveal(), signing.key_encoding)
        case _:
            pass


def secret_of(signing: Signing) -> Secret | None:
    """The secret or key that signs, if there is one."""
    match signing:
        case NoSigning():
            return None
        case StandardWebhooksSigning() | HttpMessageSigning():
            return signing.secret
        case HmacSigning():
            return signing.key


def generated_key(signing: KeyedSigning, random_bytes: bytes) -> str:
    """A new secret or key for it, made of SECRET_BYTES from a cryptographic source."""
    if not isinstance(signing, HmacSigning):
        return generated_secret(random_bytes, signing.algorithm)
    key = generated_secret(random_bytes, "hmac-sha256").removeprefix("whsec_")
    # Without padding a key that is taken as text looks like one.
    return key if signing.key_encoding == "base64" else key.rstrip("=")


def default_signing(setting: FormatSetting) -> Signing:
    """How an endpoint of this format signs when nothing is said about it; without a secret."""
    if isinstance(setting, VisierFormat):
        return HmacSigning(header="x-visier-signature", algorithm="sha256", encoding="hex")
    if isinstance(setting, SlackFormat | TeamsFormat | EmailFormat):  # nobody there would look at a signature
        return NoSigning()
    return StandardWebhooksSigning()


def _signer(
    signing: KeyedSigning,
    key_of: Callable[[str], K],
    signer: Callable[[tuple[K, ...]], Signer],
) -> Signer:
    secret, previous = secret_of(signing), signing.previous
    if secret is None:
        raise ValueError("there is no secret to sign with")
    key = key_of(secret.reveal())
    alone = signer((key,))
    if previous is None:
        return alone
    return Rotating(signer((key, key_of(previous.secret.reveal()))), alone, from_text(previous.valid_until))
