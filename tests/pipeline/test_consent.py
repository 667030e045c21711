"""The consent of receivers over the real server: who is asked, when, and what is sent before and after."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer
from tests.pipeline.test_clock import SteppingClock
from tests.pipeline.test_delivery import deliveries, emit, in_state

from tocsin import wiring

PUBLIC = "https://hooks.example/tocsin"
ORIGIN = "hooks.example"
NO_RETRY = {"schedule_seconds": []}


class Choosy:
    """A receiver that answers OPTIONS as it is told at the moment, and takes every POST."""

    def __init__(self, say: Say = Say(405)) -> None:  # noqa: B008 (frozen)
        self.say = say
        self.arrived_at: list[float] = []
        self._web = WebServer(self._answer)

    def _answer(self, asked: Asked) -> Say:
        if asked.method == "OPTIONS":
            return self.say
        self.arrived_at.append(time.monotonic())
        return Say(204)

    def __enter__(self) -> Self:
        self._web.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._web.__exit__(*exc)

    @property
    def url(self) -> str:
        return f"{self._web.url}hook?room=7"

    def methods(self) -> list[str]:
        return [asked.method for asked in self._web.asked]

    def got(self, method: str) -> list[Asked]:
        return [asked for asked in self._web.asked if asked.method == method]


def consenting(rate: str | None = None, origin: str = "*") -> Say:
    rates = () if rate is None else (("WebHook-Allowed-Rate", rate),)
    return Say(200, b"", (("WebHook-Allowed-Origin", origin), *rates))


def shown(server: Server, endpoint: Any) -> Any:
    return server.get(f"/v1/endpoints/{endpoint['id']}").json


def consent_is(server: Server, endpoint: Any, state: str) -> Callable[[], Any]:
    return lambda: found if (found := shown(server, endpoint))["consent"]["state"] == state else None


def callback_of(receiver: Choosy) -> str:
    """The path of the newest callback address."""
    address = receiver.got("OPTIONS")[-1].headers["webhook-request-callback"]
    assert address.startswith(f"{PUBLIC}/v1/consent/")
    return urlsplit(address).path.removeprefix("/tocsin")


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server(public_url=PUBLIC)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SteppingClock:
    made = SteppingClock()
    monkeypatch.setattr(wiring, "now_ms", made)
    return made


async def test_required_nothing_is_sent_before_consent_and_waiting_uses_no_step(start_server: Any) -> None:
    server = start_server(public_url="")
    with Choosy() as receiver, Choosy() as other:
        endpoint = server.endpoint(
            receiver.url,
            validation="required",
            retry=NO_RETRY,
            rate_limit={"requests": 5000, "per_seconds": 1},
            authorization={"kind": "basic", "username": "u", "password": "p-secret"},
            headers=[{"name": "X-Team", "value": "mdm"}],
        )
        server.endpoint(other.url)
        refused = await until(consent_is(server, endpoint, "refused"))
        reason = "The receiver answered 405 without WebHook-Allowed-Origin."
        assert (refused["state"], refused["state_reason"], refused["paused_until"]) == ("paused", reason, None)
        assert refused["consent"]["asks_again_at"] is not None
        asked = receiver.got("OPTIONS")[0]
        assert asked.path == "/hook?room=7"
        assert asked.body == b""
        assert set(asked.headers) == {
            "host", "user-agent", "accept-encoding", "content-length", "webhook-request-origin", "webhook-request-rate",
        }  # fmt: skip
        assert asked.headers["webhook-request-rate"] == "300000"

        await asyncio.to_thread(emit, server, "a", "b")
        await until(lambda: len(other.got("POST")) == 2)
        await asyncio.to_thread(emit, server, "c")
        await until(lambda: len(other.got("POST")) == 3)
        test = server.post(f"/v1/endpoints/{endpoint['id']}/test", {})
        assert (test.status, test.json["type"]) == (409, "/problems/conflict")
        waiting = deliveries(server, endpoint=endpoint["id"])
        assert [(d["state"], d["attempt_count"]) for d in waiting] == [("pending", 0)] * 3
        assert receiver.got("POST") == []

        receiver.say = consenting("6000", asked.headers["webhook-request-origin"].upper())
        said = await asyncio.to_thread(server.post, f"/v1/endpoints/{endpoint['id']}/validate")
        assert (said.status, said.json["state"], said.json["allowed_rate_per_minute"]) == (200, "granted", 6000)
        await until(in_state(server, "delivered", 3, endpoint=endpoint["id"]))
        for delivered in receiver.got("POST"):
            assert delivered.headers["webhook-request-origin"] == asked.headers["webhook-request-origin"]
            assert delivered.headers["authorization"].startswith("Basic ")
        healthy = shown(server, endpoint)
        assert (healthy["state"], healthy["consent"]) == ("healthy", said.json)
        assert server.post(f"/v1/endpoints/{endpoint['id']}/test", {}).status == 200
        assert "webhook-request-origin" not in other.got("POST")[0].headers
        same = server.call("PATCH", f"/v1/endpoints/{endpoint['id']}", {"name": "renamed", "consent": said.json})
        assert same.status == 200, same
        assert len(receiver.got("OPTIONS")) == 2


async def test_consent_survives_a_restart_and_is_void_for_another_url(server: Server) -> None:
    with Choosy(consenting(origin=ORIGIN)) as receiver, Choosy() as other:
        endpoint = server.endpoint(receiver.url, validation="required")
        granted = await until(consent_is(server, endpoint, "granted"))
        assert granted["consent"]["allowed_rate_per_minute"] is None
        await asyncio.to_thread(server.stop)
        server.start()
        assert shown(server, endpoint)["consent"] == granted["consent"]
        await asyncio.to_thread(emit, server, "a")
        await until(in_state(server, "delivered", 1))
        assert len(receiver.got("OPTIONS")) == 1

        moved = server.call("PATCH", f"/v1/endpoints/{endpoint['id']}", {"url": other.url}).json
        assert (moved["state"], moved["consent"]["granted_at"]) == ("paused", None)
        await until(consent_is(server, endpoint, "asked"))
        await asyncio.to_thread(emit, server, "b")
        server.call("PATCH", f"/v1/endpoints/{endpoint['id']}", {"validation": "off"})
        await until(in_state(server, "delivered", 2))
        assert shown(server, endpoint)["consent"] is None
        assert [a.headers.get("webhook-request-origin") for a in other.got("POST")] == [None]


async def test_another_origin_needs_another_consent(start_server: Any, tmp_path: Any) -> None:
    server = start_server(tmp_path / "one.db", public_url=PUBLIC)
    with Choosy(consenting(origin=ORIGIN)) as receiver:
        endpoint = server.endpoint(receiver.url, validation="required")
        await until(consent_is(server, endpoint, "granted"))
        await asyncio.to_thread(server.stop)
        renamed = start_server(tmp_path / "one.db", public_url="https://other.example")
        refused = await until(consent_is(renamed, endpoint, "refused"))
        assert refused["state_reason"] == "The receiver allows deliveries from another origin."
        assert [asked.headers["webhook-request-origin"] for asked in receiver.got("OPTIONS")] == [
            ORIGIN,
            "other.example",
        ]


@pytest.mark.parametrize(("method", "rate", "allowed"), [("GET", None, 120), ("POST", "30", 30), ("POST", "*", None)])
async def test_a_receiver_consents_by_callback(
    server: Server, method: str, rate: str | None, allowed: int | None
) -> None:
    with Choosy(Say(200)) as receiver:
        endpoint = server.endpoint(
            receiver.url, validation="required", rate_limit={"requests": 2, "per_seconds": 1}, retry=NO_RETRY
        )
        await until(consent_is(server, endpoint, "asked"))
        await asyncio.to_thread(emit, server, "a")
        path = callback_of(receiver)
        headers = {} if rate is None else {"WebHook-Allowed-Rate": rate}
        for forged in (
            path[:-2] + ("AA" if path[-2:] != "AA" else "BB"),
            path + "A",
            "/v1/consent/x",
            "/v1/consent/%C3%A4",
        ):
            assert server.call(method, forged, key=None).status == 404
        bad = server.call(method, path, key=None, headers={"WebHook-Allowed-Rate": "0"})
        assert (bad.status, bad.json["errors"][0]["pointer"]) == (422, "WebHook-Allowed-Rate")
        assert shown(server, endpoint)["state"] == "paused"
        await asyncio.to_thread(server.stop)
        server.start()
        taken = {"state": "granted", "origin": ORIGIN, "allowed_rate_per_minute": allowed}
        for _ in range(2):
            answer = server.call(method, path, key=None, headers=headers)
            assert (answer.status, answer.json) == (200, taken)
        await until(in_state(server, "delivered", 1))
        assert shown(server, endpoint)["consent"]["allowed_rate_per_minute"] == allowed

        server.call("PATCH", f"/v1/endpoints/{endpoint['id']}", {"url": receiver.url + "&moved"})
        assert server.call(method, path, key=None, headers=headers).status == 404
        assert shown(server, endpoint)["state"] == "paused"


async def test_a_callback_before_the_answer_counts(server: Server) -> None:
    asked, answers = threading.Event(), threading.Event()

    def slowly(request: Asked) -> Say:
        if request.method == "OPTIONS":
            asked.set()
            answers.wait(20)
        return Say(204)

    with WebServer(slowly) as web:
        endpoint = server.endpoint(web.url, validation="required")
        assert await asyncio.to_thread(asked.wait, 20)
        path = urlsplit(web.asked[0].headers["webhook-request-callback"]).path.removeprefix("/tocsin")
        assert server.get(path, key=None).status == 200
        answers.set()
        said = await asyncio.to_thread(server.post, f"/v1/endpoints/{endpoint['id']}/validate")
        assert said.json["state"] == "granted"
        assert shown(server, endpoint)["state"] == "healthy"


async def test_optional_is_asked_first_and_delivered_either_way(start_server: Any) -> None:
    server = start_server(public_url="")
    with Choosy() as receiver:
        endpoint = server.endpoint(receiver.url, validation="optional")
        await asyncio.to_thread(emit, server, "a")
        await until(in_state(server, "delivered", 1))
        found = shown(server, endpoint)
        assert (found["state"], found["consent"]["state"]) == ("healthy", "refused")
        assert receiver.methods() == ["OPTIONS", "POST"]
        assert server.post(f"/v1/endpoints/{endpoint['id']}/test", {}).status == 200


async def test_the_granted_rate_is_kept(server: Server) -> None:
    with Choosy(consenting("120")) as receiver:
        endpoint = server.endpoint(receiver.url, validation="required", rate_limit={"requests": 1000, "per_seconds": 1})
        await until(consent_is(server, endpoint, "granted"))
        assert receiver.got("OPTIONS")[0].headers["webhook-request-rate"] == "60000"
        await asyncio.to_thread(emit, server, *(f"e{n}" for n in range(7)), subject=None)
        await until(in_state(server, "delivered", 7))
        for first in receiver.arrived_at:
            assert sum(first <= at < first + 1 for at in receiver.arrived_at) <= 4


async def test_asked_again_in_time_and_at_once_when_enabled(clock: SteppingClock, start_server: Any) -> None:
    server = start_server(public_url="")

    def asks_again_at(endpoint: dict[str, Any]) -> str | None:
        return shown(server, endpoint)["consent"]["asks_again_at"]

    with Choosy() as receiver, Choosy() as other:
        endpoint = server.endpoint(receiver.url, validation="required")
        enabled = server.endpoint(other.url, validation="required")
        await until(consent_is(server, endpoint, "refused"))
        await until(consent_is(server, enabled, "refused"))
        first = [asks_again_at(endpoint), asks_again_at(enabled)]
        for endpoint_id in (endpoint["id"], enabled["id"]):
            server.post(f"/v1/endpoints/{endpoint_id}/disable")
            server.post(f"/v1/endpoints/{endpoint_id}/enable")
        await until(lambda: len(receiver.got("OPTIONS")) == len(other.got("OPTIONS")) == 2)
        await until(lambda: asks_again_at(endpoint) not in (None, first[0]))
        await until(lambda: asks_again_at(enabled) not in (None, first[1]))
        clock.ahead += 61_000
        await until(lambda: len(receiver.got("OPTIONS")) == len(other.got("OPTIONS")) == 3)
        in_four_minutes = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(clock() / 1000 + 240))
        await until(lambda: shown(server, endpoint)["consent"]["asks_again_at"] > in_four_minutes)
        server.post(f"/v1/endpoints/{endpoint['id']}/disable")
        clock.ahead += 3_600_000
        await until(lambda: len(other.got("OPTIONS")) == 4)
        assert (shown(server, endpoint)["state"], len(receiver.got("OPTIONS"))) == ("disabled", 3)
        receiver.say = consenting()
        server.post(f"/v1/endpoints/{endpoint['id']}/enable")
        await until(consent_is(server, endpoint, "granted"))
        assert len(receiver.got("OPTIONS")) == 4


async def test_the_question_obeys_the_egress_policy_and_validate_says_what_it_needs(start_server: Any) -> None:
    server = start_server(allow_networks="", public_url=PUBLIC)
    with Choosy(consenting()) as receiver:
        endpoint = server.endpoint(receiver.url, validation="required")
        said = await asyncio.to_thread(server.post, f"/v1/endpoints/{endpoint['id']}/validate")
        assert said.json["reason"] == "The receiver could not be asked: The address is not allowed."
        assert receiver.got("OPTIONS") == []
        free = server.endpoint(receiver.url)
        assert free["consent"] is None
        assert server.post(f"/v1/endpoints/{free['id']}/validate").status == 409
        assert server.post(f"/v1/endpoints/{endpoint['id']}/validate", {"x": 1}).status == 422
        key = server.post("/v1/api-keys", {"name": "k", "role": "admin", "tenant": "acme"}).json["value"]
        assert server.post(f"/v1/endpoints/{endpoint['id']}/validate", key=key).status == 404


async def test_what_is_held_for_want_of_consent_is_told_once_and_its_end_as_well(server: Server) -> None:
    with WebServer(lambda _: Say()) as watch, Choosy() as receiver, Choosy(consenting()) as willing:
        server.endpoint(watch.url, filters=[{"subject_types": ["endpoint"]}])

        def told() -> list[tuple[str, str, str | None]]:
            events = {event["id"]: event for event in (json.loads(asked.body) for asked in tuple(watch.asked))}
            return [(event["type"], event["subject"], event["data"]["reason"]) for event in events.values()]

        def told_so_far(count: int) -> Callable[[], Any]:
            return lambda: found if len(found := told()) >= count else None

        endpoint = server.endpoint(receiver.url, validation="required")
        server.endpoint(willing.url, validation="required")
        server.endpoint(receiver.url, validation="optional")
        refused = await until(consent_is(server, endpoint, "asked"))
        expected = [("endpoint.paused", endpoint["id"], refused["state_reason"])]
        assert await until(told_so_far(1)) == expected
        receiver.say = consenting(origin="elsewhere.example")
        await asyncio.to_thread(server.post, f"/v1/endpoints/{endpoint['id']}/validate")
        await asyncio.to_thread(server.stop)
        server.start()
        await asyncio.to_thread(server.post, f"/v1/endpoints/{endpoint['id']}/validate")
        await until(consent_is(server, endpoint, "refused"))
        receiver.say = consenting()
        await asyncio.to_thread(server.post, f"/v1/endpoints/{endpoint['id']}/validate")
        expected += [("endpoint.recovered", endpoint["id"], None)]
        assert await until(told_so_far(2)) == expected

        receiver.say = Say(405)
        server.call("PATCH", f"/v1/endpoints/{endpoint['id']}", {"url": f"{receiver.url}&new=1"})
        assert len(await until(told_so_far(3))) == 3
        server.call("PATCH", f"/v1/endpoints/{endpoint['id']}", {"url": f"{receiver.url}&new=2"})
        await until(lambda: receiver.got("OPTIONS")[-1].path.endswith("new=2"))
        await until(lambda: shown(server, endpoint)["consent"]["asked_at"])
        assert len(await until(told_so_far(3))) == 3
        server.call("PATCH", f"/v1/endpoints/{endpoint['id']}", {"validation": "off"})
        await until(told_so_far(4))
        last = server.endpoint(receiver.url, validation="required")
        await until(lambda: last["id"] in {about for _, about, _ in told()})
        kinds = [kind for kind, about, _ in told() if about == endpoint["id"]]
        assert kinds == ["endpoint.paused", "endpoint.recovered"] * 2
