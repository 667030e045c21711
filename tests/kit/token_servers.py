"""Token servers by others: Authlib's in a thread, and the npm package oidc-provider as a process."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion, JWTBearerGrant
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask import Flask, request
from joserfc.jwk import RSAKey
from tests.kit.node import Oracles
from werkzeug.serving import make_server

AUDIENCE = "https://issuer.example"
SCRIPT = Path(__file__).resolve().parents[1] / "oracles" / "oidc_provider.mjs"


class KeyPair(NamedTuple):
    """A client's key: as it is configured here, and as it is registered at a token server."""

    pem: str
    public: dict[str, str]


@functools.cache
def key_pair(bits: int = 2048) -> KeyPair:
    """The same for a whole run: a fresh one takes a tenth of a second."""
    key = rsa.generate_private_key(65537, bits)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return KeyPair(pem, RSAKey.import_key(key.public_key()).as_dict(kid="key-1", use="sig", alg="RS256"))


class RegisteredClient(ClientMixin):
    """A client at the Authlib server; `method` is the one way in which it may authenticate."""

    def __init__(self, client_id: str, secret: str, method: str) -> None:
        self.client_id = client_id
        self._secret = secret
        self._method = method

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str) -> str:
        return " ".join(word for word in scope.split() if word in {"hooks", "events"})

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self._secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == self._method

    def check_grant_type(self, grant_type: str) -> bool:
        return True


class _ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "client_assertion_jwt"]


class _JwtBearer(JWTBearerGrant):
    def resolve_issuer_client(self, issuer: str) -> object:
        return self.server.query_client(issuer)

    def resolve_client_public_key(self, client: object) -> RSAKey:
        return RSAKey.import_key(key_pair().public)

    def authenticate_user(self, subject: str) -> str | None:
        return subject if subject == "ann@example.com" else None

    def has_granted_permission(self, client: object, user: str) -> bool:
        return True

    def get_audiences(self) -> list[str]:
        return [AUDIENCE]


class _ClientAssertion(JWTBearerClientAssertion):
    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def get_audiences(self) -> list[str]:
        return [AUDIENCE]

    def validate_jti(self, claims: object, jti: str) -> bool:
        is_new = jti not in self._seen
        self._seen.add(jti)
        return is_new

    def resolve_client_public_key(self, client: object) -> RSAKey:
        return RSAKey.import_key(key_pair().public)


class AuthlibServer:
    """`with AuthlibServer(clients) as server:` `issued` keeps the tokens it gave, `asked` the forms it was sent."""

    def __init__(self, *clients: RegisteredClient) -> None:
        self.issued: list[dict[str, object]] = []
        self.asked: list[dict[str, str]] = []
        known = {client.client_id: client for client in clients}
        app = Flask("token-server")
        server = AuthorizationServer(app, known.get, lambda token, _: self.issued.append(token))
        server.register_grant(_ClientCredentials)
        server.register_grant(_JwtBearer)
        server.register_client_auth_method("client_assertion_jwt", _ClientAssertion())

        @app.post("/token")
        def token() -> object:
            self.asked.append(request.form.to_dict())
            return server.create_token_response()

        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/token"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@contextmanager
def oidc_provider(oracles: Oracles, *clients: dict[str, object]) -> Iterator[str]:
    """The address of an oidc-provider with these clients (RFC 7591 metadata)."""
    defaults = {"grant_types": ["client_credentials"], "response_types": [], "redirect_uris": []}
    process = oracles.start(SCRIPT, json.dumps([defaults | client for client in clients]))
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, "oidc-provider did not start"
        yield f"http://127.0.0.1:{int(line)}"
    finally:
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(10)
        finally:
            process.kill()
