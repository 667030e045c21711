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
from tocsin.rules.header_fields import is_field_value
from tocsin.rules.redaction import masked, spellings

JWT_BEARER_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
JWT_BEARER_CLIENT: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
RESERVED_PARAMETERS: Final = frozenset(
    {"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "assertion", "scope"}
)
LIFE_SECONDS: Final = 300
"""How long a token is used whose server does not say."""
_LONGEST_LIFE: Final = 366 * 86400.0
_EARLY_SECONDS: Final = 30.0
_EARLY_SHARE: Final = 0.1
_DESCRIPTION: Final = 300
_UNREADABLE: Final = (ValueError, RecursionError)
"""What msgspec raises for what is no JSON, is of another form, has text that is not UTF-8, or is nested too deeply."""
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
    refused, and no request has succeeded since. `hidden` are the spellings in which an answer may repeat it."""

    value: str
    expires_at: Millis
    hidden: tuple[bytes, ...]
    is_second: bool = False


def token_source(tenant: str, setting: OAuth2Authorization, target: Target, timeout_seconds: float) -> TokenSource:
    """The source for these settings. `target` is that of the token URL. ValueError when the private key is unusable."""
    # The time limit is among them: an endpoint in a hurry must not give up for a patient one.
    named = msgspec.json.encode([tenant, setting, target.tls, target.proxy, timeout_seconds], enc_hook=_revealed)
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
    assertion = source.signer.signed(now // 1000, jwt_id) if source.signer is not None else None
    fields = _grant(setting, assertion)
    headers = [
        ("Host", source.target.authority),
        ("User-Agent", USER_AGENT),
        ("Accept", "application/json"),
        ("Accept-Encoding", "identity"),
        # The next token is wanted in an hour: a kept connection would be found closed then.
        ("Connection", "close"),
        ("Content-Type", setting.content_type),
    ]
    hidden = [assertion] if assertion is not None else []
    if "client_assertion" in fields or setting.client_secret is None:
        fields["client_id"] = setting.client_id
    else:
        secret = setting.client_secret.reveal()
        hidden.append(secret)
        if setting.credentials_in == "header":
            credentials = basic_credentials(setting, secret)
            hidden.append(credentials)
            headers.append(("Authorization", f"Basic {credentials}"))
        else:
            fields |= {"client_id": setting.client_id, "client_secret": secret}
    if setting.scope is not None:
        fields["scope"] = setting.scope
    fields |= setting.parameters
    is_json = setting.content_type == "application/json"
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return OutboundRequest(
        target=source.target,
        url=source.url,
        head=f"POST {source.target.path} HTTP/1.1\r\n{lines}".encode("latin-1"),
        body=msgspec.json.encode(fields) if is_json else urlencode(fields).encode(),
        shown=(),
        timeout_seconds=source.timeout_seconds,
        hidden=spellings(hidden),
    )


def _grant(setting: OAuth2Authorization, assertion: str | None) -> dict[str, str]:
    """What is asked for, and the assertion in the part that it plays."""
    if setting.assertion is None or assertion is None:
        return {"grant_type": setting.grant_type}
    if setting.assertion.use == "client_assertion":
        return {
            "grant_type": setting.grant_type,
            "client_assertion_type": JWT_BEARER_CLIENT,
            "client_assertion": assertion,
        }
    is_default = setting.grant_type == "client_credentials"
    return {"grant_type": JWT_BEARER_GRANT if is_default else setting.grant_type, "assertion": assertion}


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
    expires_in: object = None


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
        return _refused(response, request.hidden)
    if response.body_bytes > len(response.body):
        return _failure("The token server's answer is too large.", "invalid_answer")
    try:
        granted = msgspec.json.decode(response.body, type=_Granted)
    except _UNREADABLE:
        return _failure("The token server's answer is not a token answer (RFC 6749 section 5.1).", "invalid_answer")
    if granted.token_type.lower() != "bearer":
        return _failure("The token server gave a token of another type than Bearer.", "invalid_answer")
    if _TOKEN.fullmatch(granted.access_token) is None or not is_field_value(granted.access_token):
        return _failure("The token server gave a token that cannot stand in a header.", "invalid_answer")
    life = _life_seconds(granted.expires_in)
    early = min(max(_EARLY_SECONDS, life * _EARLY_SHARE), life / 2)
    return Token(
        value=granted.access_token,
        expires_at=now + round((life - early) * 1000),
        hidden=spellings((granted.access_token,)),
        is_second=is_second,
    )


def _life_seconds(expires_in: object) -> float:
    """What the server says of it is a recommendation: when it cannot be understood, it counts as not given."""
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float | str):
        return LIFE_SECONDS
    try:
        life = float(expires_in)
    except (ValueError, OverflowError):
        return LIFE_SECONDS
    return min(life, _LONGEST_LIFE) if life >= 0 else LIFE_SECONDS


def _unreachable(failure: TransportFailure | None) -> TransportFailure:
    if failure is None or failure.kind is ErrorKind.BLOCKED:
        return _failure("The token server could not be asked: The address is not allowed.", "blocked")
    return _failure(f"The token server could not be asked: {failure.message}", failure.reason or failure.kind.value)


def _refused(response: Response, hidden: tuple[bytes, ...]) -> TransportFailure:
    """Status, error code and description, as far as they are fit to be shown. They are masked after decoding: JSON may
    spell a secret in more ways than can be searched for."""
    text = f"The token server answered {response.status}"
    if response.status < 400:
        return _failure(f"{text}. Redirects are not followed.", "redirect")
    try:
        refused = msgspec.json.decode(response.body, type=_Refused)
    except _UNREADABLE:
        refused = _Refused()
    code = masked(refused.error, hidden) if isinstance(refused.error, str) else ""
    code = code if _CODE.fullmatch(code) else ""
    described = refused.error_description
    text += f" ({code})" if code else ""
    text += f": {_visible(masked(described, hidden))}" if isinstance(described, str) and described else "."
    return _failure(text, code or "status")


def _visible(text: str) -> str:
    shown = "".join(character if character.isprintable() else " " for character in text)
    return shown if len(shown) <= _DESCRIPTION else shown[:_DESCRIPTION] + "..."


def _failure(message: str, reason: str) -> TransportFailure:
    return TransportFailure(kind=ErrorKind.TOKEN, message=message, reason=reason)
