"""What producers are answered whose submissions go through the replicated intake: what they are answered without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.kit.nats import NatsCluster
from tests.kit.server import Server


def report(job_id: str, state: str = "running", **fields: object) -> dict[str, object]:
    return {"job_id": job_id, "job_type": "load", "state": state, **fields}


async def test_the_verdicts_are_those_without_an_intake(
    nats_alone: NatsCluster, start: Callable[..., Server]
) -> None:
    server = await asyncio.to_thread(start, nats=nats_alone.urls[0])

    def ask() -> None:
        first = server.post("/v1/jobs/reports", report("job-1"))
        assert first.status == 202, first
        assert first.json["results"][0]["outcome"] == "changed"
        assert server.post("/v1/jobs/reports", report("job-1")).json["results"][0]["outcome"] == "unchanged"

    await asyncio.to_thread(ask)
