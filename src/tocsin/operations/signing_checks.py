"""What must hold of an endpoint's signing beyond the types of its fields."""

from __future__ import annotations

from collections.abc import Iterator

from tocsin.errors import FieldError
from tocsin.model.authorization import ApiKeyAuthorization
from tocsin.model.endpoint import EndpointConfig
from tocsin.model.signing import HmacSigning, HttpMessageSigning, NoSigning, StandardWebhooksSigning
from tocsin.operations.pointers import said
from tocsin.rules.header_fields import check_header
from tocsin.signing import check_key


def signing_errors(config: EndpointConfig) -> Iterator[FieldError]:
    """Every field that is wrong."""
    signing = config.signing
    match signing:
        case HmacSigning(header=header, prefix=prefix):
            yield from said(lambda: check_header(header, f"{prefix}0"), "/signing/header")
            if header.lower() in {"content-type", "authorization", _api_key_header(config)}:
                yield FieldError("/signing/header", f"{header} cannot carry a signature.")
            yield from said(lambda: check_key(signing), "/signing/key")
        case StandardWebhooksSigning() | HttpMessageSigning():
            yield from said(lambda: check_key(signing), "/signing/secret")
        case NoSigning() | None:
            pass


def _api_key_header(config: EndpointConfig) -> str | None:
    return config.authorization.header.lower() if isinstance(config.authorization, ApiKeyAuthorization) else None
