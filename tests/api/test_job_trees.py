"""The tree that a job is in, what its jobs caused, and finding jobs."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from tests.api.callers import Caller, problem_of
from tests.kit.server import Server
from tests.kit.waiting import until


@pytest.fixture
def caller(shared_server: Server) -> Caller:
    return Caller(shared_server)


def report(caller: Caller, job_id: str, parent: str | None = None, **fields: object) -> None:
    document = {"job_id": job_id, "job_type": "load", "state": "running", "parent_job_id": parent} | fields
    answer = caller.post("/v1/jobs/reports", document)
    assert answer.status == 202, answer


def tree(caller: Caller, job_id: str, query: str = "", **options: Any) -> tuple[list[tuple[int, str]], bool]:
    answer = caller.get(f"/v1/job-trees/{quote(job_id, safe='')}{query}", **options)
    assert answer.status == 200, answer
    return [(job["depth"], job["job_id"]) for job in answer.json["jobs"]], answer.json["complete"]


WHOLE = [(0, "a"), (1, "b"), (2, "c"), (2, "d"), (1, "e/f")]


def family(caller: Caller) -> None:
    for job_id, parent in (("a", None), ("b", "a"), ("c", "b"), ("d", "b"), ("e/f", "a"), ("x", None)):
        report(caller, job_id, parent)


@pytest.mark.parametrize("job_id", ["a", "b", "d", "e/f"])
def test_the_tree_is_the_same_from_each_of_its_jobs(caller: Caller, job_id: str) -> None:
    family(caller)
    assert tree(caller, job_id) == (WHOLE, True)
    assert tree(caller, job_id, role="producer") == (WHOLE, True)
    assert tree(caller, "x") == ([(0, "x")], True)


def test_of_a_tree_that_is_too_large_the_way_up_and_what_is_below(caller: Caller) -> None:
    family(caller)
    assert tree(caller, "b", "?limit=4") == (WHOLE[:4], False)
    assert tree(caller, "d", "?limit=4") == ([(0, "a"), (1, "b"), (2, "d")], False)
    shown, is_complete = tree(caller, "a", "?limit=3")
    assert (len(shown), shown[0], is_complete) == (3, (0, "a"), False)
    assert tree(caller, "d", "?limit=1") == ([(0, "a"), (1, "b"), (2, "d")], False)
    assert problem_of(caller.get("/v1/job-trees/a?limit=0"))[2] == ["limit"]


def test_a_parent_that_is_not_known_is_not_shown(caller: Caller) -> None:
    report(caller, "b", "unheard-of")
    assert tree(caller, "b") == ([(0, "b")], False)


def test_a_deep_tree_is_followed_so_far(caller: Caller) -> None:
    for depth in range(70):
        report(caller, f"j{depth}", f"j{depth - 1}" if depth else None)
    shown, is_complete = tree(caller, "j50", "?limit=500")
    assert (shown[0], is_complete) == ((0, "j18"), False)
    assert (32, "j50") in shown
    assert shown[-1] == (32 + 19, "j69")


def test_a_crowd_of_children_costs_no_more_than_a_page(caller: Caller) -> None:
    report(caller, "root")
    many = [{"job_id": f"c{n}", "job_type": "t", "state": "running", "parent_job_id": "root"} for n in range(600)]
    assert caller.post("/v1/jobs/reports", many).status == 202
    shown, is_complete = tree(caller, "root", "?limit=50")
    assert (len(shown), is_complete) == (50, False)
    assert tree(caller, "c7", "?limit=50") == ([(0, "root"), (1, "c7")], False)
    page = caller.get("/v1/jobs?parent_job_id=root&limit=500").json
    rest = caller.get(f"/v1/jobs?parent_job_id=root&limit=500&cursor={page['next_cursor']}").json
    assert (len(page["items"]), len(rest["items"]), rest["next_cursor"]) == (500, 100, None)


async def test_the_deliveries_of_a_tree(caller: Caller) -> None:
    endpoint = caller.endpoint(filters=[{"event_types": ["job.running", "job.succeeded"]}])
    family(caller)
    report(caller, "b", state="succeeded")

    def items(job_id: str, query: str = "") -> list[dict[str, Any]]:
        return caller.get(f"/v1/job-deliveries/{quote(job_id, safe='')}{query}").json["items"]

    await until(lambda: len(items("b")) == 6)
    shown = items("b")
    assert {item["endpoint_id"] for item in shown} == {endpoint["id"]}
    assert [item["subject_id"] for item in shown] == ["b", "e/f", "d", "c", "b", "a"]
    assert [item["event_type"] for item in shown if item["subject_id"] == "b"] == ["job.succeeded", "job.running"]
    assert [item["event_type"] for item in items("b", "?limit=1")][:1] == ["job.succeeded"]
    assert len(items("b", "?limit=1")) == 5
    assert [item["subject_id"] for item in items("x")] == ["x"]
    assert problem_of(caller.get("/v1/job-deliveries/b", role="producer"))[:2] == ("forbidden", 403)
    assert problem_of(caller.get("/v1/job-deliveries/nobody"))[:2] == ("not-found", 404)


def names(caller: Caller, query: str) -> list[str]:
    answer = caller.get(f"/v1/jobs?{query}")
    assert answer.status == 200, answer
    return [job["job_id"] for job in answer.json["items"]]


def test_jobs_are_found_by_mode_and_by_a_part_of_their_name_or_id(caller: Caller) -> None:
    report(caller, "load-1", name="Nightly Customers")
    report(caller, "load-2", name="100%_of it", mode="realtime")
    report(caller, "sync-3")
    assert names(caller, "mode=realtime") == ["load-2"]
    assert names(caller, "mode=batch") == ["sync-3", "load-1"]
    assert names(caller, "search=CUSTOMERS") == ["load-1"]
    assert names(caller, "search=oad-") == ["load-2", "load-1"]
    assert names(caller, "search=%25_of") == ["load-2"]
    assert names(caller, "search=%25") == ["load-2"]
    assert names(caller, "search=") == ["sync-3", "load-2", "load-1"]
    assert names(caller, "search=load&mode=batch&state=running&job_type=load") == ["load-1"]
    report(caller, "sync-3", name="Renamed", mode="realtime")
    assert names(caller, "search=renamed&mode=realtime") == ["sync-3"]
    assert problem_of(caller.get("/v1/jobs?mode=none"))[2] == ["mode"]


def test_the_parts_of_a_merge_name_one_another(caller: Caller) -> None:
    for name in ("r1", "r2"):
        caller.post("/v1/records/changes", {"action": "create", "table": "t", "record": {"id": name, "data": {}}})
    merge = {"action": "merge", "table": "t", "record": {"id": "r1", "data": {}}, "retired": {"id": "r2"}}
    caller.post("/v1/records/changes", merge)
    for name in ("r1", "r2"):
        newest, oldest = caller.get(f"/v1/records/t/{name}/history").json["items"]
        assert newest["parts"] == ["t/r1", "t/r2"]
        assert "parts" not in oldest
