"""An endpoint's authorization and signing as options of `endpoints add` and `endpoints update`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from tocsin.cli.inputs import Usage, login, pairs, secret_argument, settings, text_file

_AUTHORIZATION = Group(
    "Authorization",
    help="Secrets may be given as @file, env:NAME or - (asked for), where nobody else can see them.",
    sort_key=3,
)
_SIGNING = Group("Signing", sort_key=4)
Text = Annotated[str | None, Parameter(group=_AUTHORIZATION)]
SecretText = Annotated[str | None, Parameter(group=_AUTHORIZATION, allow_leading_hyphen=True)]
Texts = Annotated[list[str] | None, Parameter(group=_AUTHORIZATION, negative=())]
Kind = Literal["none", "standard_webhooks", "hmac", "http_message_signature"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class AccessFlags:
    """How requests are let in, and how they prove their origin."""

    basic: Text = None
    """username:password for HTTP basic authorization."""
    bearer: SecretText = None
    """Bearer token."""
    header_key: Text = None
    """header=value, an API key at the receiver."""
    oauth2: Text = None
    """Address of the token server for OAuth2 client credentials; --client-id and a secret or an assertion go with it."""
    client_id: Text = None
    """Client id at the token server."""
    client_secret: SecretText = None
    """Client secret at the token server."""
    scope: Text = None
    """Scope to ask for."""
    oauth2_setting: Texts = None
    """key=value of OAuth2, like `credentials_in=body`, `basic_encoding=raw`; may be repeated."""
    token_parameter: Texts = None
    """key=value, a further parameter of the token request, like `audience=...`; may be repeated."""
    assertion_key: Text = None
    """File of a private RSA key (PEM): the client is authenticated by a signed JWT (RFC 7523)."""
    assertion_setting: Texts = None
    """key=value of the JWT, like `audience=...` (needed), `use=grant`, `ttl_seconds=60`; may be repeated."""
    sign: Annotated[Kind | None, Parameter(group=_SIGNING)] = None
    """How requests are signed; Standard Webhooks, when not given (Visier's header for `visier`, not at all for `slack`, `teams`, `email`)."""
    sign_setting: Annotated[list[str] | None, Parameter(group=_SIGNING, negative=())] = None
    """key=value of the signing, like `algorithm=ed25519`, `header=x-signature`, `key_id=...`; may be repeated."""
    secret: Annotated[str | None, Parameter(group=_SIGNING, allow_leading_hyphen=True)] = None
    """The signing secret or key, given like those above; made and shown once, when not given."""

    def document(self, *, is_visier: bool) -> dict[str, object]:
        """The settings that were named, as the API takes them."""
        found = {"authorization": self._authorization(), "signing": self._signing(is_visier=is_visier)}
        return {name: value for name, value in found.items() if value is not None}

    def _authorization(self) -> dict[str, object] | None:
        given = [text for text in (self.basic, self.bearer, self.header_key, self.oauth2) if text is not None]
        if len(given) > 1:
            raise Usage("--basic, --bearer, --header-key and --oauth2 exclude one another")
        if self.basic is not None:
            username, password = login(self.basic, "--basic")
            return {"kind": "basic", "username": username, "password": password}
        if self.bearer is not None:
            return {"kind": "bearer", "token": secret_argument(self.bearer, "--bearer")}
        if self.header_key is not None:
            ((name, value),) = pairs([self.header_key], "--header-key").items()
            return {"kind": "api_key", "header": name, "value": secret_argument(value, "--header-key")}
        return self._oauth2()

    def _oauth2(self) -> dict[str, object] | None:
        secret = None if self.client_secret is None else secret_argument(self.client_secret, "--client-secret")
        given: dict[str, object] = {
            "client_id": self.client_id,
            "client_secret": secret,
            "scope": self.scope,
            "parameters": pairs(self.token_parameter, "--token-parameter") or None,
            "assertion": self._assertion(),
        }
        found = {name: value for name, value in given.items() if value is not None}
        found |= settings(self.oauth2_setting, "--oauth2-setting")
        if self.oauth2 is None:
            if found:
                raise Usage("--client-id and the other settings of OAuth2 go with --oauth2")
            return None
        return {"kind": "oauth2", "token_url": self.oauth2} | found

    def _assertion(self) -> dict[str, object] | None:
        found = settings(self.assertion_setting, "--assertion-setting")
        if self.assertion_key is not None:
            found["private_key"] = text_file(self.assertion_key, "--assertion-key")
        return found or None

    def _signing(self, *, is_visier: bool) -> dict[str, object] | None:
        if self.sign is None and not self.sign_setting and self.secret is None:
            return None
        kind = self.sign or ("hmac" if is_visier else "standard_webhooks")
        signing: dict[str, object] = {"kind": kind} | settings(self.sign_setting, "--sign-setting")
        if kind == "hmac" and is_visier:
            signing.setdefault("header", "x-visier-signature")
        if self.secret is not None:
            signing["key" if kind == "hmac" else "secret"] = secret_argument(self.secret, "--secret")
        return signing
