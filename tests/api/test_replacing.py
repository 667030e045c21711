"""PUT gives an endpoint exactly the settings that are named; `dry_run` shows what a change would make of it, and changes nothing."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.api.callers import Caller, problem_of
from tests.kit.server import Server

URL = "http://127.0.0.1:9/"
GIVEN = "whsec_" + base64.b64encode(b"given" * 6).decode()
OTHER = "whsec_" + base64.b64encode(b"other" * 6).decode()


def put(caller: Caller, made: dict[str, Any], query: str = "", **fields: object) -> Any:
    answer = caller.call("PUT", f"/v1/endpoints/{made['id']}{query}", {"name": "e", "url": URL} | fields)
    assert answer.status == 200, answer
    return answer.json


def test_what_is_not_named_has_its_default(shared_server: Server) -> None:
    caller = Caller(shared_server)
    plain = caller.endpoint()
    made = caller.endpoint(
        filters=[{"event_types": ["job.*"]}],
        retry={"schedule_seconds": [1]},
        headers=[{"name": "X-A", "value": "a"}],
        authorization={"kind": "bearer", "token": "hush"},
        rate_limit={"requests": 1},
    )
    replaced = put(caller, made, timeout_seconds=7)
    of_its_own = ("id", "created_at", "signing", "timeout_seconds")
    assert replaced == caller.get(f"/v1/endpoints/{made['id']}").json
    assert {n: v for n, v in replaced.items() if n not in of_its_own} == {
        n: v for n, v in caller.get(f"/v1/endpoints/{plain['id']}").json.items() if n not in of_its_own
    }
    assert replaced["timeout_seconds"] == 7


def test_enabled_and_the_secret_that_signs_stay_where_they_are_not_named(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.endpoint(enabled=False, signing={"kind": "standard_webhooks", "secret": GIVEN})
    signing = caller.get(f"/v1/endpoints/{made['id']}").json["signing"]
    replaced = put(caller, made)
    assert (replaced["enabled"], replaced["signing"]) == (False, signing)
    assert put(caller, made, enabled=True, signing={"kind": "standard_webhooks"})["enabled"] is True
    assert caller.get(f"/v1/endpoints/{made['id']}").json["signing"] == signing


def test_another_signing_secret_is_a_rotation(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.endpoint(signing={"kind": "standard_webhooks", "secret": GIVEN})
    old = caller.get(f"/v1/endpoints/{made['id']}").json["signing"]["secret"]
    rotated = put(caller, made, signing={"kind": "standard_webhooks", "secret": OTHER})["signing"]
    assert rotated["secret"] != old
    assert rotated["previous"]["secret"] == old
    assert put(caller, made, signing={"kind": "standard_webhooks", "secret": OTHER})["signing"] == rotated
    at_once = put(caller, made, signing={"kind": "standard_webhooks", "secret": GIVEN, "overlap_seconds": 0})["signing"]
    assert (at_once["secret"], at_once["previous"]) == (old, None)


def test_another_kind_of_signing_has_a_secret_of_its_own_which_is_shown_once(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.endpoint()
    changed = put(caller, made, signing={"kind": "standard_webhooks", "algorithm": "ed25519"})["signing"]
    assert changed["secret"].startswith("whsk_")
    assert changed["previous"] is None
    changed = put(caller, made, signing={"kind": "hmac", "header": "x-sig"})["signing"]
    assert isinstance(changed["secret"], str)
    assert put(caller, made, signing={"kind": "none"})["signing"] == {"kind": "none"}


def test_secrets_may_be_sent_back_as_they_were_read(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.endpoint(authorization={"kind": "bearer", "token": "hush"})
    shown = caller.get(f"/v1/endpoints/{made['id']}").json
    assert put(caller, made, **shown) == shown
    refused = caller.call("PUT", f"/v1/endpoints/{made['id']}", shown | {"tenant": "other"})
    assert problem_of(refused) == ("invalid-request", 422, ["/tenant"])


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("PUT", {"name": "e", "url": URL, "timeout_seconds": 7, "enabled": False}),
        ("PATCH", {"timeout_seconds": 7, "signing": {"kind": "hmac", "header": "x-sig"}}),
    ],
)
def test_a_dry_run_shows_what_would_be_and_changes_nothing(
    shared_server: Server, method: str, fields: dict[str, Any]
) -> None:
    caller = Caller(shared_server)
    made = caller.endpoint()
    path = f"/v1/endpoints/{made['id']}"
    before, told = caller.get(path).json, caller.get("/v1/audit").json
    tried = caller.call(method, f"{path}?dry_run=true", fields)
    assert (tried.status, tried.json["timeout_seconds"]) == (200, 7)
    assert (caller.get(path).json, caller.get("/v1/audit").json) == (before, told)
    done = caller.call(method, path, fields).json
    secret = {"key": None} if method == "PATCH" else {}
    done["signing"].pop("secret", None), tried.json["signing"].pop("secret", None)
    assert tried.json | {"signing": None} == done | {"signing": None}
    assert {n: v for n, v in tried.json["signing"].items() if n != "secret"} == done["signing"] | secret
    refused = caller.call(method, f"{path}?dry_run=true", {"name": "e", "url": "nonsense"})
    assert problem_of(refused) == ("invalid-request", 422, ["/url"])


def test_a_creation_that_is_tried_makes_nothing(shared_server: Server) -> None:
    caller = Caller(shared_server)
    document = {"name": "e", "url": URL, "signing": {"kind": "standard_webhooks", "algorithm": "ed25519"}}
    tried = caller.post("/v1/endpoints?dry_run=true", document)
    assert (tried.status, tried.json["tenant"]) == (200, caller.tenant)
    assert (tried.json["signing"]["secret"], tried.json["signing"]["public_key"]) == (None, None)
    assert caller.get("/v1/endpoints").json["items"] == []
    assert caller.get(f"/v1/endpoints/{tried.json['id']}").status == 404
    template = {"format": {"kind": "template", "program": ".a | nonsense("}}
    refused = caller.post("/v1/endpoints?dry_run=true", document | template)
    assert problem_of(refused) == ("invalid-request", 422, ["/format/program"])
