"""Numbers over HTTP: what arrived, what failed, in which range, for whom; nulls where there was nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from typing import Any

import pytest
from tests.api.callers import Caller, problem_of
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Say, WebServer

NOTHING = {"p50": None, "p95": None, "p99": None}


def report(caller: Caller, job_id: str, state: str) -> None:
    answer = caller.post("/v1/jobs/reports", {"job_id": job_id, "job_type": "load", "state": state})
    assert answer.status == 202, answer


def settled(caller: Caller, endpoint: str, attempts: int) -> Any:
    numbers = caller.get(f"/v1/endpoints/{endpoint}/stats").json
    return numbers if numbers["attempts"]["total"] >= attempts else None


async def test_numbers_tell_what_happened(shared_server: Server) -> None:
    caller = Caller(shared_server)
    empty = caller.get("/v1/stats").json
    assert empty["success_rate"] is None
    assert empty["attempt_ms"] == empty["delivered_ms"] == NOTHING
    assert (empty["events"], empty["attempts"]["total"], empty["errors"], empty["failing"]) == (0, 0, {}, [])
    assert (empty["oldest_pending_at"], empty["oldest_pending_seconds"]) == (None, None)
    assert len(empty["series"]) in {60, 61}
    with WebServer(lambda asked: Say(200 if asked.path == "/good" else 500)) as web:
        good = caller.endpoint(url=f"{web.url}good", filters=[{"verbs": ["running"]}])
        bad = caller.endpoint(url=f"{web.url}bad", filters=[{"verbs": ["running"]}], retry={"schedule_seconds": [3600]})
        for number in range(3):
            report(caller, f"j{number}", "running")
        one = await until(lambda: settled(caller, good["id"], 3))
        other = await until(lambda: settled(caller, bad["id"], 3))
    assert one["attempts"] == {"total": 3, "delivered": 3, "retry": 0, "rejected": 0}
    assert one["deliveries"] == {"delivered": 3, "dead": 0, "cancelled": 0}
    assert (one["success_rate"], one["errors"], one["pending_deliveries"]) == (1.0, {}, 0)
    assert 0 < one["attempt_ms"]["p50"] <= one["attempt_ms"]["p95"] <= one["attempt_ms"]["p99"]
    assert one["delivered_ms"]["p50"] is not None
    assert other["attempts"] == {"total": 3, "delivered": 0, "retry": 3, "rejected": 0}
    assert (other["success_rate"], other["errors"], other["pending_deliveries"]) == (0.0, {"status": 3}, 3)
    assert other["oldest_pending_seconds"] > 0
    assert other["delivered_ms"] == NOTHING
    whole = caller.get("/v1/stats?range=24h").json
    assert (whole["attempts"]["total"], whole["success_rate"], whole["pending_deliveries"]) == (6, 0.5, 3)
    assert whole["events"] == len(caller.get("/v1/events").json["items"])
    assert [(f["endpoint_id"], f["failures"], f["pending_deliveries"]) for f in whole["failing"]] == [(bad["id"], 3, 3)]
    for name in ("events", "attempts"):
        values = [point[name] if name == "events" else point[name]["total"] for point in whole["series"]]
        assert sum(values) == (whole[name] if name == "events" else whole[name]["total"])
    assert all(before["at"] < after["at"] for before, after in pairwise(whole["series"]))
    assert whole["series"][-1]["pending_deliveries"] == 3
    assert Caller(shared_server).get("/v1/stats").json["pending_deliveries"] == 0


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("?range=2h", "range"),
        ("?range=1h&since=2026-01-01T00:00:00Z", "range"),
        ("?since=yesterday", "since"),
        ("?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "since"),
        ("?since=2999-01-01T00:00:00Z", "since"),
    ],
)
def test_a_range_that_is_none_is_refused(shared_server: Server, query: str, pointer: str) -> None:
    answer = shared_server.get(f"/v1/stats{query}")
    assert problem_of(answer)[:2] == ("invalid-request", 422)
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


def test_a_range_may_have_any_ends(shared_server: Server) -> None:
    numbers = shared_server.get("/v1/stats?since=2026-01-01T10:00:30Z&until=2026-01-02T10:00:00Z").json
    assert numbers["since"] <= "2026-01-01T10:00:30.000Z"
    assert numbers["until"] >= "2026-01-02T10:00:00.000Z"
    assert (numbers["attempts"]["total"], numbers["success_rate"]) == (0, None)
    assert 1 <= len(numbers["series"]) <= 180


def test_prometheus_gets_tallies(shared_server: Server) -> None:
    caller = Caller(shared_server)
    before = value(shared_server, "tocsin_events_accepted_total")
    report(caller, "j", "running")
    assert value(shared_server, "tocsin_events_accepted_total") == before + 2
    text = shared_server.get("/metrics").body.decode()
    for name in (
        'tocsin_attempts_total{outcome="retry"}', "tocsin_pending_deliveries", "tocsin_oldest_pending_seconds",
        'tocsin_attempt_duration_seconds_bucket{le="+Inf"}', "tocsin_delivered_after_seconds_sum", "tocsin_attempts_in_flight",
    ):  # fmt: skip
        assert f"\n{name} " in text


def value(server: Server, name: str) -> float:
    lines = server.get("/metrics").body.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def test_the_command_line_shows_them(shared_server: Server) -> None:
    caller = Caller(shared_server)
    endpoint = caller.endpoint()

    def said(*words: str) -> str:
        command = [sys.executable, "-m", "tocsin", *words, "--url", shared_server.url, "--api-key", caller.key("admin")]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert "success rate" in said("stats", "--range", "7d")
    shown = json.loads(said("endpoints", "stats", endpoint["id"], "--output", "json"))
    assert shown["endpoint_id"] == endpoint["id"]
    assert len(shown["series"]) in {60, 61}


async def test_endpoints_that_need_somebody(shared_server: Server) -> None:
    """Those that the server disabled or pauses, or that fail, each with why; not those that a person disabled."""
    caller = Caller(shared_server)
    statuses = {"/gone": 410, "/bad": 500, "/slow": 429, "/off": 200}
    retry = {"schedule_seconds": [3600]}
    with WebServer(lambda asked: Say(statuses[asked.path], headers=(("Retry-After", "600"),))) as web:
        made = {
            name: caller.endpoint(name=name, url=f"{web.url}{name}", retry=retry)["id"]
            for name in ("gone", "bad", "slow", "off")
        }
        assert caller.post(f"/v1/endpoints/{made['off']}/disable").status == 200
        report(caller, "j", "running")

        def all_three() -> Any:
            found = caller.get("/v1/stats").json["troubled"]
            states = {one["name"]: one["state"] for one in found}
            return found if states == {"gone": "disabled", "slow": "paused", "bad": "failing"} else None

        gone, slow, bad = await until(all_three)
    assert [gone["endpoint_id"], slow["endpoint_id"], bad["endpoint_id"]] == [made["gone"], made["slow"], made["bad"]]
    assert (gone["reason"], gone["tenant"]) == ("gone", caller.tenant)
    assert slow["paused_until"] is not None
    assert bad["paused_until"] is None
    assert "500" in bad["reason"]
    assert bad["since"] is not None
    everybody = shared_server.get("/v1/stats").json["troubled"]
    assert {one["endpoint_id"] for one in everybody} >= {made["gone"], made["slow"], made["bad"]}
    assert Caller(shared_server).get("/v1/stats").json["troubled"] == []
