"""Templates on the path of an event: what receivers get, what becomes of the rest, and whom a bad one costs."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.pipeline.test_delivery import deliveries, emit, in_state

from tocsin.adapters.sqlite.queue import SqliteQueue
from tocsin.receiver import Receiver
from tocsin.receiver.verify import StandardWebhooks

FUSSY = 'if .data.n == "bad" then (def f: f; f) elif .data.n == "none" then empty else {n: .data.n, u: "é"} end'
SECRET = "whsec_" + "A" * 32


def attempts(server: Server, delivery: dict[str, Any]) -> list[object]:
    return server.get(f"/v1/deliveries/{delivery['id']}").json["attempts"]


def template(program: str, **fields: object) -> dict[str, object]:
    return {"kind": "template", "program": program, **fields}


async def test_receivers_get_what_the_template_gives_signed_as_it_is(server: Server) -> None:
    async with Receiver(fail=1, status=500) as receiver:
        receiver.verify_with(StandardWebhooks(SECRET))
        server.endpoint(
            receiver.url,
            format=template(
                FUSSY, headers={"X-N": '.data.n // ""', "X-Type": ".type | @uri"}, content_type="text/json"
            ),
            retry={"schedule_seconds": [0.05]},
            signing={"kind": "standard_webhooks", "secret": SECRET},
        )
        await asyncio.to_thread(emit, server, "a")
        await receiver.wait_for_count(2)
        first, second = receiver.arrivals
        assert first.body == second.body == '{"n":"a","u":"é"}'.encode()
        assert (first.verified, second.verified) == (True, True)
        assert (first.headers["content-type"], first.headers["x-n"], first.headers["x-type"]) == (
            "text/json",
            "a",
            "order.created",
        )
        assert [a.attempt for a in receiver.arrivals] == [1, 2]


async def test_what_a_template_does_not_give_is_cancelled_and_what_it_fails_on_is_dead(server: Server) -> None:
    async with Receiver() as receiver:
        endpoint = await asyncio.to_thread(server.endpoint, receiver.url, format=template(FUSSY), filters=[])
        await asyncio.to_thread(emit, server, "none", "bad", "good")
        await receiver.wait_for_count(1)
        (cancelled,) = await until(in_state(server, "cancelled", 1))
        assert (cancelled["reason"], attempts(server, cancelled)) == ("the template gave nothing", [])
        (dead,) = await until(in_state(server, "dead", 1))
        assert (dead["reason"], attempts(server, dead)) == ("the template took longer than 1 s", [])
        assert server.get(f"/v1/endpoints/{endpoint['id']}").json["state"] == "healthy"
        mended = {"format": {"program": "{n: .data.n}"}}
        assert server.call("PATCH", f"/v1/endpoints/{endpoint['id']}", mended).status == 200
        assert server.post(f"/v1/deliveries/{dead['id']}/resend").status == 202
        await receiver.wait_for_count(2)
        assert [json.loads(a.body)["n"] for a in receiver.arrivals] == ["good", "bad"]
        assert receiver.arrivals[1].webhook_id == dead["event_id"]


async def test_what_could_not_be_given_up_is_given_up_later(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    cancel, faults = SqliteQueue.cancel, [RuntimeError("a fault of ours")]

    async def refused_once(self: SqliteQueue, *circumstances: Any) -> Any:
        if faults:
            raise faults.pop()
        return await cancel(self, *circumstances)

    monkeypatch.setattr(SqliteQueue, "cancel", refused_once)
    async with Receiver() as receiver:
        await asyncio.to_thread(server.endpoint, receiver.url, format=template(FUSSY), filters=[])
        await asyncio.to_thread(emit, server, "none")
        await until(in_state(server, "cancelled", 1))
    assert faults == []


async def test_a_subject_goes_on_after_what_a_template_fails_on(server: Server) -> None:
    program = (
        'if .data.n == "b" then error("\\(.data.n) is not for us") elif .data.n == "c" then empty else {n: .data.n} end'
    )
    async with Receiver() as receiver:
        server.endpoint(receiver.url, format=template(program), ordering="subject")
        await asyncio.to_thread(emit, server, "a", "b", "c", "d")
        await receiver.wait_for_count(2)
        assert [json.loads(a.body)["n"] for a in receiver.arrivals] == ["a", "d"]
        (dead,) = await until(in_state(server, "dead", 1))
        assert dead["reason"] == "the template failed: b is not for us"
        await until(in_state(server, "cancelled", 1))


async def test_a_template_that_never_ends_costs_its_own_endpoint_and_nobody_else(server: Server) -> None:
    numbers = [str(n) for n in range(40)]
    endless = 'if .source == "/shop" then (def f: f; f) else . end'
    async with Receiver() as other, Receiver() as good, Receiver() as bad:
        hanging = await asyncio.to_thread(server.endpoint, bad.url, format=template(endless))
        server.endpoint(good.url, format=template("{n: .data.n}"))
        server.endpoint(other.url)
        await asyncio.to_thread(emit, server, *numbers)
        await good.wait_for_count(40, seconds=60)
        await other.wait_for_count(40, seconds=60)
        assert {json.loads(a.body)["n"] for a in good.arrivals} == set(numbers)
        waiting = await asyncio.to_thread(deliveries, server, endpoint=hanging["id"], state="pending", limit="100")
        assert len(waiting) > 0
        # What waits for its turn can be cancelled, and is not sent afterwards.
        for delivery in waiting:
            assert server.post(f"/v1/deliveries/{delivery['id']}/cancel").status in {200, 409}
        await until(lambda: not deliveries(server, state="pending"))
        assert bad.total == 0


async def test_what_is_cancelled_while_its_template_waits_is_not_sent(server: Server) -> None:
    async with Receiver() as receiver:
        server.endpoint(receiver.url, format=template(FUSSY), ordering="subject")
        await asyncio.to_thread(emit, server, "bad")
        await asyncio.to_thread(emit, server, "a", "b", subject="s2")

        def first() -> dict[str, Any] | None:
            found = [d for d in deliveries(server, state="pending") if d["subject_id"] == "s2"]
            return found[-1] if len(found) == 2 and found[-1]["in_flight"] else None

        waiting = await until(first)  # for a second of processor time, which the bad one has
        cancelled = await asyncio.to_thread(server.post, f"/v1/deliveries/{waiting['id']}/cancel")
        assert (cancelled.status, cancelled.json["state"]) == (200, "cancelled")
        await receiver.wait_for_count(1)
        await until(in_state(server, "delivered", 1))
        assert [json.loads(a.body)["n"] for a in receiver.arrivals] == ["b"]
        assert attempts(server, waiting) == []


async def test_a_delivery_that_waits_for_its_template_follows_the_endpoint(server: Server) -> None:
    """Mended while it hangs, what waits goes out by the new program."""
    endless = 'if .source == "/shop" then (def f: f; f) else . end'
    async with Receiver() as receiver:
        made = await asyncio.to_thread(server.endpoint, receiver.url, format=template(endless), max_in_flight=8)
        await asyncio.to_thread(emit, server, *"abcdefghijkl")
        await until(lambda: deliveries(server, state="dead") or None)
        mended = {"format": {"program": "{n: .data.n}"}}
        assert server.call("PATCH", f"/v1/endpoints/{made['id']}", mended).status == 200
        await until(lambda: not deliveries(server, state="pending"), seconds=60)
        sent = {json.loads(a.body)["n"] for a in receiver.arrivals}
        assert sent
        assert len(sent) + len(deliveries(server, state="dead")) == 12
