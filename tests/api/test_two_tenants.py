"""Two tenants use the whole API side by side, under the same names, and neither sees anything of the other.

Everything that a tenant writes holds its mark. So an answer leaks when it has another mark in it, or an id that another
tenant has seen. Each route has a driver here, which makes a request to it; a route without one fails the test.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.api.callers import Caller, problem_of
from tests.kit.server import Answer, Server
from tests.kit.tails import Watching
from tests.kit.waiting import until
from tests.kit.web import Say, WebServer

from tocsin.api.accepting import ACCEPT_ROUTES
from tocsin.api.app import API_ROUTES

MARK = re.compile(rb"mark-\d+-mark")
ID = re.compile(rb"\b(?:aud|att|bat|dlv|end|ers|evt|key|rpl)_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
CURSOR = re.compile(rb'"next_cursor":"([^"]+)"')
UNKNOWN = "00000000-0000-7000-8000-000000000000"
ROLES = ("admin", "producer", "viewer")
_numbers = itertools.count(1)


class World(NamedTuple):
    """A server, a receiver, who has seen which id, and the ids that everybody may see (of samples, of the operator)."""

    server: Server
    web: WebServer
    owners: dict[bytes, bytes]
    common: frozenset[bytes]

    def __repr__(self) -> str:
        return "World"  # a failure shows it, and what it has grows without end


class Tenant:
    """One tenant with its keys, and what it knows of what is its own."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.mark = f"mark-{next(_numbers)}-mark"
        self.caller = Caller(world.server)
        self.caller.tenant = self.mark
        self.known: dict[str, list[str]] = defaultdict(list)
        self.known["job"] = ["same/job", f"{self.mark}/job"]
        self.known["record"] = ["same/record", f"{self.mark}/record"]

    def ask(self, route: str, ask: Ask, role: str = "admin", **headers: str) -> Answer:
        """One request; its answer, searched for what is not this tenant's."""
        method, _ = route.split()
        sent = {"Content-Type": ask.content_type} | headers
        answer = self.caller.call(method, ask.path, ask.body, role=role, headers=sent)
        assert answer.status not in {401, 405, 500, 503}, (route, answer)
        self.search(answer.body + repr(answer.headers).encode())
        self.known["cursor"] += [cursor.decode() for cursor in CURSOR.findall(answer.body)]
        if route == "POST /v1/api-keys" and answer.status == 201:
            self.known["spare key"].append(answer.json["id"])
        return answer

    def search(self, text: bytes) -> None:
        """Fails when there is anything in it that is not this tenant's; remembers the ids."""
        assert set(MARK.findall(text)) <= {self.mark.encode()}
        for found in set(ID.findall(text)) - self.world.common:
            owner = self.world.owners.setdefault(found, self.mark.encode())
            assert owner == self.mark.encode(), f"{found.decode()} is of {owner.decode()}"
            kind = found[:3].decode()
            if found.decode() not in self.known[kind]:
                self.known[kind].append(found.decode())


class Ask(NamedTuple):
    """A request without its method."""

    path: str
    body: object = None
    content_type: str = "application/json"


class Hand:
    """What a driver makes a request of: a tenant's mark, and ids of some tenant (None: ids that nobody has). `number` chooses
    among what there is."""

    def __init__(self, me: Tenant, whose: Tenant | None, number: int) -> None:
        self.mark = me.mark
        self.url = me.world.web.url + me.mark
        self.number = number
        self.picked = False
        self._me, self._whose = me, whose

    def pick(self, kind: str) -> str:
        """Safe in a path and in a query."""
        self.picked = True
        if self._whose is None:
            return quote(f"{kind}_{UNKNOWN}" if len(kind) == 3 and kind != "job" else "unknown/one", safe="/")
        ids = self._whose.known["spare key" if kind == "key" and self._whose is self._me else kind]
        if kind in {"job", "record"} and self._whose is not self._me:
            ids = ids[1:]
        return quote(ids[self.number % len(ids)], safe="/") if ids else f"{kind}_{UNKNOWN}"

    def one_of(self, *choices: Any) -> Any:
        return choices[self.number % len(choices)]


