"""What is changed at one node is so at the other: keys, endpoints, pauses, consent, sessions, tails, deliveries."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import MASTER_KEY
from tests.kit.pages import Pages
from tests.kit.pair import At, Pair
from tests.kit.postgres import PostgresServer
from tests.kit.program import Program
from tests.kit.receivers import Receiver, answer
from tests.kit.server import Server
from tests.kit.tails import Message, Watching
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer

from tocsin.adapters.postgres.database import prepare_database

ORDERED = {"ordering": "subject", "retry": {"schedule_seconds": [3600]}}


def pages(at: Any, key: str | None) -> Pages:
    """Somebody at one of the nodes."""
    node: Server = at
    return Pages(node, key)


def numbers(web: WebServer) -> list[int]:
    """Of the events that came."""
    return [json.loads(asked.body)["data"]["number"] for asked in tuple(web.asked)]


def one_delivery(at: At, event_id: str) -> Any:
    found = at.get(f"/v1/deliveries?event={event_id}")["items"]
    return found[0] if found else None


async def test_a_key_that_was_revoked_at_one_node_is_refused_at_the_other(pair: Pair) -> None:
    made = pair.one.post("/v1/api-keys", {"name": "k", "role": "viewer", "tenant": "acme"}).json
    await until(lambda: pair.two.get("/v1/endpoints", key=made["value"]).status == 200)
    assert pair.two.call("DELETE", f"/v1/api-keys/{made['id']}").status == 204
    assert pair.two.get("/v1/endpoints", key=made["value"]).status == 401
    await until(lambda: pair.one.get("/v1/endpoints", key=made["value"]).status == 401)


async def test_a_post_with_an_idempotency_key_at_both_nodes_at_once_is_done_once(pair: Pair) -> None:
    here, there = pair.asked(pair.one)

    def add(at: At, key: str) -> Any:
        sent = {"Idempotency-Key": key}
        body = {"name": key, "url": "http://127.0.0.1:9/"}
        return at.node.call("POST", "/v1/endpoints", body, key=at.key, headers=sent)

    for number in range(20):
        key = f"k{number}"
        said = await asyncio.gather(*(asyncio.to_thread(add, at, key) for at in (here, there)))
        assert sorted({one.status for one in said}) in ([201], [201, 409]), said
        again = [add(at, key) for at in (here, there)]
        assert {one.status for one in again} == {201}
        assert len({one.body for one in (*said, *again) if one.status == 201}) == 1
    names = [one["name"] for one in here.get("/v1/endpoints?limit=100")["items"]]
    assert sorted(names) == sorted(f"k{number}" for number in range(20))


async def test_an_endpoint_made_at_one_node_gets_what_the_other_accepts(pair: Pair) -> None:
    for holder in (pair.one, pair.two):
        here, there = pair.asked(holder)
        with WebServer(lambda _: Say()) as web:
            made = there.endpoint(web.url)
            for number, at in enumerate((here, there, here, there)):
                at.emit(number)
            await until(lambda web=web: sorted(numbers(web)) == [0, 1, 2, 3])
            there.call("PATCH", f"/v1/endpoints/{made['id']}", {"enabled": False})
            await until(lambda here=here, made=made: not here.get(f"/v1/endpoints/{made['id']}")["enabled"])


async def test_a_changed_url_is_followed_and_the_old_connection_closed(pair: Pair) -> None:
    here, there = pair.asked(pair.one)
    async with Receiver(answer(200)) as old:
        with WebServer(lambda _: Say()) as new:
            made = await asyncio.to_thread(there.endpoint, old.url)
            await asyncio.to_thread(here.emit, 1)
            await old.until(lambda: len(old.requests) == 1)
            assert old.open_connections == 1
            changed = await asyncio.to_thread(there.call, "PATCH", f"/v1/endpoints/{made['id']}", {"url": new.url})
            assert changed.status == 200
            await old.until(lambda: old.open_connections == 0)
            await asyncio.to_thread(there.emit, 2)
            await until(lambda: numbers(new) == [2])


async def test_a_pause_at_the_holder_is_seen_and_ended_at_the_other_node(pair: Pair) -> None:
    here, there = pair.asked(pair.one)
    is_well = threading.Event()

    def say(_: Asked) -> Say:
        return Say() if is_well.is_set() else Say(429, b"", (("Retry-After", "3000"),))

    with WebServer(say) as web:
        made = here.endpoint(web.url)
        address = f"/v1/endpoints/{made['id']}"
        here.emit(1)
        paused = await until(lambda: one if (one := there.get(address))["state"] == "paused" else None)
        assert paused["paused_until"] == here.get(address)["paused_until"] is not None
        is_well.set()
        resumed = there.post(f"{address}/resume")
        assert resumed["state"] == "healthy"
        here.emit(2)
        await until(lambda: numbers(web)[-1] == 2)
        assert here.get(address)["state"] == "healthy"
        entries = there.get(f"/v1/audit?target={made['id']}&action=endpoint.resumed")["items"]
        assert [(one["before"]["state"], one["after"]["state"]) for one in entries] == [("paused", "healthy")]


async def test_enabling_at_the_other_node_ends_what_the_holder_stopped_for(pair: Pair) -> None:
    here, there = pair.asked(pair.two)
    is_well = threading.Event()
    with WebServer(lambda _: Say() if is_well.is_set() else Say(410)) as web:
        made = here.endpoint(web.url)
        address = f"/v1/endpoints/{made['id']}"
        here.emit(1)
        await until(lambda: there.get(address)["state_reason"] == "gone")
        assert there.get(address)["state"] == "disabled"
        is_well.set()
        await until(lambda: there.call("PATCH", address, {"enabled": True}).status == 200)
        await until(lambda: here.get(address)["state"] == "healthy")
        here.emit(2)
        await until(lambda: 2 in numbers(web))


async def test_a_session_is_good_at_both_nodes_and_ends_at_both(pair: Pair) -> None:
    made = pair.one.post("/v1/api-keys", {"name": "k", "role": "viewer", "tenant": "acme"}).json
    somebody = pages(pair.one, made["value"])
    there = pages(pair.two, None)
    there.cookies, there.csrf = dict(somebody.cookies), somebody.csrf
    assert there.get("/ui/").status == 200
    assert there.post("/ui/theme", {"theme": "dark"}).status == 303
    assert there.post("/ui/sign-out").status == 303
    kept = dict(somebody.cookies)
    await until(lambda: somebody.get("/ui/").status == 303)
    somebody.cookies = kept
    assert somebody.get("/ui/").location == "/ui/sign-in"


async def test_what_a_form_did_at_one_node_is_said_by_the_page_of_the_other(pair: Pair) -> None:
    here, there = pages(pair.one, "operator-key-for-tests"), pages(pair.two, None)
    made = pair.one.post("/v1/api-keys", {"name": "short", "role": "viewer", "tenant": "acme"}).json
    done = here.post(f"/ui/api-keys/{made['id']}/revoke", {"confirmed": "yes"})
    there.cookies = dict(here.cookies)
    first, second = there.follow(done), there.follow(done)
    assert "revoked" in first.words.lower()
    assert first.text.count('class="toast"') == 1
    assert second.text.count('class="toast"') == 0


async def test_a_key_revoked_at_one_node_ends_its_sessions_at_the_other(pair: Pair) -> None:
    made = pair.one.post("/v1/api-keys", {"name": "k", "role": "viewer", "tenant": "acme"}).json
    somebody = pages(pair.one, made["value"])
    there = pages(pair.two, None)
    there.cookies = dict(somebody.cookies)
    assert there.get("/ui/").status == 200
    assert pair.one.call("DELETE", f"/v1/api-keys/{made['id']}").status == 204
    assert somebody.get("/ui/").status == 303
    await until(lambda: there.get("/ui/").status == 303)


async def seen(tail: Watching, events: set[str], attempted: set[str]) -> list[Message]:
    """Until all of these were shown, each once."""
    found: list[Message] = []
    while events or attempted:
        message = await tail.next()
        found.append(message)
        if message.name == "event":
            events.remove(message.data["id"])
        elif message.name == "attempt":
            attempted.remove(message.data["deliveries"][0]["event_id"])
    return found


async def told_of(tail: Watching, at: At, numbers: Iterator[int]) -> None:
    """Until an attempt of this node is shown: so long it may take until it knows that somebody watches."""
    waiting: set[str] = set()
    while True:
        waiting.add(await asyncio.to_thread(at.emit, next(numbers)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                while True:
                    message = await tail.next()
                    if message.name == "attempt" and message.data["deliveries"][0]["event_id"] in waiting:
                        return


async def test_a_tail_at_either_node_shows_what_both_accept_and_settle(pair: Pair) -> None:
    numbers = itertools.count()
    one, two = pair.asked(pair.one), pair.asked(pair.two)
    with WebServer(lambda _: Say()) as web:
        async with Watching(pair.one) as first, Watching(pair.two) as second:
            for here, _ in (one, two):
                here.endpoint(web.url)
            await told_of(first, two[0], numbers)
            await told_of(second, one[0], numbers)
            async with Watching(pair.one, key=one[0].key) as here, Watching(pair.two, key=one[0].key) as there:
                ids = [await asyncio.to_thread(at.emit, next(numbers)) for at in (*one, *two, *one)]
                own = {*ids[:2], *ids[4:]}
                for tail in (here, there):
                    shown = await seen(tail, set(own), set(own))
                    places = [message.data["position"] for message in shown if message.name == "event"]
                    assert places == sorted(places)


async def test_cancel_and_resend_elsewhere_keep_the_order(pair: Pair) -> None:
    here, there = pair.asked(pair.one)
    is_well = threading.Event()
    with WebServer(lambda _: Say(200 if is_well.is_set() else 500)) as web:
        made = here.endpoint(web.url, **ORDERED)
        first, second, third = (here.emit(number, "o-1") for number in (1, 2, 3))
        await until(lambda: numbers(web) == [1])
        blocked = await until(lambda: one_delivery(there, second))
        assert blocked["waits_for_order"]
        await until(lambda: one_delivery(there, third))
        is_well.set()
        assert there.call("POST", f"/v1/deliveries/{one_delivery(there, first)['id']}/cancel").status == 200
        await until(lambda: numbers(web) == [1, 2, 3])
        again = there.post(f"/v1/deliveries/{one_delivery(there, second)['id']}/resend")
        await until(lambda: numbers(web) == [1, 2, 3, 2])
        await until(lambda: there.get(f"/v1/deliveries/{again['id']}")["state"] == "delivered")
        del made


@pytest.mark.parametrize("number", range(2))
async def test_a_restart_keeps_sessions(pair: Pair, number: int) -> None:
    node = (pair.one, pair.two)[number]
    somebody = pages(node, "operator-key-for-tests")
    await asyncio.to_thread(node.stop)
    await asyncio.to_thread(node.start)
    assert somebody.get("/ui/").status == 200
    assert somebody.post("/ui/theme", {"theme": "dark"}).status == 303
    await asyncio.to_thread(pair.balanced)


async def test_what_is_out_is_told_by_the_holder(pair: Pair) -> None:
    here, there = pair.asked(pair.one)
    may_answer = threading.Event()

    def say(_: Asked) -> Say:
        may_answer.wait(30)
        return Say()

    with WebServer(say) as web:
        made = here.endpoint(web.url)
        event = there.emit(1)
        await until(lambda: numbers(web) == [1])
        (listed,) = here.get(f"/v1/deliveries?event={event}")["items"]
        assert listed["in_flight"] is True
        await until(lambda: there.get(f"/v1/deliveries/{listed['id']}")["in_flight"])
        (elsewhere,) = there.get(f"/v1/deliveries?event={event}")["items"]
        assert elsewhere["in_flight"] is None
        for at in (here, there):
            stats = await until(lambda at=at: at.get(f"/v1/endpoints/{made['id']}/stats"))
            assert (stats["in_flight"], stats["limit_in_force"]) == (1, 2)
            assert at.get("/v1/stats")["in_flight"] == 1
            assert at.node.get("/v1/stats").json["in_flight"] == 1
        may_answer.set()
        await until(lambda: there.get(f"/v1/deliveries/{listed['id']}")["state"] == "delivered")
        assert there.get(f"/v1/deliveries/{listed['id']}")["in_flight"] is False


async def test_a_receiver_may_consent_at_the_other_node(postgres_server: PostgresServer, tmp_path: Path) -> None:
    database = postgres_server.fresh("store", prepare_database)
    pair = Pair(database, tmp_path, TOCSIN_MASTER_KEY=MASTER_KEY, TOCSIN_PUBLIC_URL="https://hooks.example.com")
    try:
        here, there = pair.asked(pair.one)
        with WebServer(lambda asked: Say(200 if asked.method == "POST" else 405)) as web:
            made = here.endpoint(web.url, validation="required")
            there.emit(1)
            await until(lambda: [asked for asked in web.asked if asked.method == "OPTIONS"])
            address = web.asked[0].headers["webhook-request-callback"].removeprefix("https://hooks.example.com")
            shown = f"/v1/endpoints/{made['id']}"
            await until(lambda: (there.get(shown)["consent"] or {}).get("state") == "asked")
            answered = there.node.call("GET", address, key=None)
            assert answered.status == 200, answered
            for at in (there, here):
                await until(lambda at=at: at.get(shown)["consent"]["state"] == "granted")
            await until(lambda: [json.loads(a.body)["data"]["number"] for a in web.asked if a.method == "POST"] == [1])
    finally:
        pair.close()


async def test_a_new_master_key_at_one_node_is_followed_by_the_other(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """A new data key opens at the other node, also before the node that made it seals with it."""
    old, new = MASTER_KEY, base64.b64encode(bytes(range(32, 64))).decode()
    file = tmp_path / "master.key"
    file.write_text(old)
    file.chmod(0o600)
    database = postgres_server.fresh("store", prepare_database)
    pair = Pair(database, tmp_path, TOCSIN_MASTER_KEY_FILE=str(file), TOCSIN_LEASE_SECONDS="3")
    try:
        here, there = pair.asked(pair.one)
        file.write_text(f"{new}\n{old}")
        done = pair.two.post("/v1/master-key/rewrap")
        assert done.status == 200, done
        assert done.json["newest_data_key"] == 2
        with WebServer(lambda _: Say()) as web:

            def sealed_by() -> int:
                header = {"name": "X-Secret", "value": "hush", "sensitive": True}
                made = there.endpoint(web.url, headers=[header])
                (config,) = pair.rows(f"SELECT config FROM endpoint WHERE id = '{made['id']}'")[0]
                value = json.loads(config)["headers"][0]["value"]
                return base64.b64decode(value["sealed"])[4]

            assert await asyncio.to_thread(sealed_by) == 1
            await until(lambda: sealed_by() == 2)
            here.emit(1)
            await until(lambda: web.asked)
            assert web.asked[-1].headers["x-secret"] == "hush"
    finally:
        pair.close()


async def test_nobody_is_waited_for_who_does_not_answer(pair: Pair) -> None:
    here, there = pair.asked(pair.one)
    with WebServer(lambda _: Say(500)) as web:
        made = here.endpoint(web.url, retry={"schedule_seconds": [3600]})
        event = here.emit(1)
        delivery = await until(lambda: one if (one := one_delivery(there, event)) and one["attempt_count"] else None)
        here.node.freeze()
        try:
            assert there.get(f"/v1/deliveries/{delivery['id']}")["in_flight"] is None
            stats = there.get(f"/v1/endpoints/{made['id']}/stats")
            assert (stats["in_flight"], stats["limit_in_force"]) == (None, None)
            assert there.get("/v1/stats")["in_flight"] is None
        finally:
            here.node.thaw()
        assert there.get(f"/v1/deliveries/{delivery['id']}")["in_flight"] is False


async def test_a_node_that_lacks_the_new_master_key_says_so_until_it_is_given(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    new = base64.b64encode(bytes(range(32, 64))).decode()
    files = [tmp_path / "one.key", tmp_path / "two.key"]
    for file in files:
        file.write_text(MASTER_KEY)
        file.chmod(0o600)
    database = postgres_server.fresh("store", prepare_database)
    common = {"TOCSIN_DATABASE": database, "TOCSIN_LEASE_SECONDS": "3"}
    one, two = (
        Program(tmp_path / "none.db", log=file.with_suffix(".log"), TOCSIN_MASTER_KEY_FILE=str(file), **common)
        for file in files
    )
    try:
        files[0].write_text(f"{new}\n{MASTER_KEY}")
        assert one.post("/v1/master-key/rewrap").status == 200
        refused = await until(lambda: told if (told := two.get("/readyz", key=None)).status == 503 else None)
        assert "which was not given" in str(refused.json)
        assert one.get("/readyz", key=None).status == 200
        files[1].write_text(new)
        await until(lambda: two.get("/readyz", key=None).status == 200)
    finally:
        one.stop()
        two.stop()
