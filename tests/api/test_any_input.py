"""Whatever is sent, the answer is a documented one: never a fault of the server, never a half-written submission."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.api.callers import Caller
from tests.kit.server import Server

NAMES = (
    "job_id", "job_type", "state", "signal", "mode", "time", "details", "error", "resources", "attributes", "labels",
    "parent_job_id", "restart", "tenant", "action", "record", "retired", "resurrected", "table", "version_id", "id", "data",
    "data_category_id", "data_version", "specversion", "source", "type", "subject", "datacontenttype", "data_base64",
    "name", "url", "filters", "format", "kind", "headers", "authorization", "signing", "retry", "event_type", "role",
)  # fmt: skip
WORDS = ("", "running", "succeeded", "synced", "batch", "merge", "create", "1.0", "order.created", "tamr", "hmac", "viewer", "\0",
         "2026-11-22T10:00:00Z", "https://r.example/", "a/b", "\u00e9", "x" * 600, "text/plain", "AA==")  # fmt: skip

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=12,
)
bodies = values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40)
PATHS = ("/v1/jobs/reports", "/v1/records/changes", "/v1/data-versions", "/v1/events", "/v1/endpoints", "/v1/api-keys")


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=bodies, content_type=st.sampled_from(["application/json", "application/cloudevents+json", "text/plain", ""])
)
def test_any_body_gets_an_answer(shared_server: Server, path: str, body: bytes, content_type: str) -> None:
    answer = shared_server.post(path, body, headers={"Content-Type": content_type})
    assert answer.status in {201, 202, 400, 403, 409, 413, 415, 422}, answer
    if answer.status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["status"] == answer.status


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(patch=st.dictionaries(st.sampled_from(NAMES), values, max_size=4))
def test_a_refused_patch_changes_nothing(shared_server: Server, patch: dict[str, Any]) -> None:
    caller = Caller(shared_server)
    path = f"/v1/endpoints/{caller.endpoint()['id']}"
    before = caller.get(path).json
    answer = caller.call("PATCH", path, json.dumps(patch).encode())
    assert answer.status in {200, 422}, answer
    after = caller.get(path).json
    if answer.status == 422 or not patch:
        assert after == before
    for name in set(before) - set(patch):
        assert after[name] == before[name]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["/v1/events", "/v1/jobs", "/v1/deliveries", "/v1/jobs/x", "/v1/records/t/r/history", "/v1/endpoints/x"]),
    name=st.sampled_from(["limit", "cursor", "since", "until", "tenant", "state", "subject_id", "job", "type", "x"]),
    value=st.text(st.characters(codec="ascii", categories=("L", "N")), max_size=8) | st.sampled_from(["%00", "%FF", "a%20b", "%2F"]),
)  # fmt: skip
def test_any_query_gets_an_answer(shared_server: Server, path: str, name: str, value: str) -> None:
    answer = shared_server.get(f"{path}?{name}={value}")
    assert answer.status in {200, 400, 404, 422}, answer
