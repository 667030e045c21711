"""Endpoints over HTTP: made, read, changed, tested, switched, deleted."""

import json
from typing import Any

import pytest
from tests.api.callers import Caller, problem_of
from tests.kit.server import Server
from tests.kit.waiting import until

from tocsin.receiver import Receiver
from tocsin.receiver.verify import StandardWebhooks

READ_ONLY = {"id", "tenant", "created_at", "state", "state_reason", "paused_until"}
DEFAULTS = {
    "enabled": True,
    "filters": [],
    "delivery": {"mode": "realtime"},
    "ordering": "none",
    "headers": [],
    "authorization": {"kind": "none"},
    "retry": {"schedule_seconds": [5, 30, 120, 600, 3600, 14400, 43200, 86400], "max_age_seconds": 604800},
    "timeout_seconds": 15,
    "max_in_flight": 32,
}


def test_a_new_endpoint_has_the_defaults_and_shows_its_secret_once(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.endpoint(name="first", url="https://receiver.example/hook")
    assert {name: made[name] for name in DEFAULTS} == DEFAULTS
    assert (made["format"]["kind"], made["format"]["mode"]) == ("cloudevents", "structured")
    assert (made["tenant"], made["state"], made["state_reason"], made["paused_until"]) == (
        caller.tenant, "healthy", None, None,
    )  # fmt: skip
    assert made["id"].startswith("end_")
    assert made["signing"]["kind"] == "standard_webhooks"
    assert made["signing"]["secret"].startswith("whsec_")
    read = caller.get(f"/v1/endpoints/{made['id']}").json
    assert set(read["signing"]["secret"]) == {"set", "fingerprint"}
    assert {**read, "signing": None} == {**made, "signing": None}
    assert caller.get("/v1/endpoints").json == {"items": [read], "next_cursor": None}


def test_visier_is_signed_by_hmac_without_being_told(shared_server: Server) -> None:
    signing = Caller(shared_server).endpoint(format={"kind": "visier"})["signing"]
    assert (signing["kind"], signing["header"], signing["algorithm"], signing["encoding"]) == (
        "hmac", "x-visier-signature", "sha256", "hex",
    )  # fmt: skip
    assert signing["secret"] == signing["key"]
    assert len(signing["secret"]) >= 32


def test_given_secrets_are_never_shown(shared_server: Server) -> None:
    caller = Caller(shared_server)
    secrets = {"basic": "hush-1", "header": "hush-2", "whsec": "whsec_" + "aHVzaC1odXNoLWh1c2gt" * 2}
    answers = [
        caller.post(
            "/v1/endpoints",
            {
                "name": "n",
                "url": "https://r.example/",
                "authorization": {"kind": "basic", "username": "ann", "password": secrets["basic"]},
                "headers": [
                    {"name": "X-S", "value": secrets["header"], "sensitive": True},
                    {"name": "X-P", "value": "p"},
                ],
                "signing": {"kind": "standard_webhooks", "secret": secrets["whsec"]},
            },
        )
    ]
    endpoint_id = answers[0].json["id"]
    answers.append(caller.get(f"/v1/endpoints/{endpoint_id}"))
    answers.append(caller.get("/v1/endpoints"))
    answers.append(caller.call("PATCH", f"/v1/endpoints/{endpoint_id}", {"name": "m"}))
    assert [answer.status for answer in answers] == [201, 200, 200, 200]
    for answer in answers:
        assert not any(secret.encode() in answer.body for secret in secrets.values())
    assert answers[1].json["headers"][1] == {"name": "X-P", "value": "p", "sensitive": False}


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"url": None}, "/url"),
        ({"url": "ftp://x.example/"}, "/url"),
        ({"url": "https://127.1/"}, "/url"),
        ({"url": "https://x.example/#a"}, "/url"),
        ({"name": ""}, "/name"),
        ({"colour": "red"}, "/colour"),
        ({"id": "end_x"}, "/id"),
        ({"state": "healthy"}, "/state"),
        ({"rate_limit": {"requests": 0}}, "/rate_limit/requests"),
        ({"delivery": {"mode": "stream"}}, "/delivery/mode"),
        ({"authorization": {"kind": "ntlm"}}, "/authorization/kind"),
        ({"authorization": {"kind": "basic", "username": "a"}}, "/authorization/password"),
        ({"headers": [{"name": "Transfer-Encoding", "value": "x"}]}, "/headers/0/name"),
        ({"headers": [{"name": "X-A", "value": "a\r\nb"}]}, "/headers/0/value"),
        ({"signing": {"kind": "standard_webhooks", "secret": "short"}}, "/signing/secret"),
        ({"filters": [{"event_types": "job.*"}]}, "/filters/0/event_types"),
        ({"tenant": 1}, "/tenant"),
    ],
)
def test_bad_settings_are_pointed_at(shared_server: Server, fields: dict[str, object], pointer: str) -> None:
    document = {"name": "n", "url": "https://r.example/"} | fields
    answer = shared_server.post("/v1/endpoints", {name: value for name, value in document.items() if value is not None})
    slug, status, pointers = problem_of(answer)
    assert (slug, status) == ("invalid-request", 422)
    assert pointer in pointers


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"[]", 422), (b"", 422)])
def test_bodies_that_are_no_object(shared_server: Server, body: bytes, status: int) -> None:
    assert shared_server.post("/v1/endpoints", body).status == status


