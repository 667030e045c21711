"""What must hold of an endpoint's configuration beyond the types of its fields, and what is filled in for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tocsin.errors import FieldError, InvalidRequest
from tocsin.model.endpoint import (
    ApiKeyAuthorization,
    BasicAuthorization,
    BearerAuthorization,
    EndpointConfig,
    HmacSigning,
    NoAuthorization,
    NoSigning,
    StandardWebhooksSigning,
)
from tocsin.rules.header_fields import check_header, is_field_value
from tocsin.rules.urls import target_of
from tocsin.signing import check_key


def check_config(config: EndpointConfig, *, allow_http: bool) -> None:
    """Raises InvalidRequest with every field that is wrong."""
    errors = (
        *_said(lambda: target_of(config.url, "", allow_http=allow_http), "/url"),
        *_header_errors(config),
        *_authorization_errors(config),
        *_signing_errors(config),
    )
    if errors:
        raise InvalidRequest(errors[0].detail, errors=errors)


def _said(check: Callable[[], object], pointer: str) -> Iterator[FieldError]:
    try:
        check()
    except ValueError as error:
        yield FieldError(pointer, str(error))


def _header_errors(config: EndpointConfig) -> Iterator[FieldError]:
    taken = _own_header_names(config)
    for index, row in enumerate(config.headers):
        name = row.name.lower()
        pointer = f"/headers/{index}/name"
        if name in taken:
            yield FieldError(pointer, taken[name])
            continue
        taken[name] = f"The header {row.name} is there twice."
        errors = tuple(_said(lambda: check_header(row.name, ""), pointer))  # noqa: B023 (called at once)
        yield from errors
        if not errors and not is_field_value(row.value.reveal()):
            yield FieldError(f"/headers/{index}/value", "The value must be visible ASCII with spaces only inside.")


def _own_header_names(config: EndpointConfig) -> dict[str, str]:
    """Names that the endpoint's other settings use, with what to say about a row of that name."""
    taken: dict[str, str] = {}
    match config.authorization:
        case NoAuthorization():
            pass
        case ApiKeyAuthorization(header=header):
            taken[header.lower()] = "This header is set by the endpoint's authorization."
        case BasicAuthorization() | BearerAuthorization():
            taken["authorization"] = "An Authorization header is allowed only with the authorization kind none."
    if isinstance(config.signing, HmacSigning):
        taken[config.signing.header.lower()] = "This header is set by the endpoint's signing."
    return taken


def _authorization_errors(config: EndpointConfig) -> Iterator[FieldError]:
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
        case NoAuthorization():
            pass


def _api_key_errors(header: str, value: str) -> Iterator[FieldError]:
    yield from _said(lambda: check_header(header, ""), "/authorization/header")
    if header.lower() == "content-type":
        yield FieldError("/authorization/header", "Content-Type cannot carry a key.")
    if not is_field_value(value):
        yield FieldError("/authorization/value", "The value must be visible ASCII with spaces only inside.")


def _signing_errors(config: EndpointConfig) -> Iterator[FieldError]:
    signing = config.signing
    match signing:
        case HmacSigning(header=header, prefix=prefix):
            yield from _said(lambda: check_header(header, f"{prefix}0"), "/signing/header")
            if header.lower() in {"content-type", "authorization", _api_key_header(config)}:
                yield FieldError("/signing/header", f"{header} cannot carry a signature.")
            yield from _said(lambda: check_key(signing), "/signing/key")
        case StandardWebhooksSigning():
            yield from _said(lambda: check_key(signing), "/signing/secret")
        case NoSigning() | None:
            pass


def _api_key_header(config: EndpointConfig) -> str | None:
    return config.authorization.header.lower() if isinstance(config.authorization, ApiKeyAuthorization) else None


def _has_control(text: str) -> bool:
    return any(character < " " or character == "\x7f" for character in text)
