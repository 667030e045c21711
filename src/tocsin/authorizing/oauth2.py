"""Access tokens by client credentials: the request to the token server, and what its answer says.

Pure: the time and randomness are given. Sources: RFC 6749 sections 2.3.1, 4.4 and 5; RFC 7523 sections 2.1 and 2.2.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final
from urllib.parse import quote_plus, urlencode

import msgspec

from tocsin.authorizing.assertions import AssertionSigner
from tocsin.model.authorization import OAuth2Authorization
from tocsin.model.exchange import (
    USER_AGENT,
    ErrorKind,
    Exchange,
    OutboundRequest,
    Response,
    Target,
    TransportFailure,
)
from tocsin.model.ids import Millis
from tocsin.model.noun import Noun
from tocsin.model.secret import Secret
from tocsin.rules.redaction import spellings, without

JWT_BEARER_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
JWT_BEARER_CLIENT: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
RESERVED_PARAMETERS: Final = frozenset(
    {"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "assertion", "scope"}
)
LIFE_SECONDS: Final = 300
"""How long a token is used whose server does not say."""
_EARLY_SECONDS: Final = 30.0
_EARLY_SHARE: Final = 0.1
_DESCRIPTION: Final = 300
_TOKEN: Final = re.compile(r"[!-~]+")
_CODE: Final = re.compile(r"[a-z_]{1,64}")


class TokenSource(Noun, frozen=True, kw_only=True):
    """What a token is asked for with; made once for each revision of an endpoint. Sources with the same `key` (tenant and
    every setting that matters) share a token."""

    key: bytes
    url: str
    target: Target
    setting: OAuth2Authorization
    timeout_seconds: float
    signer: AssertionSigner | None


class Token(Noun, frozen=True, kw_only=True):
    """A bearer token, used until `expires_at` (ms, before it really expires). `is_second`: it replaces one that a receiver
    refused, and no request has succeeded since."""

    value: str
    expires_at: Millis
    is_second: bool = False


def token_source(tenant: str, setting: OAuth2Authorization, target: Target, timeout_seconds: float) -> TokenSource:
    """The source for these settings. `target` is that of the token URL. ValueError when the private key is unusable."""
    named = msgspec.json.encode([tenant, setting, target.tls, target.proxy], enc_hook=_revealed)
    assertion = setting.assertion
    return TokenSource(
        key=hashlib.sha256(named).digest(),
        url=setting.token_url,
        target=target,
        setting=setting,
        timeout_seconds=timeout_seconds,
        signer=AssertionSigner(assertion, setting.client_id) if assertion else None,
    )


def _revealed(secret: object) -> str:
    assert isinstance(secret, Secret)
    return secret.reveal()


def token_request(source: TokenSource, now: Millis, jwt_id: str) -> OutboundRequest:
    """The request for a token. `hidden` holds every secret in it, so that none is repeated in an error."""
    setting = source.setting
    fields: dict[str, str] = {"grant_type": setting.grant_type}
    headers: list[tuple[str, str]] = []
    hidden: list[str] = []
    is_authenticated = False
    if source.signer is not None and setting.assertion is not None:
        assertion = source.signer.signed(now // 1000, jwt_id)
        hidden.append(assertion)
        if setting.assertion.use == "client_assertion":
            fields |= {"client_id": setting.client_id, "client_assertion_type": JWT_BEARER_CLIENT}
            fields["client_assertion"] = assertion
            is_authenticated = True
        else:
            if setting.grant_type == "client_credentials":
                fields["grant_type"] = JWT_BEARER_GRANT
            fields["assertion"] = assertion
    if setting.client_secret is not None and not is_authenticated:
        secret = setting.client_secret.reveal()
        hidden.append(secret)
        if setting.credentials_in == "header":
            credentials = basic_credentials(setting, secret)
            hidden.append(credentials)
            headers.append(("Authorization", f"Basic {credentials}"))
        else:
            fields |= {"client_id": setting.client_id, "client_secret": secret}
    elif not is_authenticated:
        fields["client_id"] = setting.client_id
    if setting.scope is not None:
        fields["scope"] = setting.scope
    fields |= setting.parameters
    is_json = setting.content_type == "application/json"
    body = msgspec.json.encode(fields) if is_json else urlencode(fields).encode()
    lines = "".join(
        f"{name}: {value}\r\n"
        for name, value in (
            ("Host", source.target.authority),
            ("User-Agent", USER_AGENT),
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            ("Content-Type", setting.content_type),
            *headers,
        )
    )
    return OutboundRequest(
        target=source.target,
        url=source.url,
        head=f"POST {source.target.path} HTTP/1.1\r\n{lines}".encode("latin-1"),
        body=body,
        shown=(),
        timeout_seconds=source.timeout_seconds,
        hidden=spellings(hidden),
    )


def basic_credentials(setting: OAuth2Authorization, secret: str) -> str:
    """Client id and secret for the Authorization header: each form-encoded before they are joined (RFC 6749 section
    2.3.1), or as they are, for servers that do not decode."""
    client_id = setting.client_id
    if setting.basic_encoding == "rfc6749":
        client_id, secret = quote_plus(client_id), quote_plus(secret)
    return base64.b64encode(f"{client_id}:{secret}".encode()).decode()


class _Granted(msgspec.Struct):
    """RFC 6749 section 5.1."""

    access_token: str
    token_type: str
    expires_in: float | str | None = None


class _Refused(msgspec.Struct):
    """RFC 6749 section 5.2."""

    error: object = None
    error_description: object = None


def token_of(exchange: Exchange, request: OutboundRequest, now: Millis, *, is_second: bool) -> Token | TransportFailure:
    """The token in the server's answer, or why there is none; no secret of the request is repeated in the reason."""
    response, failure = exchange.response, exchange.failure
    if failure is not None or response is None:
        return _unreachable(failure)
    if not 200 <= response.status < 300:
        return _refused(without(request.hidden, response))
    if response.body_bytes > len(response.body):
        return _failure("The token server's answer is too large.", "invalid_answer")
    try:
        granted = msgspec.json.decode(response.body, type=_Granted)
        life = LIFE_SECONDS if granted.expires_in is None else float(granted.expires_in)
    except (msgspec.DecodeError, ValueError):
        return _failure("The token server's answer is not a token answer (RFC 6749 section 5.1).", "invalid_answer")
    if granted.token_type.lower() != "bearer":
        return _failure("The token server gave a token of another type than Bearer.", "invalid_answer")
    if _TOKEN.fullmatch(granted.access_token) is None:
        return _failure("The token server gave a token that cannot stand in a header.", "invalid_answer")
    if not 0 <= life <= 1e9:
        life = LIFE_SECONDS
    early = min(max(_EARLY_SECONDS, life * _EARLY_SHARE), life / 2)
    return Token(value=granted.access_token, expires_at=now + round((life - early) * 1000), is_second=is_second)


def _unreachable(failure: TransportFailure | None) -> TransportFailure:
    if failure is None or failure.kind is ErrorKind.BLOCKED:
        return _failure("The token server could not be asked: The address is not allowed.", "blocked")
    return _failure(f"The token server could not be asked: {failure.message}", failure.reason or failure.kind.value)


def _refused(response: Response) -> TransportFailure:
    """Status, error code and description, as far as they are fit to be shown."""
    text = f"The token server answered {response.status}"
    try:
        refused = msgspec.json.decode(response.body, type=_Refused)
    except msgspec.DecodeError:
        refused = _Refused()
    code = refused.error if isinstance(refused.error, str) and _CODE.fullmatch(refused.error) else None
    if code is not None:
        text += f" ({code})"
    described = _visible(refused.error_description) if isinstance(refused.error_description, str) else ""
    text += f": {described}" if described else "."
    return _failure(text, code or "status")


def _visible(text: str) -> str:
    shown = "".join(character if character.isprintable() else " " for character in text)
    return shown if len(shown) <= _DESCRIPTION else shown[:_DESCRIPTION] + "..."


def _failure(message: str, reason: str) -> TransportFailure:
    return TransportFailure(kind=ErrorKind.TOKEN, message=message, reason=reason)