def test_a_patch_changes_what_it_names(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.endpoint(headers=[{"name": "X-A", "value": "1"}], max_in_flight=4)
    path = f"/v1/endpoints/{made['id']}"
    before = caller.get(path).json
    patch = {"name": "new", "retry": {"schedule_seconds": [1]}, "headers": [], "max_in_flight": None}
    changed = caller.call("PATCH", path, patch)
    assert changed.status == 200
    assert changed.json == before | {
        "name": "new",
        "retry": {"schedule_seconds": [1], "max_age_seconds": 604800},
        "headers": [],
        "max_in_flight": 32,
    }
    assert caller.get(path).json == changed.json


def test_what_was_read_can_be_patched_back(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.endpoint(authorization={"kind": "bearer", "token": "t0ken"}, format={"kind": "tamr"})
    path = f"/v1/endpoints/{made['id']}"
    read = caller.get(path).json
    assert caller.call("PATCH", path, read).json == read
    problem = problem_of(caller.call("PATCH", path, read | {"id": "end_other"}))
    assert problem == ("invalid-request", 422, ["/id"])


def test_another_kind_replaces_and_its_secret_is_shown_once(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.endpoint(authorization={"kind": "basic", "username": "u", "password": "p"}, signing={"kind": "none"})
    path = f"/v1/endpoints/{made['id']}"
    patch = {"authorization": {"kind": "bearer", "token": "abc"}, "format": {"kind": "lytics"}, "signing": None}
    changed = caller.call("PATCH", path, patch).json
    assert set(changed["authorization"]) == {"kind", "token"}
    assert changed["format"] == {"kind": "lytics", "account_id": "", "priority": 2, "variant": "v1"}
    assert changed["signing"]["secret"].startswith("whsec_")
    assert set(caller.get(path).json["signing"]["secret"]) == {"set", "fingerprint"}
    wrong = caller.call("PATCH", path, {"authorization": {"token": {"set": True, "fingerprint": "0" * 12}}})
    assert problem_of(wrong) == ("invalid-request", 422, ["/authorization/token"])


def test_a_disabled_endpoint_says_so(shared_server: Server) -> None:
    caller = Caller(shared_server)
    path = f"/v1/endpoints/{caller.endpoint()['id']}"
    disabled = caller.post(f"{path}/disable", {})
    assert (disabled.status, disabled.json["state"], disabled.json["enabled"]) == (200, "disabled", False)
    assert caller.get(path).json["state"] == "disabled"
    enabled = caller.post(f"{path}/enable")
    assert (enabled.status, enabled.json["state"], enabled.json["enabled"]) == (200, "healthy", True)
    assert problem_of(caller.post(f"{path}/enable", {"why": "x"})) == ("invalid-request", 422, ["/why"])
    assert caller.call("PATCH", path, {"enabled": False}).json["state"] == "disabled"


def test_a_deleted_endpoint_is_gone(shared_server: Server) -> None:
    caller = Caller(shared_server)
    path = f"/v1/endpoints/{caller.endpoint()['id']}"
    deleted = caller.call("DELETE", path)
    assert (deleted.status, deleted.body) == (204, b"")
    for method, end in (("GET", ""), ("DELETE", ""), ("PATCH", ""), ("POST", "/test"), ("POST", "/enable")):
        assert problem_of(caller.call(method, path + end, {}))[:2] == ("not-found", 404)
    assert caller.get("/v1/endpoints").json["items"] == []


def test_endpoints_are_listed_page_by_page(shared_server: Server) -> None:
    caller = Caller(shared_server)
    names = [f"e{number}" for number in range(5)]
    for name in names:
        caller.endpoint(name=name)
    seen: list[str] = []
    query = "?limit=2"
    for _ in range(3):
        page = caller.get(f"/v1/endpoints{query}").json
        seen += [item["name"] for item in page["items"]]
        query = f"?limit=2&cursor={page['next_cursor']}"
    assert seen == names[::-1]
    assert page["next_cursor"] is None


def test_roles_and_tenants(shared_server: Server) -> None:
    caller, other = Caller(shared_server), Caller(shared_server)
    endpoint_id = caller.endpoint()["id"]
    path = f"/v1/endpoints/{endpoint_id}"
    for method, end, body in (
        ("POST", "", {}), ("PATCH", f"/{endpoint_id}", {}), ("DELETE", f"/{endpoint_id}", None), ("POST", f"/{endpoint_id}/test", {}),
    ):  # fmt: skip
        for role in ("viewer", "producer"):
            answer = caller.call(method, f"/v1/endpoints{end}", body, role=role)
            assert problem_of(answer)[:2] == ("forbidden", 403)
    assert caller.get(path, role="viewer").status == 200
    assert problem_of(caller.get(path, role="producer"))[:2] == ("forbidden", 403)
    assert problem_of(other.get(path))[:2] == ("not-found", 404)
    assert problem_of(other.call("DELETE", path))[:2] == ("not-found", 404)
    assert other.get("/v1/endpoints").json["items"] == []
    assert problem_of(caller.get(f"/v1/endpoints?tenant={other.tenant}"))[:2] == ("forbidden", 403)
    assert shared_server.get(path).json["id"] == endpoint_id
    made = shared_server.post("/v1/endpoints", {"name": "n", "url": "https://r.example", "tenant": other.tenant}).json
    assert [item["id"] for item in other.get("/v1/endpoints").json["items"]] == [made["id"]]
    refused = caller.post("/v1/endpoints", {"name": "n", "url": "https://r.example", "tenant": other.tenant})
    assert problem_of(refused)[:2] == ("forbidden", 403)


def test_an_idempotent_creation_shows_the_same_secret_again(shared_server: Server) -> None:
    caller = Caller(shared_server)
    document = {"name": "n", "url": "https://r.example/"}
    headers = {"Idempotency-Key": "create-1"}
    first = caller.post("/v1/endpoints", document, headers=headers)
    again = caller.post("/v1/endpoints", document, headers=headers)
    assert (first.status, first.body) == (again.status, again.body)
    assert len(caller.get("/v1/endpoints").json["items"]) == 1
    other = caller.post("/v1/endpoints", document | {"name": "m"}, headers=headers)
    assert problem_of(other)[:2] == ("idempotency-key-reused", 422)
    secret = first.json["signing"]["secret"].encode()
    stored = b"".join(path.read_bytes() for path in shared_server.database.parent.glob("server.db*"))
    assert secret not in stored
    assert secret.removeprefix(b"whsec_") not in stored


async def test_a_test_sends_a_sample_and_keeps_nothing(shared_server: Server) -> None:
    caller = Caller(shared_server)
    secret = "whsec_" + "A" * 40
    async with Receiver(verifier=StandardWebhooks(secret)) as receiver:

        def ask() -> list[Any]:
            made = caller.endpoint(
                url=receiver.url,
                signing={"kind": "standard_webhooks", "secret": secret},
                authorization={"kind": "bearer", "token": "hush-hush"},
            )
            path = f"/v1/endpoints/{made['id']}/test"
            return [
                caller.post(path, {}),
                caller.post(path),
                caller.post(path, {"event_type": "record.updated"}),
                caller.post(path, {"event_type": "order.shipped"}),
                caller.post(path, {"event_type": "job.unheard"}),
            ]

        answers: list[Any] = await until(ask)
        *good, bad = answers
        assert [answer.status for answer in good] == [200] * 4
        assert [a.verified for a in receiver.arrivals] == [True] * 4
    assert problem_of(bad) == ("invalid-request", 422, ["/event_type"])
    attempt = good[2].json
    assert (attempt["outcome"], attempt["number"], attempt["next_attempt_at"], attempt["error"]) == (
        "delivered",
        1,
        None,
        None,
    )
    assert attempt["request"]["headers"]["Authorization"] == "***"
    assert json.loads(attempt["request"]["body"])["type"] == "record.updated"
    assert attempt["request"]["body_bytes"] == len(attempt["request"]["body"].encode())
    assert attempt["response"]["status"] == 204
    assert attempt["address"] == "127.0.0.1"
    assert attempt["timings_ms"]["total"] > 0
    assert caller.get("/v1/deliveries").json["items"] == []
    assert caller.get("/v1/events").json["items"] == []


def test_a_test_shows_what_went_wrong(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.endpoint(url="http://127.0.0.1:9/")
    attempt = caller.post(f"/v1/endpoints/{made['id']}/test", {}).json
    assert (attempt["outcome"], attempt["error"]["kind"], attempt["response"]) == ("retry", "connect", None)
    blocked = caller.endpoint(url="http://169.254.169.254/latest")
    attempt = caller.post(f"/v1/endpoints/{blocked['id']}/test", {}).json
    assert (attempt["error"]["kind"], attempt["response"]) == ("blocked", None)


def test_a_format_without_words_for_it_refuses_the_test(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.endpoint(format={"kind": "visier"})
    answer = caller.post(f"/v1/endpoints/{made['id']}/test", {"event_type": "record.created"})
    assert problem_of(answer) == ("invalid-request", 422, ["/event_type"])