def on(path: str) -> Callable[[Hand], Ask]:
    """The driver of a route whose path has one id in it, or none, and that needs no body."""
    kinds = {
        "endpoint_id": "end",
        "delivery_id": "dlv",
        "event_id": "evt",
        "job_id": "job",
        "key_id": "key",
        "replay_id": "rpl",
        "erasure_id": "ers",
        "receipt_id": "rcp",
    }

    def drive(hand: Hand) -> Ask:
        numbered = path.replace("{number}", "1")
        return Ask(re.sub(r"\{(\w+)\}", lambda name: hand.pick(kinds[name[1]]), numbered))

    return drive


def listing(path: str, **filters: str) -> Callable[[Hand], Ask]:
    """The driver of a list: each time by another of its filters, which are given as name and kind of id."""

    def drive(hand: Hand) -> Ask:
        name = hand.one_of(*filters, None)
        return Ask(path if name is None else f"{path}?{name}={hand.pick(filters[name])}")

    return drive


def endpoint(hand: Hand) -> Ask:
    headers = [{"name": "X-Mark", "value": hand.mark}]
    fields = {"name": hand.mark, "url": hand.url, "headers": headers, "retry": {"schedule_seconds": [3600]}}
    return Ask(
        "/v1/endpoints",
        fields | {"ordering": hand.one_of("none", "subject"), "validation": hand.one_of("off", "optional")},
    )


def draft(path: str) -> Callable[[Hand], Ask]:
    """The driver of what is asked of a draft that would replace an endpoint."""

    def drive(hand: Hand) -> Ask:
        settings = {"name": hand.mark, "url": hand.url}
        return Ask(path, {"endpoint": settings, "instead_of": hand.pick("end")})

    return drive


def patched(hand: Hand) -> Ask:
    change = hand.one_of({"name": f"{hand.mark} anew"}, {"enabled": False}, {"enabled": True}, {"max_in_flight": 2})
    return Ask(f"/v1/endpoints/{hand.pick('end')}", change)


def replaced(hand: Hand) -> Ask:
    fields = {"name": f"{hand.mark} replaced", "url": hand.url, "retry": {"schedule_seconds": [3600]}}
    return Ask(f"/v1/endpoints/{hand.pick('end')}{hand.one_of('', '?dry_run=true')}", fields)


def report(hand: Hand) -> Ask:
    fields = {
        "job_id": hand.one_of("same/job", f"{hand.mark}/job"),
        "job_type": "load",
        "state": hand.one_of("running", "waiting", "running", "failed"),
        "name": hand.mark,
        "details": f"{hand.mark} {hand.number}",
        "labels": {"mark": hand.mark},
        "parent_job_id": hand.one_of("same/parent", "same/job", None),
        "restart": True,
    }
    return Ask("/v1/jobs/reports", fields)


def change(hand: Hand) -> Ask:
    record = {"id": hand.one_of("record", "other"), "data": {"mark": hand.mark, "n": hand.number}}
    fields = {"action": "update", "table": hand.one_of("same", hand.mark), "record": record}
    return Ask("/v1/records/changes", fields | hand.one_of({}, {"version_id": 1000 + hand.number}))


def cloud_event(hand: Hand) -> Ask:
    fields = {
        "specversion": "1.0",
        "id": f"same-{hand.number}",
        "source": "/same",
        "type": "order.created",
        "subject": "same",
    }
    return Ask("/v1/events", fields | {"data": {"mark": hand.mark}}, "application/cloudevents+json")


