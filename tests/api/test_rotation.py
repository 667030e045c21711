"""Signing secrets over HTTP: generated, shown once, replaced with an overlap; what is sent is verified as receivers do."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from http_message_signatures import HTTPMessageVerifier, HTTPSignatureKeyResolver, InvalidSignature, algorithms
from standardwebhooks import Webhook, WebhookVerificationError
from tests.api.callers import Caller, problem_of
from tests.kit.node import Oracles
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer

from tocsin.model.times import from_text, to_text
from tocsin.receiver import Hmac, NotVerified

SCRIPT = Path(__file__).parents[1] / "oracles" / "standard_webhooks.mjs"
STANDARD = {"kind": "standard_webhooks"}
ED25519 = {"kind": "standard_webhooks", "algorithm": "ed25519"}
HMAC = {"kind": "hmac", "header": "x-sig"}
MESSAGE = {"kind": "http_message_signature", "key_id": "k-1"}
MESSAGE_ED25519 = MESSAGE | {"algorithm": "ed25519"}
KINDS = [STANDARD, ED25519, HMAC, HMAC | {"key_encoding": "base64"}, MESSAGE, MESSAGE_ED25519]
DAY = 86_400_000
GIVEN = "whsec_" + base64.b64encode(b"given" * 6).decode()


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer(lambda _: Say(204)) as receiver:
        yield receiver


class Signed:
    """A tenant's endpoint with some signing. `made` is the answer to its creation, `secret` the one that signs."""

    def __init__(self, server: Server, url: str, signing: dict[str, Any] | None) -> None:
        self.caller = Caller(server)
        self.made = self.caller.endpoint(url=url, **({} if signing is None else {"signing": signing}))
        self.path = f"/v1/endpoints/{self.made['id']}"
        self.secret: str = self.made["signing"].get("secret", "")

    @property
    def signing(self) -> dict[str, Any]:
        return self.caller.get(self.path).json["signing"]

    def rotate(self, **body: object) -> dict[str, Any]:
        answer = self.caller.post(f"{self.path}/rotate-secret", body)
        assert answer.status == 200, answer
        return answer.json

    def patch(self, **signing: object) -> dict[str, Any]:
        answer = self.caller.call("PATCH", self.path, {"signing": signing})
        assert answer.status == 200, answer
        return answer.json["signing"]

    def sent(self, web: WebServer) -> Asked:
        """A sample as the receiver gets it."""
        answer = self.caller.post(f"{self.path}/test", {})
        assert answer.json["outcome"] == "delivered", answer
        return web.asked[-1]


class Keys(HTTPSignatureKeyResolver):
    def __init__(self, key: object) -> None:
        self._key = key

    def resolve_public_key(self, key_id: str) -> object:
        assert key_id == "k-1"
        return self._key


def is_genuine(request: Asked, signing: dict[str, Any], secret: str) -> bool:
    """Whether a receiver that has this secret accepts the request. Ed25519 is for Node."""
    try:
        if signing["kind"] == "hmac":
            encoding = signing.get("key_encoding", "utf8")
            Hmac(secret, header="x-sig", key_encoding=encoding).verify(request.headers, request.body)
        elif signing["kind"] == "standard_webhooks":
            Webhook(secret).verify(request.body, request.headers)
        else:
            _verify_message(request, secret)
    except (NotVerified, WebhookVerificationError, InvalidSignature):
        return False
    return True


def _verify_message(request: Asked, secret: str) -> None:
    """By the tag of the new signature, then by that of the old one."""
    message = SimpleNamespace(
        method=request.method, url=f"http://{request.headers['host']}{request.path}", headers=request.headers
    )
    key = base64.b64decode(secret.removeprefix("whsec_"))
    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.HMAC_SHA256, key_resolver=Keys(key))
    try:
        verifier.verify(message, expect_tag="tocsin", body=request.body)
    except InvalidSignature:
        verifier.verify(message, expect_tag="tocsin-previous", body=request.body)


@pytest.mark.parametrize("signing", KINDS)
def test_a_generated_secret_is_shown_once(shared_server: Server, signing: dict[str, Any]) -> None:
    one = Signed(shared_server, "https://receiver.example/", signing)
    ed25519 = signing.get("algorithm") == "ed25519"
    assert one.secret.startswith("whsk_" if ed25519 else "" if signing["kind"] == "hmac" else "whsec_")
    read = one.signing
    name = "key" if signing["kind"] == "hmac" else "secret"
    assert set(read[name]) == {"set", "fingerprint"}
    if signing["kind"] != "hmac":
        assert (read["public_key"] or "").startswith("whpk_") is ed25519
        assert one.made["signing"]["public_key"] == read["public_key"]
    assert one.secret not in json.dumps(one.caller.get("/v1/endpoints").json)
    stored = b"".join(path.read_bytes() for path in shared_server.database.parent.glob("server.db*"))
    assert one.secret.rpartition("_")[2].encode() not in stored


