"""Deliveries with access tokens, over the real server: real token servers, receivers that refuse, and what is shown."""

from __future__ import annotations

import base64
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

import pytest
from jwcrypto import jwk, jwt
from tests.kit.node import Oracles
from tests.kit.server import Server
from tests.kit.token_servers import AUDIENCE, AuthlibServer, RegisteredClient, key_pair, oidc_provider
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer

CLIENT, SECRET = "client-7", "s3cret-s3cret/+ü"
NEVER = {"schedule_seconds": []}
tenants = count(1)


class Tenant:
    """A tenant of its own with one endpoint that asks for tokens."""

    def __init__(self, server: Server, receiver: str, **authorization: object) -> None:
        self.server = server
        self.name = f"tenant-{next(tenants)}"
        fields: dict[str, object] = {"kind": "oauth2", "client_id": CLIENT, "client_secret": SECRET} | authorization
        self.endpoint = server.endpoint(
            receiver,
            tenant=self.name,
            authorization={name: value for name, value in fields.items() if value is not None},
            retry=NEVER,
            timeout_seconds=5,
        )

    def emit(self, *ids: str) -> None:
        events = [{"specversion": "1.0", "id": i, "source": "/shop", "type": "order.created", "data": {}} for i in ids]
        headers = {"Content-Type": "application/cloudevents-batch+json"}
        assert self.server.post(f"/v1/events?tenant={self.name}", events, headers=headers).status == 202

    async def settled(self, state: str, many: int) -> list[dict[str, Any]]:
        """The deliveries, once so many of them are in a state, each with its attempts."""
        path = f"/v1/deliveries?tenant={self.name}&state={state}"

        def look() -> list[dict[str, Any]] | None:
            found = self.server.get(path).json["items"]
            return found if len(found) == many else None

        return [self.server.get(f"/v1/deliveries/{one['id']}").json for one in await until(look)]

    async def attempts(self, state: str) -> list[dict[str, Any]]:
        """Of the one delivery, once it is in a state."""
        (delivery,) = await self.settled(state, 1)
        return delivery["attempts"]

    def test(self) -> dict[str, Any]:
        answer = self.server.post(f"/v1/endpoints/{self.endpoint['id']}/test", {})
        assert answer.status == 200, answer
        return answer.json


class Gate:
    """A receiver that lets in whoever has one of its tokens, and repeats what it was sent."""

    def __init__(self) -> None:
        self.good: Callable[[str], bool] = lambda _: True
        self.seen: list[str] = []

    def __call__(self, asked: Asked) -> Say:
        kind, _, token = asked.headers.get("authorization", "").partition(" ")
        self.seen.append(token)
        echo = json.dumps(asked.headers).encode()
        return Say(200 if kind == "Bearer" and self.good(token) else 401, echo, (("X-Echo", f"you said {token}"),))


def token_server(*, first_status: int = 200) -> Callable[[Asked], Say]:
    """Gives `token-1`, `token-2`, ..."""
    numbers = count(1)

    def answer(asked: Asked) -> Say:
        body = {"access_token": f"token-{next(numbers)}", "token_type": "Bearer", "expires_in": 600}
        return Say(first_status, json.dumps(body).encode())

    return answer


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def receiver(gate: Gate) -> Iterator[WebServer]:
    with WebServer(gate) as web:
        yield web


def without_secrets(shown: object) -> None:
    """Nothing that was sent to a token server, and no token, is in what people may read."""
    text = json.dumps(shown)
    basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
    for secret in (SECRET, json.dumps(SECRET)[1:-1], "s3cret", basic, "token-1", "token-2", "PRIVATE KEY", "eyJ"):
        assert secret not in text


AS_CLIENT = {"private_key": key_pair().pem, "audience": AUDIENCE}
AS_GRANT = AS_CLIENT | {"use": "grant", "subject": "ann@example.com"}


