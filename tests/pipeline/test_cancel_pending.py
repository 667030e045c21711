"""Cancelling what is pending for an endpoint, over the real server: all of it or some, and what goes on beside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer
from tests.pipeline.test_clock import SteppingClock
from tests.pipeline.test_delivery import deliveries, emit, in_state

from tocsin import wiring
from tocsin.receiver import Receiver


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SteppingClock:
    made = SteppingClock()
    monkeypatch.setattr(wiring, "now_ms", made)
    return made


LATER = {"schedule_seconds": [3600]}


def cancel(server: Server, endpoint: Any, **wanted: object) -> Any:
    answer = server.post(f"/v1/endpoints/{endpoint['id']}/cancel-pending", wanted)
    assert answer.status == 200, answer
    return answer.json


def said(server: Server, endpoint: Any) -> list[Any]:
    found = server.get(f"/v1/audit?target={endpoint['id']}&action=endpoint.pending_cancelled")
    return [entry["after"] for entry in found.json["items"]]


async def test_all_that_is_pending_of_one_endpoint_is_cancelled_and_told_once(server: Server) -> None:
    async with Receiver(fail="100%", status=503, headers=(("Retry-After", "3600"),)) as receiver:
        endpoint, other = server.endpoint(receiver.url), server.endpoint(receiver.url)
        for number in range(3):
            await asyncio.to_thread(emit, server, *(f"{number}-{n}" for n in range(1000)), subject=None)
        await until(lambda: server.get("/v1/stats").json["pending_deliveries"] == 6000)
        await until(lambda: {d["in_flight"] for d in deliveries(server, limit="500")} == {False})
        asked = receiver.total
        answer = await asyncio.to_thread(cancel, server, endpoint)
        assert answer == {"cancelled": 3000, "complete": True}
        assert server.get("/v1/stats").json["pending_deliveries"] == 3000
        (newest, *_) = deliveries(server, endpoint=endpoint["id"])
        assert (newest["state"], newest["reason"]) == ("cancelled", "cancelled by hand")
        assert said(server, endpoint) == [{"since": None, "until": None, "event_types": None}]
        assert cancel(server, endpoint) == {"cancelled": 0, "complete": True}
        assert len(said(server, endpoint)) == 1, "what changed nothing is not told"
        assert server.post(f"/v1/endpoints/{other['id']}/disable").status == 200
        assert cancel(server, other)["cancelled"] == 3000
        assert receiver.total == asked


async def test_some_are_cancelled_by_time_of_acceptance_and_event_type(server: Server) -> None:
    async with Receiver(fail="100%", status=500) as receiver:
        endpoint = server.endpoint(receiver.url, retry=LATER)
        await asyncio.to_thread(emit, server, "old", event_type="order.created")
        await asyncio.sleep(0.002)
        await asyncio.to_thread(emit, server, "a", event_type="order.created")
        middle = server.get("/v1/events?limit=1").json["items"][0]["accepted_at"]
        await asyncio.to_thread(emit, server, "b", event_type="order.paid")
        await asyncio.to_thread(emit, server, "c", event_type="refund.made")
        await until(in_state(server, "pending", 4))
        assert cancel(server, endpoint, until=middle, event_types=["refund.*", "order.paid"])["cancelled"] == 0
        assert cancel(server, endpoint, since=middle, event_types=["refund.*", "order.paid"])["cancelled"] == 2
        assert [d["event_type"] for d in deliveries(server, state="pending")] == ["order.created"] * 2
        assert cancel(server, endpoint, until=middle)["cancelled"] == 1
        assert said(server, endpoint)[0] == {"since": None, "until": middle, "event_types": None}
        for wrong, pointer in (
            ({"since": middle, "until": middle}, "/until"),
            ({"since": "yesterday"}, "/since"),
            ({"event_types": []}, "/event_types"),
            ({"state": "dead"}, "/state"),
        ):
            refused = server.post(f"/v1/endpoints/{endpoint['id']}/cancel-pending", wrong)
            assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, pointer)
        assert len(deliveries(server, state="pending")) == 1


async def test_order_holds_what_is_out_is_finished_and_nothing_slips_through(server: Server) -> None:
    loop, is_out, go_on = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def answer(asked: Asked) -> Say:
        if json.loads(asked.body)["id"] == "a-0":
            loop.call_soon_threadsafe(is_out.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(20)
        return Say()

    with WebServer(answer) as web:
        endpoint = server.endpoint(web.url, ordering="subject")
        await asyncio.to_thread(emit, server, *(f"a-{n}" for n in range(900)), subject="a")
        await asyncio.wait_for(is_out.wait(), 20)
        await until(lambda: server.get("/v1/stats").json["pending_deliveries"] == 900)
        assert (await asyncio.to_thread(cancel, server, endpoint))["cancelled"] == 900
        await asyncio.to_thread(emit, server, "a-900", subject="a")
        assert [json.loads(asked.body)["id"] for asked in web.asked] == ["a-0"], (
            "the request that is out holds its subject"
        )
        go_on.set()
        await until(in_state(server, "delivered", 2))
        assert [json.loads(asked.body)["id"] for asked in web.asked] == ["a-0", "a-900"]


async def test_nothing_is_sent_only_because_what_it_waited_for_is_gone(server: Server) -> None:
    async with Receiver(fail=1, status=500) as receiver:
        endpoint = server.endpoint(receiver.url, ordering="subject", retry=LATER)
        await asyncio.to_thread(emit, server, *(f"a-{n}" for n in range(900)), subject="a")
        await receiver.wait_for_count(1)
        await until(lambda: server.get("/v1/stats").json["pending_deliveries"] == 900)
        assert (await asyncio.to_thread(cancel, server, endpoint))["cancelled"] == 900
        await asyncio.to_thread(emit, server, "a-900", subject="a")
        await until(in_state(server, "delivered", 1))
        assert [json.loads(arrival.body)["id"] for arrival in receiver.arrivals] == ["a-0", "a-900"]


async def test_a_batch_of_which_nothing_is_pending_any_more_is_not_sent_again(
    clock: SteppingClock, start_server: Callable[..., Server]
) -> None:
    server = start_server()
    async with Receiver(fail=1, status=500) as receiver, Receiver(fail=1, status=500) as other:
        batch = {"mode": "batch", "max_events": 3, "max_wait_seconds": 0}
        settings = {"delivery": batch, "retry": {"schedule_seconds": [600]}}
        endpoint, beside = server.endpoint(receiver.url, **settings), server.endpoint(other.url, **settings)
        await asyncio.to_thread(emit, server, "a", "b", "c")
        await receiver.wait_for_count(1)
        await other.wait_for_count(1)
        await until(lambda: {d["in_flight"] for d in deliveries(server)} == {False})
        assert cancel(server, endpoint)["cancelled"] == 3
        for number in range(3):
            clock.ahead += 3_600_000
            await other.wait_for_count(2 + number)
            await asyncio.to_thread(emit, server, f"later-{number}")
            await receiver.wait_for_count(2 + number)
            await other.wait_for_count(3 + number)
        for one, sent in ((receiver, [["a", "b", "c"]]), (other, [["a", "b", "c"]] * 2)):
            bodies = [json.loads(arrival.body) for arrival in one.arrivals]
            assert [[event["id"] for event in body] for body in bodies] == [
                *sent,
                ["later-0"],
                ["later-1"],
                ["later-2"],
            ]
        assert len(deliveries(server, state="cancelled", endpoint=endpoint["id"])) == 3
        await until(in_state(server, "delivered", 6, endpoint=beside["id"]))
