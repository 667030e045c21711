"""An endpoint with batches is changed, or their members are given up, at the worst moment of the batch's life."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer
from tests.pipeline.test_batches import deliveries
from tests.pipeline.test_replays import given_events

BATCH = {"mode": "batch", "max_events": 4, "max_wait_seconds": 0}


async def test_batches_that_were_being_read_when_their_endpoint_gave_them_up_go_one_by_one(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, may_read = threading.Event(), threading.Event()
    due = server.part("batches").due
    is_ill = True

    async def late(*given: Any) -> Any:
        page = await due(*given)
        if page.claims:
            reading.set()
            assert await asyncio.to_thread(may_read.wait, 30)
        return page

    with WebServer(lambda _: Say(500 if is_ill else 200)) as web:
        endpoint = server.endpoint(web.url, delivery=BATCH, retry={"schedule_seconds": [0.05] * 9})
        monkeypatch.setattr(server.part("batches"), "due", late)
        given_events(server, 4)
        assert await until(reading.is_set)
        one_by_one = {"delivery": {"mode": "realtime"}, "format": {"kind": "standard_webhooks"}}
        changed = server.call("PATCH", f"/v1/endpoints/{endpoint['id']}", one_by_one)
        assert changed.status == 200, changed
        is_ill, before = False, len(web.asked)
        may_read.set()
        await until(lambda: not deliveries(server, endpoint, "pending"))
        assert len(deliveries(server, endpoint, "delivered")) == 4
        assert [type(json.loads(asked.body)) for asked in web.asked[before:]] == [dict] * 4


async def test_what_was_cancelled_while_its_batch_was_out_is_not_sent_again_by_a_part_of_it(server: Server) -> None:
    entered, may_go = threading.Event(), threading.Event()

    def answer(asked: Asked) -> Say:
        if not entered.is_set():
            entered.set()
            assert may_go.wait(30)
            return Say(413)
        return Say()

    with WebServer(answer) as web:
        endpoint = server.endpoint(web.url, delivery={**BATCH, "max_wait_seconds": 0.2})
        given_events(server, 4)
        assert await until(entered.is_set)
        gone = sorted(one["subject_id"] for one in deliveries(server, endpoint, "pending"))[:2]
        for one in deliveries(server, endpoint, "pending"):
            if one["subject_id"] in gone:
                assert server.post(f"/v1/deliveries/{one['id']}/cancel").status == 200
        may_go.set()
        await until(lambda: len(deliveries(server, endpoint, "delivered")) == 2)
        assert len(deliveries(server, endpoint, "cancelled")) == 2
        sent = [event["subject"] for asked in web.asked[1:] for event in json.loads(asked.body)]
        assert sorted(sent) == ["s2", "s3"]


async def test_a_batch_that_is_read_while_it_is_being_formed_is_sent_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file says so before whoever formed it knows: between the two it may be read."""
    forming, may_know, was_read = threading.Event(), threading.Event(), threading.Event()
    form, due = server.part("batches").form, server.part("batches").due

    async def late(*given: Any) -> Any:
        formed = await form(*given)
        forming.set()
        assert await asyncio.to_thread(may_know.wait, 30)
        return formed

    async def noticed(*given: Any) -> Any:
        page = await due(*given)
        if page.claims:
            was_read.set()
        return page

    with WebServer(lambda _: Say()) as web:
        endpoint = server.endpoint(web.url, delivery={**BATCH, "max_events": 1})
        given_events(server, 1)
        (first,) = await until(lambda: deliveries(server, endpoint, "delivered") or None)
        monkeypatch.setattr(server.part("batches"), "form", late)
        monkeypatch.setattr(server.part("batches"), "due", noticed)
        given_events(server, 1, first=1)
        assert await until(forming.is_set)
        assert server.post(f"/v1/deliveries/{first['id']}/resend").status == 202
        assert await until(was_read.is_set)
        may_know.set()
        await until(lambda: len(deliveries(server, endpoint, "delivered")) == 3)
        given_events(server, 1, first=2)
        await until(lambda: len(deliveries(server, endpoint, "delivered")) == 4)
        ids = [asked.headers["webhook-id"] for asked in web.asked]
        assert len(ids) == len(set(ids)) == 4


async def test_a_batch_that_comes_back_while_the_others_are_being_dissolved_is_dissolved_too(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, may_answer, listed, may_go_on = (threading.Event() for _ in range(4))
    dissolve, settle, settled = server.part("batches").dissolve, server.part("batches").settle, threading.Event()

    async def late(*given: Any) -> Any:
        listed.set()
        assert await asyncio.to_thread(may_go_on.wait, 30)
        return await dissolve(*given)

    async def noticed(*given: Any) -> Any:
        outcome = await settle(*given)
        settled.set()
        return outcome

    def answer(asked: Asked) -> Say:
        if not entered.is_set():
            entered.set()
            assert may_answer.wait(30)
            return Say(500)
        return Say()

    with WebServer(answer) as web:
        endpoint = server.endpoint(web.url, delivery=BATCH, retry={"schedule_seconds": [0.01]})
        monkeypatch.setattr(server.part("batches"), "dissolve", late)
        monkeypatch.setattr(server.part("batches"), "settle", noticed)
        given_events(server, 1)
        assert await until(entered.is_set)
        changed = server.call("PATCH", f"/v1/endpoints/{endpoint['id']}", {"delivery": {"mode": "realtime"}})
        assert changed.status == 200, changed
        assert await until(listed.is_set)
        may_answer.set()
        assert await until(settled.is_set)
        assert await until(lambda: not deliveries(server, endpoint, "pending")[0]["in_flight"])
        may_go_on.set()
        await until(lambda: len(deliveries(server, endpoint, "delivered")) == 1)
