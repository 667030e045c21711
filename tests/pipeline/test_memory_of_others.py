"""What waits for an endpoint in trouble takes memory, but never all of it: others go on."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer
from tests.pipeline.test_replays import settled

from tocsin.workers.lanes import LOW

SIZE = 2 * 1024 * 1024


def given_large_events(server: Server, kind: str, count: int, *, first: int = 0) -> None:
    """More than all ready queues together may hold, when there are many."""
    for number in range(first, first + count):
        event = {
            "specversion": "1.0",
            "id": f"{kind}{number}",
            "source": "/t",
            "type": f"{kind}.made",
            "data": "x" * SIZE,
        }
        headers = {"Content-Type": "application/cloudevents+json"}
        assert server.post("/v1/events", json.dumps(event).encode(), headers=headers).status == 202


@pytest.mark.parametrize("trouble", ["hangs", "paused"])
async def test_an_endpoint_in_trouble_leaves_room_for_others(
    server: Server, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    may_go = threading.Event()
    reads = 0
    due = server.part("queue").due

    async def counted(*given: Any) -> Any:
        nonlocal reads
        reads += 1
        return await due(*given)

    def answer(asked: Asked) -> Say:
        if trouble == "hangs":
            assert may_go.wait(60)
        return Say(503, headers=(("Retry-After", "3600"),))

    with WebServer(answer) as ill, WebServer(lambda _: Say()) as well:
        server.endpoint(ill.url, filters=[{"subject_types": ["large"]}], timeout_seconds=60)
        given_large_events(server, "large", 1, first=0)
        assert await until(lambda: len(ill.asked) == 1)
        given_large_events(server, "large", 40, first=1)
        other = server.endpoint(well.url, filters=[{"subject_types": ["small"]}])
        monkeypatch.setattr(server.part("queue"), "due", counted)
        given_large_events(server, "small", 3)
        await settled(server, other, "delivered", 3)
        assert reads < LOW, "it is not read again and again while there is no room"
        may_go.set()
