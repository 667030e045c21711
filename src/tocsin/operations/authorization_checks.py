"""What must hold of an endpoint's authorization beyond the types of its fields."""

from __future__ import annotations

from collections.abc import Iterator

from tocsin.authorizing.assertions import check_private_key
from tocsin.authorizing.oauth2 import RESERVED_PARAMETERS
from tocsin.errors import FieldError
from tocsin.model.authorization import (
    ApiKeyAuthorization,
    BasicAuthorization,
    BearerAuthorization,
    NoAuthorization,
    OAuth2Authorization,
)
from tocsin.model.endpoint import EndpointConfig
from tocsin.operations.pointers import escaped, said
from tocsin.rules.header_fields import check_header, is_field_value
from tocsin.rules.urls import target_of


def authorization_errors(config: EndpointConfig, *, allow_http: bool) -> Iterator[FieldError]:
    """Every field that is wrong."""
    match config.authorization:
        case BasicAuthorization(username=username, password=password):
            if ":" in username or _has_control(username):
                yield FieldError(
                    "/authorization/username", "A user name has no colon and no control characters (RFC 7617)."
                )
            if _has_control(password.reveal()):
                yield FieldError("/authorization/password", "A password must not contain control characters.")
        case BearerAuthorization(token=token):
            if not is_field_value(token.reveal()) or set(token.reveal()) & {" ", "\t"}:
                yield FieldError("/authorization/token", "A token must be visible ASCII without spaces (RFC 6750).")
        case ApiKeyAuthorization(header=header, value=value):
            yield from _api_key_errors(header, value.reveal())
        case OAuth2Authorization() as oauth2:
            yield from _oauth2_errors(oauth2, allow_http=allow_http)
        case NoAuthorization():
            pass


def _api_key_errors(header: str, value: str) -> Iterator[FieldError]:
    yield from said(lambda: check_header(header, ""), "/authorization/header")
    if header.lower() == "content-type":
        yield FieldError("/authorization/header", "Content-Type cannot carry a key.")
    if not is_field_value(value):
        yield FieldError("/authorization/value", "The value must be visible ASCII with spaces only inside.")


def _oauth2_errors(oauth2: OAuth2Authorization, *, allow_http: bool) -> Iterator[FieldError]:
    at = "/authorization"
    yield from said(lambda: target_of(oauth2.token_url, "", allow_http=allow_http), f"{at}/token_url")
    assertion, secret = oauth2.assertion, oauth2.client_secret
    texts = {"client_id": oauth2.client_id, "grant_type": oauth2.grant_type, "scope": oauth2.scope or ""}
    if secret is not None:
        texts["client_secret"] = secret.reveal()
    elif assertion is None:
        yield FieldError(f"{at}/client_secret", "A client secret or an assertion is needed.")
    for name, text in texts.items():
        if _has_control(text):
            yield FieldError(f"{at}/{name}", "It must not contain control characters.")
    if secret is not None and oauth2.credentials_in == "header" and oauth2.basic_encoding == "raw":
        yield from _raw_errors(oauth2.client_id, secret.reveal())
    for name in oauth2.parameters:
        if name in RESERVED_PARAMETERS:
            yield FieldError(f"{at}/parameters/{escaped(name)}", "This parameter is set by Tocsin.")
    if assertion is not None:
        yield from said(lambda: check_private_key(assertion.private_key.reveal()), f"{at}/assertion/private_key")


def _raw_errors(client_id: str, secret: str) -> Iterator[FieldError]:
    """Unencoded, a colon would end the id early, and servers differ in how they read anything beyond ASCII."""
    if ":" in client_id or not client_id.isascii():
        yield FieldError("/authorization/client_id", "A client id that is sent raw is ASCII without a colon.")
    if not secret.isascii():
        yield FieldError("/authorization/client_secret", "A client secret that is sent raw is ASCII.")


def _has_control(text: str) -> bool:
    return any(character < " " or character == "\x7f" for character in text)
