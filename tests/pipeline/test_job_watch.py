"""Jobs that take too long, over the real server, and over a restart."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Say, WebServer

from tocsin.errors import Misconfigured


async def test_overdue_and_lost_are_told(start_server: Callable[..., Server]) -> None:
    server = start_server(job_overdue_after="load=0.2", job_lost_after="sync=1.2")
    with WebServer(lambda _: Say()) as web:
        server.endpoint(web.url, filters=[{"verbs": ["overdue", "lost"]}])
        for job_id, kind in (("late", "load"), ("silent", "sync"), ("good", "load")):
            report = {"job_id": job_id, "job_type": kind, "state": "running"}
            assert server.post("/v1/jobs/reports", report).status == 202
        server.post("/v1/jobs/reports", {"job_id": "good", "state": "succeeded"})
        server.stop()
        server.start()
        await until(lambda: len(web.asked) == 2)
        told = {
            (event["type"], event["subject"]): event["data"] for event in (json.loads(one.body) for one in web.asked)
        }
        assert set(told) == {("job.overdue", "late"), ("job.lost", "silent")}
        assert told["job.overdue", "late"]["state"] == "running"
        assert server.get("/v1/jobs/late").json["state"] == "running"


def test_a_bad_limit_stops_the_start(start_server: Callable[..., Server]) -> None:
    with pytest.raises(Misconfigured, match="JOB_OVERDUE_AFTER"):
        start_server(job_overdue_after="load=soon")
