"""Tenants by name, page by page, for operators."""

from __future__ import annotations

from collections.abc import Callable

from tests.api.callers import problem_of
from tests.kit.server import Server


def test_tenants_are_listed_by_name_page_by_page(start_server: Callable[..., Server]) -> None:
    server = start_server()
    assert server.get("/v1/tenants").json == {"items": [], "next_cursor": None}
    names = ["acme", "beta", "default", "zeta"]
    for name in reversed(names):
        report = {"job_id": "j", "job_type": "load", "state": "running", "tenant": name}
        assert server.post("/v1/jobs/reports", report).status == 202
    assert [one["tenant"] for one in server.get("/v1/tenants").json["items"]] == names
    found: list[str] = []
    cursor = ""
    for _ in range(2):
        page = server.get(f"/v1/tenants?limit=2{cursor}").json
        found += [one["tenant"] for one in page["items"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert found == names
    assert page["next_cursor"] is None


def test_what_is_no_cursor_and_no_limit(shared_server: Server) -> None:
    for cursor in ("x", "YmVmb3JlOjE=", "_w=="):
        assert problem_of(shared_server.get(f"/v1/tenants?cursor={cursor}"))[:2] == ("malformed-request", 400)
    assert problem_of(shared_server.get("/v1/tenants?limit=0")) == ("invalid-request", 422, ["limit"])
    assert problem_of(shared_server.get("/v1/tenants?tenant=a"))[:2] == ("invalid-request", 422)
