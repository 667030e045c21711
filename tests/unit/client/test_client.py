"""The calls of a producer: what they put on the wire, and what comes back."""

import socket
import time
import uuid

import pytest

from tocsin.client import Client, Problem, Unreachable
from tocsin.client.fields import ordered_uuid


def test_a_report(server):
    with Client(server.url, "key-1", tenant="acme") as client:
        result = client.report("job-1", state="running", job_type="load", labels={"team": "mdm"})
    assert result == {"job_id": "j", "outcome": "changed", "event_ids": ["evt_1"]}
    assert server.requests == [
        (
            "POST",
            "/v1/jobs/reports?tenant=acme",
            {"job_id": "job-1", "state": "running", "job_type": "load", "labels": {"team": "mdm"}},
        )
    ]
    assert server.headers[0]["authorization"] == "Bearer key-1"
    assert server.headers[0]["content-type"] == "application/json"


def test_a_merge_and_an_unmerge(server):
    client = Client(server.url)
    client.change("merge", "r1", {"name": "Ann"}, table="customers", retired="r2", version_id=7)
    client.change("unmerge", "r1", {"name": "Ann"}, resurrected={"id": "r2", "data": {}})
    client.change("delete", "r1")
    client.close()
    assert server.bodies == [
        {
            "action": "merge",
            "record": {"id": "r1", "data": {"name": "Ann"}},
            "table": "customers",
            "retired": {"id": "r2"},
            "version_id": 7,
        },
        {"action": "unmerge", "record": {"id": "r1", "data": {"name": "Ann"}}, "resurrected": {"id": "r2", "data": {}}},
        {"action": "delete", "record": {"id": "r1"}},
    ]


def test_an_event_is_a_structured_cloud_event(server):
    client = Client(server.url)
    client.emit("order.created", {"n": 1}, source="/shop", id="o-1", subject="o", extensions={"trace": "x"})
    client.emit("order.paid")
    client.close()
    assert server.headers[0]["content-type"] == "application/cloudevents+json"
    assert server.bodies[0] == {
        "specversion": "1.0", "id": "o-1", "source": "/shop", "type": "order.created", "subject": "o", "trace": "x",
        "datacontenttype": "application/json", "data": {"n": 1},
    }  # fmt: skip
    assert set(server.bodies[1]) == {"specversion", "id", "source", "type"}


def test_many_at_once_and_data_versions(server):
    client = Client(server.url)
    assert client.report_many([{"job_id": "a", "state": "running"}])[0]["outcome"] == "changed"
    client.change_many([{"action": "delete", "record": {"id": "r"}}])
    client.data_version("cat", "5", time="2026-11-22T10:00:00.000Z")
    client.close()
    assert [path for _, path, _ in server.requests] == ["/v1/jobs/reports", "/v1/records/changes", "/v1/data-versions"]
    assert server.bodies[2] == {"data_category_id": "cat", "data_version": "5", "time": "2026-11-22T10:00:00.000Z"}


def test_every_post_has_its_own_idempotency_key_and_the_connection_is_kept(server):
    client = Client(server.url)
    for _ in range(3):
        client.report("j", state="running")
    client.close()
    assert len({headers["idempotency-key"] for headers in server.headers}) == 3
    assert server.connections == 1


def test_a_kept_connection_that_was_closed_is_replaced_with_the_same_key(server):
    client = Client(server.url)
    client.report("j", state="running")
    server.answers.insert(0, (0, None))
    assert client.report("j", state="succeeded")["outcome"] == "changed"
    client.close()
    assert [body["state"] for body in server.bodies] == ["running", "succeeded"]
    assert server.connections == 2


def test_a_problem_carries_its_document(server):
    document = {
        "type": "/problems/invalid-request",
        "title": "A field of the request is not right.",
        "status": 422,
        "detail": "2 fields",
        "errors": [{"pointer": "/state", "detail": "unknown state"}, {"pointer": "/mode", "detail": "2 fields"}],
    }
    server.answers = [(422, document)]
    client = Client(server.url)
    with pytest.raises(Problem) as caught:
        client.report("j", state="running")
    client.close()
    problem = caught.value
    assert (problem.status, problem.type, problem.document) == (422, "invalid-request", document)
    assert str(problem) == "A field of the request is not right. 2 fields /state: unknown state (at /mode)"


def test_an_error_without_a_document_is_a_problem_too(server):
    server.answers = [(502, None)]
    client = Client(server.url)
    with pytest.raises(Problem, match=r"^The server answered 502\.$"):
        client.report("j", state="running")
    client.close()


def test_an_answer_of_another_kind_of_server_is_said(server):
    server.answers = [(200, {"hello": "world"})]
    client = Client(server.url)
    with pytest.raises(Problem, match="is this a Tocsin server"):
        client.report("j", state="running")
    client.close()


def test_nobody_there_is_unreachable():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    client = Client(f"http://127.0.0.1:{port}")
    with pytest.raises(Unreachable, match=f"^http://127.0.0.1:{port} cannot be reached"):
        client.report("j", state="running")


def test_no_answer_in_time_is_unreachable():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = Client(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=0.05)
        with pytest.raises(Unreachable, match="timed out"):
            client.report("j", state="running")


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x", "http://", "http://x?y=1"])
def test_an_address_must_be_one(url):
    with pytest.raises(ValueError, match="not the http or https address"):
        Client(url)


def test_the_environment_names_the_server(server, monkeypatch):
    monkeypatch.setenv("TOCSIN_URL", server.url + "/")
    monkeypatch.setenv("TOCSIN_API_KEY", "key-2")
    client = Client()
    client.report("j", state="running")
    client.close()
    assert server.headers[0]["authorization"] == "Bearer key-2"
    assert client.url == server.url


def test_the_uuids_of_keys_and_jobs_begin_with_the_time() -> None:
    made = [uuid.UUID(ordered_uuid()) for _ in range(1000)]
    assert len(set(made)) == 1000
    assert {(each.version, each.variant) for each in made} == {(7, uuid.RFC_4122)}
    times = [each.int >> 80 for each in made]
    assert times == sorted(times)
    assert abs(times[0] - time.time() * 1000) < 60_000
