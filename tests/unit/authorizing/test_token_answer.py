"""What the token server's answer means, and what is shown of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kit.token_servers import key_pair
from tests.unit.authorizing.oauth2_builders import NOW, TIMINGS, answered, assertion, setting, source_of

from tocsin.authorizing.oauth2 import Token, basic_credentials, token_of, token_request
from tocsin.model.exchange import ErrorKind, Exchange, TransportFailure
from tocsin.model.secret import Secret

SECRET = "s+e/c€ret"
SOURCE = source_of(setting(client_secret=Secret(SECRET)))
REQUEST = token_request(SOURCE, NOW, "jti")


def read(exchange: Exchange) -> Token | TransportFailure:
    return token_of(exchange, REQUEST, NOW, is_second=False)


def failure(exchange: Exchange) -> tuple[str, str | None]:
    found = read(exchange)
    assert isinstance(found, TransportFailure)
    assert found.kind is ErrorKind.TOKEN
    return found.message, found.reason


def granted(**fields: object) -> Exchange:
    body = {"access_token": "abc", "token_type": "Bearer", "expires_in": 3600} | fields
    return answered(200, json.dumps({name: value for name, value in body.items() if value is not ...}).encode())


@pytest.mark.parametrize(
    ("expires_in", "used_seconds"),
    [
        (3600, 3240),
        ("3600", 3240),
        (600.5, 540.45),
        (300, 270),
        (120, 90),
        (60, 30),
        (40, 20),
        (1, 0.5),
        (0, 0),
        (..., 270),
        (None, 270),
        ("soon", 270),
        (True, 270),
        (-1, 270),
        ([60], 270),
        (10**400, 270),
        (10**30, 366 * 86400 * 0.9),
    ],
    ids=str,
)
def test_a_token_is_used_until_shortly_before_it_expires(expires_in: object, used_seconds: float) -> None:
    token = read(granted(expires_in=expires_in))
    assert isinstance(token, Token)
    assert (token.value, token.expires_at, token.is_second) == ("abc", NOW + round(used_seconds * 1000), False)


@pytest.mark.parametrize("token_type", ["Bearer", "bearer", "BEARER"])
def test_the_token_type_is_read_in_any_case(token_type: str) -> None:
    assert isinstance(read(granted(token_type=token_type)), Token)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=200))
def test_any_visible_token_is_taken_as_it_is(text: str) -> None:
    token = read(granted(access_token=text))
    assert isinstance(token, Token)
    assert token.value == text


OTHER_TYPE = "The token server gave a token of another type than Bearer."
NO_HEADER = "The token server gave a token that cannot stand in a header."
NO_TOKEN = "The token server's answer is not a token answer (RFC 6749 section 5.1)."


@pytest.mark.parametrize(
    ("exchange", "message"),
    [
        (granted(token_type="mac"), OTHER_TYPE),
        (granted(token_type=...), NO_TOKEN),
        (granted(token_type=1), NO_TOKEN),
        (granted(access_token=...), NO_TOKEN),
        (granted(access_token=""), NO_HEADER),
        (granted(access_token="a b"), NO_HEADER),
        (granted(access_token="a\r\nX: y"), NO_HEADER),
        (granted(access_token="ü"), NO_HEADER),
        (granted(access_token="a" * 8193), NO_HEADER),
        (answered(200, b"<html>Welcome</html>"), NO_TOKEN),
        (answered(200, b""), NO_TOKEN),
        (answered(200, b"[]"), NO_TOKEN),
        (answered(200, b'{"access_token": "\xff", "token_type": "Bearer"}'), NO_TOKEN),
        (answered(200, b'{"x":' + b"[" * 16000), NO_TOKEN),
        (answered(200, b"{" + b" " * 16383, body_bytes=16385), "The token server's answer is too large."),
    ],
    ids=[
        "other type", "no type", "type is a number", "no token", "empty", "space", "line break", "not ASCII", "too long",
        "html", "nothing", "array", "not UTF-8", "nested", "too large",
    ],
)  # fmt: skip
def test_what_is_no_token_is_a_failure(exchange: Exchange, message: str) -> None:
    assert failure(exchange) == (message, "invalid_answer")


@pytest.mark.parametrize(
    ("status", "body", "message", "reason"),
    [
        (
            401,
            b'{"error":"invalid_client","error_description":"No such client."}',
            "The token server answered 401 (invalid_client): No such client.",
            "invalid_client",
        ),
        (400, b'{"error":"invalid_scope"}', "The token server answered 400 (invalid_scope).", "invalid_scope"),
        (500, b"<html>", "The token server answered 500.", "status"),
        (503, b"\xff", "The token server answered 503.", "status"),
        (400, b'{"error":' + b"[" * 16000, "The token server answered 400.", "status"),
        (400, b'{"error":["a"],"error_description":{"b":1}}', "The token server answered 400.", "status"),
        (400, b'{"error":"<b>Bad</b>","error_description":""}', "The token server answered 400.", "status"),
        (
            400,
            json.dumps({"error": "E", "error_description": "a\r\nb\u202ec\x1b[31m" + "d" * 400}).encode(),
            "The token server answered 400: a  b c [31m" + "d" * 289 + "...",
            "status",
        ),
        (
            302,
            b'{"error":"invalid_client"}',
            "The token server answered 302. Redirects are not followed.",
            "redirect",
        ),
    ],
)
def test_a_refusal_says_what_is_fit_to_be_shown(status: int, body: bytes, message: str, reason: str) -> None:
    assert failure(answered(status, body)) == (message, reason)


@pytest.mark.parametrize(
    ("kind", "message", "shown", "reason"),
    [
        (
            ErrorKind.CONNECT,
            "The connection was refused.",
            "The token server could not be asked: The connection was refused.",
            "connect",
        ),
        (
            ErrorKind.BLOCKED,
            "Plain HTTP is not allowed.",
            "The token server could not be asked: The address is not allowed.",
            "blocked",
        ),
    ],
)
def test_a_failure_on_the_way_is_one_of_the_token(kind: ErrorKind, message: str, shown: str, reason: str) -> None:
    failed = TransportFailure(kind=kind, message=message)
    exchange = Exchange(response=None, failure=failed, timings=TIMINGS, address=None)
    assert failure(exchange) == (shown, reason)


@pytest.mark.parametrize(
    "described",
    [
        "wrong: " + SECRET,
        "wrong: s%2Be%2Fc%E2%82%ACret",
        "wrong: " + basic_credentials(setting(), SECRET),
        "wrong: " + json.dumps(SECRET),
    ],
    ids=["plain", "in a URL", "Basic", "quoted"],
)
@pytest.mark.parametrize("spelled", [json.dumps, lambda text: json.dumps(text).replace("/", "\\/")], ids=["", "PHP"])
def test_secrets_that_come_back_are_masked(described: str, spelled: object) -> None:
    body = '{"error":"invalid_client","error_description":' + spelled(described) + "}"
    message, _ = failure(answered(401, body.encode()))
    assert message.replace('"', "") == "The token server answered 401 (invalid_client): wrong: ***"


def test_a_secret_is_not_shown_as_an_error_code() -> None:
    request = token_request(source_of(setting(client_secret=Secret("hush_hush"))), NOW, "jti")
    found = token_of(answered(400, b'{"error":"hush_hush"}'), request, NOW, is_second=False)
    assert isinstance(found, TransportFailure)
    assert (found.message, found.reason) == ("The token server answered 400.", "status")


def test_an_assertion_that_comes_back_is_masked() -> None:
    request = token_request(source_of(setting(assertion=assertion(key_pair().pem))), NOW, "jti")
    sent = next(text for text in request.hidden if text.startswith(b"eyJ"))
    body = json.dumps({"error_description": f"bad: {sent.decode()}"}).encode()
    found = token_of(answered(400, body), request, NOW, is_second=False)
    assert isinstance(found, TransportFailure)
    assert found.message == "The token server answered 400: bad: ***"


def test_a_token_knows_how_it_may_come_back() -> None:
    token = read(granted(access_token="a/b+c=="))
    assert isinstance(token, Token)
    assert {b"a/b+c==", b"a%2Fb%2Bc%3D%3D"} <= set(token.hidden)
