"""Drafts of endpoints: what they would send is what is sent once they are saved, and nothing is kept of them."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.api.callers import Caller, problem_of
from tests.kit.receivers import Receiver, answer
from tests.kit.server import Server
from tests.kit.token_servers import AuthlibServer, RegisteredClient
from tests.kit.waiting import until
from tests.kit.web import Say, WebServer

from tocsin.rules.redaction import MASK

OF_THE_MOMENT = {"webhook-timestamp", "traceparent", "webhook-signature", "content-length", "authorization"}


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer(lambda _: Say(202, b"thanks")) as server:
        yield server


def preview(caller: Caller, endpoint: dict[str, object], **asked: object) -> Any:
    answer = caller.post("/v1/endpoints/preview", {"endpoint": {"name": "e"} | endpoint} | asked)
    assert answer.status == 200, answer
    return answer.json


def given_jobs(caller: Caller, *states: str) -> list[str]:
    reports = [{"job_id": f"job-{n}", "job_type": "load_source", "state": state} for n, state in enumerate(states)]
    answer = caller.post("/v1/jobs/reports", reports)
    assert answer.status == 202, answer
    return [event for result in answer.json["results"] for event in result["event_ids"]]


KINDS: list[dict[str, object]] = [
    {"format": {"kind": "tamr", "type": "com.example.job"}},
    {"format": {"kind": "cloudevents", "mode": "binary"}, "authorization": {"kind": "bearer", "token": "hush-hush"}},
    {"format": {"kind": "visier"}, "headers": [{"name": "X-Key", "value": "hush-hush", "sensitive": True}]},
    {"format": {"kind": "template", "program": "{id, t: .type}"}, "signing": {"kind": "none"}},
    {"format": {"kind": "lytics"}, "delivery": {"mode": "batch", "max_events": 1}},
    {"format": {"kind": "slack", "title": "Loads"}},
]


@pytest.mark.parametrize("settings", KINDS, ids=lambda s: str(s["format"]["kind"]))
async def test_what_is_shown_of_an_event_is_what_arrives_of_it(
    shared_server: Server, web: WebServer, settings: dict[str, object]
) -> None:
    caller = Caller(shared_server)
    fields = {"url": f"{web.url}hooks?x=1", "filters": [{"states": ["failed"], "verbs": ["failed"]}]} | settings
    caller.endpoint(**fields)
    given_jobs(caller, "failed")
    await until(lambda: bool(web.asked))
    (arrived,) = web.asked
    (event,) = caller.get("/v1/events?type=job.failed").json["items"]
    seen = preview(caller, fields, event_id=event["id"])
    assert (seen["matches"], seen["why_not"], seen["event"]["is_sample"]) == (True, None, False)
    request = seen["request"]
    assert request["url"] == fields["url"]
    assert request["body"].encode() == arrived.body
    assert request["body_bytes"] == len(arrived.body)
    shown = {name.lower(): value for name, value in request["headers"].items()}
    came = dict(arrived.headers)
    assert set(shown) == set(came) - {"content-length"}
    is_batch = "delivery" in settings
    varying = OF_THE_MOMENT | ({"webhook-id"} if is_batch else set()) | {n for n in came if n.startswith("x-visier")}
    for name in set(shown) - varying:
        assert shown[name] == (MASK if "hush" in came[name] else came[name]), name
    assert "hush-hush" not in json.dumps(seen)


def test_the_signature_is_made_with_the_secret_that_was_given(shared_server: Server) -> None:
    signing = {"kind": "hmac", "header": "X-Sig", "key": "k" * 32}
    request = preview(Caller(shared_server), {"url": "http://127.0.0.1:9/", "signing": signing})["request"]
    assert request["headers"]["X-Sig"] == hmac.new(b"k" * 32, request["body"].encode(), hashlib.sha256).hexdigest()


def test_an_endpoint_s_own_secrets_are_used_where_it_is_changed(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.endpoint(signing={"kind": "hmac", "header": "X-Sig", "key": "k" * 32})
    read = caller.get(f"/v1/endpoints/{made['id']}").json
    settings = {"name": "n", "url": made["url"], "signing": read["signing"]}
    request = preview(caller, settings, instead_of=made["id"])["request"]
    assert request["headers"]["X-Sig"] == hmac.new(b"k" * 32, request["body"].encode(), hashlib.sha256).hexdigest()
    refused = caller.post("/v1/endpoints/preview", {"endpoint": settings})
    assert problem_of(refused) == ("invalid-request", 422, ["/endpoint/signing/key"])
    assert caller.get(f"/v1/endpoints/{made['id']}").json == read


def test_a_sample_that_the_filters_want_is_chosen(shared_server: Server) -> None:
    caller = Caller(shared_server)
    url = {"url": "http://127.0.0.1:9/"}
    assert preview(caller, url)["event"]["type"] == "job.succeeded"
    records = url | {"filters": [{"tables": ["customers"], "actions": ["delete"]}]}
    assert preview(caller, records)["event"]["type"] == "record.deleted"
    nothing = preview(caller, url | {"filters": [{"verbs": ["never"]}]})
    assert (nothing["matches"], nothing["why_not"]) == (False, "no filter matches")
    assert nothing["request"] is not None
    visier = preview(caller, url | {"format": {"kind": "visier"}}, event_type="record.updated")
    assert (visier["why_not"], visier["request"]) == ("the format cannot express it", None)
    empty = preview(caller, url | {"format": {"kind": "template", "program": "empty"}})
    assert (empty["why_not"], empty["request"]) == ("the template gives nothing", None)


def test_the_newest_events_that_match_are_counted(shared_server: Server) -> None:
    caller = Caller(shared_server)
    given_jobs(caller, *(["running", "failed"] * 70))
    wanted = {"url": "http://127.0.0.1:9/", "filters": [{"where": "data.state == 'failed'", "verbs": ["failed"]}]}
    assert preview(caller, wanted)["counted"] is None
    assert preview(caller, wanted, count=1000)["counted"] == {"looked_at": 280, "matching": 70}
    assert preview(caller, wanted, count=8)["counted"] == {"looked_at": 8, "matching": 2}
    assert preview(Caller(shared_server), wanted, count=1000)["counted"] == {"looked_at": 0, "matching": 0}


def test_what_is_wrong_is_said_and_nothing_is_saved(shared_server: Server) -> None:
    caller = Caller(shared_server)
    url = "http://127.0.0.1:9/"
    for endpoint, pointers in (
        ({"url": "ftp://x/"}, ["/endpoint/url"]),
        ({}, ["/endpoint/url"]),
        ({"url": url, "authorization": {"kind": "basic", "username": "a:b", "password": "p"},
          "headers": [{"name": "Host", "value": "x"}]}, ["/endpoint/headers/0/name", "/endpoint/authorization/username"]),
        ({"url": url, "max_in_flight": "many"}, ["/endpoint/max_in_flight"]),
        ({"url": url, "format": {"kind": "template", "program": "."}, "filters": [{"where": "data."}]}, ["/endpoint/filters/0/where"]),
        ({"url": url, "format": {"kind": "template", "program": "{"}}, ["/endpoint/format/program"]),
    ):  # fmt: skip
        for route in ("preview", "test"):
            answer = caller.post(f"/v1/endpoints/{route}", {"endpoint": {"name": "e"} | endpoint})
            assert problem_of(answer) == ("invalid-request", 422, pointers)
    good = {"endpoint": {"name": "e", "url": url}}
    assert problem_of(caller.post("/v1/endpoints/preview", good | {"count": 1001}))[2] == ["/count"]
    assert problem_of(caller.post("/v1/endpoints/preview", good | {"event_type": "job.x"}))[2] == ["/event_type"]
    both = good | {"event_type": "job.failed", "event_id": "evt_x"}
    assert problem_of(caller.post("/v1/endpoints/preview", both))[2] == ["/event_id"]
    assert problem_of(caller.post("/v1/endpoints/preview", good | {"event_id": "evt_x"}))[0] == "not-found"
    assert problem_of(caller.post("/v1/endpoints/preview", good | {"instead_of": "end_x"}))[0] == "not-found"
    assert caller.get("/v1/endpoints").json["items"] == []


def test_a_draft_is_tried_and_only_the_audit_log_remembers(shared_server: Server, web: WebServer) -> None:
    caller = Caller(shared_server)
    endpoint = {"name": "e", "url": web.url, "authorization": {"kind": "bearer", "token": "hush-hush"}}
    answer = caller.post("/v1/endpoints/test", {"endpoint": endpoint, "event_type": "job.failed"})
    assert answer.status == 200, answer
    attempt = answer.json
    assert (attempt["outcome"], attempt["response"]["status"], attempt["response"]["body"]) == (
        "delivered",
        202,
        "thanks",
    )
    assert attempt["request"]["headers"]["Authorization"] == MASK
    (arrived,) = web.asked
    assert arrived.headers["authorization"] == "Bearer hush-hush"
    assert json.loads(arrived.body)["type"] == "job.failed"
    assert caller.get("/v1/endpoints").json["items"] == caller.get("/v1/deliveries").json["items"] == []
    (entry,) = caller.get("/v1/audit?action=endpoint.draft_tested").json["items"]
    assert (entry["after"]["url"], entry["before"], entry["actor"]["role"]) == (web.url, None, "admin")
    assert "hush-hush" not in json.dumps(entry)


def test_a_draft_with_oauth2_asks_its_token_server(shared_server: Server, web: WebServer) -> None:
    with AuthlibServer(RegisteredClient("me", "hush-hush", "client_secret_basic")) as tokens:
        oauth2 = {
            "kind": "oauth2",
            "token_url": tokens.url,
            "client_id": "me",
            "client_secret": "hush-hush",
            "scope": "hooks",
        }
        endpoint = {"name": "e", "url": web.url, "authorization": oauth2}
        caller = Caller(shared_server)
        assert preview(caller, endpoint)["request"]["headers"]["Authorization"] == MASK
        assert (web.asked, tokens.issued) == ([], [])
        attempt = caller.post("/v1/endpoints/test", {"endpoint": endpoint}).json
        assert attempt["outcome"] == "delivered", attempt
        assert web.asked[0].headers["authorization"] == f"Bearer {tokens.issued[0]['access_token']}"


def test_a_draft_goes_nowhere_that_an_endpoint_may_not_go(shared_server: Server) -> None:
    caller = Caller(shared_server)
    endpoint = {"name": "e", "url": "http://169.254.169.254/"}
    attempt = caller.post("/v1/endpoints/test", {"endpoint": endpoint}).json
    assert (attempt["outcome"], attempt["error"]["kind"], attempt["response"]) == ("retry", "blocked", None)


def test_a_receiver_that_has_to_consent_is_not_sent_a_draft(shared_server: Server, web: WebServer) -> None:
    caller = Caller(shared_server)
    endpoint = {"name": "e", "url": web.url, "validation": "required"}
    assert problem_of(caller.post("/v1/endpoints/test", {"endpoint": endpoint}))[:2] == ("conflict", 409)
    assert web.asked == []
    assert preview(caller, endpoint)["request"]["headers"]["WebHook-Request-Origin"]


async def test_connections_of_a_draft_are_closed(shared_server: Server) -> None:
    caller = Caller(shared_server)
    async with Receiver(answer(200)) as receiver:
        endpoint = {"name": "e", "url": receiver.url}
        tested = await asyncio.to_thread(caller.post, "/v1/endpoints/test", {"endpoint": endpoint})
        assert tested.json["outcome"] == "delivered", tested
        assert receiver.connections == 1
        await until(lambda: receiver.open_connections == 0)
