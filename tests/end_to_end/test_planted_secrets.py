"""Secrets are planted in every field that takes one, and receivers send back all that they get: nothing that is written,
logged or answered holds one.

A field that is not planted here fails the test, so that a new one cannot be forgotten.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import trustme
from tests.kit.planted import (
    Planted,
    cells_of,
    files_of,
    found,
    known,
    planted,
    planted_key,
    planted_pem,
    secret_fields,
)
from tests.kit.program import Program
from tests.kit.server import Answer
from tests.kit.token_servers import key_pair
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer

from tocsin.model.endpoint import EndpointConfig

KEPT = 16 * 1024
BASIC, BEARER, API_KEY, CLIENT, PROXY, HEADER, HMAC = (
    planted(field)
    for field in (
        "BasicAuthorization.password",
        "BearerAuthorization.token",
        "ApiKeyAuthorization.value",
        "OAuth2Authorization.client_secret",
        "Proxy.password",
        "Header.value",
        "HmacSigning.key",
    )
)
CERTIFIED = trustme.CA().issue_cert("client.example")
TLS = planted_pem("Tls.client_key_pem", CERTIFIED.private_key_pem.bytes().decode(), 16)
ASSERTION = planted_pem("Assertion.private_key", key_pair().pem, 500)
WEBHOOKS = planted_key("StandardWebhooksSigning.secret", "whsec_")
MESSAGES = planted_key("HttpMessageSigning.secret", "whsk_")
PREVIOUS = planted_key("PreviousSecret.secret", "whsec_")
IN_SETTINGS = [BASIC, BEARER, API_KEY, CLIENT, PROXY, HEADER, HMAC, TLS, ASSERTION, WEBHOOKS, MESSAGES, PREVIOUS]
TOKEN, OPERATOR, OPERATORS_PROXY = planted("access token"), planted("operator's key"), planted("operator's proxy")
MASTER_BYTES = "the key of keys, in 32 characters"[:32]
MASTER = base64.b64encode(MASTER_BYTES.encode()).decode()
ELSEWHERE = [TOKEN, OPERATOR, Planted("master key", MASTER, (MASTER_BYTES[:16], MASTER[:16]))]
GENERATED = 15
"""Secrets that were shown when they were made."""
NO_SECRET = planted("a header that may be read")


def everything(asked: Asked, *known: str) -> str:
    """The request, its credentials decoded too, and what the receiver knows from elsewhere."""
    credentials = asked.headers.get("authorization", "").partition("Basic ")[2]
    return json.dumps([asked.path, asked.headers, asked.body.decode(), base64.b64decode(credentials).decode(), known])


def received(asked: Asked, *known: str) -> Say:
    """Five attempts, five ways of sending it all back. One of them is cut where the attempt's copy ends, amid a secret."""
    headers = tuple((f"X-Saw-{name}", value) for name, value in asked.headers.items())
    credential = asked.headers.get("authorization", asked.headers.get("x-sensitive", "")).rpartition(" ")[2]
    match asked.headers["webhook-attempt"]:
        case "1":
            return Say(500, everything(asked, *known).encode(), headers)
        case "2":
            return Say(404, html.escape(everything(asked, *known)).encode())
        case "3":
            return Say(503, quote_plus(everything(asked, *known)).encode(), headers)
        case "4":
            return Say(500, b"." * (KEPT - len(credential) // 2) + credential.encode() + b"." * 100)
        case _:
            return Say(200, everything(asked, *known).encode(), headers)


def token_server(asked: Asked) -> Say:
    if "grants" in asked.path:
        return Say(200, json.dumps({"access_token": TOKEN.text, "token_type": "Bearer"}).encode())
    return Say(400, json.dumps({"error": "invalid_client", "error_description": everything(asked)}).encode())


def proxy(asked: Asked) -> Say:
    return Say(407, everything(asked).encode(), (("X-Saw", asked.headers["proxy-authorization"]),))


def documents(tokens: str, proxied: str) -> Iterator[dict[str, object]]:
    """Endpoints that have every secret field among them."""
    oauth2 = {"kind": "oauth2", "client_id": "client-1"}
    assertion = {"private_key": ASSERTION.text, "audience": "https://issuer.example"}
    yield {"authorization": {"kind": "basic", "username": "ann", "password": BASIC.text}}
    yield {"authorization": {"kind": "bearer", "token": BEARER.text}, "signing": {"kind": "none"}}
    yield {"authorization": {"kind": "api_key", "header": "X-Key", "value": API_KEY.text}}
    for where in ("header", "body"):
        for answer in ("grants", "refuses"):
            client = {"client_secret": CLIENT.text, "credentials_in": where, "token_url": f"{tokens}{answer}/{where}"}
            yield {"authorization": oauth2 | client}
    yield {"authorization": oauth2 | {"token_url": f"{tokens}refuses/client", "assertion": assertion}}
    yield {"authorization": oauth2 | {"token_url": f"{tokens}grants/grant", "assertion": assertion | {"use": "grant"}}}
    sensitive = {"name": "X-Sensitive", "value": HEADER.text, "sensitive": True}
    yield {"headers": [sensitive, {"name": "X-Readable", "value": NO_SECRET.text}]}
    yield {"signing": {"kind": "standard_webhooks", "secret": WEBHOOKS.text}}
    yield {"signing": {"kind": "hmac", "header": "X-Sig", "key": HMAC.text}}
    yield {"signing": {"kind": "http_message_signature", "algorithm": "ed25519", "secret": MESSAGES.text}}
    yield {"format": {"kind": "visier"}}
    proxied_by = {"url": proxied.rstrip("/"), "username": "ann", "password": PROXY.text}
    yield {"url": "https://127.0.0.1:9/", "proxy": proxied_by}
    certificate = CERTIFIED.cert_chain_pems[0].bytes().decode()
    yield {"tls": {"client_cert_pem": certificate, "client_key_pem": TLS.text}}


class Session:
    """An operator's calls. Their answers are kept, without the one showing of a secret that is documented."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.answers: list[tuple[str, bytes]] = []
        self.shown: list[Planted] = []

    def call(self, method: str, path: str, body: object = None, *, shows: tuple[str, ...] = (), **more: Any) -> Answer:
        """`shows` is where in the answer a secret may stand."""
        answer = self._program.call(method, path, body, key=OPERATOR.text, **more)
        assert answer.status < 500, answer
        kept, value = answer.body, answer.json if answer.body else None
        for name in shows:
            value = value.get(name)
        if shows and isinstance(value, str):
            self.shown.append(known(f"{method} {path}", value))
            kept = kept.replace(value.encode(), b"")
        self.answers.append((f"{method} {path}", kept + repr(answer.headers).encode()))
        return answer

    def is_over(self) -> bool:
        """The event was fanned out, to all of them at once, and nothing of it is pending."""
        states = [one["state"] for one in self.call("GET", "/v1/deliveries?limit=500").json["items"]]
        return bool(states) and "pending" not in states

    def create(self, name: str, fields: dict[str, object]) -> str:
        """Twice, under one Idempotency-Key: the kept answer shows the secret again. Gives the id."""
        named = {"Idempotency-Key": name}
        for _ in range(2):
            answer = self.call("POST", "/v1/endpoints", fields, headers=named, shows=("signing", "secret"))
            assert answer.status == 201, answer
        return answer.json["id"]

    def use(self, endpoint: str) -> None:
        """What people do with an endpoint, and get wrong."""
        path = f"/v1/endpoints/{endpoint}"
        as_read = self.call("GET", path).json
        settings = {name: as_read[name] for name in ("authorization", "headers", "signing", "proxy", "tls")}
        assert self.call("PATCH", path, settings | {"name": "renamed"}).status == 200
        wrong = {"kind": "basic", "username": BASIC.text, "password": 7, "token": BEARER.text}
        assert self.call("PATCH", path, {"authorization": wrong}).status == 422
        assert self.call("PATCH", path, {"headers": [{"name": "Host", "value": HEADER.text}]}).status == 422
        assert self.call("PATCH", path, {"signing": {"kind": "standard_webhooks", "secret": BEARER.text}}).status == 422
        assert self.call("POST", f"{path}/test", {}).status == 200
        self.call("POST", f"{path}/preview", {})

    def look(self) -> None:
        """Every list, and every delivery with its attempts."""
        for path in ("endpoints", "api-keys", "audit", "events", "deliveries", "stats", "jobs", "replays"):
            self.call("GET", f"/v1/{path}" + ("" if path == "stats" else "?limit=200"))
        for delivery in self.call("GET", "/v1/deliveries?limit=200").json["items"]:
            shown = self.call("GET", f"/v1/deliveries/{delivery['id']}").json
            assert shown["attempts"], delivery


async def test_no_planted_secret_is_written_logged_or_answered(tmp_path: Path) -> None:
    database, log = tmp_path / "t.db", tmp_path / "log"
    settings = {"TOCSIN_MASTER_KEY": MASTER, "TOCSIN_BOOTSTRAP_KEY": OPERATOR.text, "TOCSIN_LOG_LEVEL": "debug"}
    knows: dict[str, list[str]] = {}

    def receiver(asked: Asked) -> Say:
        return received(asked, *knows[asked.path])

    with WebServer(receiver) as web, WebServer(token_server) as tokens, WebServer(proxy) as proxied:
        program = Program(database, log=log, **settings)
        try:
            session = Session(program)
            endpoints = []
            for number, document in enumerate(documents(tokens.url, proxied.url)):
                path, retry = f"/{number}", {"schedule_seconds": [0, 0, 0, 0]}
                fields = {"name": "planted", "url": web.url + path[1:], "retry": retry} | document
                endpoints.append(session.create(path, fields))
                knows[path] = [secret.text for secret in IN_SETTINGS if json.dumps(secret.text) in json.dumps(document)]
                if WEBHOOKS.text in knows[path]:
                    rotate = f"/v1/endpoints/{endpoints[-1]}/rotate-secret"
                    session.call("POST", rotate, {"secret": PREVIOUS.text}, shows=("secret",))
                    newest = session.call("POST", rotate, shows=("secret",)).json["secret"]
                    knows[path] = [PREVIOUS.text, newest]
            for endpoint in endpoints:
                session.use(endpoint)
            session.call("POST", "/v1/api-keys", {"name": "p", "role": "producer", "tenant": "t"}, shows=("value",))
            session.call("POST", "/v1/master-key/rewrap")
            event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "order.created", "data": {"a": 1}}
            cloud = {"Content-Type": "application/cloudevents+json"}
            assert session.call("POST", "/v1/events", event, headers=cloud).status == 202
            await until(session.is_over, seconds=60)
            deliveries = session.call("GET", "/v1/deliveries?limit=200").json["items"]
            for delivery in deliveries:
                assert session.call("POST", f"/v1/deliveries/{delivery['id']}/resend").status == 202
            await until(session.is_over, seconds=60)
            session.look()
            session.call("DELETE", f"/v1/endpoints/{endpoints[0]}")
            metrics = program.call("GET", "/metrics", key=None)
            written = [*files_of(database), *session.answers, ("metrics", metrics.body)]
        finally:
            program.stop()
    written += [*files_of(database), *cells_of(database), ("log", log.read_bytes())]
    secrets = [*IN_SETTINGS, *ELSEWHERE, *session.shown]
    assert {secret.field for secret in IN_SETTINGS} == secret_fields(EndpointConfig)
    assert sorted({name for place, data in written for name in found(secrets, place, data)}) == []

    # The search finds what is there, and what was planted went out.
    readable = {place for place, data in written if found([NO_SECRET], place, data)}
    assert {"endpoint", "attempt", "audit", "GET /v1/audit?limit=200"} <= readable
    assert any(place.startswith("GET /v1/deliveries/") for place in readable)
    assert b"serving" in log.read_bytes()
    sent = repr([web.asked, tokens.asked, proxied.asked]).encode()
    out = [BASIC, BEARER, API_KEY, CLIENT, PROXY, HEADER, TOKEN]
    assert [secret.field for secret in out if not found([secret], "", sent)] == []
    assert len({secret.text for secret in session.shown}) == GENERATED


async def test_the_password_of_the_operators_proxy_stays_with_the_proxy(tmp_path: Path) -> None:
    database, log = tmp_path / "t.db", tmp_path / "log"
    with WebServer(proxy) as proxied:
        url = proxied.url.rstrip("/").replace("http://", f"http://ann:{OPERATORS_PROXY.text}@")
        program = Program(database, log=log, TOCSIN_PROXY=url, TOCSIN_LOG_LEVEL="debug")
        try:
            retry = {"schedule_seconds": [0]}
            made = program.endpoint("https://127.0.0.1:9/", retry=retry)
            tested = program.post(f"/v1/endpoints/{made['id']}/test", {})
            assert tested.json["error"]["kind"] == "proxy", tested
            assert found([OPERATORS_PROXY], "", repr(proxied.asked).encode()) != []
            written = [("test", tested.body + repr(tested.headers).encode()), *files_of(database)]
            listed = program.get("/v1/endpoints")
            written.append(("endpoints", listed.body))
        finally:
            program.stop()
    written += [*files_of(database), ("log", log.read_bytes())]
    assert sorted({name for place, data in written for name in found([OPERATORS_PROXY], place, data)}) == []
