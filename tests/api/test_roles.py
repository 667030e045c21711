"""Who may do what: every route of the API with every role. A route that is not in this table fails the test."""

from __future__ import annotations

import http.client
import re

import pytest
from tests.api.callers import Caller
from tests.kit.server import OPERATOR_KEY, Server

from tocsin.api.accepting import ACCEPT_ROUTES
from tocsin.api.app import API_ROUTES
from tocsin.model.access import Role

NOBODY_ASKED = frozenset({*Role, None})
"""No key is needed."""
EVERYBODY = frozenset(Role)
POSTERS = frozenset({Role.OPERATOR, Role.ADMIN, Role.PRODUCER})
READERS = frozenset({Role.OPERATOR, Role.ADMIN, Role.VIEWER})
ADMINS = frozenset({Role.OPERATOR, Role.ADMIN})
OPERATORS = frozenset({Role.OPERATOR})
ALLOWED = {
    "POST /v1/jobs/reports": POSTERS,
    "POST /v1/records/changes": POSTERS,
    "POST /v1/data-versions": POSTERS,
    "POST /v1/events": POSTERS,
    "POST /api/v1/lineage": POSTERS,
    "POST /api/v1/lineage/batch": POSTERS,
    "GET /v1/events": EVERYBODY,
    "GET /v1/events/{event_id}": EVERYBODY,
    "GET /v1/event-types": EVERYBODY,
    "GET /v1/jobs": EVERYBODY,
    "GET /v1/jobs/{job_id}": EVERYBODY,
    "GET /v1/job-trees/{job_id}": EVERYBODY,
    "GET /v1/job-deliveries/{job_id}": READERS,
    "GET /v1/records/{table}/{record_id}/history": EVERYBODY,
    "GET /v1/receipts/{receipt_id}": EVERYBODY,
    "GET /v1/endpoints": READERS,
    "GET /v1/endpoints/{endpoint_id}": READERS,
    "POST /v1/endpoints/{endpoint_id}/preview": READERS,
    "GET /v1/endpoints/stats": READERS,
    "GET /v1/endpoints/{endpoint_id}/attempts": READERS,
    "POST /v1/endpoints": ADMINS,
    "POST /v1/endpoints/preview": ADMINS,
    "POST /v1/endpoints/test": ADMINS,
    "PATCH /v1/endpoints/{endpoint_id}": ADMINS,
    "PUT /v1/endpoints/{endpoint_id}": ADMINS,
    "DELETE /v1/endpoints/{endpoint_id}": ADMINS,
    "POST /v1/endpoints/{endpoint_id}/test": ADMINS,
    "POST /v1/endpoints/{endpoint_id}/rotate-secret": ADMINS,
    "POST /v1/endpoints/{endpoint_id}/enable": ADMINS,
    "POST /v1/endpoints/{endpoint_id}/disable": ADMINS,
    "POST /v1/endpoints/{endpoint_id}/resume": ADMINS,
    "POST /v1/endpoints/{endpoint_id}/validate": ADMINS,
    "POST /v1/endpoints/{endpoint_id}/cancel-pending": ADMINS,
    "GET /v1/deliveries": READERS,
    "GET /v1/deliveries/count": READERS,
    "GET /v1/deliveries/dead": READERS,
    "POST /v1/deliveries/cancel": ADMINS,
    "POST /v1/deliveries/resend": ADMINS,
    "GET /v1/deliveries/{delivery_id}/attempts/{number}/request-body": READERS,
    "GET /v1/deliveries/{delivery_id}/attempts/{number}/response-body": READERS,
    "GET /v1/deliveries/{delivery_id}/attempts/{number}/signed-text": READERS,
    "GET /v1/events/{event_id}/data": EVERYBODY,
    "GET /v1/deliveries/{delivery_id}": READERS,
    "POST /v1/deliveries/{delivery_id}/resend": ADMINS,
    "POST /v1/deliveries/{delivery_id}/cancel": ADMINS,
    "GET /v1/replays": READERS,
    "GET /v1/replays/{replay_id}": READERS,
    "POST /v1/replays": ADMINS,
    "POST /v1/replays/{replay_id}/pause": ADMINS,
    "POST /v1/replays/{replay_id}/resume": ADMINS,
    "POST /v1/replays/{replay_id}/cancel": ADMINS,
    "GET /v1/tail": READERS,
    "GET /v1/tenants": OPERATORS,
    "GET /v1/stats": READERS,
    "GET /v1/endpoints/{endpoint_id}/stats": READERS,
    "GET /v1/api-keys": ADMINS,
    "POST /v1/api-keys": ADMINS,
    "DELETE /v1/api-keys/{key_id}": ADMINS,
    "GET /v1/audit": ADMINS,
    "POST /v1/master-key/rewrap": OPERATORS,
    "GET /v1/retention": READERS,
    "PUT /v1/retention": ADMINS,
    "POST /v1/erasures": ADMINS,
    "GET /v1/erasures": ADMINS,
    "GET /v1/doctor": OPERATORS,
    "POST /v1/backups": OPERATORS,
    "GET /v1/erasures/{erasure_id}": ADMINS,
    "GET /v1/consent/{token}": NOBODY_ASKED,
    "POST /v1/consent/{token}": NOBODY_ASKED,
    "GET /livez": NOBODY_ASKED,
    "GET /readyz": NOBODY_ASKED,
    "GET /metrics": NOBODY_ASKED,
    "GET /version": NOBODY_ASKED,
    "GET /problems/{slug}": NOBODY_ASKED,
    "GET /openapi.json": NOBODY_ASKED,
    "GET /docs": NOBODY_ASKED,
}
ROUTES = {
    *(f"{route.method} {route.path}" for route in API_ROUTES),
    *(f"POST {path}" for path in ACCEPT_ROUTES),
    "GET /openapi.json",
    "GET /docs",
}


def test_every_route_says_who_may_use_it() -> None:
    assert set(ALLOWED) == ROUTES


@pytest.mark.parametrize("role", [*Role, None])
def test_a_role_may_do_what_the_table_says_and_nothing_else(shared_server: Server, role: Role | None) -> None:
    caller = Caller(shared_server)
    key = OPERATOR_KEY if role is Role.OPERATOR else None if role is None else caller.key(role)
    for route, allowed in ALLOWED.items():
        method, path = route.split()
        status = status_of(shared_server, method, re.sub(r"\{\w+\}", "none", path), key)
        if role in allowed:
            assert status not in {401, 403, 405, 500}, route
        else:
            assert status == (401 if role is None else 403), route


def status_of(server: Server, method: str, path: str, key: str | None) -> int:
    """Without the body, which may have no end."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    try:
        connection.request(method, path, None if method == "GET" else b"{}", headers)
        return connection.getresponse().status
    finally:
        connection.close()
