"""A lane that ends while something of it is out takes nothing with it: what waits for the same subject goes on."""

from __future__ import annotations

import threading

from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer
from tests.pipeline.test_replays import given_events, numbers, replayed, settled


async def test_a_subject_goes_on_after_the_replay_that_had_it_out_was_cancelled(server: Server) -> None:
    entered, may_go = threading.Event(), threading.Event()

    def answer(asked: Asked) -> Say:
        if "webhook-replay" in asked.headers:
            entered.set()
            assert may_go.wait(30)
        return Say()

    with WebServer(answer) as web:
        endpoint = server.endpoint(web.url, ordering="subject")
        given_events(server, 1)
        await settled(server, endpoint, "delivered", 1)
        replay = replayed(server, endpoint)
        assert await until(entered.is_set)
        assert server.post(f"/v1/replays/{replay['id']}/cancel").status == 200
        await until(lambda: server.get(f"/v1/replays/{replay['id']}").json["finished_at"])
        given_events(server, 1, first=1, subjects=1)
        may_go.set()
        await settled(server, endpoint, "delivered", 3)
        assert numbers(web.asked) == [0, 0, 1]


async def test_a_subject_goes_on_after_the_last_of_a_replay_was_cancelled_while_it_was_out(server: Server) -> None:
    entered, may_go = threading.Event(), threading.Event()

    def answer(asked: Asked) -> Say:
        if "webhook-replay" in asked.headers:
            entered.set()
            assert may_go.wait(30)
        return Say(200 if "webhook-replay" not in asked.headers else 500)

    with WebServer(answer) as web:
        endpoint = server.endpoint(web.url, ordering="subject")
        given_events(server, 1)
        await settled(server, endpoint, "delivered", 1)
        replay = replayed(server, endpoint)
        assert await until(entered.is_set)
        (out,) = server.get(f"/v1/deliveries?endpoint={endpoint['id']}&state=pending").json["items"]
        assert server.post(f"/v1/deliveries/{out['id']}/cancel").status == 200
        await until(lambda: server.get(f"/v1/replays/{replay['id']}").json["finished_at"])
        given_events(server, 1, first=1, subjects=1)
        may_go.set()
        await settled(server, endpoint, "delivered", 2)
        assert numbers(web.asked) == [0, 0, 1]
