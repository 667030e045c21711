"""The accept routes over HTTP: who may post, what is refused and how, what a repetition is answered."""

import http.client
import json
import socket

import pytest
from tests.api.callers import Caller, problem_of
from tests.kit.server import Server

REPORT = {"job_id": "j", "job_type": "load", "state": "running"}
CHANGE = {"action": "create", "record": {"id": "r", "data": {"a": 1}}}
VERSION = {"data_category_id": "c", "data_version": "1"}
EVENT = {"specversion": "1.0", "id": "e", "source": "/s", "type": "order.created"}
ROUTES = {
    "/v1/jobs/reports": REPORT,
    "/v1/records/changes": CHANGE,
    "/v1/data-versions": VERSION,
    "/v1/events": EVENT,
}


@pytest.mark.parametrize("path", ROUTES)
def test_each_role_may_or_may_not_post(shared_server: Server, path: str) -> None:
    caller = Caller(shared_server)
    statuses = {
        role: shared_server.post(path, ROUTES[path], key=caller.key(role)).status
        for role in ("admin", "producer", "viewer")
    }
    assert statuses == {"admin": 202, "producer": 202, "viewer": 403}
    assert shared_server.post(path, ROUTES[path], key=None).status == 401
    answer = shared_server.post(path, ROUTES[path], key="tok_unknown")
    assert problem_of(answer) == ("unauthenticated", 401, [])
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_answers_have_the_shape_of_the_contract(shared_server: Server) -> None:
    caller = Caller(shared_server)
    report = caller.post("/v1/jobs/reports", REPORT)
    assert report.status == 202
    assert report.headers["content-type"] == "application/json"
    (result,) = report.json["results"]
    assert (set(result), result["outcome"], len(result["event_ids"])) == (
        {"job_id", "outcome", "event_ids"}, "changed", 2,
    )  # fmt: skip
    (result,) = caller.post("/v1/records/changes", CHANGE).json["results"]
    assert (result["version_id"], len(result["event_ids"])) == (1, 1)
    (result,) = caller.post("/v1/data-versions", VERSION).json["results"]
    assert len(result["event_ids"]) == 1
    (result,) = caller.post("/v1/events", EVENT).json["results"]
    assert (result["id"], result["outcome"]) == ("e", "accepted")
    (again,) = caller.post("/v1/events", EVENT).json["results"]
    assert again == result | {"outcome": "duplicate"}


@pytest.mark.parametrize(
    ("path", "body", "slug", "status", "pointers"),
    [
        ("/v1/jobs/reports", b"{", "malformed-json", 400, []),
        ("/v1/jobs/reports", b"", "malformed-json", 400, []),
        ("/v1/jobs/reports", b'{"job_id":"\xff"}', "malformed-json", 400, []),
        ("/v1/jobs/reports", {"job_id": "j"}, "invalid-request", 422, None),
        ("/v1/jobs/reports", {**REPORT, "signal": "synced"}, "invalid-request", 422, None),
        ("/v1/jobs/reports", {**REPORT, "colour": 1}, "invalid-request", 422, ["/colour"]),
        ("/v1/jobs/reports", [], "invalid-request", 422, [""]),
        ("/v1/jobs/reports", [REPORT] * 1001, "too-large", 413, []),
        ("/v1/records/changes", [CHANGE, {**CHANGE, "record": {"data": {}}}], "invalid-request", 422, ["/1/record/id"]),
        ("/v1/records/changes", {**CHANGE, "action": "merge"}, "invalid-request", 422, ["/retired"]),
        ("/v1/data-versions", {**VERSION, "time": "x"}, "invalid-request", 422, ["/time"]),
        ("/v1/events", {**EVENT, "type": "job.succeeded"}, "invalid-request", 422, ["/type"]),
        ("/v1/events?tenant=a%20b", EVENT, "invalid-request", 422, ["tenant"]),
        ("/v1/events?colour=red", EVENT, "invalid-request", 422, ["colour"]),
    ],
)
def test_refusals_are_problem_documents(
    shared_server: Server, path: str, body: object, slug: str, status: int, pointers: list[str] | None
) -> None:
    answer = shared_server.post(path, body)
    found = problem_of(answer)
    assert found[:2] == (slug, status)
    if pointers is not None:
        assert found[2] == pointers


def test_a_body_beyond_the_limit_is_refused(shared_server: Server) -> None:
    caller = Caller(shared_server)
    limit = 10 * 1024 * 1024
    head, tail = b'{"specversion":"1.0","id":"big","source":"/s","type":"a.b","data":"', b'"}'
    body = head + b"x" * (limit - len(head) - len(tail)) + tail
    assert len(body) == limit
    assert caller.post("/v1/events", body).status == 202
    assert problem_of(caller.post("/v1/events", body + b" "))[:2] == ("too-large", 413)