def run_event(hand: Hand) -> dict[str, object]:
    run = hand.one_of("same-run", f"{hand.mark}-run")
    facets = {"parent": {"run": {"runId": hand.one_of("same/parent", "same/job")}}}
    return {
        "eventType": hand.one_of("START", "OTHER", "COMPLETE", "FAIL"),
        "eventTime": "2026-11-22T10:00:00Z",
        "run": {"runId": run, "facets": facets},
        "job": {"namespace": "same", "name": hand.mark},
        "inputs": [{"namespace": "same", "name": hand.mark}],
    }


def retention(hand: Hand) -> Ask:
    rule = {"event_types": [hand.mark], "rows_seconds": hand.one_of(0, 86400)}
    return Ask("/v1/retention", {"rules": [rule]})


def erasure(hand: Hand) -> Ask:
    subject_type, subject_id = hand.one_of(("job", f"{hand.mark}/job"), ("record", "same/other"), ("order", "same"))
    return Ask("/v1/erasures", {"subject_type": subject_type, "subject_id": subject_id})


def history(hand: Hand) -> Ask:
    return Ask(f"/v1/records/{hand.pick('record')}/history")


DRIVERS: dict[str, Callable[[Hand], Ask]] = {
    "POST /v1/jobs/reports": report,
    "POST /v1/records/changes": change,
    "POST /v1/data-versions": lambda hand: Ask(
        "/v1/data-versions", {"data_category_id": hand.mark, "data_version": "1"}
    ),
    "POST /v1/events": cloud_event,
    "POST /api/v1/lineage": lambda hand: Ask("/api/v1/lineage", run_event(hand)),
    "POST /api/v1/lineage/batch": lambda hand: Ask("/api/v1/lineage/batch", [run_event(hand)]),
    "GET /v1/events": listing("/v1/events", subject_id="job"),
    "GET /v1/events/{event_id}": on("/v1/events/{event_id}"),
    "GET /v1/event-types": on("/v1/event-types"),
    "GET /v1/jobs": listing("/v1/jobs", parent_job_id="job"),
    "GET /v1/jobs/{job_id}": on("/v1/jobs/{job_id}"),
    "GET /v1/job-trees/{job_id}": on("/v1/job-trees/{job_id}"),
    "GET /v1/job-deliveries/{job_id}": on("/v1/job-deliveries/{job_id}"),
    "GET /v1/records/{table}/{record_id}/history": history,
    "GET /v1/receipts/{receipt_id}": on("/v1/receipts/{receipt_id}"),
    "POST /v1/endpoints": endpoint,
    "POST /v1/endpoints/preview": draft("/v1/endpoints/preview"),
    "POST /v1/endpoints/test": draft("/v1/endpoints/test"),
    "GET /v1/endpoints": on("/v1/endpoints"),
    "GET /v1/endpoints/stats": on("/v1/endpoints/stats"),
    "GET /v1/endpoints/{endpoint_id}/attempts": on("/v1/endpoints/{endpoint_id}/attempts"),
    "GET /v1/endpoints/{endpoint_id}": on("/v1/endpoints/{endpoint_id}"),
    "PATCH /v1/endpoints/{endpoint_id}": patched,
    "PUT /v1/endpoints/{endpoint_id}": replaced,
    "DELETE /v1/endpoints/{endpoint_id}": on("/v1/endpoints/{endpoint_id}"),
    "POST /v1/endpoints/{endpoint_id}/test": on("/v1/endpoints/{endpoint_id}/test"),
    "POST /v1/endpoints/{endpoint_id}/preview": on("/v1/endpoints/{endpoint_id}/preview"),
    "POST /v1/endpoints/{endpoint_id}/rotate-secret": on("/v1/endpoints/{endpoint_id}/rotate-secret"),
    "POST /v1/endpoints/{endpoint_id}/enable": on("/v1/endpoints/{endpoint_id}/enable"),
    "POST /v1/endpoints/{endpoint_id}/disable": on("/v1/endpoints/{endpoint_id}/disable"),
    "POST /v1/endpoints/{endpoint_id}/resume": on("/v1/endpoints/{endpoint_id}/resume"),
    "POST /v1/endpoints/{endpoint_id}/validate": on("/v1/endpoints/{endpoint_id}/validate"),
    "POST /v1/endpoints/{endpoint_id}/cancel-pending": on("/v1/endpoints/{endpoint_id}/cancel-pending"),
    "GET /v1/deliveries": listing(
        "/v1/deliveries", endpoint="end", event="evt", job="job", subject_id="job", replay="rpl", batch="bat"
    ),
    "GET /v1/deliveries/count": listing("/v1/deliveries/count", endpoint="end", event="evt", job="job", replay="rpl"),
    "GET /v1/deliveries/dead": listing("/v1/deliveries/dead", endpoint="end"),
    "POST /v1/deliveries/cancel": lambda hand: Ask("/v1/deliveries/cancel", {"endpoint": hand.pick("end")}),
    "POST /v1/deliveries/resend": lambda hand: Ask("/v1/deliveries/resend", {"endpoint": hand.pick("end")}),
    "GET /v1/deliveries/{delivery_id}/attempts/{number}/request-body": on(
        "/v1/deliveries/{delivery_id}/attempts/{number}/request-body"
    ),
    "GET /v1/deliveries/{delivery_id}/attempts/{number}/response-body": on(
        "/v1/deliveries/{delivery_id}/attempts/{number}/response-body"
    ),
    "GET /v1/deliveries/{delivery_id}/attempts/{number}/signed-text": on(
        "/v1/deliveries/{delivery_id}/attempts/{number}/signed-text"
    ),
    "GET /v1/events/{event_id}/data": on("/v1/events/{event_id}/data"),
    "GET /v1/deliveries/{delivery_id}": on("/v1/deliveries/{delivery_id}"),
    "POST /v1/deliveries/{delivery_id}/resend": on("/v1/deliveries/{delivery_id}/resend"),
    "POST /v1/deliveries/{delivery_id}/cancel": on("/v1/deliveries/{delivery_id}/cancel"),
    "POST /v1/replays": lambda hand: Ask("/v1/replays", {"endpoint_id": hand.pick("end"), "rate_per_second": 0.01}),
    "GET /v1/replays": listing("/v1/replays", endpoint="end"),
    "GET /v1/replays/{replay_id}": on("/v1/replays/{replay_id}"),
    "POST /v1/replays/{replay_id}/pause": on("/v1/replays/{replay_id}/pause"),
    "POST /v1/replays/{replay_id}/resume": on("/v1/replays/{replay_id}/resume"),
    "POST /v1/replays/{replay_id}/cancel": on("/v1/replays/{replay_id}/cancel"),
    "POST /v1/api-keys": lambda hand: Ask("/v1/api-keys", {"name": hand.mark, "role": hand.one_of(*ROLES)}),
    "GET /v1/api-keys": on("/v1/api-keys"),
    "DELETE /v1/api-keys/{key_id}": on("/v1/api-keys/{key_id}"),
    "GET /v1/audit": listing("/v1/audit", target="end", actor="key"),
    "GET /v1/stats": on("/v1/stats"),
    "GET /v1/retention": on("/v1/retention"),
    "PUT /v1/retention": retention,
    "GET /v1/endpoints/{endpoint_id}/stats": on("/v1/endpoints/{endpoint_id}/stats"),
    "POST /v1/erasures": erasure,
    "GET /v1/erasures": on("/v1/erasures"),
    "GET /v1/erasures/{erasure_id}": on("/v1/erasures/{erasure_id}"),
}
STREAMS = {"GET /v1/tail": on("/v1/tail")}
"""Their answers have no end: a test of their own reads them."""
NOTHING = (
    {"items": [], "next_cursor": None},
    {"items": []},
    {"count": 0, "complete": True},
    {"cancelled": 0, "complete": True},
    {"total": 0, "replays": [], "disabled_endpoint_ids": [], "complete": True},
)
"""What a route answers whose filters match nothing."""
ON_FILTERS = {"POST /v1/deliveries/cancel", "POST /v1/deliveries/resend"}
OF_OPERATORS = {"GET /v1/doctor", "POST /v1/backups", "POST /v1/master-key/rewrap", "GET /v1/tenants"}
"""Routes that no tenant may use."""
LAST = ("DELETE /v1/endpoints/{endpoint_id}", "DELETE /v1/api-keys/{key_id}")
BY_ROUTE = {f"{route.method} {route.path}": route for route in API_ROUTES if route.roles is not None}
NAMES_TENANT = {
    *(f"POST {path}" for path in ACCEPT_ROUTES),
    *(name for name, route in BY_ROUTE.items() if "tenant" in {p.name for p in route.parameters}),
}


