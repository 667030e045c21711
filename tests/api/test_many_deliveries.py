"""All deliveries that a filter matches, over the real server: counted, given up, sent again; what is dead by endpoint and reason; exact
bytes of attempts."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import pytest
from tests.api.callers import Caller, problem_of
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer

LATER = {"schedule_seconds": [3600]}
NEVER = {"schedule_seconds": []}


def emit(caller: Caller, event_type: str, subject: str, data: bytes = b"{}") -> str:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": f"{event_type} {subject}",
        "ce-source": "/s",
        "ce-type": event_type,
        "ce-subject": subject,
        "Content-Type": "application/json",
    }
    answer = caller.post("/v1/events", data, headers=headers)
    assert answer.status == 202, answer
    return str(answer.json["results"][0]["event_id"])


def listed(caller: Caller, query: str) -> list[dict[str, Any]]:
    answer = caller.get(f"/v1/deliveries?{query}")
    assert answer.status == 200, answer
    return list(answer.json["items"])


def count(caller: Caller, query: str) -> tuple[int, bool]:
    answer = caller.get(f"/v1/deliveries/count?{query}", role="viewer")
    assert answer.status == 200, answer
    return answer.json["count"], answer.json["complete"]


def are(caller: Caller, state: str, number: int) -> Callable[[], bool]:
    """Whether so many are in a state, and none is in flight."""

    def look() -> bool:
        found = listed(caller, f"state={state}&limit=500")
        return len(found) == number and not any(one["in_flight"] for one in found)

    return look


def of_events(asked: list[Asked]) -> list[str]:
    return sorted(one.headers["webhook-id"] for one in asked)


async def test_the_list_tells_the_last_attempt_and_is_found_by_every_filter(shared_server: Server) -> None:
    caller = Caller(shared_server)
    with WebServer(lambda asked: Say(503 if b"order.paid" in asked.body else 200)) as web:
        endpoint = caller.endpoint(url=web.url, retry=NEVER)
        emit(caller, "order.created", "o/1")
        emit(caller, "order.paid", "o/1")
        emit(caller, "refund.made", "o/2")
        await until(lambda: are(caller, "delivered", 2)() and are(caller, "dead", 1)())
        (dead,) = listed(caller, "state=dead")
        last = dead["last_attempt"]
        assert (last["outcome"], last["status"], last["error"]) == ("retry", 503, "status")
        assert last["total_ms"] > 0
        assert last["started_at"] >= dead["accepted_at"]
        assert dead["reason"] == "schedule exhausted (status 503)"
        shown = caller.get(f"/v1/deliveries/{dead['id']}").json
        assert shown["last_attempt"] == last
        for query, types in (
            ("event_type=order.*", ["order.paid", "order.created"]),
            ("event_type=order.p?id", ["order.paid"]),
            ("event_type=order.[p]aid", []),
            ("subject_id=o/1", ["order.paid", "order.created"]),
            ("subject_id=o/1&subject_type=refund", []),
            ("subject_type=refund", ["refund.made"]),
            ("reason=schedule%20exhausted%20(status%20503)", ["order.paid"]),
            ("reason=schedule%20exhausted", []),
            (f"endpoint={endpoint['id']}&state=delivered", ["refund.made", "order.created"]),
        ):
            assert [one["event_type"] for one in listed(caller, query)] == types, query
            assert count(caller, query) == (len(types), True), query
        assert [e["type"] for e in caller.get("/v1/events?type=order.*").json["items"]] == [
            "order.paid",
            "order.created",
        ]
        for query, pointer in (
            ("job=x&subject_id=y", "job"),
            ("replay=rpl_x&event_type=a", "replay"),
            ("batch=bat_x&since=2026-01-01T00:00:00Z", "batch"),
        ):
            assert problem_of(caller.get(f"/v1/deliveries?{query}")) == ("invalid-request", 422, [pointer])


async def test_a_batch_and_a_replay_list_their_deliveries(shared_server: Server) -> None:
    caller = Caller(shared_server)
    with WebServer(lambda _: Say(200)) as web:
        batches = {"mode": "batch", "max_events": 3, "max_wait_seconds": 3600}
        endpoint = caller.endpoint(url=web.url, delivery=batches)
        for number in range(3):
            emit(caller, "order.created", f"o{number}")
        await until(are(caller, "delivered", 3))
        (batch,) = {one["batch_id"] for one in listed(caller, "")}
        assert len(listed(caller, f"batch={batch}&limit=2")) == 2
        members = listed(caller, f"batch={batch}&state=delivered")
        assert len(members) == 3
        assert {one["last_attempt"]["status"] for one in members} == {200}
        caller.call("PATCH", f"/v1/endpoints/{endpoint['id']}", {"delivery": {"mode": "realtime"}})
        replay = caller.post("/v1/replays", {"endpoint_id": endpoint["id"]}).json
        assert (replay["left"], replay["dead_reason"]) == (3, None)
        await until(lambda: caller.get(f"/v1/replays/{replay['id']}").json["state"] == "finished")
        query = f"replay={replay['id']}"
        found = listed(caller, query)
        assert len(found) == 3
        assert listed(caller, f"{query}&state=delivered") == found
        pages: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = caller.get(f"/v1/deliveries?{query}&limit=2{cursor}").json
            pages += page["items"]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert pages == found
        assert caller.get(f"/v1/replays/{replay['id']}").json["left"] == 0


async def test_all_pending_that_match_are_given_up_over_all_endpoints(shared_server: Server) -> None:
    caller = Caller(shared_server)
    with WebServer(lambda _: Say(500)) as web:
        ends = [caller.endpoint(url=web.url, retry=LATER)["id"] for _ in range(2)]
        for number in range(3):
            emit(caller, "order.created", f"o{number}")
        emit(caller, "refund.made", "r")
        await until(are(caller, "pending", 8))
        wanted = {"event_type": "order.*"}
        assert count(caller, "state=pending&event_type=order.*") == (6, True)
        assert count(caller, "state=pending") == (8, True)
        assert caller.post("/v1/deliveries/cancel", wanted).json == {"cancelled": 6, "complete": True}
        assert [one["event_type"] for one in listed(caller, "state=pending")] == ["refund.made"] * 2
        assert {one["reason"] for one in listed(caller, "state=cancelled")} == {"cancelled by hand"}
        assert caller.post("/v1/deliveries/cancel", wanted).json == {"cancelled": 0, "complete": True}
        for end in ends:
            entries = caller.get(f"/v1/audit?target={end}&action=endpoint.pending_cancelled").json["items"]
            assert [entry["after"] for entry in entries] == [wanted]
        one = {"endpoint": ends[0], "subject_type": "refund", "subject_id": "r"}
        assert caller.post("/v1/deliveries/cancel", one).json == {"cancelled": 1, "complete": True}
        (left,) = listed(caller, "state=pending")
        assert left["endpoint_id"] == ends[1]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"state": "dead"}, "/state"),
        ({"since": "yesterday"}, "/since"),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "/until"),
        ({"endpoint": 1}, "/endpoint"),
        ({"job": "a", "subject_id": "b"}, "/job"),
    ],
)
@pytest.mark.parametrize("what", ["cancel", "resend"])
def test_a_wrong_filter_changes_nothing(shared_server: Server, what: str, body: object, pointer: str) -> None:
    caller = Caller(shared_server)
    assert problem_of(caller.post(f"/v1/deliveries/{what}", body)) == ("invalid-request", 422, [pointer])
    assert problem_of(caller.post(f"/v1/deliveries/{what}", {}, role="viewer"))[:2] == ("forbidden", 403)


async def test_what_is_dead_is_told_by_endpoint_and_reason_and_sent_again(shared_server: Server) -> None:
    caller = Caller(shared_server)
    statuses = {"a.x": 500, "a.y": 503, "b.x": 500}
    is_ill = True

    def answer(asked: Asked) -> Say:
        kind = next(kind for kind in statuses if f'"type":"{kind}"'.encode() in asked.body)
        return Say(statuses[kind] if is_ill else 200)

    with WebServer(answer) as web:
        first = caller.endpoint(name="first", url=web.url, retry=NEVER)
        second = caller.endpoint(name="second", url=web.url, retry=NEVER, filters=[{"event_types": ["a.*"]}])
        disabled = caller.endpoint(name="third", url=web.url, retry=NEVER, filters=[{"event_types": ["b.*"]}])
        for kind in statuses:
            emit(caller, kind, "s1")
            emit(caller, kind, "s2")
        await until(are(caller, "dead", 12))
        assert caller.post(f"/v1/endpoints/{disabled['id']}/disable").status == 200

        def groups(query: str = "") -> list[Any]:
            items = caller.get(f"/v1/deliveries/dead{query}", role="viewer").json["items"]
            return [
                (
                    one["endpoint_name"],
                    one["dead"],
                    one["looked_at"],
                    [(r["reason"][20:-1], r["count"]) for r in one["reasons"]],
                )
                for one in items
            ]

        assert groups() == [
            ("first", 6, 6, [("status 500", 4), ("status 503", 2)]),
            ("second", 4, 4, [("status 500", 2), ("status 503", 2)]),
            ("third", 2, 2, [("status 500", 2)]),
        ]
        assert [one[0] for one in groups(f"?endpoint={second['id']}")] == ["second"]
        is_ill = False
        wanted = {"reason": "schedule exhausted (status 503)"}
        dry = caller.post("/v1/deliveries/resend?dry_run=true", wanted)
        assert dry.status == 200
        assert dry.json == {
            "total": 4,
            "endpoints": [{"endpoint_id": e["id"], "total": 2} for e in (first, second)],
            "disabled_endpoint_ids": [disabled["id"]],
            "complete": True,
        }
        before = len(web.asked)
        resent = caller.post("/v1/deliveries/resend", wanted)
        assert (resent.status, resent.json["total"], len(resent.json["replays"])) == (202, 4, 2)
        assert {replay["dead_reason"] for replay in resent.json["replays"]} == set(wanted.values())
        await until(lambda: count(caller, "state=delivered") == (4, True))
        sent = [one["event_id"] for one in listed(caller, "state=delivered")]
        assert of_events(web.asked[before:]) == sorted(sent)
        assert caller.post("/v1/deliveries/resend", wanted).json["total"] == 0, "nothing is sent twice"
        some = {"endpoint": first["id"], "event_type": "b.*", "subject_id": "s2"}
        (replay,) = caller.post("/v1/deliveries/resend", some).json["replays"]
        assert (replay["total"], replay["endpoint_id"]) == (1, first["id"])
        await until(lambda: caller.get(f"/v1/replays/{replay['id']}").json["state"] == "finished")
        narrowed = {"endpoint_id": first["id"], "only": "dead", "dead_reason": "schedule exhausted (status 500)"}
        assert caller.post("/v1/replays?dry_run=true", narrowed).json == {"total": 3}
        wrong = caller.post("/v1/replays", narrowed | {"only": "all"})
        assert problem_of(wrong) == ("invalid-request", 422, ["/dead_reason"])


async def test_the_exact_bytes_of_an_attempt(shared_server: Server) -> None:
    caller = Caller(shared_server)
    answered = b"\xff<script>" + b"x" * 20_000
    with WebServer(lambda _: Say(500, body=answered)) as web:
        data = b'{"a" : 1.0, "b": "\xc3\xa9"}'
        endpoint = caller.endpoint(url=web.url, retry=LATER)
        event = emit(caller, "order.created", "o", data)
        await until(are(caller, "pending", 1))
        (one,) = listed(caller, "")
        path = f"/v1/deliveries/{one['id']}/attempts/1"
        (asked,) = web.asked
        body = caller.get(f"{path}/request-body")
        assert (body.body, body.headers["content-type"]) == (asked.body, "application/octet-stream")
        assert body.headers["x-content-type-options"] == "nosniff"
        assert caller.get(f"{path}/response-body").body == answered[:16384]
        attempt = caller.get(f"/v1/deliveries/{one['id']}").json["attempts"][0]
        assert attempt["response"]["kept_bytes"] == 16384
        assert attempt["response"]["body_bytes"] == len(answered)
        assert attempt["request"]["kept_bytes"] == attempt["request"]["body_bytes"] == len(asked.body)
        assert caller.get(f"/v1/events/{event}/data").body == data
        signed = caller.get(f"{path}/signed-text").body
        secret = base64.b64decode(endpoint["signing"]["secret"].removeprefix("whsec_"))
        made = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
        assert asked.headers["webhook-signature"] == f"v1,{made}"
        for wrong in (f"/v1/deliveries/{one['id']}/attempts/2", f"/v1/deliveries/{one['id']}/attempts/01"):
            assert problem_of(caller.get(f"{wrong}/request-body"))[:2] == ("not-found", 404)
