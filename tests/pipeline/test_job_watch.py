"""Jobs that take too long, over the real server: limits by job type and of a job's own, each told once, also over kill -9."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.kit.program import Program
from tests.kit.server import Client, Server
from tests.kit.waiting import until
from tests.kit.web import Say, WebServer
from tests.pipeline.test_clock import SteppingClock

from tocsin import wiring
from tocsin.errors import Misconfigured

HOUR_MS = 3_600_000
WATCHED = [{"verbs": ["overdue", "lost"]}]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SteppingClock:
    made = SteppingClock()
    monkeypatch.setattr(wiring, "now_ms", made)
    return made


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Program]:
    """A program on `killed.db`, with limits of an hour."""
    made = Program(tmp_path / "killed.db", **{name.upper(): value for name, value in LIMITS.items()})
    yield made
    made.kill()


LIMITS = {"tocsin_job_overdue_after": "load=3600", "tocsin_job_lost_after": "load=7200"}


def report(client: Client, job_id: str, state: str | None = None, **fields: object) -> None:
    given = {"job_id": job_id, "job_type": "load"} | ({} if state is None else {"state": state}) | fields
    answer = client.post("/v1/jobs/reports", given)
    assert answer.status == 202, answer


def told(web: WebServer) -> list[tuple[str, str]]:
    """Type and job of what came, each event once: a kill may have one sent again."""
    events = [json.loads(asked.body) for asked in tuple(web.asked)]
    return list({event["id"]: (event["type"], event["subject"]) for event in events}.values())


async def seen(client: Client, web: WebServer, *expected: tuple[str, str]) -> None:
    """Exactly these, in any order, and no further event of the kind in the log."""
    await until(lambda: sorted(told(web)) == sorted(expected))
    log = client.get("/v1/events?limit=500").json["items"]
    kinds = [(event["type"], event["subject_id"]) for event in log if event["verb"] in {"overdue", "lost"}]
    assert sorted(kinds) == sorted(expected)


async def test_limits_are_by_job_type_any_type_and_of_the_job_itself(
    start_server: Callable[..., Server], clock: SteppingClock
) -> None:
    server = start_server(job_overdue_after="load=3600, *=36000", job_lost_after="sync=3600")
    with WebServer(lambda _: Say()) as web:
        server.endpoint(web.url, filters=WATCHED)
        report(server, "late", "running")
        report(server, "good", "running")
        report(server, "waiting", "waiting")
        report(server, "other", "running", job_type="other")
        report(server, "patient", "running", overdue_after_seconds=7200)
        report(server, "hasty", "running", job_type="other", overdue_after_seconds=60)
        report(server, "silent", "running", job_type="sync", overdue_after_seconds=100_000)
        report(server, "pending", "pending", job_type="sync")
        report(server, "done", "succeeded", job_type="sync")
        report(server, "good", "succeeded")
        clock.ahead += 61_000
        await seen(server, web, ("job.overdue", "hasty"))
        clock.ahead += HOUR_MS
        first = [("job.overdue", name) for name in ("hasty", "late")] + [
            ("job.lost", "silent"),
            ("job.lost", "pending"),
        ]
        await seen(server, web, *first)
        clock.ahead += HOUR_MS
        await seen(server, web, *first, ("job.overdue", "patient"))
        clock.ahead += 10 * HOUR_MS
        await seen(server, web, *first, ("job.overdue", "patient"), ("job.overdue", "other"))
        late = next(event for event in (json.loads(asked.body) for asked in web.asked) if event["subject"] == "late")
        assert (late["data"]["state"], late["data"]["job_type"]) == ("running", "load")
        assert server.get("/v1/jobs/late").json["state"] == "running"


async def test_each_run_is_told_once_and_a_job_that_reports_again_is_watched_again(
    start_server: Callable[..., Server], clock: SteppingClock
) -> None:
    server = start_server(job_overdue_after="load=3600", job_lost_after="load=7200")
    with WebServer(lambda _: Say()) as web:
        server.endpoint(web.url, filters=WATCHED)
        report(server, "j", "running")
        clock.ahead += HOUR_MS + 1000
        overdue, lost = ("job.overdue", "j"), ("job.lost", "j")
        await seen(server, web, overdue)
        report(server, "j", "running", details="half")
        report(server, "j", signal="progressed")
        clock.ahead += HOUR_MS + 1000
        await asyncio.to_thread(server.stop)
        server.start()
        report(server, "probe", "running", overdue_after_seconds=0.001)
        await seen(server, web, overdue, ("job.overdue", "probe"))
        report(server, "probe", "succeeded")
        clock.ahead += HOUR_MS + 1000
        expected = [overdue, ("job.overdue", "probe"), lost]
        await seen(server, web, *expected)
        report(server, "j", "running", details="back")
        assert server.get("/v1/jobs/j").json["state"] == "running"
        clock.ahead += 2 * HOUR_MS + 1000
        await seen(server, web, *expected, lost)
        report(server, "j", "succeeded")
        report(server, "j", "running", restart=True)
        clock.ahead += HOUR_MS + 1000
        await seen(server, web, *expected, lost, overdue)


async def test_what_is_overdue_while_nothing_runs_is_told_after_a_kill_and_only_once(
    killed: Program, start_server: Callable[..., Server], clock: SteppingClock, tmp_path: Path
) -> None:
    limits = {name.removeprefix("tocsin_"): value for name, value in LIMITS.items()}
    with WebServer(lambda _: Say()) as web:
        killed.endpoint(web.url, filters=WATCHED)
        report(killed, "told", "running", overdue_after_seconds=0.001)
        await until(lambda: told(web) == [("job.overdue", "told")])
        report(killed, "running", "running")
        report(killed, "ended", "running")
        report(killed, "ended", "stopped")
        killed.kill()
        clock.ahead += 3 * HOUR_MS
        expected = [("job.overdue", "told"), ("job.lost", "told"), ("job.overdue", "running"), ("job.lost", "running")]
        for _ in range(2):
            server = start_server(tmp_path / "killed.db", **limits)
            await seen(server, web, *expected)
            await asyncio.to_thread(server.stop)


def test_a_bad_limit_stops_the_start(start_server: Callable[..., Server]) -> None:
    with pytest.raises(Misconfigured, match="JOB_OVERDUE_AFTER"):
        start_server(job_overdue_after="load=soon")