@pytest.mark.parametrize("signing", KINDS)
def test_a_change_of_kind_shows_the_secret_that_it_needed(shared_server: Server, signing: dict[str, Any]) -> None:
    one = Signed(shared_server, "https://receiver.example/", {"kind": "none"})
    changed = one.patch(**signing)
    assert isinstance(changed["secret"], str)
    assert one.patch(**signing).get("secret") != changed["secret"]
    assert one.rotate(secret=changed["secret"])["old_valid_until"] is None


def test_a_public_key_is_the_servers_to_say(shared_server: Server) -> None:
    one = Signed(shared_server, "https://receiver.example/", ED25519)
    public = one.signing["public_key"]
    assert one.patch(public_key="whpk_else")["public_key"] == public
    assert one.rotate()["public_key"] == one.signing["public_key"] != public
    shared = one.patch(algorithm="hmac-sha256", secret=GIVEN)
    assert shared["public_key"] is None
    refused = one.caller.call("PATCH", one.path, {"signing": {"algorithm": "ed25519"}})
    assert problem_of(refused) == ("invalid-request", 422, ["/signing/secret"])


@pytest.mark.parametrize("signing", [STANDARD, HMAC, HMAC | {"key_encoding": "base64"}, MESSAGE])
def test_both_secrets_are_good_during_the_overlap(
    shared_server: Server, web: WebServer, signing: dict[str, Any]
) -> None:
    one = Signed(shared_server, web.url, signing)
    first = one.sent(web)
    answer = one.rotate()
    second = one.sent(web)
    final = one.rotate(overlap_seconds=0)
    third = one.sent(web)
    secrets = (one.secret, answer["secret"], final["secret"])
    assert len(set(secrets)) == 3
    accepted = [[is_genuine(request, signing, secret) for secret in secrets] for request in (first, second, third)]
    assert accepted == [[True, False, False], [True, True, False], [False, False, True]]
    assert set(answer) == {"secret", "old_valid_until"}
    assert final["old_valid_until"] is None
    assert one.signing["previous"] is None


def test_what_is_stored_of_the_old_secret(shared_server: Server) -> None:
    one = Signed(shared_server, "https://receiver.example/", STANDARD)
    fingerprint = one.signing["secret"]["fingerprint"]
    before = from_text(shared_server.get("/v1/endpoints").json["items"][0]["created_at"])
    answer = one.rotate()
    read = one.signing
    assert read["previous"] == {
        "secret": {"set": True, "fingerprint": fingerprint},
        "valid_until": answer["old_valid_until"],
    }
    assert read["secret"]["fingerprint"] != fingerprint
    assert 0 <= from_text(answer["old_valid_until"]) - before - DAY < 60_000
    stored = b"".join(path.read_bytes() for path in shared_server.database.parent.glob("server.db*"))
    for secret in (one.secret, answer["secret"]):
        assert secret.removeprefix("whsec_").encode() not in stored


def test_the_overlap_is_a_setting_and_a_second_rotation_keeps_the_last_secret(shared_server: Server) -> None:
    one = Signed(shared_server, "https://receiver.example/", STANDARD | {"overlap_seconds": 7200})
    first = one.rotate(secret=GIVEN)
    assert first["secret"] == GIVEN
    second = one.rotate(overlap_seconds=3600.5)
    fingerprint = one.signing["previous"]["secret"]["fingerprint"]
    assert 3_500_000 < from_text(first["old_valid_until"]) - from_text(second["old_valid_until"]) <= 3_600_000
    assert one.rotate(secret=GIVEN)["secret"] == GIVEN
    assert one.signing["secret"]["fingerprint"] == fingerprint


def test_a_secret_that_is_given_twice_does_not_end_the_old_one(shared_server: Server, web: WebServer) -> None:
    one = Signed(shared_server, web.url, STANDARD)
    assert one.rotate(secret=GIVEN) == one.rotate(secret=GIVEN, overlap_seconds=5)
    assert is_genuine(one.sent(web), STANDARD, one.secret)
    assert one.rotate(secret=GIVEN, overlap_seconds=0) == {"secret": GIVEN, "old_valid_until": None}
    assert not is_genuine(one.sent(web), STANDARD, one.secret)


def test_an_old_secret_can_be_ended_and_brought_along(shared_server: Server, web: WebServer) -> None:
    one = Signed(shared_server, web.url, STANDARD)
    one.rotate()
    assert one.patch(previous=None)["previous"] is None
    assert not is_genuine(one.sent(web), STANDARD, one.secret)
    one.patch(previous={"secret": GIVEN, "valid_until": "2999-01-01T00:00:00Z"})
    assert is_genuine(one.sent(web), STANDARD, GIVEN)
    assert one.patch(previous={"secret": GIVEN, "valid_until": "2000-01-01T00:00:00Z"})["previous"] is None


async def test_the_old_secret_ends_by_the_clock(shared_server: Server, web: WebServer) -> None:
    one = Signed(shared_server, web.url, STANDARD)
    end = one.rotate(overlap_seconds=0.8)["old_valid_until"]

    def ended() -> Asked | None:
        request = one.sent(web)
        return None if " " in request.headers["webhook-signature"] else request

    request = await until(ended)
    assert to_text(int(request.headers["webhook-timestamp"]) * 1000) >= end
    assert not is_genuine(request, STANDARD, one.secret)


