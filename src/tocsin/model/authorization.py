"""How an endpoint lets requests in: the kinds of authorization as they are set."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from tocsin.model.secret import Secret
from tocsin.model.setting import HeaderName, Setting, UrlText

ParameterName = Annotated[str, Meta(min_length=1, max_length=256)]
ParameterText = Annotated[str, Meta(max_length=2048)]


class NoAuthorization(Setting, frozen=True, kw_only=True, tag_field="kind", tag="none"):
    """Nothing is added."""


class BasicAuthorization(Setting, frozen=True, kw_only=True, tag_field="kind", tag="basic"):
    """`Authorization: Basic` (RFC 7617), sent without being asked."""

    username: Annotated[str, Meta(max_length=1024)]
    password: Secret


class BearerAuthorization(Setting, frozen=True, kw_only=True, tag_field="kind", tag="bearer"):
    """`Authorization: Bearer` (RFC 6750)."""

    token: Secret


class ApiKeyAuthorization(Setting, frozen=True, kw_only=True, tag_field="kind", tag="api_key"):
    """A key in a header of the receiver's choice."""

    value: Secret
    header: HeaderName = "X-API-KEY"


class Assertion(Setting, frozen=True, kw_only=True):
    """A JWT signed with the client's private key (PEM, RSA of 2048 bits or more). `use` says what it is: what authenticates
    the client instead of its secret (RFC 7523 section 2.2), or the grant itself (section 2.1). Issuer and subject are the
    client id unless they are set."""

    private_key: Secret
    audience: Annotated[str, Meta(min_length=1, max_length=2048)]
    ttl_seconds: Annotated[int, Meta(ge=1, le=86400)] = 300
    algorithm: Literal["RS256", "RSA_256"] = "RS256"
    use: Literal["client_assertion", "grant"] = "client_assertion"
    key_id: ParameterText | None = None
    issuer: ParameterText | None = None
    subject: ParameterText | None = None


class OAuth2Authorization(Setting, frozen=True, kw_only=True, tag_field="kind", tag="oauth2"):
    """An access token from a token server, by client credentials (RFC 6749 section 4.4), sent as a bearer token.

    `basic_encoding` `raw` is for servers that do not decode the client's id and secret as RFC 6749 section 2.3.1 says.
    """

    token_url: UrlText
    client_id: Annotated[str, Meta(min_length=1, max_length=2048)]
    client_secret: Secret | None = None
    grant_type: Annotated[str, Meta(min_length=1, max_length=256)] = "client_credentials"
    content_type: Literal["application/x-www-form-urlencoded", "application/json"] = "application/x-www-form-urlencoded"
    credentials_in: Literal["header", "body"] = "header"
    basic_encoding: Literal["rfc6749", "raw"] = "rfc6749"
    scope: ParameterText | None = None
    parameters: Annotated[dict[ParameterName, ParameterText], Meta(max_length=50)] = {}
    assertion: Assertion | None = None


Authorization = NoAuthorization | BasicAuthorization | BearerAuthorization | ApiKeyAuthorization | OAuth2Authorization
