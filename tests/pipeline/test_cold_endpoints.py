"""To send to an endpoint for the first time, a connection has to be opened. However many endpoints hang at that, those that have a
connection and those of other tenants get everything. Counted, not timed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.kit import receivers
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.pipeline.test_delivery import emit
from tests.pipeline.test_isolation import numbered, pending

from tocsin.receiver import Receiver
from tocsin.workers.cold import DIALS, DIALS_OF_TENANT

TO_THE_CROWD = [{"event_types": ["crowd.called"]}]
SHARE = 6


async def hanging_handshake(peer: receivers.Peer) -> None:
    """The first bytes of TLS are read, and there is no answer."""
    await peer.gone()


@pytest.fixture
def few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    assert DIALS_OF_TENANT < DIALS
    monkeypatch.setattr("tocsin.workers.cold.DIALS", 8)
    monkeypatch.setattr("tocsin.workers.cold.DIALS_OF_TENANT", SHARE)


@pytest.mark.usefixtures("few_places")
async def test_a_tenant_whose_endpoints_hang_in_connecting_holds_up_nobody_else(
    start_server: Callable[..., Server],
) -> None:
    server = start_server()
    async with receivers.Receiver(hanging_handshake) as hanging, Receiver() as warm, Receiver() as other:
        server.endpoint(warm.url)
        await asyncio.to_thread(emit, server, "first", subject=None)
        await warm.wait_for_count(1)
        url = hanging.url.replace("http:", "https:")
        for _ in range(20):
            server.endpoint(url, filters=TO_THE_CROWD, timeout_seconds=60, max_in_flight=1)
        await asyncio.to_thread(emit, server, "crowd", subject=None, event_type="crowd.called")
        await hanging.until(lambda: hanging.open_connections == SHARE)
        for _ in range(30):
            server.endpoint(other.url, tenant="other")
        await asyncio.to_thread(emit, server, *numbered(0, 3), subject=None, tenant="other")
        await asyncio.to_thread(emit, server, *numbered(0, 100), subject=None)
        await warm.wait_for_count(102)
        await other.wait_for_count(90)
        await until(lambda: (pending(server), pending(server, "other")) == (20, 0))
        assert (hanging.connections, hanging.open_connections) == (SHARE, SHARE)


@pytest.mark.usefixtures("few_places")
async def test_a_place_is_free_as_soon_as_the_connection_is_there_or_has_failed(
    start_server: Callable[..., Server],
) -> None:
    """Those that connect and do not answer take no place, and those that fail to connect leave theirs."""
    server = start_server()
    async with receivers.Receiver(receivers.never) as silent, receivers.Receiver(hanging_handshake) as failing:
        for _ in range(15):
            server.endpoint(silent.url, filters=TO_THE_CROWD, timeout_seconds=60, max_in_flight=1)
        await asyncio.to_thread(emit, server, "silent", subject=None, event_type="crowd.called")
        await silent.until(lambda: silent.open_connections == 15)
        url = failing.url.replace("http:", "https:")
        for _ in range(15):
            server.endpoint(url, timeout_seconds=1, retry={"schedule_seconds": []})
        await asyncio.to_thread(emit, server, "failing", subject=None)
        await failing.until(lambda: failing.connections == 15)
        assert silent.open_connections == 15


@pytest.mark.usefixtures("few_places")
async def test_what_waits_for_a_place_keeps_its_order_and_is_sent_once(start_server: Callable[..., Server]) -> None:
    """The receiver closes after every answer, so that each delivery needs a connection."""
    server = start_server()
    seen: dict[str, list[str]] = {}

    async def answer_and_close(peer: receivers.Peer) -> None:
        request = await peer.request()
        seen.setdefault(request.line, []).append(request.header("webhook-id") or "")
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    async with receivers.Receiver(answer_and_close) as closing:
        for number in range(12):
            server.endpoint(f"{closing.url}/{number}", ordering="subject")
        await asyncio.to_thread(emit, server, *numbered(0, 20))
        await closing.until(lambda: len(closing.requests) == 240)
    orders = list(seen.values())
    assert len(orders) == 12
    assert all(len(set(order)) == 20 and order == orders[0] for order in orders)