def test_a_chunked_body_is_read_up_to_the_limit(shared_server: Server) -> None:
    def send(chunks: list[bytes]) -> http.client.HTTPResponse:
        connection.request(
            "POST",
            "/v1/events",
            iter(chunks),
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
            encode_chunked=True,
        )
        return connection.getresponse()

    key = Caller(shared_server).key("producer")
    connection = http.client.HTTPConnection(shared_server.url.removeprefix("http://"), timeout=30)
    body = json.dumps(EVENT).encode()
    answer = send([body[:10], body[10:]])
    assert (answer.status, json.load(answer)["results"][0]["outcome"]) == (202, "accepted")
    assert send([b" " * 1_000_000] * 12).status == 413
    connection.close()


def test_a_length_far_beyond_the_limit_is_refused_before_it_is_read(shared_server: Server) -> None:
    host, _, port = shared_server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_binary_and_batched_cloudevents(shared_server: Server) -> None:
    caller = Caller(shared_server)
    headers = {
        "ce-specversion": "1.0", "ce-id": "b1", "ce-source": "/s", "ce-type": "order.created", "ce-subject": "%C3%A9",
        "Content-Type": "text/plain",
    }  # fmt: skip
    (result,) = caller.post("/v1/events", b"hello", headers=headers).json["results"]
    shown = caller.get(f"/v1/events/{result['event_id']}").json
    assert (shown["subject_id"], shown["data"], shown["cloudevent"]["datacontenttype"]) == (
        "\u00e9",
        "hello",
        "text/plain",
    )
    batch = {"Content-Type": "application/cloudevents-batch+json"}
    events = [{**EVENT, "id": "x"}, {**EVENT, "id": "y", "data": {"a": 1}}, {**EVENT, "id": "x"}]
    results = caller.post("/v1/events", events, headers=batch).json["results"]
    assert [result["outcome"] for result in results] == ["accepted", "accepted", "duplicate"]
    assert caller.post("/v1/events", [], headers=batch).json == {"results": []}
    bad = caller.post("/v1/events", [{**EVENT, "id": "z"}, {**EVENT, "id": ""}], headers=batch)
    assert problem_of(bad) == ("invalid-request", 422, ["/1/id"])
    assert not any(event["cloudevent"]["id"] == "z" for event in caller.get("/v1/events").json["items"])


@pytest.mark.parametrize("path", ROUTES)
def test_the_same_key_and_body_get_the_stored_answer(shared_server: Server, path: str) -> None:
    caller = Caller(shared_server)
    first = caller.post(path, ROUTES[path], headers={"Idempotency-Key": "abc"})
    again = caller.post(path, ROUTES[path], headers={"Idempotency-Key": '"abc"'})
    assert (again.status, again.body) == (first.status, first.body) == (202, again.body)
    other = caller.post(path, json.dumps(ROUTES[path]).encode() + b" ", headers={"Idempotency-Key": "abc"})
    assert problem_of(other)[:2] == ("idempotency-key-reused", 422)
    assert Caller(shared_server).post(path, ROUTES[path], headers={"Idempotency-Key": "abc"}).body != first.body
    bad = caller.post(path, ROUTES[path], headers={"Idempotency-Key": "a b"})
    assert problem_of(bad)[:2] == ("malformed-request", 400)


def test_a_refusal_is_not_kept_under_a_key(shared_server: Server) -> None:
    caller = Caller(shared_server)
    headers = {"Idempotency-Key": "k1"}
    bad = {"job_id": "j9", "state": "running"}
    assert caller.post("/v1/jobs/reports", bad, headers=headers).status == 422
    assert caller.post("/v1/jobs/reports", REPORT, headers=headers).status == 202


def test_tenants_of_keys_and_operators(shared_server: Server) -> None:
    caller = Caller(shared_server)
    assert caller.post("/v1/jobs/reports", {**REPORT, "tenant": caller.tenant}).status == 202
    assert problem_of(caller.post("/v1/jobs/reports", {**REPORT, "tenant": "other"}))[:2] == ("forbidden", 403)
    assert problem_of(caller.post("/v1/events?tenant=other", EVENT))[:2] == ("forbidden", 403)
    two = [{**REPORT, "tenant": "a"}, {**REPORT, "tenant": "b"}]
    assert problem_of(shared_server.post("/v1/jobs/reports", two)) == ("invalid-request", 422, ["/1/tenant"])
    differ = shared_server.post("/v1/jobs/reports?tenant=a", {**REPORT, "tenant": "b"})
    assert problem_of(differ) == ("invalid-request", 422, ["/tenant"])
    named = shared_server.post("/v1/jobs/reports", {**REPORT, "job_id": "t1", "tenant": caller.tenant}).json
    assert named["results"][0]["outcome"] == "changed"
    assert caller.get("/v1/jobs/t1").json["tenant"] == caller.tenant
    shared_server.post("/v1/jobs/reports", {**REPORT, "job_id": "in-default"})
    assert shared_server.get("/v1/jobs/in-default?tenant=default").json["tenant"] == "default"


def test_addresses_that_only_accept(shared_server: Server) -> None:
    for path, allowed in (
        ("/v1/records/changes", "POST"),
        ("/v1/data-versions", "POST"),
        ("/v1/events", "GET, HEAD, POST"),
    ):
        answer = shared_server.call("PUT", path)
        assert problem_of(answer)[:2] == ("method-not-allowed", 405)
        assert answer.headers["allow"] == allowed
