"""Reporting in the background: in order, bounded, and never in the way of the job."""

import os
import socket
import subprocess
import sys
import threading

import pytest

from tocsin.client import Client, Reporter

OK = (202, {"results": [{"job_id": "j", "outcome": "changed", "event_ids": []}]})


@pytest.fixture
def reporter(server):
    made = Reporter(Client(server.url))
    yield made
    made.close(1)


def jobs_of(server):
    return [report["job_id"] for body in server.bodies for report in (body if isinstance(body, list) else [body])]


def test_reports_arrive_in_order_and_share_requests(server, reporter):
    for number in range(250):
        reporter.report(f"job-{number}", state="running", job_type="t")
    assert reporter.flush()
    assert jobs_of(server) == [f"job-{number}" for number in range(250)]
    assert max(len(body) for body in server.bodies) <= 100
    assert (reporter.dropped, reporter.refused) == (0, 0)


def test_each_submission_carries_the_time_it_was_made(server, reporter):
    reporter.report("a", state="running")
    reporter.report("b", state="running", time="2026-01-01T00:00:00.000Z")
    reporter.change("create", "r", {})
    reporter.data_version("c", "1")
    reporter.emit("order.created", {"n": 1})
    assert reporter.flush()
    flat = [item for body in server.bodies for item in (body if isinstance(body, list) else [body])]
    assert flat[1]["time"] == "2026-01-01T00:00:00.000Z"
    assert all(item["time"].endswith("Z") for item in flat)
    assert [path for _, path, _ in server.requests][-3:] == ["/v1/records/changes", "/v1/data-versions", "/v1/events"]


def test_trouble_is_retried_with_the_same_key_until_it_is_over(server, reporter):
    server.answers = [(503, None), (409, {"type": "/problems/request-running"}), OK]
    reporter.report("a", state="running")
    assert reporter.flush(10)
    assert [body[0]["job_id"] for body in server.bodies] == ["a", "a", "a"]
    assert len({headers["idempotency-key"] for headers in server.headers}) == 1
    assert (reporter.dropped, reporter.refused) == (0, 0)


def test_what_is_refused_is_counted_and_does_not_block_the_rest(server, reporter):
    refused = {"results": [{"job_id": "a", "outcome": "refused", "problem": {"status": 409}}]}
    server.answers = [(401, {"title": "no"}), (202, refused), OK]
    for name in ("a", "b", "c"):
        reporter.report(name, state="running")
        assert reporter.flush()
    assert (reporter.refused, reporter.dropped) == (2, 0)
    assert jobs_of(server) == ["a", "b", "c"]


def test_a_batch_that_is_too_large_is_halved(server):
    entered, gate = threading.Event(), threading.Event()

    class Gated(Client):
        def request(self, *args, **kwargs):
            entered.set()
            gate.wait(5)
            return super().request(*args, **kwargs)

    reporter = Reporter(Gated(server.url))
    server.answers = [OK, (413, None), OK]
    reporter.report("first", state="running")
    assert entered.wait(5)
    for name in ("a", "b", "c"):
        reporter.report(name, state="running")
    gate.set()
    assert reporter.flush()
    assert [[report["job_id"] for report in body] for body in server.bodies] == [
        ["first"], ["a", "b", "c"], ["a"], ["b", "c"],
    ]  # fmt: skip
    assert reporter.close()


def test_what_json_cannot_say_is_refused_not_raised(server, reporter):
    reporter.report("a", state="running", attributes={"bad": object()})
    reporter.report("a", state="running", attributes={"bad": float("nan")})
    assert reporter.flush()
    assert (reporter.refused, server.requests) == (2, [])


def test_the_buffer_is_bounded_and_closing_gives_up(unused_port):
    reporter = Reporter(Client(f"http://127.0.0.1:{unused_port}"), capacity=5)
    for number in range(20):
        reporter.report(f"job-{number}", state="running")
    assert not reporter.close(0.05)
    assert reporter.dropped == 20
    reporter.report("late", state="running")
    assert reporter.dropped == 21


@pytest.fixture
def unused_port():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return closed.getsockname()[1]


def test_a_forked_child_sends_its_own_and_not_its_parents(server, reporter):
    reporter.report("parent", state="running")
    assert reporter.flush()
    child = os.fork()
    if child == 0:
        try:
            reporter.report("child", state="running")
            os._exit(0 if reporter.flush(5) else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    reporter.report("parent-again", state="running")
    assert reporter.flush()
    assert jobs_of(server) == ["parent", "child", "parent-again"]


def test_what_is_waiting_is_sent_when_the_process_ends(server):
    program = "from tocsin.client import job\nwith job('load', job_id='j-1'): pass\n"
    environment = os.environ | {"TOCSIN_URL": server.url, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=20)
    states = [report["state"] for body in server.bodies for report in body]
    assert states == ["running", "succeeded"]
