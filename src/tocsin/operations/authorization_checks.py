"""What must hold of an endpoint's authorization beyond the types of its fields."""

from __future__ import annotations

from collections.abc import Iterator

from tocsin.errors import FieldError
from tocsin.model.authorization import (
    ApiKeyAuthorization,
    BasicAuthorization,
    BearerAuthorization,
    NoAuthorization,
    OAuth2Authorization,
)
from tocsin.model.endpoint import EndpointConfig
from tocsin.operations.pointers import said
from tocsin.rules.header_fields import check_header, is_field_value


def authorization_errors(config: EndpointConfig) -> Iterator[FieldError]:
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
        case OAuth2Authorization() | NoAuthorization():
            pass


def _api_key_errors(header: str, value: str) -> Iterator[FieldError]:
    yield from said(lambda: check_header(header, ""), "/authorization/header")
    if header.lower() == "content-type":
        yield FieldError("/authorization/header", "Content-Type cannot carry a key.")
    if not is_field_value(value):
        yield FieldError("/authorization/value", "The value must be visible ASCII with spaces only inside.")


def _has_control(text: str) -> bool:
    return any(character < " " or character == "\x7f" for character in text)
