"""Limits on the rate, measured at a real receiver: no window of a limit sees more than the limit, and everything arrives."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Sequence

from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer
from tests.pipeline.test_delivery import deliveries, emit, in_state

from tocsin.receiver import Receiver
from tocsin.receiver.arrival import Arrival

ALMOST_A_SECOND = 0.8
"""What was sent a whole second apart may arrive this close together where the receiver has to wait for the processor."""
HARDLY_EVER = {"requests": 1, "per_seconds": 3600}


def most_in(arrivals: Sequence[Arrival], seconds: float) -> int:
    """The most that arrived in any window of this length."""
    times = sorted(arrival.at for arrival in arrivals)
    most, first = 0, 0
    for last, moment in enumerate(times):
        while moment - times[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


async def test_no_second_sees_more_than_the_limit_and_order_is_kept(server: Server) -> None:
    ids = [f"e{n}" for n in range(200)]
    async with Receiver() as apart, Receiver() as in_order:
        limit = {"requests": 50, "per_seconds": 1}
        server.endpoint(apart.url, rate_limit=limit)
        server.endpoint(in_order.url, rate_limit=limit, ordering="subject")
        await asyncio.to_thread(emit, server, *ids)
        for receiver in (apart, in_order):
            await receiver.wait_for_count(len(ids), seconds=30)
            assert most_in(receiver.arrivals, ALMOST_A_SECOND) <= 50
        assert {json.loads(a.body)["id"] for a in apart.arrivals} == set(ids)
        assert [json.loads(a.body)["id"] for a in in_order.arrivals] == ids
        await until(lambda: not deliveries(server, state="pending"))
        assert {d["attempt_count"] for d in deliveries(server, limit="400")} == {1}


async def test_attempts_after_a_failure_keep_the_limit_too(server: Server) -> None:
    async with Receiver(fail=6, status=500) as receiver:
        server.endpoint(
            receiver.url, rate_limit={"requests": 20, "per_seconds": 1}, retry={"schedule_seconds": [0, 0, 0]}
        )
        await asyncio.to_thread(emit, server, *(f"e{n}" for n in range(24)), subject=None)
        await receiver.wait_for_count(30)
        assert most_in(receiver.arrivals, ALMOST_A_SECOND) <= 20
        await until(in_state(server, "delivered", 24))


async def test_what_waited_together_for_a_token_does_not_go_together(server: Server) -> None:
    arrived_at: list[float] = []
    is_refused, may_answer = threading.Event(), threading.Event()

    def token(_: Asked) -> Say:
        assert not is_refused.is_set() or may_answer.wait(20)
        return Say(200, b'{"access_token": "t", "token_type": "Bearer"}', (("Content-Type", "application/json"),))

    def receive(_: Asked) -> Say:
        arrived_at.append(time.monotonic())
        if len(arrived_at) == 25:
            is_refused.set()
            return Say(401)
        return Say(204)

    with WebServer(token) as issuer, WebServer(receive) as receiver:
        authorization = {"kind": "oauth2", "token_url": issuer.url, "client_id": "c", "client_secret": "s"}
        server.endpoint(receiver.url, authorization=authorization, rate_limit={"requests": 20, "per_seconds": 1})
        await asyncio.to_thread(emit, server, *(f"e{n}" for n in range(60)), subject=None)
        await until(lambda: sum(d["in_flight"] for d in deliveries(server, limit="100")) > 15)
        may_answer.set()
        await until(lambda: len(arrived_at) == 61)  # whoever asks the server all the time holds up what is measured
        await until(lambda: not deliveries(server, state="pending"))
        assert len(arrived_at) == 61
        for first in arrived_at:
            assert sum(first <= at < first + 1 for at in arrived_at) <= 20


async def test_a_changed_limit_takes_effect_and_waiting_uses_no_step(server: Server) -> None:
    async with Receiver() as receiver, Receiver() as other:
        slow = server.endpoint(receiver.url, rate_limit=HARDLY_EVER, retry={"schedule_seconds": []})
        server.endpoint(other.url)
        await asyncio.to_thread(emit, server, "a", "b")
        await other.wait_for_count(2)
        assert (receiver.total, [d["attempt_count"] for d in deliveries(server, endpoint=slow["id"])]) == (0, [0, 0])
        server.call("PATCH", f"/v1/endpoints/{slow['id']}", {"rate_limit": {"requests": 600, "per_seconds": 1}})
        await receiver.wait_for_count(2)
        server.call("PATCH", f"/v1/endpoints/{slow['id']}", {"rate_limit": HARDLY_EVER})
        await asyncio.to_thread(emit, server, "c")
        await other.wait_for_count(3)
        assert receiver.total == 2
        server.call("PATCH", f"/v1/endpoints/{slow['id']}", {"rate_limit": None})
        await receiver.wait_for_count(3)
        await until(in_state(server, "delivered", 6))


async def test_after_a_start_the_limit_begins_anew(server: Server) -> None:
    async with Receiver() as receiver, Receiver() as other:
        slow = server.endpoint(receiver.url, rate_limit={"requests": 600})
        server.endpoint(other.url)
        await asyncio.to_thread(emit, server, "a")
        await receiver.wait_for_count(1)
        server.call("PATCH", f"/v1/endpoints/{slow['id']}", {"rate_limit": HARDLY_EVER})
        await asyncio.to_thread(server.stop)
        server.start()
        await asyncio.to_thread(emit, server, "b")
        await other.wait_for_count(2)
        assert receiver.total == 1
        server.call("PATCH", f"/v1/endpoints/{slow['id']}", {"rate_limit": None})
        await receiver.wait_for_count(2)


async def test_a_batch_counts_as_one_request(server: Server) -> None:
    async with Receiver() as receiver:
        server.endpoint(
            receiver.url,
            delivery={"mode": "batch", "max_events": 20, "max_wait_seconds": 0.1},
            rate_limit={"requests": 20, "per_seconds": 1},
        )
        await asyncio.to_thread(emit, server, *(f"e{n}" for n in range(1000)), subject=None)
        arrivals = await receiver.wait_for(lambda seen: sum(len(json.loads(a.body)) for a in seen) >= 1000, seconds=30)
        assert sorted(event["id"] for a in arrivals for event in json.loads(a.body)) == sorted(
            f"e{n}" for n in range(1000)
        )
        assert most_in(arrivals, ALMOST_A_SECOND) <= 20
        assert len(arrivals) < 100, "events were counted, not requests"
