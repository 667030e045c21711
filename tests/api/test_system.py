"""What needs no key, what every address answers, and the documentation that is made from the code."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from tests.api.callers import Caller, problem_of
from tests.kit.server import Server

from tocsin import __version__
from tocsin.api.accepting import ACCEPT_ROUTES
from tocsin.api.app import API_ROUTES, openapi
from tocsin.api.system_routes import problem_types
from tocsin.errors import TocsinError

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def subclasses(kind: type[TocsinError]) -> Iterator[type[TocsinError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from subclasses(child)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi()


def test_what_needs_no_key(shared_server: Server) -> None:
    assert shared_server.get("/livez", key=None).json["status"] == "alive"
    assert shared_server.get("/readyz", key=None).json["status"] == "ready"
    assert shared_server.get("/version", key=None).json == {"version": __version__}
    metrics = shared_server.get("/metrics", key=None)
    assert metrics.headers["content-type"].startswith("text/plain")
    assert b"tocsin_events_accepted_total" in metrics.body
    page = shared_server.get("/docs", key=None)
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<script" not in page.body
    assert b"/v1/jobs/reports" in page.body
    assert shared_server.get("/openapi.json", key=None).json["openapi"] == "3.1.0"


def test_every_other_address_needs_one(shared_server: Server) -> None:
    for route in API_ROUTES:
        if route.roles is not None:
            path = re.sub(r"\{\w+\}", "x", route.path)
            assert problem_of(shared_server.call(route.method, path, key=None))[:2] == ("unauthenticated", 401)


def test_addresses_and_methods_that_are_not_there(shared_server: Server) -> None:
    assert problem_of(shared_server.get("/nothing", key=None))[:2] == ("not-found", 404)
    assert problem_of(shared_server.get("/v1/endpoints/", key=None))[:2] == ("not-found", 404)
    wrong = shared_server.call("PUT", "/v1/endpoints")
    assert problem_of(wrong)[:2] == ("method-not-allowed", 405)
    assert wrong.headers["allow"] == "GET, HEAD, POST"
    assert shared_server.call("HEAD", "/livez", key=None).status == 200


def test_slugs_are_unique_and_readable(shared_server: Server) -> None:
    kinds = list(subclasses(TocsinError))
    assert len({kind.slug for kind in kinds}) == len(kinds) == len(problem_types())
    for kind in kinds:
        answer = shared_server.get(f"/problems/{kind.slug}", key=None)
        assert answer.status == 200
        assert kind.title in answer.body.decode()
    assert problem_of(shared_server.get("/problems/none", key=None))[:2] == ("not-found", 404)


def test_every_problem_is_documented(document: dict[str, Any]) -> None:
    page = (REFERENCE / "problems.md").read_text(encoding="utf-8")
    known = document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
    for kind in subclasses(TocsinError):
        assert f"## `{kind.slug}`" in page
        assert f"/problems/{kind.slug}" in known


def test_every_route_is_documented(document: dict[str, Any]) -> None:
    for route in API_ROUTES:
        operation = document["paths"][route.path][route.method.lower()]
        assert operation["summary"]
        assert str(route.status) in operation["responses"]
    for path in ACCEPT_ROUTES:
        status = {"/api/v1/lineage": "201", "/api/v1/lineage/batch": "200"}.get(path, "202")
        assert status in document["paths"][path]["post"]["responses"]
    names = [op["operationId"] for methods in document["paths"].values() for op in methods.values()]
    assert len(set(names)) == len(names)


def test_every_reference_in_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    def references(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for key, item in value.items():
                if key == "$ref":
                    yield item
                else:
                    yield from references(item)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from references(item)

    found = set(references(document))
    assert len(found) > 30
    for reference in found:
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"], reference


class Documented:
    """Calls that check each answer against the document: its status, its content type, the schema of its body."""

    def __init__(self, caller: Caller, document: dict[str, Any]) -> None:
        self._caller = caller
        self._document = document
        self.seen: set[tuple[str, str]] = set()

    def __call__(self, method: str, template: str, body: object = None, query: str = "", **parts: str) -> Any:
        path = template.format(**parts) + query
        answer = self._caller.call(method, path, body)
        operation = self._document["paths"][template][method.lower()]
        responses = operation["responses"]
        assert str(answer.status) in responses, (method, path, answer)
        self.seen.add((method, template))
        if not answer.body:
            return None
        content = responses[str(answer.status)]["content"]
        media_type = answer.headers["content-type"]
        assert media_type in content, (method, path, media_type)
        if "json" in media_type:
            schema = {**content[media_type]["schema"], "components": self._document["components"]}
            jsonschema_rs.Draft202012Validator(schema).validate(answer.json)
            return answer.json
        return answer.body


def test_answers_are_as_documented(shared_server: Server, document: dict[str, Any]) -> None:
    call = Documented(Caller(shared_server), document)
    call("POST", "/v1/jobs/reports", [{"job_id": "j", "job_type": "t", "state": "running"}, {"job_id": 1}])
    call("POST", "/v1/jobs/reports", {"job_id": "j", "state": "pending"})
    call("POST", "/v1/jobs/reports", b"{")
    change = {"action": "merge", "record": {"id": "r", "data": {}}, "retired": {"id": "s"}, "version_id": 5}
    call("POST", "/v1/records/changes", change)
    call("POST", "/v1/records/changes", change | {"version_id": 4})
    call("POST", "/v1/data-versions", {"data_category_id": "c", "data_version": "v"})
    call("POST", "/v1/events", {"specversion": "1.0", "id": "1", "source": "/s", "type": "a.b", "subject": "x"})
    call("POST", "/v1/events", {})
    run = {
        "eventType": "OTHER",
        "eventTime": "2026-11-22T10:00:00Z",
        "run": {"runId": "u"},
        "job": {"namespace": "n", "name": "m"},
    }
    call("POST", "/api/v1/lineage", run)
    call("POST", "/api/v1/lineage", [run, {"job": {}}, {}])
    call("POST", "/api/v1/lineage", {"run": 1})
    call("POST", "/api/v1/lineage/batch", [run, {}])
    call("POST", "/api/v1/lineage/batch", run)
    made = call("POST", "/v1/endpoints", {"name": "e", "url": "http://127.0.0.1:9/", "retry": {"schedule_seconds": []}})
    call("POST", "/v1/endpoints", {"name": "e"})
    one = {"endpoint_id": made["id"]}
    call("GET", "/v1/endpoints")
    call("GET", "/v1/endpoints", query="?limit=0")
    call("GET", "/v1/endpoints/{endpoint_id}", **one)
    call("GET", "/v1/endpoints/{endpoint_id}", endpoint_id="end_x")
    call("PATCH", "/v1/endpoints/{endpoint_id}", {"headers": [{"name": "X", "value": "y", "sensitive": True}]}, **one)
    call("PATCH", "/v1/endpoints/{endpoint_id}", b"", **one)
    exact = {"name": "e", "url": "http://127.0.0.1:9/", "retry": {"schedule_seconds": []}}
    call("PUT", "/v1/endpoints/{endpoint_id}", exact, query="?dry_run=true", **one)
    call("PUT", "/v1/endpoints/{endpoint_id}", exact, **one)
    call("PUT", "/v1/endpoints/{endpoint_id}", {"name": "e"}, **one)
    call("POST", "/v1/endpoints/{endpoint_id}/test", {}, **one)
    for signing in ({"kind": "hmac", "header": "x-sig"}, {"kind": "http_message_signature", "algorithm": "ed25519"}):
        call("PATCH", "/v1/endpoints/{endpoint_id}", {"signing": signing}, **one)
        call("POST", "/v1/endpoints/{endpoint_id}/rotate-secret", {"overlap_seconds": 60}, **one)
        call("GET", "/v1/endpoints/{endpoint_id}", **one)
    call("POST", "/v1/endpoints/{endpoint_id}/rotate-secret", {"secret": "x"}, **one)
    call("POST", "/v1/endpoints/{endpoint_id}/validate", **one)
    call("PATCH", "/v1/endpoints/{endpoint_id}", {"validation": "optional"}, **one)
    call("POST", "/v1/endpoints/{endpoint_id}/validate", **one)
    for method in ("GET", "POST"):
        call(method, "/v1/consent/{token}", token="none")
    call("POST", "/v1/endpoints/{endpoint_id}/preview", {}, **one)
    call("POST", "/v1/endpoints/{endpoint_id}/rotate-secret", {}, **one)
    call("POST", "/v1/endpoints/{endpoint_id}/disable", **one)
    call("POST", "/v1/endpoints/{endpoint_id}/resume", **one)
    call("POST", "/v1/endpoints/{endpoint_id}/enable", **one)
    call("POST", "/v1/endpoints/{endpoint_id}/resume", **one)
    call("POST", "/v1/endpoints/{endpoint_id}/resume", {"x": 1}, **one)
    call("POST", "/v1/jobs/reports", {"job_id": "k", "job_type": "t", "state": "running"})
    for _ in range(500):
        deliveries = call("GET", "/v1/deliveries")["items"]
        if deliveries:
            break
    delivery = {"delivery_id": deliveries[0]["id"]}
    call("GET", "/v1/deliveries/{delivery_id}", **delivery)
    call("POST", "/v1/deliveries/{delivery_id}/resend", **delivery)
    call("POST", "/v1/deliveries/{delivery_id}/cancel", **delivery)
    for part in ("request-body", "response-body", "signed-text"):
        call("GET", f"/v1/deliveries/{{delivery_id}}/attempts/{{number}}/{part}", number="1", **delivery)
    call("GET", "/v1/deliveries/count", query="?event_type=job.*")
    call("GET", "/v1/deliveries/dead")
    call("POST", "/v1/deliveries/cancel", {"event_type": "job.*"})
    call("POST", "/v1/deliveries/cancel", {"since": "soon"})
    call("POST", "/v1/deliveries/resend", {}, query="?dry_run=true")
    call("POST", "/v1/deliveries/resend", {})
    call("POST", "/v1/endpoints/{endpoint_id}/cancel-pending", {"event_types": ["job.*"]}, **one)
    call("POST", "/v1/endpoints/{endpoint_id}/cancel-pending", {"since": "soon"}, **one)
    assert call("POST", "/v1/replays", one, query="?dry_run=true")["total"] > 0
    call("POST", "/v1/replays", {"endpoint_id": "end_x"})
    replay = {"replay_id": call("POST", "/v1/replays", {**one, "rate_per_second": 0.01})["id"]}
    call("GET", "/v1/replays")
    call("GET", "/v1/replays/{replay_id}", **replay)
    for step in ("pause", "resume", "cancel", "pause"):
        call("POST", f"/v1/replays/{{replay_id}}/{step}", **replay)
    events = call("GET", "/v1/events")["items"]
    for event in events:
        call("GET", "/v1/events/{event_id}", event_id=event["id"])
        call("GET", "/v1/events/{event_id}/data", event_id=event["id"])
    call("GET", "/v1/jobs", query="?cursor=x")
    call("GET", "/v1/jobs")
    call("GET", "/v1/jobs/{job_id}", job_id="j")
    call("GET", "/v1/job-trees/{job_id}", job_id="j")
    call("GET", "/v1/job-trees/{job_id}", job_id="none")
    call("GET", "/v1/job-deliveries/{job_id}", job_id="k")
    call("GET", "/v1/records/{table}/{record_id}/history", table="default", record_id="r")
    call("GET", "/v1/event-types")
    call("GET", "/v1/receipts/{receipt_id}", receipt_id="rcp_x")
    key = call("POST", "/v1/api-keys", {"name": "n", "role": "viewer"})
    call("GET", "/v1/api-keys")
    call("DELETE", "/v1/api-keys/{key_id}", key_id=key["id"])
    erasure = call("POST", "/v1/erasures", {"subject_type": "record", "subject_id": "default/r"})
    call("POST", "/v1/erasures", {"subject_type": "record"})
    call("GET", "/v1/erasures")
    call("GET", "/v1/erasures/{erasure_id}", erasure_id=erasure["id"])
    call("GET", "/v1/audit")
    call("GET", "/v1/audit", query="?action=endpoint.created")
    call("GET", "/v1/stats")
    call("GET", "/v1/stats", query="?range=24h")
    call("GET", "/v1/tenants")
    call("GET", "/v1/endpoints/{endpoint_id}/stats", **one)
    call("GET", "/v1/endpoints/stats")
    call("GET", "/v1/endpoints/stats", query="?format=xml")
    call("GET", "/v1/endpoints/{endpoint_id}/attempts", **one)
    call("GET", "/v1/endpoints/{endpoint_id}/attempts", endpoint_id="end_x")
    draft = {"name": "e", "url": "http://127.0.0.1:9/"}
    for path in ("/v1/endpoints/preview", "/v1/endpoints/test"):
        call("POST", path, {"endpoint": draft})
        call("POST", path, {"endpoint": draft, "instead_of": "end_x"})
        call("POST", path, {"endpoint": draft | {"url": "x"}})
    call("POST", "/v1/endpoints/preview", {"endpoint": draft, "count": 10, "event_id": events[0]["id"]})
    call("POST", "/v1/endpoints/test", {"endpoint": draft | {"validation": "required"}})
    call("GET", "/v1/doctor")
    call("POST", "/v1/backups")
    call("POST", "/v1/master-key/rewrap")
    call("PUT", "/v1/retention", {"rules": [{"event_types": ["job.*"], "rows_seconds": 0}]}, query="?tenant=kept")
    call("PUT", "/v1/retention", {"rules": [{"event_types": []}]})
    call("GET", "/v1/retention")
    for path in ("/livez", "/readyz", "/metrics", "/version"):
        call("GET", path)
    call("GET", "/problems/{slug}", slug="conflict")
    call("GET", "/problems/{slug}", slug="none")
    call("DELETE", "/v1/endpoints/{endpoint_id}", **one)
    documented = {(m.upper(), path) for path, methods in document["paths"].items() for m in methods}
    # The tail has no end: what it shows is looked at where it is read.
    assert call.seen == documented - {("GET", "/v1/tail")}


def test_examples_of_webhooks_are_as_documented(document: dict[str, Any]) -> None:
    assert len(document["webhooks"]) >= 19
    for kind, item in document["webhooks"].items():
        for content in item["post"]["requestBody"]["content"].values():
            schema = {**content["schema"], "components": document["components"]}
            jsonschema_rs.Draft202012Validator(schema).validate(content["example"])
            assert content["example"]["type"] == kind
