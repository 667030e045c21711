"""The path of an event over the real server: what receivers get, when they misbehave, and what is shown of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.kit.server import OPERATOR_KEY, Server
from tests.kit.waiting import until

from tocsin.receiver import Receiver
from tocsin.receiver.verify import StandardWebhooks

QUICK = {"schedule_seconds": [0.05, 0.05, 0.05]}


def emit(
    server: Server, *ids: str, subject: str | None = "s1", event_type: str = "order.created", tenant: str = "default"
) -> None:
    events = [
        {"specversion": "1.0", "id": i, "source": "/shop", "type": event_type, "data": {"n": i}}
        | ({"subject": subject} if subject else {})
        for i in ids
    ]
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    answer = server.post(f"/v1/events?tenant={tenant}", events, headers=headers)
    assert answer.status == 202, answer
    assert [r["outcome"] for r in answer.json["results"]] == ["accepted"] * len(ids)


def deliveries(server: Server, **filters: str) -> list[dict[str, Any]]:
    query = "&".join(f"{k}={v}" for k, v in filters.items())
    answer = server.get(f"/v1/deliveries?{query}")
    assert answer.status == 200, answer
    return answer.json["items"]


def in_state(server: Server, state: str, count: int, **filters: str) -> Callable[[], list[dict[str, Any]] | None]:
    def look() -> list[dict[str, Any]] | None:
        found = deliveries(server, state=state, **filters)
        return found if len(found) == count else None

    return look


@pytest.mark.both_stores
async def test_an_event_reaches_every_matching_endpoint_once_and_verifies(server: Server) -> None:
    async with Receiver() as first, Receiver() as second:
        one = server.endpoint(first.url, signing={"kind": "standard_webhooks", "secret": "whsec_" + "A" * 32})
        server.endpoint(second.url, filters=[{"event_types": ["order.*"]}, {"verbs": ["created"]}])
        server.endpoint(second.url, filters=[{"event_types": ["other.*"]}])
        first.verify_with(StandardWebhooks("whsec_" + "A" * 32))
        await asyncio.to_thread(emit, server, "a", "b")
        await first.wait_for_count(2)
        await second.wait_for_count(2)
        assert [a.verified for a in first.arrivals] == [True, True]
        got = [json.loads(a.body) for a in first.arrivals]
        assert [(e["id"], e["source"], e["type"], e["data"], e["tenant"]) for e in got] == [
            (i, "/shop", "order.created", {"n": i}, "default") for i in ("a", "b")
        ]
        await until(in_state(server, "delivered", 4))
        assert one["signing"]["secret"]["set"] is True
        assert (first.total, second.total) == (2, 2)


async def test_every_attempt_carries_the_same_webhook_id_and_is_kept(server: Server) -> None:
    async with Receiver(fail=2, status=500) as receiver:
        endpoint = server.endpoint(
            receiver.url,
            retry=QUICK,
            headers=[{"name": "X-Team", "value": "mdm"}, {"name": "X-Token", "value": "hush-hush", "sensitive": True}],
            authorization={"kind": "basic", "username": "u", "password": "p-secret"},
        )
        await asyncio.to_thread(emit, server, "a")
        await receiver.wait_for_count(3)
        delivered = (await until(in_state(server, "delivered", 1)))[0]
        arrivals = list(receiver.arrivals)
        assert len({a.webhook_id for a in arrivals}) == 1
        assert [a.attempt for a in arrivals] == [1, 2, 3]
        assert arrivals[0].headers["x-token"] == "hush-hush"
        assert arrivals[0].headers["authorization"].startswith("Basic ")
        assert arrivals[0].headers["x-team"] == "mdm"
        assert arrivals[0].webhook_id == delivered["event_id"]
        shown = server.get(f"/v1/deliveries/{delivered['id']}")
        attempts = shown.json["attempts"]
        assert [(a["number"], a["outcome"], (a["response"] or {}).get("status")) for a in attempts] == [
            (1, "retry", 500),
            (2, "retry", 500),
            (3, "delivered", 204),
        ]
        assert attempts[0]["error"]["kind"] == "status"
        assert attempts[0]["next_attempt_at"] is not None
        assert attempts[0]["address"] == "127.0.0.1"
        assert attempts[2]["request"]["body"] == arrivals[2].body.decode()
        assert attempts[0]["request"]["url"] == receiver.url
        for secret in (b"hush-hush", b"p-secret", b"dTpwLXNlY3JldA"):
            assert secret not in shown.body
        assert b"hush-hush" not in server.get(f"/v1/endpoints/{endpoint['id']}").body
        assert "mdm" in shown.body.decode()


async def test_the_schedule_used_up_is_dead_and_can_be_resent(server: Server) -> None:
    async with Receiver(fail=4, status=500) as receiver:
        endpoint = server.endpoint(receiver.url, retry=QUICK)
        await asyncio.to_thread(emit, server, "a")
        dead = (await until(in_state(server, "dead", 1)))[0]
        assert receiver.total == 4
        assert dead["reason"] == "schedule exhausted (status 500)"
        again = await asyncio.to_thread(server.post, f"/v1/deliveries/{dead['id']}/resend")
        assert again.status == 202
        assert again.json["id"] != dead["id"]
        await until(in_state(server, "delivered", 1, endpoint=endpoint["id"]))
        assert {a.webhook_id for a in receiver.arrivals} == {dead["event_id"]}
        assert len(deliveries(server, state="dead")) == 1


async def test_a_disabled_endpoint_gets_nothing_and_refuses_a_resend(server: Server) -> None:
    async with Receiver() as receiver:
        endpoint = server.endpoint(receiver.url)
        await asyncio.to_thread(emit, server, "a")
        delivered = (await until(in_state(server, "delivered", 1)))[0]
        assert server.post(f"/v1/endpoints/{endpoint['id']}/disable").json["state"] == "disabled"
        emit(server, "b")
        refused = server.post(f"/v1/deliveries/{delivered['id']}/resend")
        assert (refused.status, refused.json["type"]) == (409, "/problems/conflict")
        assert server.post(f"/v1/endpoints/{endpoint['id']}/enable").json["state"] == "healthy"
        emit(server, "c")
        await receiver.wait_for_count(2)
        await until(in_state(server, "delivered", 2))
        assert [json.loads(a.body)["id"] for a in receiver.arrivals] == ["a", "c"]


async def test_pending_deliveries_of_a_disabled_endpoint_wait_for_it(server: Server) -> None:
    async with Receiver(fail=1, status=500) as receiver:
        endpoint = server.endpoint(receiver.url, retry={"schedule_seconds": [0.2]})
        await asyncio.to_thread(emit, server, "a")
        await receiver.wait_for_count(1)
        server.post(f"/v1/endpoints/{endpoint['id']}/disable")
        await until(lambda: server.get(f"/v1/endpoints/{endpoint['id']}").json["state"] == "disabled")
        await asyncio.sleep(0.5)
        assert receiver.total == 1
        assert [d["state"] for d in deliveries(server)] == ["pending"]
        server.post(f"/v1/endpoints/{endpoint['id']}/enable")
        await until(in_state(server, "delivered", 1))


async def test_gone_disables_the_endpoint_and_keeps_the_delivery(server: Server) -> None:
    async with Receiver(fail=1, status=410) as receiver:
        endpoint = server.endpoint(receiver.url)
        await asyncio.to_thread(emit, server, "a")
        shown = await until(
            lambda: e if (e := server.get(f"/v1/endpoints/{endpoint['id']}").json)["state"] == "disabled" else None
        )
        assert (shown["enabled"], shown["state_reason"]) == (False, "gone")
        assert [d["state"] for d in deliveries(server)] == ["pending"]
        server.post(f"/v1/endpoints/{endpoint['id']}/enable")
        await until(in_state(server, "delivered", 1))
        assert server.get(f"/v1/endpoints/{endpoint['id']}").json["state"] == "healthy"


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_pauses_the_endpoint_and_uses_no_step(server: Server, status: int) -> None:
    async with Receiver(fail=1, status=status, headers=(("Retry-After", "1"),)) as receiver:
        endpoint = server.endpoint(receiver.url, retry={"schedule_seconds": []})
        await asyncio.to_thread(emit, server, "a")
        await receiver.wait_for_count(1)
        asked = time.monotonic()
        paused = await until(
            lambda: e if (e := server.get(f"/v1/endpoints/{endpoint['id']}").json)["state"] == "paused" else None
        )
        assert paused["paused_until"] is not None
        await asyncio.to_thread(emit, server, "b", subject="s2")
        await receiver.wait_for_count(3)
        assert time.monotonic() - asked >= 0.9
        await until(in_state(server, "delivered", 2))
        assert deliveries(server, state="dead") == []


@pytest.mark.parametrize(("status", "reason"), [(415, "415"), (413, "413")])
async def test_what_can_never_succeed_is_not_tried_again(server: Server, status: int, reason: str) -> None:
    async with Receiver(fail=1, status=status) as receiver:
        server.endpoint(receiver.url, retry=QUICK)
        await asyncio.to_thread(emit, server, "a")
        dead = (await until(in_state(server, "dead", 1)))[0]
        assert reason in dead["reason"]
        assert receiver.total == 1


async def test_a_redirect_is_not_followed(server: Server) -> None:
    async with (
        Receiver() as elsewhere,
        Receiver(fail=1, status=307, headers=(("Location", elsewhere.url),)) as receiver,
    ):
        server.endpoint(receiver.url, retry=QUICK)
        await asyncio.to_thread(emit, server, "a")
        await until(in_state(server, "delivered", 1))
        assert (elsewhere.total, receiver.total) == (0, 2)


async def test_cancel_ends_a_waiting_delivery(server: Server) -> None:
    async with Receiver(fail=1, status=500) as receiver:
        server.endpoint(receiver.url, retry={"schedule_seconds": [3600]})
        await asyncio.to_thread(emit, server, "a")
        await receiver.wait_for_count(1)
        waiting = await until(lambda: d if (d := deliveries(server))[0]["attempt_count"] == 1 else None)
        cancelled = server.post(f"/v1/deliveries/{waiting[0]['id']}/cancel")
        assert (cancelled.status, cancelled.json["state"]) == (200, "cancelled")
        assert receiver.total == 1


async def test_cancel_while_the_request_is_out_is_overwritten_by_success(server: Server) -> None:
    async with Receiver(delay=0.7) as receiver:
        server.endpoint(receiver.url, ordering="subject")
        await asyncio.to_thread(emit, server, "a", "b")
        out = await until(lambda: [d for d in deliveries(server) if d["in_flight"]] or None)
        assert len(out) == 1
        assert server.post(f"/v1/deliveries/{out[0]['id']}/cancel").json["state"] == "cancelled"
        await until(in_state(server, "delivered", 2))
        assert [json.loads(a.body)["id"] for a in receiver.arrivals] == ["a", "b"]


@pytest.mark.both_stores
async def test_subjects_stay_in_order_through_failures_while_others_flow(server: Server) -> None:
    async with Receiver(fail="30%", status=500, seed=7) as receiver:
        server.endpoint(receiver.url, ordering="subject", retry={"schedule_seconds": [0.02] * 30})
        for n in range(12):
            await asyncio.to_thread(emit, server, f"a-{n}", subject="a")
            await asyncio.to_thread(emit, server, f"b-{n}", subject="b")
        await until(in_state(server, "delivered", 24))
        done = [json.loads(a.body)["id"] for a in receiver.arrivals if a.status < 300]
        for subject in ("a", "b"):
            assert [i for i in done if i.startswith(subject)] == [f"{subject}-{n}" for n in range(12)]


async def test_a_failing_subject_waits_alone(server: Server) -> None:
    async with Receiver(fail=1, status=500) as receiver:
        server.endpoint(receiver.url, ordering="subject", retry={"schedule_seconds": [3600]})
        await asyncio.to_thread(emit, server, "a-0", subject="a")
        await receiver.wait_for_count(1)
        await asyncio.to_thread(emit, server, "a-1", subject="a")
        await asyncio.to_thread(emit, server, "b-0", "b-1", subject="b")
        await until(in_state(server, "delivered", 2))
        assert [json.loads(a.body)["id"] for a in receiver.arrivals] == ["a-0", "b-0", "b-1"]
        assert len(deliveries(server, state="pending")) == 2


@pytest.mark.both_stores
async def test_more_than_a_ready_queue_holds_is_spilled_and_all_of_it_arrives_once(server: Server) -> None:
    async with Receiver(keep=5000) as receiver:
        endpoint = server.endpoint(receiver.url, max_in_flight=4)
        server.post(f"/v1/endpoints/{endpoint['id']}/disable")
        server.post(f"/v1/endpoints/{endpoint['id']}/enable")
        for chunk in range(3):
            await asyncio.to_thread(emit, server, *(f"e{chunk}-{n}" for n in range(1000)), subject=None)
        await receiver.wait_for_count(3000, seconds=40)
        await until(lambda: not deliveries(server, state="pending"))
        assert len({a.webhook_id for a in receiver.arrivals}) == receiver.total == 3000


@pytest.mark.both_stores
async def test_a_restart_resumes_what_was_pending(server: Server) -> None:
    async with Receiver(fail=3, status=500) as receiver:
        server.endpoint(receiver.url, ordering="subject", retry={"schedule_seconds": [1, 1, 1]})
        await asyncio.to_thread(emit, server, "a", "b")
        await receiver.wait_for_count(1)
        await asyncio.to_thread(server.stop)
        server.start()
        await until(in_state(server, "delivered", 2))
        done = [json.loads(a.body)["id"] for a in receiver.arrivals if a.status < 300]
        assert done == ["a", "b"]


async def test_a_changed_format_that_has_no_words_for_the_event_cancels(server: Server) -> None:
    async with Receiver(fail=1, status=500) as receiver:
        endpoint = server.endpoint(receiver.url, retry={"schedule_seconds": [0.5]})
        await asyncio.to_thread(emit, server, "a")
        await receiver.wait_for_count(1)
        changed = server.call("PATCH", f"/v1/endpoints/{endpoint['id']}", {"format": {"kind": "telmai"}})
        assert changed.status == 200, changed
        cancelled = (await until(in_state(server, "cancelled", 1)))[0]
        assert "cannot express" in cancelled["reason"]
        assert receiver.total == 1


@pytest.mark.both_stores
async def test_a_deleted_endpoint_takes_its_pending_deliveries_with_it(server: Server) -> None:
    async with Receiver(fail=1, status=500) as receiver:
        endpoint = server.endpoint(receiver.url, retry={"schedule_seconds": [3600]})
        await asyncio.to_thread(emit, server, "a")
        await receiver.wait_for_count(1)
        assert server.call("DELETE", f"/v1/endpoints/{endpoint['id']}").status == 204
        assert (await until(in_state(server, "cancelled", 1)))[0]["reason"] == "endpoint deleted"
        assert server.get(f"/v1/endpoints/{endpoint['id']}").status == 404


async def test_addresses_that_are_not_allowed_are_never_reached(start_server: Callable[..., Server]) -> None:
    server = start_server(allow_networks="")
    async with Receiver() as receiver:
        server.endpoint(receiver.url, retry={"schedule_seconds": []})
        await asyncio.to_thread(emit, server, "a")
        dead = (await until(in_state(server, "dead", 1)))[0]
        attempt = server.get(f"/v1/deliveries/{dead['id']}").json["attempts"][0]
        assert attempt["error"]["kind"] == "blocked"
        assert attempt["response"] is None
        assert (receiver.total, receiver.connections) == (0, 0)


async def test_tenants_do_not_see_one_another(server: Server) -> None:
    key = server.post("/v1/api-keys", {"name": "k", "role": "admin", "tenant": "acme"}).json["value"]
    async with Receiver() as ours, Receiver() as theirs:
        mine = server.post("/v1/endpoints", {"name": "mine", "url": ours.url}, key=key).json
        other = server.endpoint(theirs.url, tenant="globex")
        await asyncio.to_thread(emit, server, "g", tenant="globex")
        await asyncio.to_thread(emit, server, "a", tenant="acme")
        await ours.wait_for_count(1)
        await theirs.wait_for_count(1)
        await until(in_state(server, "delivered", 2))
        assert [json.loads(a.body)["id"] for a in ours.arrivals] == ["a"]
        seen = server.get("/v1/deliveries", key=key).json["items"]
        assert [d["endpoint_id"] for d in seen] == [mine["id"]]
        hidden = next(d for d in deliveries(server) if d["endpoint_id"] == other["id"])
        for path in (
            f"/v1/deliveries/{hidden['id']}",
            f"/v1/endpoints/{other['id']}",
            f"/v1/events/{hidden['event_id']}",
        ):
            assert server.get(path, key=key).status == 404
    assert server.get("/v1/deliveries", key=OPERATOR_KEY).status == 200