@pytest.mark.parametrize(
    ("method", "authorization"),
    [
        # Authlib does not decode what it finds in the header.
        ("client_secret_basic", {"basic_encoding": "raw", "client_secret": "s3cret s3cret"}),
        ("client_secret_post", {"credentials_in": "body"}),
        ("client_assertion_jwt", {"client_secret": None, "assertion": AS_CLIENT}),
        ("none", {"client_secret": None, "assertion": AS_GRANT}),
    ],
    ids=["basic", "post", "client assertion", "jwt-bearer grant"],
)
async def test_authlib_gives_a_token(
    shared_server: Server, receiver: WebServer, gate: Gate, method: str, authorization: dict[str, object]
) -> None:
    client = RegisteredClient(CLIENT, str(authorization.get("client_secret", SECRET)), method)
    with AuthlibServer(client) as authlib:
        tenant = Tenant(shared_server, receiver.url, token_url=authlib.url, scope="hooks", **authorization)
        gate.good = lambda token: token in {issued["access_token"] for issued in authlib.issued}
        tenant.emit("a", "b", "c")
        delivered = await tenant.settled("delivered", 3)
    assert [issued["scope"] for issued in authlib.issued] == ["hooks"]
    assert [len(delivery["attempts"]) for delivery in delivered] == [1, 1, 1]
    without_secrets(delivered)
    attempt = delivered[0]["attempts"][0]
    assert attempt["request"]["headers"]["Authorization"] == "***"
    (form,) = authlib.asked
    for name in ("assertion", "client_assertion"):
        if name in form:
            read = jwt.JWT(jwt=form[name], key=jwk.JWK(**key_pair().public), algs=["RS256"])
            claims = json.loads(read.claims)
            assert (claims["iss"], claims["aud"], claims["exp"] - claims["iat"]) == (CLIENT, AUDIENCE, 300)


@pytest.mark.parametrize(
    ("client", "authorization"),
    [
        (
            {"client_id": "c:1", "client_secret": "s+e%c r:t"},
            {"client_id": "c:1", "client_secret": "s+e%c r:t"},
        ),
        (
            {
                "client_id": CLIENT,
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks": {"keys": [key_pair().public]},
            },
            {"client_secret": None, "assertion": AS_CLIENT | {"key_id": "key-1", "audience": ...}},
        ),
    ],
    ids=["strict Basic decoding", "private_key_jwt"],
)
async def test_oidc_provider_gives_a_token(
    shared_server: Server,
    receiver: WebServer,
    oracles: Oracles,
    client: dict[str, object],
    authorization: dict[str, Any],
) -> None:
    watcher = {"client_id": "watcher", "client_secret": "watcher-secret"}
    with oidc_provider(oracles, client, watcher) as url:
        if "assertion" in authorization:
            authorization = authorization | {"assertion": authorization["assertion"] | {"audience": url}}
        tenant = Tenant(shared_server, receiver.url, token_url=f"{url}/token", **authorization)
        tenant.emit("a")
        await tenant.attempts("delivered")
        token = receiver.asked[0].headers["authorization"].removeprefix("Bearer ")
        known = introspected(url, token)
    assert (known["active"], known["client_id"], known["token_type"]) == (
        True,
        authorization.get("client_id", CLIENT),
        "Bearer",
    )


