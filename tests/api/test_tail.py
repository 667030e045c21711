"""The live tail: what is shown, to whom, what a slow watcher loses, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema_rs
import pytest
from tests.api.callers import Caller, problem_of
from tests.api.test_erasures import erased
from tests.kit.receivers import Peer, Receiver, answer
from tests.kit.server import Server
from tests.kit.tails import Message, Watching
from tests.kit.waiting import until

from tocsin.api import tailing
from tocsin.operations.tails import WATCHERS_OF_ONE

LAST = "last.said"


@pytest.fixture
def caller(shared_server: Server) -> Caller:
    return Caller(shared_server)


def emit(caller: Caller, number: int, kind: str = "order.made", **fields: Any) -> str:
    """The id of a new event."""
    event = {"specversion": "1.0", "id": str(number), "source": "/tail", "type": kind} | fields
    done = caller.post("/v1/events", event, headers={"Content-Type": "application/cloudevents+json"})
    assert done.status == 202, done
    event_id: str = done.json["results"][0]["event_id"]
    return event_id


def watching(caller: Caller, query: str = "", role: str = "viewer", **options: Any) -> Watching:
    return Watching(caller.server, query, key=caller.key(role), **options)


async def shown_until_last(tail: Watching) -> list[Message]:
    """Everything before the event that says it is the last."""
    found: list[Message] = []
    while (message := await tail.next()).data.get("type") != LAST:
        found.append(message)
    return found


async def test_events_and_attempts_are_shown_as_everywhere_else(caller: Caller) -> None:
    async with Receiver(answer(200, b"thanks")) as receiver, watching(caller) as tail:
        secret = {"name": "X-Secret", "value": "not-for-eyes", "sensitive": True}
        endpoint = caller.endpoint(url=receiver.url, headers=[secret])
        event_id = emit(caller, 1, data={"n": 1}, subject="o-1")
        event, made = await tail.some(2)
        kept = await asyncio.to_thread(caller.get, f"/v1/events/{event_id}")
        (delivery,) = kept.json["deliveries"]
        assert (event.name, event.id) == ("event", str(event.data["position"]))
        assert event.data | {"deliveries": [delivery]} == kept.json
        with_attempts = (await asyncio.to_thread(caller.get, f"/v1/deliveries/{delivery['id']}")).json
        assert (made.name, made.id) == ("attempt", None)
        assert made.data == {
            "tenant": caller.tenant,
            "endpoint_id": endpoint["id"],
            "batch_id": None,
            "deliveries": [
                {
                    "id": delivery["id"],
                    "state": "delivered",
                    "event_id": event_id,
                    "event_type": "order.made",
                    "subject_type": "order",
                    "subject_id": "o-1",
                }
            ],
            "attempt": with_attempts["attempts"][0],
        }
        assert made.data["attempt"]["response"]["body"] == "thanks"
        assert "not-for-eyes" not in json.dumps(made.data)
        assert receiver.requests[0].header("X-Secret") == "not-for-eyes"


async def test_messages_are_as_documented(caller: Caller) -> None:
    document = json.loads(caller.get("/openapi.json").body)
    operation = document["paths"]["/v1/tail"]["get"]
    assert set(operation["responses"]["200"]["content"]) == {"text/event-stream"}
    kinds = {
        name: jsonschema_rs.Draft202012Validator(schema | {"components": document["components"]})
        for name, schema in operation["x-stream-events"].items()
    }
    assert set(kinds) == {"watching", "event", "attempt", "dropped", "end"}
    made = caller.post("/v1/api-keys", {"name": "spare", "role": "viewer"}).json
    async with Receiver(answer(503)) as receiver, Watching(caller.server, key=made["value"]) as tail:
        caller.endpoint(url=receiver.url)
        emit(caller, 1, data={"n": 1}, subject="o-1")
        seen = [tail.first, *await tail.some(2)]
        caller.call("DELETE", f"/v1/api-keys/{made['id']}")
        seen.append(await tail.next())
    assert [message.name for message in seen] == ["watching", "event", "attempt", "end"]
    for message in seen:
        kinds[message.name].validate(message.data)


async def test_the_head_is_for_proxies_and_browsers(caller: Caller) -> None:
    async with watching(caller) as tail:
        assert tail.header("content-type") == "text/event-stream"
        assert tail.header("cache-control") == "no-store"
        assert tail.header("x-accel-buffering") == "no"
        assert tail.header("transfer-encoding") == "chunked"
    head = caller.call("HEAD", "/v1/tail")
    assert (head.status, head.body, head.headers["content-type"]) == (200, b"", "text/event-stream")


ORDER, JOB, SENT_ORDER, SENT_JOB = ("event", "order"), ("event", "job"), ("attempt", "order"), ("attempt", "job")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {ORDER, JOB, SENT_ORDER, SENT_JOB}),
        ("kind=event", {ORDER, JOB}),
        ("kind=attempt", {SENT_ORDER, SENT_JOB}),
        ("event_type=job.*,none.*", {JOB, SENT_JOB}),
        ("type=*.m?de", {ORDER, SENT_ORDER}),
        ("kind=event&subject_type=order", {ORDER}),
        ("subject_id=j%2F1", {JOB, SENT_JOB}),
        ("kind=event&job=j%2F1", {JOB}),
        ("state=delivered", {SENT_JOB}),
        ("state=dead", {SENT_ORDER}),
        ("outcome=delivered", {SENT_JOB}),
        ("endpoint={endpoint}", {SENT_ORDER, SENT_JOB}),
        ("endpoint={endpoint}&type=job.*", {SENT_JOB}),
    ],
)
async def test_each_filter_shows_what_fits_and_nothing_else(
    caller: Caller, query: str, expected: set[tuple[str, str]]
) -> None:
    """Two rounds of the same: whatever is shown of the first beyond what is expected comes before the second."""

    async def behave(peer: Peer) -> None:
        while True:
            refused = b"order.made" in (await peer.request()).body
            await peer.send(b"HTTP/1.1 %s X\r\nContent-Length: 0\r\n\r\n" % (b"415" if refused else b"200"))

    job = {"job_id": "j/1", "job_type": "t"}
    assert caller.post("/v1/jobs/reports", job | {"state": "running"}).status == 202
    async with Receiver(behave) as receiver:
        endpoint = caller.endpoint(url=receiver.url)
        async with watching(caller) as everything, watching(caller, query.format(endpoint=endpoint["id"])) as tail:
            for number, state in enumerate(("waiting", "running")):
                emit(caller, number, subject="o-1")
                assert caller.post("/v1/jobs/reports", job | {"state": state}).status == 202
                assert len({(one.name, kind_of(one)) for one in await everything.some(4)}) == 4
                found = await tail.some(len(expected))
                assert {(one.name, kind_of(one)) for one in found} == expected


def kind_of(message: Message) -> str:
    data = message.data if message.name == "event" else message.data["deliveries"][0]
    kind: str = data["subject_type"]
    return kind


async def test_one_event_is_followed_through_its_attempts(caller: Caller) -> None:
    async with Receiver(answer(200)) as receiver:
        caller.endpoint(url=receiver.url)
        emit(caller, 1)
        event_id = emit(caller, 2)
        await receiver.until(lambda: len(receiver.requests) == 2)
        (delivery,) = await until(lambda: delivered(caller, event_id))
        async with watching(caller, f"event={event_id}&after=0") as tail:
            assert (await tail.next()).data["id"] == event_id
            again = caller.post(f"/v1/deliveries/{delivery['id']}/resend")
            assert (await tail.next()).data["deliveries"][0]["id"] == again.json["id"]


def delivered(caller: Caller, event_id: str) -> Any:
    return caller.get(f"/v1/deliveries?event={event_id}&state=delivered").json["items"] or None


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("type=a&event_type=b", "type"),
        ("event_type=", "event_type"),
        ("type=a,,b", "type"),
        ("event_type=" + ",".join(["a"] * 51), "event_type"),
        ("state=lost", "state"),
        ("outcome=lost", "outcome"),
        ("kind=job", "kind"),
        ("bodies=no", "bodies"),
        ("after=-1", "after"),
        ("limit=3", "limit"),
    ],
)
def test_what_cannot_be_asked(caller: Caller, query: str, pointer: str) -> None:
    assert problem_of(caller.get(f"/v1/tail?{query}")) == ("invalid-request", 422, [pointer])


def test_a_last_event_id_that_is_none_of_ours(caller: Caller) -> None:
    refused = caller.get("/v1/tail", headers={"Last-Event-ID": "evt_1"})
    assert problem_of(refused) == ("invalid-request", 422, ["last-event-id"])


async def test_whoever_comes_back_is_shown_what_was_missed_once(caller: Caller) -> None:
    async with watching(caller, "kind=event") as tail:
        emit(caller, 1, data={"n": 1})
        first = await tail.next()
    for number in range(2, 6):
        emit(caller, number, "other.made" if number == 4 else "order.made")
    async with watching(caller, "kind=event&type=order.*", last_event_id=first.id) as tail:
        emit(caller, 6)
        found = await tail.some(4)
    assert [message.data["cloudevent"]["id"] for message in found] == ["2", "3", "5", "6"]
    assert [message.id for message in found] == [str(message.data["position"]) for message in found]
    # The header is what a browser adds when it comes back to an address that has `after` in it.
    async with watching(caller, "kind=event&after=0", last_event_id=found[2].id) as tail:
        assert (await tail.next()).data["cloudevent"]["id"] == "6"


async def test_a_position_of_another_server_hides_nothing(caller: Caller) -> None:
    async with watching(caller, "kind=event&after=999999999999") as tail:
        emit(caller, 1)
        assert (await tail.next()).data["cloudevent"]["id"] == "1"


async def test_more_than_can_be_shown_afterwards_was_missed(caller: Caller) -> None:
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    for start in (0, 600):
        events = [
            {"specversion": "1.0", "id": str(number), "source": "/tail", "type": "order.made"}
            for number in range(start, start + 600)
        ]
        assert caller.post("/v1/events", events, headers=headers).status == 202
    async with watching(caller, "kind=event&after=0") as tail:
        dropped, *found = await tail.some(1001)
        assert (dropped.name, dropped.data) == ("dropped", {"count": None, "total": 0})
        assert [message.data["cloudevent"]["id"] for message in found] == [str(number) for number in range(200, 1200)]


async def test_an_erased_event_is_shown_as_erased(caller: Caller) -> None:
    emit(caller, 1, subject="ann", data={"name": "Ann"})
    emit(caller, 2, subject="bob", data={"name": "Bob"})
    await erased(caller, "order", "ann")
    async with watching(caller, "kind=event&after=0") as tail:
        gone, kept = await tail.some(2)
    assert gone.data["erased"] is True
    assert "ann" not in json.dumps(gone.data).lower()
    assert kept.data["data"] == {"name": "Bob"}


async def test_nothing_of_an_erased_subject_waits_for_a_slow_watcher(caller: Caller) -> None:
    async with watching(caller, "kind=event", receive_bytes=4096) as tail:
        for number in range(80):
            emit(caller, number, subject="ann", data={"name": "Ann", "fill": "x" * 100_000})
        await erased(caller, "order", "ann")
        emit(caller, 1000, LAST, data="end")
        found = await shown_until_last(tail)
    shown = [int(one.data["cloudevent"]["id"]) for one in found if one.name == "event"]
    assert sum(one.data["count"] for one in found if one.name == "dropped") + len(shown) == 80
    # The newest of them had not left the server when they were erased.
    assert shown == list(range(len(shown)))


async def test_what_is_erased_while_a_slow_watcher_catches_up_is_shown_as_erased(caller: Caller) -> None:
    for number in range(80):
        emit(caller, number, subject="ann", data={"name": "Ann", "fill": "x" * 100_000})
    async with watching(caller, "kind=event&after=0", receive_bytes=4096) as tail:
        first = await tail.next()
        await erased(caller, "order", "ann")
        emit(caller, 1000, LAST, data="end")
        found = [one for one in (first, *await shown_until_last(tail)) if one.name == "event"]
    assert [int(one.id) for one in found] == sorted({int(one.id) for one in found})
    assert len(found) == 80
    # The first of them had left the server when they were erased.
    assert [one.data.get("erased", False) for one in found] == sorted(one.data.get("erased", False) for one in found)
    assert found[-1].data["erased"] is True


async def test_a_tenant_sees_its_own_and_an_operator_all(caller: Caller) -> None:
    other = Caller(caller.server)
    async with (
        watching(caller, "kind=event") as mine,
        watching(other, "kind=event", "admin") as theirs,
        Watching(caller.server, f"kind=event&tenant={other.tenant}") as chosen,
        Watching(caller.server, "kind=event") as everything,
    ):
        for number, whose in enumerate((caller, other, caller, other)):
            emit(whose, number)
        own, of_others = [message.data["cloudevent"]["id"] for message in await mine.some(2)], await theirs.some(2)
        assert own == ["0", "2"]
        assert [message.data["cloudevent"]["id"] for message in of_others] == ["1", "3"]
        assert of_others == await chosen.some(2)
        assert {message.data["tenant"] for message in await everything.some(4)} == {caller.tenant, other.tenant}
    foreign = caller.get(f"/v1/tail?tenant={other.tenant}")
    assert problem_of(foreign)[:2] == ("forbidden", 403)
    assert problem_of(caller.get("/v1/tail", role="producer"))[:2] == ("forbidden", 403)


async def test_without_bodies(caller: Caller) -> None:
    async with Receiver(answer(200, b"thanks")) as receiver, watching(caller, "bodies=false") as tail:
        caller.endpoint(url=receiver.url)
        emit(caller, 1, data={"n": 1})
        event, made = await tail.some(2)
    assert "data" not in event.data
    attempt = made.data["attempt"]
    assert (attempt["request"]["body"], attempt["response"]["body"]) == (None, None)
    assert attempt["request"]["body_bytes"] > 0
    assert attempt["response"]["body_bytes"] == 6


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
async def test_line_ends_in_data_do_not_end_a_message(caller: Caller, end: str) -> None:
    body = f'{{"specversion": "1.0", "id": "1", "source": "/t", "type": "order.made",{end}"data":{end}{{{end}"n":{end}"a\\nb"}}}}'
    async with watching(caller, "kind=event") as tail:
        done = caller.post("/v1/events", body.encode(), headers={"Content-Type": "application/cloudevents+json"})
        assert done.status == 202, done
        assert (await tail.next()).data["data"] == {"n": "a\nb"}


async def test_a_batch_is_one_attempt_for_several_deliveries(caller: Caller) -> None:
    async with Receiver(answer(200)) as receiver, watching(caller, "kind=attempt&type=order.made") as tail:
        batch = {"mode": "batch", "max_events": 2, "max_wait_seconds": 3600}
        caller.endpoint(url=receiver.url, delivery=batch)
        ids = {emit(caller, 1), emit(caller, 2, "order.sent")}
        made = (await tail.next()).data
    assert made["batch_id"].startswith("bat_")
    assert {one["event_id"] for one in made["deliveries"]} == ids
    assert {one["state"] for one in made["deliveries"]} == {"delivered"}


async def test_a_slow_watcher_loses_and_is_told_how_many_and_nobody_waits_for_it(caller: Caller) -> None:
    count = 40
    async with watching(caller, "kind=event") as slow, watching(caller, "kind=event&bodies=false") as quick:
        for number in range(count):
            emit(caller, number, data={"fill": "x" * 200_000})
        assert len(await quick.some(count)) == count
        emit(caller, count, LAST)
        found = await shown_until_last(slow)
    shown = [int(one.data["cloudevent"]["id"]) for one in found if one.name == "event"]
    told = [one for one in found if one.name == "dropped"]
    assert len(shown) + sum(one.data["count"] for one in told) == count
    assert told[-1].data["total"] == count - len(shown)
    assert len(shown) < count
    assert shown == sorted(shown)
    assert shown[-1] == count - 1
    missing = [b - a - 1 for a, b in itertools.pairwise(shown) if b > a + 1]
    assert missing == [one.data["count"] for one in told]


async def test_a_quiet_tail_has_a_heartbeat(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tailing, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(tailing, "LOOK_SECONDS", 0.01)
    async with watching(caller) as tail:
        waiting = asyncio.create_task(tail.next())
        await until(lambda: tail.comments or None)
        emit(caller, 1)
        assert (await waiting).name == "event"
        assert set(tail.comments) == {"heartbeat"}


async def test_there_are_so_many_tails_for_a_tenant(caller: Caller) -> None:
    other = Caller(caller.server)
    async with contextlib.AsyncExitStack() as opened:
        tails = [await opened.enter_async_context(watching(caller, "")) for _ in range(WATCHERS_OF_ONE)]
        refused = caller.get("/v1/tail")
        assert problem_of(refused)[:2] == ("too-many-watchers", 429)
        assert int(refused.headers["retry-after"]) > 0
        async with watching(other) as theirs, Watching(caller.server, f"tenant={caller.tenant}") as operators:
            assert (theirs.status, operators.status) == (200, 200)
        await tails[0].__aexit__()
        await until(lambda: caller.call("HEAD", "/v1/tail").status == 200)


async def test_a_revoked_key_ends_its_tails_and_no_other(caller: Caller) -> None:
    made = caller.post("/v1/api-keys", {"name": "spare", "role": "viewer"}).json
    async with Watching(caller.server, key=made["value"]) as ending, watching(caller) as staying:
        assert caller.call("DELETE", f"/v1/api-keys/{made['id']}").status == 204
        emit(caller, 1)
        assert await ending.next() == Message("end", {"reason": "key"}, None)
        await ending.over()
        assert (await staying.next()).name == "event"


async def test_an_expired_key_ends_its_tail(caller: Caller) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=0.8)).isoformat().replace("+00:00", "Z")
    made = caller.post("/v1/api-keys", {"name": "short", "role": "viewer", "expires_at": soon}).json
    async with Watching(caller.server, key=made["value"]) as tail:
        assert await tail.next() == Message("end", {"reason": "key"}, None)


async def test_a_server_that_stops_ends_every_tail(start_server: Callable[..., Server]) -> None:
    server = start_server()
    async with Watching(server) as first, Watching(server, "kind=attempt") as second:
        assert b"tocsin_tail_watchers 2.0" in (await asyncio.to_thread(server.get, "/metrics")).body
        await asyncio.to_thread(server.stop)
        for tail in (first, second):
            assert await tail.next() == Message("end", {"reason": "stopping"}, None)
            await tail.over()
