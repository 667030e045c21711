"""What the tests of access tokens are made of."""

from __future__ import annotations

from tocsin.authorizing.oauth2 import TokenSource, token_source
from tocsin.model.authorization import Assertion, OAuth2Authorization
from tocsin.model.exchange import Exchange, Response, Timings
from tocsin.model.secret import Secret
from tocsin.rules.urls import target_of

URL = "https://idp.example.com/oauth/token?realm=a"
NOW = 1_795_000_000_000
TIMINGS = Timings(total=1.0)


def setting(**fields: object) -> OAuth2Authorization:
    given: dict[str, object] = {"token_url": URL, "client_id": "client", "client_secret": Secret("s3cret-s3cret")}
    return OAuth2Authorization(**(given | fields))


def assertion(pem: str, **fields: object) -> Assertion:
    given: dict[str, object] = {"private_key": Secret(pem), "audience": "https://idp.example.com"}
    return Assertion(**(given | fields))


def source_of(of: OAuth2Authorization, *, tenant: str = "acme", timeout_seconds: float = 15) -> TokenSource:
    return token_source(tenant, of, target_of(of.token_url, "end_1/1/token", allow_http=True), timeout_seconds)


def answered(status: int, body: bytes, *, body_bytes: int | None = None) -> Exchange:
    size = len(body) if body_bytes is None else body_bytes
    response = Response(status=status, headers=(), body=body, body_bytes=size)
    return Exchange(response=response, failure=None, timings=TIMINGS, address="192.0.2.1")