def test_a_rotation_that_is_asked_for_twice_happens_once(shared_server: Server) -> None:
    one = Signed(shared_server, "https://receiver.example/", STANDARD)
    headers = {"Idempotency-Key": "rotate-1"}
    first, again = (one.caller.post(f"{one.path}/rotate-secret", {}, headers=headers) for _ in range(2))
    assert (first.status, first.body) == (again.status, again.body)
    assert one.rotate(secret=first.json["secret"])["old_valid_until"] == first.json["old_valid_until"]


@pytest.mark.parametrize(
    ("signing", "body", "problem"),
    [
        ({"kind": "none"}, {}, ("conflict", 409, [])),
        (STANDARD, {"secret": "short"}, ("invalid-request", 422, ["/secret"])),
        (STANDARD, {"secret": ""}, ("invalid-request", 422, ["/secret"])),
        (STANDARD, {"secret": {"set": True, "fingerprint": "x"}}, ("invalid-request", 422, ["/secret"])),
        (ED25519, {"secret": GIVEN}, ("invalid-request", 422, ["/secret"])),
        (HMAC | {"key_encoding": "base64"}, {"secret": "!"}, ("invalid-request", 422, ["/secret"])),
        (STANDARD, {"overlap_seconds": -1}, ("invalid-request", 422, ["/overlap_seconds"])),
        (STANDARD, {"overlap_seconds": 31_536_001}, ("invalid-request", 422, ["/overlap_seconds"])),
        (STANDARD, {"overlap": 1}, ("invalid-request", 422, ["/overlap"])),
    ],
)
def test_a_rotation_that_cannot_be(
    shared_server: Server, signing: dict[str, Any], body: dict[str, object], problem: tuple[str, int, list[str]]
) -> None:
    one = Signed(shared_server, "https://receiver.example/", signing)
    before = one.signing
    refused = one.caller.post(f"{one.path}/rotate-secret", body)
    assert problem_of(refused) == problem
    assert one.signing == before


def test_who_may_rotate(shared_server: Server) -> None:
    one = Signed(shared_server, "https://receiver.example/", STANDARD)
    path = f"{one.path}/rotate-secret"
    assert problem_of(one.caller.post(path, {}, role="viewer"))[1] == 403
    assert problem_of(Caller(shared_server).post(path, {}))[1] == 404
    assert problem_of(one.caller.post("/v1/endpoints/end_none/rotate-secret", {}))[1] == 404


@pytest.mark.parametrize(
    ("signing", "pointer"),
    [
        (STANDARD | {"previous": {"secret": "x", "valid_until": "2999-01-01T00:00:00Z"}}, "/signing/previous/secret"),
        (STANDARD | {"previous": {"secret": GIVEN, "valid_until": "soon"}}, "/signing/previous/valid_until"),
        (STANDARD | {"algorithm": "rsa"}, "/signing/algorithm"),
        (MESSAGE | {"label": "Tocsin"}, "/signing/label"),
        (MESSAGE | {"label": "tocsin\n"}, "/signing/label"),
        (MESSAGE | {"key_id": "k\n"}, "/signing/key_id"),
        (MESSAGE | {"secret": "whsk_" + base64.b64encode(bytes(32)).decode()}, "/signing/secret"),
    ],
)
def test_signing_that_is_refused(shared_server: Server, signing: dict[str, Any], pointer: str) -> None:
    document = {"name": "n", "url": "https://receiver.example/", "signing": signing}
    assert problem_of(Caller(shared_server).post("/v1/endpoints", document)) == ("invalid-request", 422, [pointer])


async def test_receivers_in_javascript_verify_real_deliveries(
    shared_server: Server, web: WebServer, oracles: Oracles
) -> None:
    one = Signed(shared_server, web.url, STANDARD)

    async def delivered(number: int) -> Asked:
        report = {"job_id": f"job-{number}", "job_type": "load", "state": "running", "name": "Größe"}
        assert one.caller.post("/v1/jobs/reports", report, role="producer").status == 202
        return await until(lambda: next((a for a in web.asked if f"job-{number}".encode() in a.body), None))

    first, new = await delivered(1), one.rotate()["secret"]
    during = await delivered(2)
    old = {"secret": one.signing["secret"], "valid_until": "2999-01-01T00:00:00Z"}
    one.patch(algorithm="ed25519", secret=None, previous=old)
    seed, public = await delivered(3), one.signing["public_key"]
    later = one.rotate()["public_key"]
    again = await delivered(4)
    asked = [
        (key, request)
        for request, keys in (
            (first, (one.secret, new)),
            (during, (one.secret, new, GIVEN)),
            (seed, (new, one.secret, public, later)),
            (again, (public, later)),
        )
        for key in keys
    ]
    cases = [
        {"key": key, "headers": request.headers, "body": base64.b64encode(request.body).decode()}
        for key, request in asked
    ]
    wrong = "No matching signature found"
    said = json.loads(oracles.run(SCRIPT, given=json.dumps(cases).encode()))
    assert said == ["ok", wrong, "ok", "ok", wrong, "ok", wrong, "ok", wrong, "ok", "ok"]
