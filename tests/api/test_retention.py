"""Retention over HTTP: rules of a tenant, what is wrong with some, who sees what, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.api.callers import Caller, problem_of
from tests.kit.server import Server

RULES = [
    {"event_types": ["record.*", "job.progressed"], "bodies_seconds": 86400, "rows_seconds": 604800},
    {"event_types": ["*"], "rows_seconds": 0},
]


def full(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule as it is shown: what it does not name is null."""
    return {"bodies_seconds": None, "attempts_seconds": None, "rows_seconds": None} | rule


def test_a_tenant_has_the_rules_that_it_was_given(shared_server: Server) -> None:
    caller = Caller(shared_server)
    before = caller.get("/v1/retention").json
    assert before["tenants"] == [{"tenant": caller.tenant, "rules": []}]
    assert (before["oldest_event"], before["progress"]) == (None, None)
    put = caller.call("PUT", "/v1/retention", {"rules": RULES})
    own = {"tenant": caller.tenant, "rules": [full(rule) for rule in RULES]}
    assert (put.status, put.json) == (200, own)
    assert caller.call("PUT", "/v1/retention", {"rules": RULES}).json == own
    shown = caller.get("/v1/retention", role="viewer").json
    assert shown == before | {"tenants": [own]}
    (told,) = caller.get(f"/v1/audit?target={caller.tenant}").json["items"]
    assert (told["action"], told["tenant"]) == ("retention.changed", caller.tenant)
    assert (told["before"], told["after"]) == ({"tenant": caller.tenant, "rules": []}, own)
    assert own in shared_server.get("/v1/retention").json["tenants"]
    assert shared_server.get(f"/v1/retention?tenant={caller.tenant}").json["tenants"] == [own]
    assert caller.call("PUT", "/v1/retention", {"rules": []}).json == {"tenant": caller.tenant, "rules": []}
    tenants = shared_server.get("/v1/retention").json["tenants"]
    assert caller.tenant not in {tenant["tenant"] for tenant in tenants}


def test_the_defaults_and_the_progress(start_server: Callable[..., Server]) -> None:
    server = start_server(keep_bodies="record.*=1d, *=7d", keep_rows="never", keep_pending="365d")
    server.post("/v1/data-versions", {"data_category_id": "c", "data_version": "1"})
    shown = server.get("/v1/retention").json
    assert shown["defaults"] == {
        "bodies": [{"event_types": "record.*", "seconds": 86400}, {"event_types": "*", "seconds": 604800}],
        "attempts": [{"event_types": "*", "seconds": 30 * 86400}],
        "rows": [{"event_types": "*", "seconds": 0}],
        "audit_seconds": 400 * 86400,
        "dedupe_seconds": 90 * 86400,
        "pending_seconds": 365 * 86400,
    }
    assert shown["oldest_event"]["position"] == 1
    passes = [(one["what"], one["tenant"], one["keep_seconds"] // 86400) for one in shown["progress"]["passes"]]
    assert passes == [("expire", None, 365), ("bodies", None, 1), ("bodies", None, 7), ("attempts", None, 30)]
    assert shown["progress"]["file_bytes"] > 0
    server.stop()
    server.start()
    assert server.call("PUT", "/v1/retention?tenant=t", {"rules": RULES}).status == 200
    server.stop()
    server.start()
    assert [one["tenant"] for one in server.get("/v1/retention").json["tenants"]] == ["t"]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/rules"]),
        ({"rules": None}, ["/rules"]),
        ({"rules": [], "extra": 1}, ["/extra"]),
        ({"rules": [{"rows_seconds": 86400}]}, ["/rules/0/event_types"]),
        ({"rules": [{"event_types": [], "rows_seconds": 86400}]}, ["/rules/0/event_types"]),
        ({"rules": [{"event_types": ["*", ""], "rows_seconds": 86400}]}, ["/rules/0/event_types/1"]),
        ({"rules": [{"event_types": ["*"]}]}, ["/rules/0"]),
        ({"rules": [{"event_types": ["*"], "rows": 7}]}, ["/rules/0/rows"]),
        ({"rules": [{"event_types": ["*"], "rows_seconds": "7d"}]}, ["/rules/0/rows_seconds"]),
        ({"rules": [{"event_types": ["*"], "rows_seconds": 1.5}]}, ["/rules/0/rows_seconds"]),
        (
            {"rules": [{"event_types": ["*"], "rows_seconds": 3599, "bodies_seconds": -1, "attempts_seconds": 10**18}]},
            ["/rules/0/bodies_seconds", "/rules/0/attempts_seconds", "/rules/0/rows_seconds"],
        ),
        ({"rules": [{"event_types": ["*"], "rows_seconds": 0}] * 33}, ["/rules"]),
        ({"rules": [], "tenant": "not a name"}, ["/tenant"]),
    ],
)
def test_what_is_wrong_is_pointed_at_and_changes_nothing(
    shared_server: Server, body: dict[str, object], pointers: list[str]
) -> None:
    caller = Caller(shared_server)
    assert caller.call("PUT", "/v1/retention", {"rules": RULES}).status == 200
    before = caller.get("/v1/retention").json
    assert problem_of(caller.call("PUT", "/v1/retention", body)) == ("invalid-request", 422, pointers)
    assert caller.get("/v1/retention").json == before


def test_another_tenant_is_out_of_reach(shared_server: Server) -> None:
    caller, other = Caller(shared_server), Caller(shared_server)
    for path, body in (
        (f"/v1/retention?tenant={other.tenant}", {"rules": []}),
        ("/v1/retention", {"rules": [], "tenant": other.tenant}),
    ):
        assert problem_of(caller.call("PUT", path, body))[:2] == ("forbidden", 403)
    assert problem_of(caller.get(f"/v1/retention?tenant={other.tenant}"))[:2] == ("forbidden", 403)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("keep_bodies", "job.*=soon"), ("keep_audit", "1m"), ("disk_reserve", "much"), ("keep_pending", "job.*=7d")],
)
def test_a_setting_that_cannot_be_read_stops_the_start(
    start_server: Callable[..., Server], setting: str, value: str
) -> None:
    with pytest.raises(Exception, match=f"TOCSIN_{setting.upper()}: "):
        start_server(**{setting: value})
