"""What the pages of jobs and records are tested with: trees of jobs at work, and records that merge."""

from __future__ import annotations

from collections.abc import Mapping

from tests.kit.server import Server

from tocsin.model.times import to_text

NASTY = "<img src=x onerror=\"document.title='owned'\">'\"--><script>document.title='owned'</script>{{7*7}}"


def reported(server: Server, tenant: str, *reports: Mapping[str, object]) -> None:
    """Reports in their order, each of type `load` unless it says."""
    for report in reports:
        answer = server.post(f"/v1/jobs/reports?tenant={tenant}", {"job_type": "load", **report})
        assert answer.status == 202, answer


def family(server: Server, tenant: str, now: int) -> None:
    """A nightly load: its parts came to different ends, one still runs."""

    def at(seconds: int) -> str:
        return to_text(now - 600_000 + seconds * 1000)

    reported(
        server,
        tenant,
        {"job_id": "night", "name": "Nightly load", "state": "preparing", "time": at(0), "labels": {"team": "mdm"}},
        {"job_id": "night", "state": "running", "time": at(60), "details": "Step 1 of 3",
         "resources": [{"kind": "source", "id": "src-1", "name": "Customers"}], "attributes": {"data_version": "7", "n": [1, 2]}},
        {"job_id": "extract", "name": "Extract customers", "parent_job_id": "night", "state": "running", "time": at(70)},
        {"job_id": "extract", "state": "succeeded", "time": at(200)},
        {"job_id": "match", "name": "Match records", "parent_job_id": "night", "state": "pending", "time": at(80)},
        {"job_id": "match", "state": "running", "time": at(210)},
        {"job_id": "match", "state": "waiting", "time": at(300), "details": "Waiting for a slot"},
        {"job_id": "match", "state": "running", "time": at(360)},
        {"job_id": "match", "state": "failed", "time": at(420), "error": {"reason": "MATCH_FAILED", "message": "No such table: customers"}},
        {"job_id": "score", "name": "Score pairs", "parent_job_id": "match", "state": "running", "time": at(220)},
        {"job_id": "score", "state": "stopped", "time": at(280)},
        {"job_id": "publish", "name": "Publish", "parent_job_id": "night", "state": "running", "time": at(500)},
    )  # fmt: skip


def changed(server: Server, tenant: str, *changes: Mapping[str, object]) -> None:
    """Changes in their order, in table `customers` unless they say."""
    for change in changes:
        answer = server.post(f"/v1/records/changes?tenant={tenant}", {"table": "customers", **change})
        assert answer.status == 202, answer


def history(server: Server, tenant: str) -> None:
    """A record that merges, is changed, and is unmerged again."""
    ann = {"name": "Ann", "city": "Bern", "address": {"street": "Hill 1", "zip": "3000"}, "tags": ["a"]}
    changed(
        server,
        tenant,
        {"action": "create", "record": {"id": "r1", "data": ann}},
        {"action": "create", "record": {"id": "r2", "data": {"name": "Anna"}}},
        {"action": "create", "record": {"id": "r3", "data": {"name": "A. Smith"}}},
        {"action": "update", "record": {"id": "r1", "data": ann | {"city": "Basel", "phone": "+41"}}},
        {"action": "merge", "record": {"id": "r1", "data": ann | {"name": "Anna", "city": "Basel"}}, "retired": {"id": "r2"}},
        {"action": "merge", "record": {"id": "r1", "data": ann | {"name": "Anna Smith"}}, "retired": {"id": "r3"}},
        {"action": "enrich", "record": {"id": "r1", "data": ann | {"name": "Anna Smith", "address": {"street": "Hill 2", "zip": "3000"}}}},
        {"action": "unmerge", "record": {"id": "r1", "data": ann | {"name": "Anna"}}, "resurrected": {"id": "r3", "data": {"name": "A. Smith"}}},
    )  # fmt: skip
