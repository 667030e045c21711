"""Python code as jobs: what is reported when it ends this way or that."""

import asyncio

import pytest

from tocsin.client import Client, JobRun, current_job


class Kept:
    """Takes reports and keeps them."""

    def __init__(self):
        self.reports = []

    def report(self, job_id, **fields):
        self.reports.append((job_id, fields))

    @property
    def states(self):
        return [fields.get("state") or fields["signal"] for _, fields in self.reports]


@pytest.fixture
def kept():
    return Kept()


def test_a_block_that_ends_well(kept):
    with JobRun(kept, "load", {"job_id": "j", "labels": {"a": "b"}, "name": "Load"}) as job:
        job.progress("half")
        job.state("waiting")
        job.state("running", "again")
        job.signal("updated")
    assert kept.reports == [
        ("j", {"labels": {"a": "b"}, "name": "Load", "state": "running", "job_type": "load"}),
        ("j", {"signal": "progressed", "details": "half"}),
        ("j", {"state": "waiting"}),
        ("j", {"state": "running", "details": "again"}),
        ("j", {"signal": "updated"}),
        ("j", {"state": "succeeded"}),
    ]


@pytest.mark.parametrize(
    ("error", "last"),
    [
        (ZeroDivisionError("by zero"), {"state": "failed", "error": {"reason": "ZERO_DIVISION_ERROR", "message": "by zero"}}),
        (OSError(), {"state": "failed", "error": {"reason": "OS_ERROR", "message": ""}}),
        (SystemExit(3), {"state": "failed", "error": {"reason": "SYSTEM_EXIT", "message": "3"}}),
        (SystemExit(0), {"state": "succeeded"}),
        (KeyboardInterrupt(), {"state": "stopped"}),
        (asyncio.CancelledError(), {"state": "stopped"}),
    ],
)  # fmt: skip
def test_an_exception_goes_on_and_says_how_it_ended(kept, error, last):
    with pytest.raises(type(error)), JobRun(kept, "load", {"job_id": "j"}):
        raise error
    assert kept.reports[-1] == ("j", last)
    assert current_job() is None


def test_a_job_may_fail_without_an_exception(kept):
    with JobRun(kept, "load", {"job_id": "j"}) as job:
        job.fail("LOAD_FAILED", "no rows")
    assert kept.states == ["running", "failed"]


def test_a_job_inside_a_job_has_it_as_parent(kept, monkeypatch):
    monkeypatch.setenv("TOCSIN_JOB_ID", "outside")
    with JobRun(kept, "a", {"job_id": "outer"}), JobRun(kept, "b", {"job_id": "inner"}) as inner:
        assert current_job() is inner
    parents = [fields.get("parent_job_id") for _, fields in kept.reports if "job_type" in fields]
    assert parents == ["outside", "outer"]


def test_each_call_of_a_decorated_function_is_a_run(kept):
    @JobRun(kept, "add", {})
    def add(a, b):
        return a + b

    assert (add(1, 2), add(3, 4)) == (3, 7)
    assert add.__name__ == "add"
    assert kept.states == ["running", "succeeded", "running", "succeeded"]
    first, second = kept.reports[0][0], kept.reports[2][0]
    assert first != second
    assert first.startswith("add-")


async def test_a_coroutine_function_is_reported_while_it_runs(kept):
    @JobRun(kept, "wait", {})
    async def wait():
        assert kept.states == ["running"]
        await asyncio.sleep(0)
        return current_job().job_type

    assert await wait() == "wait"
    assert kept.states == ["running", "succeeded"]


def test_a_client_job_is_reported_at_once(server):
    client = Client(server.url)
    with client.job("load", job_id="j"):
        assert server.bodies == [{"job_id": "j", "state": "running", "job_type": "load"}]
    client.close()
    assert server.bodies[-1] == {"job_id": "j", "state": "succeeded"}
