"""Failures in a row over the real server: counted over commit groups, tenants and restarts, and asked for by filters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.kit.program import Program
from tests.kit.server import Client
from tests.kit.waiting import until
from tests.kit.web import Say, WebServer


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path / "streaks.db")
    yield made
    made.kill()


def run(client: Client, job_id: str, state: str, tenant: str = "default") -> list[str]:
    """One run of the nightly load, reported in one array; the ids of its events."""
    named = {"job_id": job_id, "job_type": "load", "name": "nightly", "tenant": tenant}
    reports = [named | {"state": "running"}, {"job_id": job_id, "state": state, "tenant": tenant}]
    answer = client.post("/v1/jobs/reports", reports)
    assert answer.status == 202, answer
    return [event_id for result in answer.json["results"] for event_id in result["event_ids"]]


def number_of(client: Client, event_id: str) -> Any:
    return client.get(f"/v1/events/{event_id}").json["data"].get("failures_in_a_row")


def told(web: WebServer) -> list[tuple[str, str, Any]]:
    """Type, job and number of what came, each event once."""
    events = [json.loads(asked.body) for asked in tuple(web.asked)]
    return list({e["id"]: (e["type"], e["subject"], e["data"].get("failures_in_a_row")) for e in events}.values())


async def test_a_person_hears_from_the_third_failure_on_and_of_the_recovery(program: Program) -> None:
    with WebServer(lambda _: Say()) as web:
        endpoint = program.endpoint(
            web.url, ordering="none", filters=[{"after_failures": 3, "job_types": ["load"]}], max_in_flight=1
        )
        for number in (1, 2):
            run(program, f"f{number}", "failed")
            run(program, f"other{number}", "failed", tenant="acme")
        program.kill()
        await asyncio.to_thread(program.start)
        failed = run(program, "f3", "failed")
        assert [number_of(program, event_id) for event_id in failed] == [None, None, 3]
        run(program, "s1", "stopped")
        run(program, "f4", "failed")
        recovered = run(program, "f5", "succeeded")
        assert [number_of(program, event_id) for event_id in recovered] == [None, None, 4]
        run(program, "f6", "succeeded")
        run(program, "f7", "failed")
        expected = [("job.failed", "f3", 3), ("job.failed", "f4", 4), ("job.succeeded", "f5", 4)]
        await until(lambda: told(web) == expected)
        assert number_of(program, run(program, "other3", "failed", tenant="acme")[-1]) == 3

        (shown,) = [one for one in program.get("/v1/jobs?limit=50").json["items"] if one["job_id"] == "f4"]
        assert "failures_in_a_row" not in shown
        preview = program.post(f"/v1/endpoints/{endpoint['id']}/preview", {"events": 100}).json
        matching = [one["subject_id"] for one in preview["items"] if one["why_not"] is None]
        assert sorted(matching) == ["f3", "f4", "f5"]
        wanted = {"endpoint_id": endpoint["id"], "filters": [{"after_failures": 4, "verbs": ["failed"]}]}
        assert program.post("/v1/replays?dry_run=true", wanted).json["total"] == 1


async def test_all_runs_of_one_array_and_of_one_commit_group_are_counted_in_order(program: Program) -> None:
    def fields(number: int, state: str) -> dict[str, object]:
        return {"job_id": f"j{number}", "job_type": "load", "name": "n", "state": state}

    states = ["failed"] * 5 + ["succeeded"] + ["failed"] * 2
    answer = program.post("/v1/jobs/reports", [fields(number, state) for number, state in enumerate(states)])
    last = [result["event_ids"][-1] for result in answer.json["results"]]
    assert [number_of(program, event_id) for event_id in last] == [None, 2, 3, 4, 5, 5, None, 2]

    async def one(number: int) -> str:
        done = await asyncio.to_thread(program.post, "/v1/jobs/reports", fields(number, "failed"))
        return done.json["results"][0]["event_ids"][-1]

    together = await asyncio.gather(*(one(number) for number in range(100, 112)))
    numbers = [await asyncio.to_thread(number_of, program, event_id) for event_id in together]
    assert sorted(numbers) == list(range(3, 15))


@pytest.mark.parametrize("limit", [0, 1001, "many", 1.5])
def test_a_limit_that_is_none_is_refused(shared_server: Client, limit: object) -> None:
    body = {"name": "n", "url": "https://example.com/", "filters": [{"after_failures": limit}]}
    refused = shared_server.post("/v1/endpoints", body)
    assert refused.status == 422
    assert refused.json["errors"][0]["pointer"] == "/filters/0/after_failures"
