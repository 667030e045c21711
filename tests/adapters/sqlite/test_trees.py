"""Trees of jobs as they might stand in a file: with circles, deep, and wide. What they cost is counted, not timed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tocsin.adapters.sqlite.database import migrate, open_connection
from tocsin.adapters.sqlite.statements import read_page
from tocsin.adapters.sqlite.trees import read_job_deliveries, read_tree
from tocsin.adapters.storing.rows import encode, job_view_of
from tocsin.model.job import Job, JobRow, JobState
from tocsin.ports import JobTree, JobView

SINCE = "2026-11-22T10:00:00.000Z"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    opened = open_connection(tmp_path / "tree.db")
    migrate(opened)
    yield opened
    opened.close()


def add(connection: apsw.Connection, job_id: str, parent: str | None, tenant: str = "acme") -> None:
    job = Job(
        job_id=job_id, job_type="t", mode="batch", name=None, state=JobState.RUNNING, state_since=SINCE, previous_state=None,
        history=(), details=None, error=None, resources=(), parent_job_id=parent, root_job_id="r", attributes={}, labels={},
    )  # fmt: skip
    connection.execute(
        "INSERT INTO job (tenant, id, state, job_type, parent, root, created_at, updated_at, snapshot) VALUES (?, ?, 'running', 't', ?, 'r', 0, 0, ?)",
        (tenant, job_id, parent, encode(JobRow(job=job))),
    )


def job(connection: apsw.Connection, job_id: str) -> JobView:
    values = {"id": job_id, "tenant": "acme", "low": 1, "below": 1 << 62, "limit": 1}
    return job_view_of(read_page(connection, "jobs", values)[0])


def names(tree: JobTree) -> list[tuple[int, str]]:
    return [(one.depth, one.view.row.job.job_id) for one in tree.jobs]


@pytest.mark.parametrize("parents", [{"a": "b", "b": "a"}, {"a": "a"}, {"a": "c", "b": "a", "c": "b"}])
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_circle_is_gone_round_once(connection: apsw.Connection, parents: dict[str, str], limit: int) -> None:
    for job_id, parent in parents.items():
        add(connection, job_id, parent)
    for job_id in parents:
        found = [name for _, name in names(read_tree(connection, job(connection, job_id), limit))]
        assert sorted(found) == sorted(set(found))
        assert job_id in found


def test_only_jobs_of_the_tenant_belong_to_a_tree(connection: apsw.Connection) -> None:
    add(connection, "a", None)
    add(connection, "a", None, "globex")
    add(connection, "b", "a", "globex")
    assert names(read_tree(connection, job(connection, "a"), 100)) == [(0, "a")]


def test_a_hundred_thousand_children_cost_no_more_than_a_page(connection: apsw.Connection) -> None:
    add(connection, "a", None)
    add(connection, "b", "a")
    connection.execute(
        "WITH RECURSIVE n (v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n WHERE v < 100000)"
        " INSERT INTO job (tenant, id, state, job_type, parent, root, created_at, updated_at, snapshot)"
        " SELECT 'acme', 'c' || v, 'running', 't', 'a', 'a', 0, 0,"
        """ CAST(replace(CAST(snapshot AS TEXT), '"b"', '"c' || v || '"') AS BLOB) FROM n, job WHERE id = 'b'"""
    )
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 100
        return False

    connection.set_progress_handler(count, 100)
    tree = read_tree(connection, job(connection, "a"), 100)
    assert (len(tree.jobs), tree.complete) == (100, False)
    read_job_deliveries(connection, "acme", tuple(f"c{n}" for n in range(100)), 50, 500)
    assert steps < 60_000