@pytest.fixture(scope="module")
def world(shared_server: Server) -> Iterator[World]:
    with WebServer(lambda asked: Say(503 if b"record." in asked.body else 200)) as web:
        common = b"".join(shared_server.get(path).body for path in ("/v1/event-types", "/v1/api-keys"))
        yield World(shared_server, web, {}, frozenset(ID.findall(common)))


def arrived(tenant: Tenant) -> bool | None:
    """Whether its receiver got something; whatever it got is its own."""
    asked = [asked for asked in tuple(tenant.world.web.asked) if asked.path == f"/{tenant.mark}"]
    for request in asked:
        tenant.search(request.body + repr(request.headers).encode())
    return bool(asked) or None


def delivered(tenant: Tenant) -> bool | None:
    """Whether something of this tenant was delivered, as the API shows it."""
    items = tenant.ask("GET /v1/deliveries", Ask("/v1/deliveries?state=delivered")).json["items"]
    return bool(items) and arrived(tenant)


def populated(world: World) -> Tenant:
    """A tenant that has something of everything."""
    tenant = Tenant(world)
    for number, route in itertools.product(range(2), DRIVERS):
        if route not in LAST:
            tenant.ask(route, DRIVERS[route](Hand(tenant, tenant, number)))
    newest = Hand(tenant, tenant, -1)
    for route in ("POST /v1/endpoints", "POST /v1/replays", "POST /v1/jobs/reports"):
        assert tenant.ask(route, DRIVERS[route](newest)).status in {201, 202}
    return tenant


