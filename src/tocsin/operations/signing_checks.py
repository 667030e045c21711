"""What must hold of an endpoint's signing beyond the types of its fields."""

from __future__ import annotations

from collections.abc import Iterator

from tocsin.errors import FieldError
from tocsin.model.authorization import ApiKeyAuthorization
from tocsin.model.endpoint import EndpointConfig
from tocsin.model.signing import HmacSigning, HttpMessageSigning, NoSigning, StandardWebhooksSigning
from tocsin.model.times import from_text
from tocsin.operations.pointers import said
from tocsin.rules.header_fields import check_header
from tocsin.signing import check_key, check_previous, signature_headers
from tocsin.signing.http_message import sf_key, sf_string


def signing_errors(config: EndpointConfig) -> Iterator[FieldError]:
    """Every field that is wrong."""
    signing = config.signing
    if signing is None or isinstance(signing, NoSigning):
        return
    match signing:
        case HmacSigning():
            yield from _header_errors(config, signing)
            yield from said(lambda: check_key(signing), "/signing/key")
        case HttpMessageSigning(label=label, key_id=key_id):
            yield from said(lambda: sf_key(label), "/signing/label")
            yield from said(lambda: sf_string(key_id or ""), "/signing/key_id")
            yield from said(lambda: check_key(signing), "/signing/secret")
        case StandardWebhooksSigning():
            yield from said(lambda: check_key(signing), "/signing/secret")
    if (previous := signing.previous) is not None:
        yield from said(lambda: check_previous(signing), "/signing/previous/secret")
        yield from said(lambda: from_text(previous.valid_until), "/signing/previous/valid_until")


def _header_errors(config: EndpointConfig, signing: HmacSigning) -> Iterator[FieldError]:
    header = signing.header
    yield from said(lambda: check_header(header, f"{signing.prefix}0"), "/signing/header")
    taken = {"content-type", "authorization"}
    if isinstance(config.authorization, ApiKeyAuthorization):
        taken.add(config.authorization.header.lower())
    if taken & {name.lower() for name in signature_headers(signing)}:
        yield FieldError("/signing/header", f"{header} cannot carry a signature.")
