"""How an endpoint's requests prove their origin: the kinds of signing as they are set."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from tocsin.model.secret import Secret
from tocsin.model.setting import HeaderName, HeaderText, Setting

OVERLAP_SECONDS: Final = 86400
Seconds = Annotated[float, Meta(ge=0, le=31_536_000)]


class PreviousSecret(Setting, frozen=True, kw_only=True):
    """The secret before the last rotation: it signs as well until `valid_until` (RFC 3339)."""

    secret: Secret
    valid_until: str


class NoSigning(Setting, frozen=True, kw_only=True, tag_field="kind", tag="none"):
    """Requests are not signed."""


class StandardWebhooksSigning(Setting, frozen=True, kw_only=True, tag_field="kind", tag="standard_webhooks"):
    """Standard Webhooks 1.0.0 over `{id}.{timestamp}.{body}`: `v1` is HMAC-SHA256 (`secret` is `whsec_` + base64), `v1a` is
    Ed25519 (`whsk_` + base64 of seed, or seed and public key; `public_key` is what receivers verify with)."""

    algorithm: Literal["hmac-sha256", "ed25519"] = "hmac-sha256"
    secret: Secret | None = None
    public_key: str | None = None
    overlap_seconds: Seconds = OVERLAP_SECONDS
    previous: PreviousSecret | None = None


class HmacSigning(Setting, frozen=True, kw_only=True, tag_field="kind", tag="hmac"):
    """One header with the HMAC of the raw body. `key_name` is for people only."""

    header: HeaderName
    algorithm: Literal["sha256", "sha384", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: HeaderText = ""
    key: Secret | None = None
    key_encoding: Literal["utf8", "base64"] = "utf8"
    key_name: str | None = None
    overlap_seconds: Seconds = OVERLAP_SECONDS
    previous: PreviousSecret | None = None


class HttpMessageSigning(Setting, frozen=True, kw_only=True, tag_field="kind", tag="http_message_signature"):
    """HTTP message signatures (RFC 9421) with `Content-Digest` (RFC 9530). The secret has the form of Standard Webhooks:
    `whsec_` for HMAC-SHA256, `whsk_` for Ed25519. `key_id` is told to the receiver as `keyid`."""

    algorithm: Literal["hmac-sha256", "ed25519"] = "hmac-sha256"
    secret: Secret | None = None
    public_key: str | None = None
    key_id: Annotated[str, Meta(max_length=256, pattern=r"^[ -~]*$")] | None = None
    label: Annotated[str, Meta(pattern=r"^[a-z*][a-z0-9_.*-]{0,63}$")] = "tocsin"
    overlap_seconds: Seconds = OVERLAP_SECONDS
    previous: PreviousSecret | None = None


KeyedSigning = StandardWebhooksSigning | HmacSigning | HttpMessageSigning
Signing = NoSigning | KeyedSigning
