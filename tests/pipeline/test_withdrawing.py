"""Several want the same deliveries not to be sent: what one of them keeps back stays back when another one is through."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer
from tests.pipeline.test_erasures import begun, given_events, over, subjects

from tocsin.errors import StoreUnavailable


async def test_what_an_erasure_keeps_back_is_not_sent_because_a_cancel_failed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, may_go, erasing, may_erase = (threading.Event() for _ in range(4))
    withdraw = server.part("erasures").withdraw

    async def late(*given: Any) -> Any:
        erasing.set()
        assert await asyncio.to_thread(may_erase.wait, 30)
        return await withdraw(*given)

    async def failing(*given: Any) -> Any:
        raise StoreUnavailable("The disk is away.")

    def answer(asked: Asked) -> Say:
        entered.set()
        assert may_go.wait(30)
        return Say()

    with WebServer(answer) as web:
        endpoint = server.endpoint(web.url, max_in_flight=1)
        given_events(server, ["bob", "ann", "eve"])
        assert await until(entered.is_set)
        monkeypatch.setattr(server.part("erasures"), "withdraw", late)
        erasure = begun(server)
        assert await until(erasing.is_set)
        items = server.get(f"/v1/deliveries?endpoint={endpoint['id']}").json["items"]
        ann = next(item for item in items if item["subject_id"] == "ann")
        with monkeypatch.context() as patch:
            patch.setattr(server.part("queue"), "cancel", failing)
            assert server.post(f"/v1/deliveries/{ann['id']}/cancel").status == 503
        may_go.set()
        await until(lambda: len(web.asked) >= 2)
        may_erase.set()
        await over(server, erasure)
        assert [subjects(asked) for asked in web.asked] == [["bob"], ["eve"]]


async def test_a_subject_goes_on_when_the_request_ended_just_before_its_delivery_was_cancelled(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was out when the cancel was asked for, and its outcome was written first: no other outcome comes to let it go."""
    entered, may_answer, cancelling, may_cancel = (threading.Event() for _ in range(4))
    cancel = server.part("queue").cancel

    async def late(*given: Any) -> Any:
        cancelling.set()
        assert await asyncio.to_thread(may_cancel.wait, 30)
        return await cancel(*given)

    def answer(asked: Asked) -> Say:
        if entered.is_set():
            return Say()
        entered.set()
        assert may_answer.wait(30)
        return Say(500)

    with WebServer(answer) as web:
        endpoint = server.endpoint(web.url, ordering="subject", retry={"schedule_seconds": [3600]})
        given_events(server, ["ann"])
        assert await until(entered.is_set)
        (item,) = server.get(f"/v1/deliveries?endpoint={endpoint['id']}").json["items"]
        path = f"/v1/deliveries/{item['id']}"
        monkeypatch.setattr(server.part("queue"), "cancel", late)
        asking = asyncio.create_task(asyncio.to_thread(server.post, f"{path}/cancel"))
        assert await until(cancelling.is_set)
        may_answer.set()
        await until(lambda: server.get(path).json["attempts"])
        may_cancel.set()
        assert (await asking).status == 200
        assert server.get(path).json["state"] == "cancelled"
        given_events(server, ["ann"], first=1)
        assert await until(lambda: len(web.asked) == 2)