def test_every_route_has_a_driver() -> None:
    assert {*DRIVERS, *STREAMS} | OF_OPERATORS == {*BY_ROUTE, *(f"POST {path}" for path in ACCEPT_ROUTES)}


async def test_ids_of_another_tenant_are_as_good_as_none(world: World) -> None:
    other, me = populated(world), populated(world)
    for tenant in (me, other):
        await until(partial(delivered, tenant))
        for route in ("POST /v1/deliveries/{delivery_id}/resend", "GET /v1/deliveries/{delivery_id}", "GET /v1/audit"):
            assert tenant.ask(route, DRIVERS[route](Hand(tenant, tenant, -1))).status in {200, 202}
        missing = [kind for kind in ("end", "dlv", "evt", "key", "rpl", "aud", "spare key") if not tenant.known[kind]]
        assert missing == []
    nothing = {"pending_deliveries": 0, "dead_deliveries": 0, "oldest_pending_at": None, "last_position": 0}
    assert Tenant(world).ask("GET /v1/stats", Ask("/v1/stats")).json.items() >= nothing.items()
    probed: set[str] = set()
    for route, number in itertools.product(DRIVERS, range(4)):
        hand, nobody = Hand(me, other, number), Hand(me, None, number)
        theirs, none = DRIVERS[route](hand), DRIVERS[route](nobody)
        if not hand.picked:
            continue
        answers = [me.ask(route, ask) for ask in (theirs, none)]
        assert (answers[0].status, answers[0].body) == (answers[1].status, answers[1].body), route
        if "{" in route or (route.startswith("POST") and route not in ON_FILTERS):
            assert problem_of(answers[0])[:2] == ("not-found", 404), route
        else:
            assert answers[0].json in NOTHING, route
        probed.add(route)
    assert probed >= {route for route in DRIVERS if "{" in route}
    for route in (
        route for route in DRIVERS if "cursor" in {p.name for p in getattr(BY_ROUTE.get(route), "parameters", ())}
    ):
        other.ask(route, Ask(f"{other_path(other, route)}?limit=1"))
        for cursor in other.known["cursor"][-3:]:
            me.ask(route, Ask(f"{other_path(me, route)}?limit=500&cursor={cursor}"))


