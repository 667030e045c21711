"""The store wrote it down and could not say so: what was written is asked for again, and nothing waits for ever."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer
from tests.pipeline.test_replays import given_events, settled

from tocsin.errors import StoreUnavailable

BATCH = {"mode": "batch", "max_events": 2, "max_wait_seconds": 0}


class Losing:
    """In place of a method of the store: what it gives is lost, so many times."""

    def __init__(self, patch: pytest.MonkeyPatch, owner: type, name: str, times: int = 1) -> None:
        self.left = times
        method = getattr(owner, name)

        async def lossy(*given: Any) -> Any:
            answer = await method(*given)
            if self.left:
                self.left -= 1
                raise StoreUnavailable("The answer was lost.")
            return answer

        patch.setattr(owner, name, lossy)


def received(web: WebServer) -> list[int]:
    documents = [json.loads(one.body) for one in web.asked]
    return [event["data"]["n"] for one in documents for event in (one if isinstance(one, list) else [one])]


@pytest.mark.both_stores
@pytest.mark.parametrize(("owner", "mode"), [("queue", {"mode": "realtime"}), ("batches", BATCH)])
async def test_what_waits_for_a_settlement_whose_answer_got_lost_goes_on(
    server: Server, monkeypatch: pytest.MonkeyPatch, owner: str, mode: dict[str, Any]
) -> None:
    may_go = threading.Event()

    def answer(asked: Asked) -> Say:
        assert may_go.wait(30)
        return Say()

    with WebServer(answer) as web:
        endpoint = server.endpoint(web.url, ordering="subject", delivery=mode)
        given_events(server, 8, subjects=1)
        assert await until(lambda: len(web.asked) == 1)
        losing = Losing(monkeypatch, server.part(owner), "settle")
        may_go.set()
        await settled(server, endpoint, "delivered", 8)
        assert losing.left == 0
        assert received(web) == list(range(8))


async def test_what_waits_for_a_cancelled_delivery_goes_on_when_the_answer_got_lost(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WebServer(lambda asked: Say(500 if received_of(asked) == 0 else 200)) as web:
        endpoint = server.endpoint(web.url, ordering="subject", retry={"schedule_seconds": [3600]})
        given_events(server, 2, subjects=1)
        assert await until(lambda: len(web.asked) == 1)
        first = server.get(f"/v1/deliveries?endpoint={endpoint['id']}").json["items"][-1]
        await until(lambda: server.get(f"/v1/deliveries/{first['id']}").json["attempts"])
        Losing(monkeypatch, server.part("queue"), "cancel")
        assert server.post(f"/v1/deliveries/{first['id']}/cancel").status == 503
        await settled(server, endpoint, "delivered", 1)
        assert received(web) == [0, 1]


async def test_an_endpoint_that_is_gone_is_disabled_as_soon_as_the_store_is_there_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = threading.Event()
    change = server.part("directory").change_endpoint

    async def away(*given: Any, **named: Any) -> Any:
        if not failing.is_set():
            failing.set()
            raise StoreUnavailable("The disk is away.")
        return await change(*given, **named)

    with WebServer(lambda _: Say(410)) as web:
        endpoint = server.endpoint(web.url)
        monkeypatch.setattr(server.part("directory"), "change_endpoint", away)
        given_events(server, 1)
        assert await until(failing.is_set)
        await until(lambda: server.get(f"/v1/endpoints/{endpoint['id']}").json["state"] == "disabled")
        assert server.get(f"/v1/endpoints/{endpoint['id']}").json["enabled"] is False


def received_of(asked: Asked) -> int:
    number: int = json.loads(asked.body)["data"]["n"]
    return number