def introspected(url: str, token: str) -> dict[str, Any]:
    """What the provider knows of a token (RFC 7662)."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    credentials = base64.b64encode(b"watcher:watcher-secret").decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/token/introspection", f"token={token}", headers)
    with connection.getresponse() as response:
        known = json.loads(response.read())
    connection.close()
    return known


async def test_raw_credentials_are_refused_by_a_strict_server_and_that_is_shown(
    shared_server: Server, receiver: WebServer, oracles: Oracles
) -> None:
    client = {"client_id": "c1", "client_secret": "s+e%c r:t"}
    with oidc_provider(oracles, client) as url:
        tenant = Tenant(shared_server, receiver.url, token_url=f"{url}/token", basic_encoding="raw", **client)
        attempt = tenant.test()
    assert attempt["error"]["kind"] == "token"
    assert attempt["error"]["message"] == (
        "The token server answered 400 (invalid_request): "
        "client_id and client_secret in the authorization header are not properly encoded"
    )
    assert "s+e%c" not in json.dumps(attempt)


async def test_many_deliveries_ask_once(shared_server: Server, receiver: WebServer) -> None:
    with WebServer(token_server()) as idp:
        tenant = Tenant(shared_server, receiver.url, token_url=idp.url, content_type="application/json")
        tenant.emit(*map(str, range(40)))
        await tenant.settled("delivered", 40)
        tenant.test()
    assert [json.loads(asked.body) for asked in idp.asked] == [{"grant_type": "client_credentials"}]
    assert {asked.headers["authorization"] for asked in receiver.asked} == {"Bearer token-1"}


async def test_a_delivery_that_waits_for_its_token_is_in_flight(shared_server: Server, receiver: WebServer) -> None:
    has_gone_on = threading.Event()

    def answer(asked: Asked) -> Say:
        assert has_gone_on.wait(20)
        return token_server()(asked)

    with WebServer(answer) as idp:
        tenant = Tenant(shared_server, receiver.url, token_url=idp.url)
        tenant.emit("a")
        await until(lambda: len(idp.asked) == 1)
        (delivery,) = await tenant.settled("pending", 1)
        assert (delivery["in_flight"], delivery["attempts"], receiver.asked) == (True, [], [])
        assert shared_server.post(f"/v1/deliveries/{delivery['id']}/cancel").status in {200, 202}
        has_gone_on.set()
        (delivery,) = await tenant.settled("delivered", 1)
        assert (delivery["in_flight"], len(delivery["attempts"])) == (False, 1)


async def test_a_401_brings_a_fresh_token_at_once(shared_server: Server, receiver: WebServer, gate: Gate) -> None:
    gate.good = lambda token: token == "token-2"
    with WebServer(token_server()) as idp:
        tenant = Tenant(shared_server, receiver.url, token_url=idp.url)
        tenant.emit("a")
        first, second = await tenant.attempts("delivered")
        without_secrets([first, second])
        assert (first["number"], first["outcome"], first["response"]["status"]) == (1, "retry", 401)
        assert (first["error"]["kind"], first["error"]["message"]) == ("status", "The receiver answered 401.")
        assert first["next_attempt_at"] is not None
        assert (second["number"], second["outcome"], second["response"]["status"]) == (2, "delivered", 200)
        assert first["response"]["headers"]["X-Echo"] == "you said ***"
        assert '"authorization": "Bearer ***"' in first["response"]["body"]
        gate.good = lambda token: token == "token-3"
        tenant.emit("b")
        await tenant.settled("delivered", 2)
        assert (len(idp.asked), gate.seen) == (3, ["token-1", "token-2", "token-2", "token-3"])


async def test_a_second_401_uses_the_schedule(shared_server: Server, receiver: WebServer, gate: Gate) -> None:
    gate.good = lambda _: False
    with WebServer(token_server()) as idp:
        tenant = Tenant(shared_server, receiver.url, token_url=idp.url)
        tenant.emit("a")
        assert [one["response"]["status"] for one in await tenant.attempts("dead")] == [401, 401]
        tenant.emit("b")
        dead = await tenant.settled("dead", 2)
        # The receiver has taken no token yet, so that a new one for each 401 would only double the requests.
        assert [len(delivery["attempts"]) for delivery in dead] == [1, 2]
        assert gate.seen == ["token-1", "token-2", "token-3"]


async def test_a_403_is_no_matter_of_the_token(shared_server: Server) -> None:
    with WebServer(token_server()) as idp, WebServer(lambda _: Say(403)) as receiver:
        tenant = Tenant(shared_server, receiver.url, token_url=idp.url)
        tenant.emit("a", "b")
        dead = await tenant.settled("dead", 2)
        assert [len(delivery["attempts"]) for delivery in dead] == [1, 1]
        assert len(idp.asked) == 1


async def test_a_test_refreshes_once_as_well(shared_server: Server, receiver: WebServer, gate: Gate) -> None:
    with WebServer(token_server()) as idp:
        tenant = Tenant(shared_server, receiver.url, token_url=idp.url)
        gate.good = lambda token: token == "token-2"
        attempt = tenant.test()
        without_secrets(attempt)
        assert (attempt["outcome"], attempt["error"], gate.seen) == ("delivered", None, ["token-1", "token-2"])
        gate.good = lambda _: False
        attempt = tenant.test()
        assert (attempt["response"]["status"], gate.seen[2:]) == (401, ["token-2", "token-3"])


def refusing(asked: Asked) -> Say:
    """Repeats what it was sent, as some servers do in development."""
    said = f"no such client: {asked.headers['authorization']} {SECRET}"
    return Say(401, json.dumps({"error": "invalid_client", "error_description": said}).encode())


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            refusing,
            "The token server answered 401 (invalid_client): no such client: Basic *** ***",
        ),
        (
            lambda _: Say(200, b"<!doctype html><title>Sign in</title>"),
            "The token server's answer is not a token answer (RFC 6749 section 5.1).",
        ),
        (
            lambda _: Say(302, b"", (("Location", "http://169.254.169.254/"),)),
            "The token server answered 302. Redirects are not followed.",
        ),
        (lambda _: Say(200, b" " * 20000), "The token server's answer is too large."),
        (lambda _: Say(503), "The token server answered 503."),
    ],
    ids=["invalid_client", "html", "redirect", "too large", "unavailable"],
)
async def test_without_a_token_nothing_is_sent_and_the_attempt_says_why(
    shared_server: Server, receiver: WebServer, answer: Callable[[Asked], Say], message: str
) -> None:
    with WebServer(answer) as idp:
        tenant = Tenant(shared_server, receiver.url, token_url=idp.url)
        tenant.emit("a")
        (attempt,) = await tenant.attempts("dead")
        tested = tenant.test()
    for one in (attempt, tested):
        without_secrets(one)
        assert (one["outcome"], one["response"], one["address"]) == ("retry", None, None)
        assert (one["error"]["kind"], one["error"]["message"]) == ("token", message)
        assert "Authorization" not in one["request"]["headers"]
    assert receiver.asked == []
    assert len(idp.asked) == 2
    shown = shared_server.get(f"/v1/endpoints/{tenant.endpoint['id']}").json
    assert (shown["state"], shown["state_reason"]) == ("failing", message)


@pytest.mark.parametrize(
    ("token_url", "message"),
    [
        ("http://127.0.0.1:9/token", "The token server could not be asked: The connection was refused."),
        ("http://169.254.169.254/token", "The token server could not be asked: The address is not allowed."),
    ],
    ids=["down", "blocked"],
)
async def test_a_token_server_that_cannot_be_reached(
    shared_server: Server, receiver: WebServer, token_url: str, message: str
) -> None:
    tenant = Tenant(shared_server, receiver.url, token_url=token_url)
    tenant.emit("a")
    (attempt,) = await tenant.attempts("dead")
    assert (attempt["error"]["kind"], attempt["error"]["message"]) == ("token", message)
    assert receiver.asked == []


async def test_settings_read_and_sent_back_keep_their_secrets(shared_server: Server, receiver: WebServer) -> None:
    with WebServer(token_server()) as idp:
        tenant = Tenant(shared_server, receiver.url, token_url=idp.url, assertion=AS_GRANT)
        path = f"/v1/endpoints/{tenant.endpoint['id']}"
        shown = shared_server.get(path).json["authorization"]
        without_secrets(shown)
        assert shown["client_secret"]["set"] is True
        assert shown["assertion"]["private_key"]["set"] is True
        changed = shared_server.call("PATCH", path, {"authorization": shown | {"scope": "hooks"}})
        assert changed.status == 200
        tenant.emit("a")
        await tenant.attempts("delivered")
    (asked,) = idp.asked
    form = dict(parse_qsl(asked.body.decode()))
    jwt.JWT(jwt=form["assertion"], key=jwk.JWK(**key_pair().public), algs=["RS256"])
    assert form["scope"] == "hooks"
    assert asked.headers["authorization"].startswith("Basic ")


def test_bad_settings_change_nothing(shared_server: Server) -> None:
    authorization = {
        "kind": "oauth2",
        "token_url": "https://idp.example.com",
        "client_id": CLIENT,
        "client_secret": "x",
    }
    made = shared_server.endpoint("https://a.example/", authorization=authorization)
    path = f"/v1/endpoints/{made['id']}"
    bad = {"authorization": {"assertion": {"private_key": "hush-hush", "audience": "a"}, "parameters": {"scope": "b"}}}
    answer = shared_server.call("PATCH", path, bad)
    assert answer.status == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [
        "/authorization/parameters/scope",
        "/authorization/assertion/private_key",
    ]
    assert b"hush-hush" not in answer.body
    assert shared_server.get(path).json["authorization"] == made["authorization"]