def other_path(tenant: Tenant, route: str) -> str:
    return DRIVERS[route](Hand(tenant, tenant, 0)).path.partition("?")[0]


async def test_a_tail_shows_nothing_of_another_tenant(world: World) -> None:
    other, me = populated(world), populated(world)
    hand = Hand(me, other, 0)
    async with contextlib.AsyncExitStack() as opened:

        async def watch(query: str) -> Watching:
            return await opened.enter_async_context(Watching(world.server, query, key=me.caller.key("viewer")))

        foreign = ("end", "endpoint"), ("evt", "event"), ("job", "job")
        none = [await watch(f"{name}={hand.pick(kind)}&after=0") for kind, name in foreign]
        tail = await watch("after=0")
        for number in range(4):
            for whose in (other, me):
                for route in ("POST /v1/jobs/reports", "POST /v1/records/changes", "POST /v1/events"):
                    whose.ask(route, DRIVERS[route](Hand(whose, whose, number)))
        seen: list[str] = []
        last = {"specversion": "1.0", "id": "last", "source": "/same", "type": "last.said"}
        me.ask("POST /v1/events", Ask("/v1/events", last, "application/cloudevents+json"))
        while not {"event last.said", "attempt None"} <= set(seen):
            message = await tail.next()
            me.search(message.name.encode() + json.dumps(message.data).encode())
            seen.append(f"{message.name} {message.data.get('type')}")
        assert {"event job.running", "event record.updated", "event order.created", "attempt None"} <= set(seen)
        # The first thing that the others are shown is their end: their key goes.
        for key in me.caller.get("/v1/api-keys").json["items"]:
            if key["role"] == "viewer":
                me.caller.call("DELETE", f"/v1/api-keys/{key['id']}")
        assert [(await other_tail.next()).name for other_tail in none] == ["end"] * 3


def test_naming_another_tenant_is_refused(world: World) -> None:
    other, me = populated(world), populated(world)
    for route in sorted(NAMES_TENANT - OF_OPERATORS):
        ask = (DRIVERS | STREAMS)[route](Hand(me, me, 0))
        query = "&" if "?" in ask.path else "?"
        before = written(world)
        answer = me.ask(route, ask._replace(path=f"{ask.path}{query}tenant={other.mark}"))
        assert problem_of(answer)[:2] == ("forbidden", 403), route
        if isinstance(ask.body, dict) and "tenant" in route_fields(route):
            answer = me.ask(route, ask._replace(body=ask.body | {"tenant": other.mark}))
            assert problem_of(answer)[:2] == ("forbidden", 403), route
        assert written(world) == before


def written(world: World) -> tuple[object, ...]:
    """How much there is in the log and in the audit log."""
    newest = world.server.get("/v1/audit?limit=1").json["items"][0]["id"]
    return (world.server.get("/v1/stats").json["last_position"], newest)


def route_fields(route: str) -> set[str]:
    """The fields of a route's body; those of the accept routes have a tenant, save CloudEvents, where it would be an
    extension, and OpenLineage, which has none."""
    if route not in BY_ROUTE:
        return set() if route == "POST /v1/events" or "/lineage" in route else {"tenant"}
    return set(getattr(BY_ROUTE[route].takes, "__struct_fields__", ()))


