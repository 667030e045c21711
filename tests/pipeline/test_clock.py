"""A step of the wall clock is noticed: what became due by it is delivered, what was stored stays as it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.pipeline.test_delivery import deliveries, emit, in_state

from tocsin import wiring
from tocsin.receiver import Receiver


class SteppingClock:
    """The wall clock, moved by hand; milliseconds."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SteppingClock:
    made = SteppingClock()
    monkeypatch.setattr(wiring, "now_ms", made)
    return made


async def test_a_retry_in_an_hour_is_made_when_the_clock_goes_an_hour_ahead(
    clock: SteppingClock, start_server: Callable[..., Server], kept_in: str
) -> None:
    if kept_in == "postgres":
        pytest.skip("processes go by the clock of the server, which is not ours to set")
    server = start_server()
    async with Receiver(fail=1, status=500) as receiver:
        server.endpoint(receiver.url, retry={"schedule_seconds": [3600]})
        await asyncio.to_thread(emit, server, "a")
        waiting = (await until(lambda: [d for d in deliveries(server) if d["attempt_count"] == 1] or None))[0]
        clock.ahead += 2 * 3600 * 1000
        await until(in_state(server, "delivered", 1))
        attempts = server.get(f"/v1/deliveries/{waiting['id']}").json["attempts"]
        assert attempts[0]["next_attempt_at"] < attempts[1]["started_at"]
        assert receiver.total == 2


async def test_a_clock_that_goes_back_holds_up_neither_new_events_nor_the_order_of_the_log(
    clock: SteppingClock, start_server: Callable[..., Server]
) -> None:
    server = start_server()
    async with Receiver() as receiver:
        server.endpoint(receiver.url, ordering="subject")
        await asyncio.to_thread(emit, server, "a")
        await until(in_state(server, "delivered", 1))
        clock.ahead -= 3600 * 1000
        await asyncio.to_thread(emit, server, "b", "c")
        await until(in_state(server, "delivered", 3))
        times = [event["accepted_at"] for event in server.get("/v1/events").json["items"]]
        assert times == sorted(times, reverse=True)
        assert receiver.total == 3
