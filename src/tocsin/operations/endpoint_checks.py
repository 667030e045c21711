"""What must hold of an endpoint's configuration beyond the types of its fields, and what is filled in for it."""

from __future__ import annotations

from collections.abc import Iterator

from tocsin.errors import FieldError, InvalidRequest
from tocsin.formats.batching import takes_batches
from tocsin.model.authorization import (
    ApiKeyAuthorization,
    BasicAuthorization,
    BearerAuthorization,
    NoAuthorization,
    OAuth2Authorization,
)
from tocsin.model.endpoint import Batched, EndpointConfig, TemplateFormat
from tocsin.model.signing import HmacSigning
from tocsin.operations.authorization_checks import authorization_errors
from tocsin.operations.mail_checks import link_errors, mail_errors
from tocsin.operations.network_checks import network_errors
from tocsin.operations.pointers import said
from tocsin.operations.signing_checks import signing_errors
from tocsin.operations.template_checks import template_errors
from tocsin.rules.header_fields import check_header, is_field_value
from tocsin.rules.mail import is_mail
from tocsin.rules.urls import target_of
from tocsin.rules.where import check_where
from tocsin.signing import signature_headers


def check_config(
    config: EndpointConfig, *, allow_http: bool, allow_proxy: bool = True, sends_mail: bool = True
) -> None:
    """Raises InvalidRequest with every field that is wrong."""
    errors = (
        *_url_errors(config, allow_http=allow_http),
        *mail_errors(config, sends_mail=sends_mail),
        *link_errors(config),
        *_filter_errors(config),
        *_delivery_errors(config),
        *_header_errors(config),
        *template_errors(config, _own_header_names(config)),
        *authorization_errors(config, allow_http=allow_http),
        *signing_errors(config),
        *network_errors(config, allow_proxy=allow_proxy),
    )
    if errors:
        raise InvalidRequest(errors[0].detail, errors=errors)


def _url_errors(config: EndpointConfig, *, allow_http: bool) -> Iterator[FieldError]:
    if not is_mail(config.url):
        yield from said(lambda: target_of(config.url, "", allow_http=allow_http), "/url")


def _delivery_errors(config: EndpointConfig) -> Iterator[FieldError]:
    if not isinstance(config.delivery, Batched):
        return
    if not takes_batches(config.format):
        yield FieldError("/delivery/mode", "The endpoint's format has no form for several events.")
    if isinstance(config.format, TemplateFormat) and config.format.headers:
        yield FieldError(
            "/format/headers",
            "These are made from one event, and a batch has several. A header that never changes goes into the "
            "endpoint's headers.",
        )


def _filter_errors(config: EndpointConfig) -> Iterator[FieldError]:
    for index, condition in enumerate(config.filters):
        if (where := condition.where) is not None:
            yield from said(lambda: check_where(where), f"/filters/{index}/where")


def _header_errors(config: EndpointConfig) -> Iterator[FieldError]:
    taken = _own_header_names(config)
    for index, row in enumerate(config.headers):
        name = row.name.lower()
        pointer = f"/headers/{index}/name"
        if name in taken:
            yield FieldError(pointer, taken[name])
            continue
        if name == "content-type" and row.sensitive:
            yield FieldError(
                f"/headers/{index}/sensitive", "A content type is no secret: it is shown with every attempt."
            )
        taken[name] = f"The header {row.name} is there twice."
        errors = tuple(said(lambda: check_header(row.name, ""), pointer))  # noqa: B023 (called at once)
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
        case BasicAuthorization() | BearerAuthorization() | OAuth2Authorization():
            taken["authorization"] = "An Authorization header is allowed only with the authorization kind none."
    if isinstance(config.signing, HmacSigning):
        for name in signature_headers(config.signing):
            taken[name.lower()] = "This header is set by the endpoint's signing."
    return taken
