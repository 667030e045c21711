"""One endpoint's trouble is its own: others get everything while it hangs, is slow, or has a long backlog. Counted, not timed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.kit import receivers
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.pipeline.test_delivery import deliveries, emit, in_state

from tocsin.model.exchange import Exchange
from tocsin.receiver import Receiver
from tocsin.receiver.arrival import Arrival
from tocsin.rules.outcome import Settled, settlement_of

HARDLY_EVER = {"requests": 1, "per_seconds": 3600}


def numbered(start: int, count: int) -> list[str]:
    return [f"e{n}" for n in range(start, start + count)]


def pending(server: Server, tenant: str = "default") -> int:
    answer = server.get(f"/v1/stats?tenant={tenant}")
    assert answer.status == 200, answer
    count = answer.json["pending_deliveries"]
    assert isinstance(count, int)
    return count


async def test_others_get_everything_while_one_hangs_with_thousands_waiting(server: Server) -> None:
    async with receivers.Receiver(receivers.never) as hanging, Receiver() as first, Receiver() as second:
        stuck = server.endpoint(hanging.url, timeout_seconds=60, max_in_flight=2)
        server.endpoint(first.url)
        server.endpoint(second.url, ordering="subject")
        for start in range(0, 4000, 1000):
            await asyncio.to_thread(emit, server, *numbered(start, 1000), subject=None)
        await first.wait_for_count(4000, seconds=60)
        await second.wait_for_count(4000, seconds=60)
        assert (len(hanging.requests), hanging.open_connections) == (2, 2)
        assert {a.webhook_id for a in first.arrivals} == {a.webhook_id for a in second.arrivals}
        assert (first.total, second.total) == (4000, 4000)
        waiting = deliveries(server, endpoint=stuck["id"], limit="500")
        assert {(d["state"], d["attempt_count"]) for d in waiting} == {("pending", 0)}
        await until(lambda: pending(server) == 4000)
        await asyncio.to_thread(emit, server, "late")
        await first.wait_for_count(4001)
        assert len(hanging.requests) == 2


async def test_a_tenant_with_a_long_backlog_does_not_starve_another(
    monkeypatch: pytest.MonkeyPatch, start_server: Callable[..., Server]
) -> None:
    monkeypatch.setattr("tocsin.workers.sending.SLOTS", 4)
    server = start_server()
    busy_at: list[int] = []
    async with Receiver() as busy, Receiver(on_arrival=lambda _: busy_at.append(busy.total)) as other:
        mine = [server.endpoint(busy.url, tenant="busy", rate_limit=HARDLY_EVER) for _ in range(6)]
        theirs = server.endpoint(other.url, tenant="other", rate_limit=HARDLY_EVER)
        await asyncio.to_thread(emit, server, *numbered(0, 1000), subject=None, tenant="busy")
        await asyncio.to_thread(emit, server, *numbered(0, 20), subject=None, tenant="other")
        await until(lambda: (pending(server, "busy"), pending(server, "other")) == (6000, 20))
        for each in mine:
            server.call("PATCH", f"/v1/endpoints/{each['id']}", {"rate_limit": None})
        await busy.wait_for_count(1)
        server.call("PATCH", f"/v1/endpoints/{theirs['id']}", {"rate_limit": None})
        await other.wait_for_count(20)
        assert busy_at[-1] < 6000
        await busy.wait_for_count(6000, seconds=60)
        assert (busy.total, other.total) == (6000, 20)


async def test_slow_endpoints_have_at_most_their_share_of_the_slots(
    monkeypatch: pytest.MonkeyPatch, start_server: Callable[..., Server]
) -> None:
    monkeypatch.setattr("tocsin.workers.sending.SLOTS", 16)
    monkeypatch.setattr("tocsin.workers.rotation.SLOW_SLOTS", 8)
    server = start_server()
    known_to_be_slow = 12  # two requests to each of six endpoints, before there is an answer
    out: list[int] = []

    def count(_: Arrival) -> None:
        if slow.answered >= known_to_be_slow:
            out.append(slow.total - slow.answered)

    async with Receiver(delay=1.1, on_arrival=count) as slow, Receiver() as quick:
        for _ in range(6):
            server.endpoint(slow.url, filters=[{"event_types": ["order.created"]}])
        server.endpoint(quick.url, filters=[{"event_types": ["order.closed"]}])
        await asyncio.to_thread(emit, server, *numbered(0, 10), subject=None)
        await slow.wait_for_count(known_to_be_slow + 8)
        await asyncio.to_thread(emit, server, *numbered(100, 50), subject=None, event_type="order.closed")
        await quick.wait_for_count(50)
        assert slow.total < 60
        await until(in_state(server, "delivered", 110, limit="200"), seconds=40)
        assert max(out) == 8
        assert (slow.total, quick.total) == (60, 50)


async def test_a_bound_on_what_begins_in_one_turn_of_the_loop_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, start_server: Callable[..., Server]
) -> None:
    monkeypatch.setattr("tocsin.workers.rotation.BURST", 1)
    server = start_server()
    async with Receiver() as receiver:
        for _ in range(20):
            server.endpoint(receiver.url, max_in_flight=2)
        await asyncio.to_thread(emit, server, *numbered(0, 30), subject=None)
        await receiver.wait_for_count(600, seconds=20)
        await until(lambda: pending(server) == 0)
        assert receiver.total == 600


@pytest.mark.parametrize("setting", [{}, {"delivery": {"mode": "batch", "max_events": 5, "max_wait_seconds": 0.1}}])
async def test_an_answer_that_cannot_be_judged_is_a_failed_attempt(
    server: Server, monkeypatch: pytest.MonkeyPatch, setting: dict[str, object]
) -> None:
    """What nobody settles would be held until the server is started again."""
    faults: list[object] = []

    def settled(*, exchange: Exchange, **circumstances: Any) -> Settled:
        if exchange.response is not None and len(faults) < 3:
            faults.append(exchange)
            raise RuntimeError("a fault of ours")
        return settlement_of(exchange=exchange, **circumstances)

    monkeypatch.setattr("tocsin.pipeline.exchanges.settlement_of", settled)
    async with Receiver() as receiver:
        endpoint = server.endpoint(receiver.url, retry={"schedule_seconds": [0.05] * 5}, **setting)
        await asyncio.to_thread(emit, server, *numbered(0, 10), subject=None)
        await until(in_state(server, "delivered", 10, endpoint=endpoint["id"]))
    assert len(faults) == 3
