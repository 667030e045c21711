"""The audit log over HTTP: every change is in it with who made it, as the API showed it before and after."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any, get_args

from tests.api.callers import Caller, problem_of
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Say, WebServer

from tocsin.api.app import API_ROUTES
from tocsin.model.audit import Action

TOLD = {
    "POST /v1/endpoints": {"endpoint.created"},
    "PATCH /v1/endpoints/{endpoint_id}": {"endpoint.changed", "endpoint.enabled", "endpoint.disabled"},
    "PUT /v1/endpoints/{endpoint_id}": {"endpoint.changed", "endpoint.enabled", "endpoint.disabled"},
    "DELETE /v1/endpoints/{endpoint_id}": {"endpoint.deleted"},
    "POST /v1/endpoints/{endpoint_id}/rotate-secret": {"endpoint.secret_rotated"},
    "POST /v1/endpoints/{endpoint_id}/enable": {"endpoint.enabled"},
    "POST /v1/endpoints/{endpoint_id}/disable": {"endpoint.disabled"},
    "POST /v1/endpoints/{endpoint_id}/cancel-pending": {"endpoint.pending_cancelled"},
    "POST /v1/endpoints/test": {"endpoint.draft_tested"},
    "POST /v1/endpoints/{endpoint_id}/resume": {"endpoint.resumed"},
    "POST /v1/deliveries/{delivery_id}/resend": {"delivery.resent"},
    "POST /v1/deliveries/{delivery_id}/cancel": {"delivery.cancelled"},
    "POST /v1/deliveries/cancel": {"endpoint.pending_cancelled"},
    "POST /v1/deliveries/resend": {"replay.created"},
    "POST /v1/replays": {"replay.created"},
    "POST /v1/replays/{replay_id}/pause": {"replay.paused"},
    "POST /v1/replays/{replay_id}/resume": {"replay.resumed"},
    "POST /v1/replays/{replay_id}/cancel": {"replay.cancelled"},
    "POST /v1/api-keys": {"api_key.created"},
    "DELETE /v1/api-keys/{key_id}": {"api_key.revoked"},
    "POST /v1/master-key/rewrap": {"master_key.rewrapped"},
    "PUT /v1/retention": {"retention.changed"},
    "POST /v1/erasures": {"erasure.created"},
    "POST /v1/backups": {"backup.taken"},
}
NOT_TOLD = {
    "POST /v1/endpoints/{endpoint_id}/test": "keeps nothing",
    "POST /v1/endpoints/{endpoint_id}/preview": "keeps nothing",
    "POST /v1/endpoints/preview": "keeps nothing, sends nothing",
    "POST /v1/endpoints/{endpoint_id}/validate": "asks the receiver; what it says is the receiver's",
    "POST /v1/consent/{token}": "what a receiver says, without a key",
}
BY_COMMAND = {"intake.renewed"}
"""Told by commands that have the database for themselves."""
SERVER = {"key_id": None, "key_name": None, "role": None}


def log(caller: Caller, query: str = "") -> list[dict[str, Any]]:
    answer = caller.get(f"/v1/audit{query}")
    assert answer.status == 200, answer
    return answer.json["items"]


def of(caller: Caller, target: str) -> list[dict[str, Any]]:
    """The entries about one thing, oldest first."""
    return log(caller, f"?target={target}")[::-1]


def test_every_route_that_may_change_something_says_what_is_told_of_it() -> None:
    routes = {f"{route.method} {route.path}" for route in API_ROUTES if route.method != "GET"}
    assert {*TOLD, *NOT_TOLD} == routes
    assert set().union(BY_COMMAND, *TOLD.values()) == set(get_args(Action))


def test_the_life_of_an_endpoint_is_told_as_the_api_showed_it(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.endpoint(authorization={"kind": "bearer", "token": "hush-hush"})
    path = f"/v1/endpoints/{made['id']}"
    seen = [None, caller.get(path).json]
    steps = (
        ("PATCH", path, {"name": "renamed"}),
        ("POST", f"{path}/disable", None),
        ("PATCH", path, {"enabled": True}),
        ("PATCH", path, {"enabled": False, "name": "again"}),
        ("POST", f"{path}/enable", None),
        ("POST", f"{path}/rotate-secret", {}),
        ("DELETE", path, None),
    )
    secrets = ["hush-hush", made["signing"]["secret"]]
    for method, where, body in steps:
        answer = caller.call(method, where, body)
        assert answer.status < 300, answer
        secrets += [answer.json["secret"]] if where.endswith("secret") else []
        after = caller.get(path)
        seen.append(after.json if after.status == 200 else None)
    told = of(caller, made["id"])
    assert [entry["action"] for entry in told] == [
        "endpoint.created",
        "endpoint.changed",
        "endpoint.disabled",
        "endpoint.enabled",
        "endpoint.changed",
        "endpoint.enabled",
        "endpoint.secret_rotated",
        "endpoint.deleted",
    ]
    assert [(entry["before"], entry["after"]) for entry in told] == list(pairwise(seen))
    assert told[0]["after"]["authorization"]["token"]["set"] is True
    assert told[6]["before"]["signing"]["secret"] != told[6]["after"]["signing"]["secret"]
    assert not any(secret in json.dumps(told) for secret in secrets)
    keys = {key["name"]: key["id"] for key in caller.get("/v1/api-keys").json["items"]}
    assert all(entry["actor"] == {"key_id": keys["admin"], "key_name": "admin", "role": "admin"} for entry in told)
    assert {entry["tenant"] for entry in told} == {caller.tenant}
    assert [entry["at"] for entry in told] == sorted(entry["at"] for entry in told)
    assert all(entry["id"].startswith("aud_") for entry in told)


def test_what_changes_nothing_and_what_is_refused_is_not_told(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.endpoint()
    path = f"/v1/endpoints/{made['id']}"
    before = log(caller)
    assert caller.call("PATCH", path, {"name": made["name"], "signing": {}}).status == 200
    assert caller.post(f"{path}/enable").status == 200
    assert caller.post(f"{path}/test", {}).status == 200
    assert caller.post(f"{path}/preview", {}).status == 200
    assert caller.call("PATCH", path, {"url": "nonsense"}).status == 422
    assert caller.post("/v1/endpoints", {"name": "n"}).status == 422
    assert caller.post("/v1/api-keys", {"name": "n", "role": "operator"}).status == 403
    assert caller.call("DELETE", "/v1/endpoints/end_x").status == 404
    assert caller.post(f"{path}/disable", role="viewer").status == 403
    assert [entry["action"] for entry in log(caller)] == ["api_key.created"] + [entry["action"] for entry in before]


def test_an_answer_that_is_given_again_is_one_change(shared_server: Server) -> None:
    caller = Caller(shared_server)
    body = {"name": "e", "url": "http://127.0.0.1:9/"}
    again = [caller.post("/v1/endpoints", body, headers={"Idempotency-Key": "k"}) for _ in range(3)]
    assert {answer.body for answer in again} == {again[0].body}
    assert len(of(caller, again[0].json["id"])) == 1


def test_keys_are_told_without_their_values(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.post("/v1/api-keys", {"name": "ci", "role": "viewer"}).json
    shown = {name: value for name, value in made.items() if name != "value"}
    assert shared_server.get("/v1/events", key=made["value"]).status == 200
    assert caller.call("DELETE", f"/v1/api-keys/{made['id']}").status == 204
    created, revoked = of(caller, made["id"])
    assert (created["action"], created["before"], created["after"]) == ("api_key.created", None, shown)
    assert (revoked["action"], revoked["after"]) == ("api_key.revoked", None)
    assert revoked["before"] == shown | {"last_used_at": revoked["before"]["last_used_at"]}
    assert revoked["before"]["last_used_at"] is not None
    assert made["value"] not in json.dumps([created, revoked])


def test_the_operators_own_keys_are_told_to_operators_only(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = shared_server.post("/v1/api-keys", {"name": "o", "role": "operator"}).json
    mine = shared_server.post("/v1/api-keys", {"name": "m", "role": "admin", "tenant": caller.tenant}).json
    assert of(caller, made["id"]) == []
    (entry,) = shared_server.get(f"/v1/audit?target={made['id']}").json["items"]
    assert (entry["tenant"], entry["actor"]["role"]) == (None, "operator")
    (told,) = of(caller, mine["id"])
    assert told["actor"] == entry["actor"]
    first = shared_server.get("/v1/audit?limit=500").json
    while first["next_cursor"]:
        first = shared_server.get(f"/v1/audit?limit=500&cursor={first['next_cursor']}").json
    assert (first["items"][-1]["action"], first["items"][-1]["actor"]) == ("api_key.created", SERVER)
    assert first["items"][-1]["after"]["name"] == "bootstrap"


async def test_deliveries_and_replays_by_hand_are_told(shared_server: Server) -> None:
    caller = Caller(shared_server)
    with WebServer(lambda _: Say(503)) as receiver:
        schedule = {"schedule_seconds": [3600]}
        endpoint = caller.endpoint(url=receiver.url, ordering="subject", retry=schedule)["id"]
        caller.post("/v1/jobs/reports", {"job_id": "j", "job_type": "load", "state": "running"})
        listed = f"/v1/deliveries?endpoint={endpoint}"
        await until(lambda: any(row["attempt_count"] for row in caller.get(listed).json["items"]) or None)
        second, first = caller.get(listed).json["items"]
        assert (first["waits_for_order"], second["waits_for_order"]) == (False, True)
        resent = caller.post(f"/v1/deliveries/{second['id']}/resend").json
        cancelled = caller.post(f"/v1/deliveries/{first['id']}/cancel").json
        assert caller.post(f"/v1/deliveries/{first['id']}/cancel").status == 200
        (told,) = of(caller, second["id"])
        assert (told["action"], told["before"], told["after"]) == ("delivery.resent", None, resent)
        assert (resent["resend_of"], resent["waits_for_order"]) == (second["id"], True)
        (told,) = of(caller, first["id"])
        assert (told["action"], told["before"], told["after"]) == ("delivery.cancelled", first, cancelled)
        replay = caller.post("/v1/replays", {"endpoint_id": endpoint, "rate_per_second": 0.001}).json["id"]
        for step in ("pause", "pause", "resume", "cancel"):
            assert caller.post(f"/v1/replays/{replay}/{step}").status == 200
        assert caller.post("/v1/replays?dry_run=true", {"endpoint_id": endpoint}).status == 200
    told = of(caller, replay)
    assert [entry["action"] for entry in told] == [
        "replay.created",
        "replay.paused",
        "replay.resumed",
        "replay.cancelled",
    ]
    states = [(entry["before"] and entry["before"]["state"], entry["after"]["state"]) for entry in told]
    assert states == [(None, "running"), ("running", "paused"), ("paused", "running"), ("running", "cancelled")]


async def test_an_endpoint_that_is_gone_is_disabled_by_the_server(shared_server: Server) -> None:
    caller = Caller(shared_server)
    with WebServer(lambda _: Say(410)) as receiver:
        endpoint = caller.endpoint(url=receiver.url)["id"]
        caller.post("/v1/data-versions", {"data_category_id": "c", "data_version": "1"})
        told = await until(lambda: entries[1:] if len(entries := of(caller, endpoint)) > 1 else None)
    assert [(entry["action"], entry["actor"]) for entry in told] == [("endpoint.disabled", SERVER)]
    assert (told[0]["before"]["enabled"], told[0]["after"]["enabled"]) == (True, False)
    assert told[0]["after"]["state_reason"] == "gone"


def test_pages_and_filters(shared_server: Server) -> None:
    caller, other = Caller(shared_server), Caller(shared_server)
    first, second = caller.endpoint(), caller.endpoint()
    other.endpoint()
    caller.call("PATCH", f"/v1/endpoints/{first['id']}", {"name": "n"})
    everything = log(caller)
    assert [entry["action"] for entry in everything] == [
        "endpoint.changed",
        "endpoint.created",
        "endpoint.created",
        "api_key.created",
    ]
    assert log(caller, "?action=endpoint.created") == everything[1:3]
    assert log(caller, f"?target={second['id']}") == everything[1:2]
    assert log(caller, f"?actor={everything[0]['actor']['key_id']}") == everything[:3]
    assert log(caller, f"?actor={everything[3]['actor']['key_id']}") == everything[3:]
    assert log(caller, f"?since={everything[0]['at']}&action=endpoint.changed") == everything[:1]
    assert log(caller, f"?until={everything[3]['at']}") == []
    page = caller.get("/v1/audit?limit=3").json
    rest = caller.get(f"/v1/audit?limit=3&cursor={page['next_cursor']}").json
    assert (page["items"] + rest["items"], rest["next_cursor"]) == (everything, None)
    assert shared_server.get(f"/v1/audit?tenant={caller.tenant}").json["items"] == everything
    assert log(other, f"?cursor={page['next_cursor']}&target={first['id']}") == []
    assert problem_of(caller.get(f"/v1/audit?tenant={other.tenant}"))[:2] == ("forbidden", 403)
    assert problem_of(caller.get("/v1/audit?action=endpoint.eaten")) == ("invalid-request", 422, ["action"])
    assert problem_of(caller.get("/v1/audit?since=then")) == ("invalid-request", 422, ["since"])
    for role in ("viewer", "producer"):
        assert problem_of(caller.get("/v1/audit", role=role))[:2] == ("forbidden", 403)