def test_the_same_names_do_not_collide(world: World) -> None:
    other, me = Tenant(world), Tenant(world)
    for tenant in (other, me):

        def told(route: str, ask: Ask, asker: Tenant = tenant, **headers: str) -> Any:
            answer = asker.ask(route, ask, **headers)
            assert answer.status < 300, (route, answer)
            return answer.json

        hand = Hand(tenant, tenant, 0)
        job = {
            "job_id": "same",
            "job_type": "load",
            "state": "running",
            "details": tenant.mark,
            "parent_job_id": "parent",
        }
        parent = job | {"job_id": "parent", "parent_job_id": None, "root_job_id": f"{tenant.mark}/root"}
        data = {"id": "same", "data": {"m": tenant.mark}}
        record = {"action": "create", "table": "same", "record": data, "version_id": 7}
        key = {"Idempotency-Key": "same"}
        for route, body, events in (("POST /v1/jobs/reports", job, 2), ("POST /v1/records/changes", record, 1)):
            first = told(route, Ask(route.split()[1], body), **key)
            assert len(first["results"][0]["event_ids"]) == events
            assert told(route, Ask(route.split()[1], body), **key) == first
        assert tenant.caller.get("/v1/jobs/same").json["root_job_id"] == "parent"
        told("POST /v1/jobs/reports", Ask("/v1/jobs/reports", parent))
        event = told("POST /v1/events", cloud_event(hand))["results"][0]
        again = told("POST /v1/events", cloud_event(hand))["results"][0]
        assert (event["outcome"], again) == ("accepted", event | {"outcome": "duplicate"})
        made = [told("POST /v1/endpoints", endpoint(hand), **key) for _ in range(2)]
        assert made[0] == made[1]
        assert made[0]["tenant"] == tenant.mark
    for tenant in (other, me):
        shown = tenant.caller.get("/v1/jobs/same").json
        assert (shown["tenant"], shown["details"]) == (tenant.mark, tenant.mark)
        (version,) = tenant.caller.get("/v1/records/same/same/history").json["items"]
        assert version["data"]["new_data"] == {"m": tenant.mark}
        assert tenant.caller.get("/v1/events?type=order.created").json["items"][0]["data"] == {"mark": tenant.mark}


steps = st.tuples(
    st.booleans(),
    st.sampled_from(sorted(DRIVERS)),
    st.sampled_from(ROLES),
    st.integers(0, 7),
    st.booleans(),
    st.booleans(),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=5, max_size=40))
def test_whatever_two_tenants_do_neither_sees_the_other(world: World, taken: list[Any]) -> None:
    pair = (Tenant(world), Tenant(world))
    for tenant in pair:
        tenant.ask("POST /v1/endpoints", DRIVERS["POST /v1/endpoints"](Hand(tenant, tenant, 0)))
        tenant.ask("POST /v1/jobs/reports", report(Hand(tenant, tenant, 0)))
        end = time.monotonic() + 20
        while not tenant.ask("GET /v1/deliveries", Ask("/v1/deliveries")).json["items"]:
            assert time.monotonic() < end, "its job was reported, and no delivery came of it"
    for who, route, role, number, is_foreign, has_key in taken:
        me, other = pair[who], pair[not who]
        hand = Hand(me, other if is_foreign else me, number)
        headers = {"Idempotency-Key": f"same-{number}"} if has_key and route.startswith("POST") else {}
        answer = me.ask(route, DRIVERS[route](hand), role, **headers)
        if is_foreign and hand.picked and "{" in route:
            assert answer.status in ({404} if role == "admin" else {403, 404}), (route, answer)
    for tenant in pair:
        arrived(tenant)
        for route in ("GET /v1/events", "GET /v1/deliveries", "GET /v1/endpoints", "GET /v1/audit", "GET /v1/jobs"):
            assert tenant.ask(route, Ask(route.split()[1])).status == 200
