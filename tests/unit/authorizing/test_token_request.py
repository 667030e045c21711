"""The exact request for a token, in each of its forms."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qsl, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwcrypto import jwk, jws
from tests.kit.token_servers import key_pair
from tests.unit.authorizing.oauth2_builders import NOW, assertion, setting, source_of

from tocsin import __version__
from tocsin.authorizing.oauth2 import basic_credentials, token_request
from tocsin.model.exchange import OutboundRequest
from tocsin.model.secret import Secret

HEAD = (
    "POST /oauth/token?realm=a HTTP/1.1\r\n"
    "Host: idp.example.com\r\n"
    f"User-Agent: Tocsin/{__version__}\r\n"
    "Accept: application/json\r\n"
    "Accept-Encoding: identity\r\n"
    "Connection: close\r\n"
)
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
JSON = "Content-Type: application/json\r\n"
BASIC = "Authorization: Basic Y2xpZW50OnMzY3JldC1zM2NyZXQ=\r\n"
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)


def asked(**fields: object) -> OutboundRequest:
    return token_request(source_of(setting(**fields)), NOW, "jti-1")


def claims_of(text: str) -> tuple[dict[str, object], dict[str, object]]:
    """Header and claims as jwcrypto reads them; it raises when the signature is wrong."""
    read = jws.JWS()
    read.deserialize(text, jwk.JWK(**key_pair().public))
    return read.jose_header, json.loads(read.payload)


@pytest.mark.parametrize(
    ("fields", "head", "body"),
    [
        ({}, FORM + BASIC, "grant_type=client_credentials"),
        (
            {"scope": "a b", "parameters": {"audience": "https://x/?y=ü&z", "resource": ""}},
            FORM + BASIC,
            "grant_type=client_credentials&scope=a+b&audience=https%3A%2F%2Fx%2F%3Fy%3D%C3%BC%26z&resource=",
        ),
        ({"grant_type": "urn:a:b"}, FORM + BASIC, "grant_type=urn%3Aa%3Ab"),
        (
            {"credentials_in": "body"},
            FORM,
            "grant_type=client_credentials&client_id=client&client_secret=s3cret-s3cret",
        ),
        (
            {"content_type": "application/json", "scope": 'a "b"'},
            JSON + BASIC,
            r'{"grant_type":"client_credentials","scope":"a \"b\""}',
        ),
        (
            {"content_type": "application/json", "credentials_in": "body", "parameters": {"audience": "ü"}},
            JSON,
            '{"grant_type":"client_credentials","client_id":"client","client_secret":"s3cret-s3cret","audience":"ü"}',
        ),
        (
            {"basic_encoding": "raw", "client_secret": Secret("p+w %")},
            f"{FORM}Authorization: Basic {base64.b64encode(b'client:p+w %').decode()}\r\n",
            "grant_type=client_credentials",
        ),
    ],
    ids=["default", "scope and parameters", "grant type", "in the body", "json", "json in the body", "raw"],
)
def test_the_exact_bytes(fields: dict[str, object], head: str, body: str) -> None:
    request = asked(**fields)
    assert request.head.decode() == HEAD + head
    assert request.body.decode() == body
    assert (request.url, request.target.pool, request.timeout_seconds) == (
        "https://idp.example.com/oauth/token?realm=a",
        "end_1/1/token",
        15,
    )


@pytest.mark.parametrize(
    ("client_id", "secret", "joined"),
    [
        (" %&+£€", "x", "+%25%26%2B%C2%A3%E2%82%AC:x"),
        ("c:1", "s+e%c r:t", "c%3A1:s%2Be%25c+r%3At"),
        ("A-z0.9_~", "-._~", "A-z0.9_~:-._~"),
    ],
    ids=["RFC 6749 appendix B", "colon", "nothing that may stay is encoded"],
)
def test_credentials_are_encoded_before_they_are_joined(client_id: str, secret: str, joined: str) -> None:
    encoded = basic_credentials(setting(client_id=client_id), secret)
    assert base64.b64decode(encoded).decode() == joined


@given(TEXTS, TEXTS)
def test_encoded_credentials_come_back_whole(client_id: str, secret: str) -> None:
    encoded = base64.b64decode(basic_credentials(setting(client_id=client_id), secret)).decode()
    assert [unquote_plus(part) for part in encoded.split(":")] == [client_id, secret]


@given(TEXTS, TEXTS, TEXTS)
def test_what_is_in_the_body_comes_back_whole(client_id: str, secret: str, scope: str) -> None:
    given: dict[str, object] = {"client_id": client_id, "client_secret": Secret(secret), "scope": scope}
    expected = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, "scope": scope}
    form = asked(**given, credentials_in="body").body.decode()
    assert dict(parse_qsl(form, keep_blank_values=True, strict_parsing=True)) == expected
    assert json.loads(asked(**given, credentials_in="body", content_type="application/json").body) == expected


def test_an_assertion_authenticates_the_client_instead_of_its_secret() -> None:
    request = asked(assertion=assertion(key_pair().pem, key_id="key-1", ttl_seconds=60))
    fields = dict(parse_qsl(request.body.decode()))
    text = fields.pop("client_assertion")
    assert fields == {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_id": "client",
    }
    assert request.head.decode() == HEAD + FORM
    assert b"s3cret" not in request.body
    now = NOW // 1000
    assert claims_of(text) == (
        {"alg": "RS256", "typ": "JWT", "kid": "key-1"},
        {
            "iss": "client",
            "sub": "client",
            "aud": "https://idp.example.com",
            "iat": now,
            "exp": now + 60,
            "jti": "jti-1",
        },
    )
    assert text.encode() in request.hidden


def test_an_assertion_is_the_grant_beside_the_secret() -> None:
    as_grant = assertion(key_pair().pem, use="grant", issuer="me", subject="ann", algorithm="RSA_256")
    request = asked(assertion=as_grant)
    fields = dict(parse_qsl(request.body.decode()))
    header, claims = claims_of(fields.pop("assertion"))
    assert fields == {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}
    assert request.head.decode() == HEAD + FORM + BASIC
    assert header == {"alg": "RS256", "typ": "JWT"}
    assert (claims["iss"], claims["sub"], claims["exp"]) == ("me", "ann", NOW // 1000 + 300)


def test_a_grant_without_a_secret_names_its_client() -> None:
    as_grant = assertion(key_pair().pem, use="grant")
    fields = dict(parse_qsl(asked(assertion=as_grant, client_secret=None).body.decode()))
    del fields["assertion"]
    assert fields == {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "client_id": "client"}
    named = dict(parse_qsl(asked(assertion=as_grant, client_secret=None, grant_type="urn:own").body.decode()))
    assert named["grant_type"] == "urn:own"


def test_every_secret_of_the_request_is_named_as_hidden() -> None:
    request = asked(client_secret=Secret("p+w/é :x"))
    credentials = basic_credentials(setting(), "p+w/é :x")
    expected = [credentials, "p+w/é :x", "p%2Bw%2F%C3%A9+%3Ax", r"p+w/\u00e9 :x"]
    assert {text.encode() for text in expected} <= set(request.hidden)
    assert request.shown == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (source_of(setting()), source_of(setting(), tenant="other")),
        (source_of(setting()), source_of(setting(client_secret=Secret("s3cret-s3creT")))),
        (source_of(setting()), source_of(setting(client_secret=None))),
        (source_of(setting()), source_of(setting(scope="a"))),
        (source_of(setting()), source_of(setting(parameters={"audience": "a"}))),
        (source_of(setting()), source_of(setting(), timeout_seconds=14)),
    ],
    ids=["tenant", "secret", "no secret", "scope", "parameters", "time limit"],
)
def test_sources_that_differ_share_nothing(one: object, other: object) -> None:
    assert one.key != other.key


def test_equal_settings_of_a_tenant_share_a_token() -> None:
    assert source_of(setting()).key == source_of(setting()).key
