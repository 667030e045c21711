"""Order at the receiver: random merges, a receiver that fails at random, live and replayed, one by one and in batches,
with and without kill -9.

The receiver judges each request as it comes: whatever is earlier in the log and shares a subject with an event in it, directly
or through a merge, has to have been taken before, in the same lane, or stand before it in the same batch.
"""

from __future__ import annotations

import json
import random
import threading
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from tests.kit.program import Program
from tests.kit.server import Client, Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer
from tests.pipeline.test_replays import finished, replayed

RECORDS = 8
FAILING = 0.25
MODES = {
    "realtime": {"mode": "realtime"},
    "batch": {"mode": "batch", "max_events": 6, "max_wait_seconds": 0.05},
}
RETRY = {"schedule_seconds": [0.02] * 90}
CIRCUIT = {"failures": 10_000}


class World:
    """What was accepted, in log order: `keys` by event id, and `place`. What is asked of the receiver meanwhile waits until it is
    written down here."""

    def __init__(self, seed: int) -> None:
        self.lock = threading.Lock()
        self.chance = random.Random(seed)
        self.keys: dict[str, frozenset[str]] = {}
        self.place: dict[str, int] = {}
        self._before: dict[str, set[str]] = {}
        self._by_key: dict[str, list[str]] = defaultdict(list)

    def before(self, event_id: str) -> set[str]:
        """Every earlier event that shares a key."""
        return self._before[event_id]

    def happen(self, server: Client, changes: int) -> None:
        """Changes of a few records, with merges and unmerges of any two."""
        for _ in range(0, changes, 20):
            wanted = [self._change() for _ in range(20)]
            self.accept(server, wanted)

    def accept(self, server: Client, changes: list[dict[str, Any]]) -> None:
        with self.lock:
            answer = server.post("/v1/records/changes", changes)
            assert answer.status == 202, answer
            for change, result in zip(changes, answer.json["results"], strict=True):
                self._accepted(change, result["event_ids"])

    def _change(self) -> dict[str, Any]:
        one, other = self.chance.sample([f"r{n}" for n in range(RECORDS)], 2)
        record = {"id": one, "data": {"x": 1}}
        match self.chance.choice(["update"] * 8 + ["merge", "unmerge"]):
            case "merge":
                return {"action": "merge", "record": record, "retired": {"id": other}}
            case "unmerge":
                return {"action": "unmerge", "record": record, "resurrected": {"id": other, "data": {}}}
            case _:
                return {"action": "update", "record": record}

    def _accepted(self, change: dict[str, Any], event_ids: list[str]) -> None:
        keys = {change["record"]["id"]}
        keys |= {change[part]["id"] for part in ("retired", "resurrected") if part in change}
        for event_id in event_ids:
            self.keys[event_id] = frozenset(keys)
            self.place[event_id] = len(self.place)
            self._before[event_id] = {other for key in keys for other in self._by_key[key]}
        for event_id in event_ids:
            if event_id != event_ids[0]:
                self._before[event_id] |= set(event_ids[: event_ids.index(event_id)])
            for key in keys:
                self._by_key[key].append(event_id)


class Judge:
    """A receiver's answers. `faults` says what was out of order, or out twice at a time."""

    def __init__(self, world: World, *, may_overlap: bool = False) -> None:
        self._world = world
        self._may_overlap = may_overlap
        self._lock = threading.Lock()
        self._out: Counter[str] = Counter()
        self.taken: dict[str, Counter[str]] = defaultdict(Counter)
        self.requests: dict[str, int] = defaultdict(int)
        self.sizes: Counter[int] = Counter()
        self.faults: list[str] = []

    def __call__(self, asked: Asked) -> Say:
        body = json.loads(asked.body)
        events = [event["id"] for event in (body if isinstance(body, list) else [body])]
        lane = asked.headers.get("webhook-replay", "live")
        with self._world.lock:
            keys = set().union(*(self._world.keys[event] for event in events))
        with self._lock:
            self.requests[lane] += 1
            self.sizes[len(events)] += 1
            self._judge(lane, events, keys)
            self._out.update(keys)
            fails, pause = self._world.chance.random() < FAILING, self._world.chance.random() * 0.01
        threading.Event().wait(pause)
        with self._lock:
            self._out.subtract(keys)
            if not fails:
                self.taken[lane].update(events)
        if not fails:
            return Say()
        return Say(self._world.chance.choice([500, 400, 503] if len(events) == 1 else [500, 400, 413]))

    def _judge(self, lane: str, events: list[str], keys: set[str]) -> None:
        taken = self.taken[lane]
        places = [self._world.place[event] for event in events]
        if places != sorted(places):
            self.faults.append(f"{lane}: a batch in no order: {places}")
        for index, event in enumerate(events):
            missing = [b for b in self._world.before(event) if b not in taken and b not in events[:index]]
            if missing:
                early = sorted(self._world.place[one] for one in missing)
                self.faults.append(f"{lane}: {self._world.place[event]} came before {early}")
        if not self._may_overlap and any(self._out[key] for key in keys):
            self.faults.append(f"{lane}: {places} while others of {sorted(k for k in keys if self._out[k])} were out")


@pytest.mark.both_stores
@pytest.mark.parametrize("mode", MODES)
async def test_order_holds_live_and_replayed_whatever_fails(server: Server, mode: str) -> None:
    world = World(2)
    judge = Judge(world)
    with WebServer(judge) as web:
        endpoint = server.endpoint(web.url, ordering="subject", delivery=MODES[mode], retry=RETRY, circuit=CIRCUIT)
        world.happen(server, 60)
        everything = set(world.place)
        await until(lambda: judge.taken["live"].keys() == everything, seconds=60)
        replay = replayed(server, endpoint)
        world.happen(server, 60)
        shown = await finished(server, replay)
        assert (shown["done"], shown["failed"]) == (len(everything), 0)
        await until(lambda: judge.taken["live"].keys() == set(world.place), seconds=60)
    assert judge.faults == []
    assert judge.taken[replay["id"]] == Counter(everything)
    assert judge.taken["live"] == Counter(set(world.place))
    if mode == "batch":
        assert judge.sizes[6] > 5, "batches did not take several of a subject"


@pytest.mark.parametrize("mode", MODES)
async def test_order_holds_over_kill_9(tmp_path: Path, mode: str) -> None:
    world = World(3)
    judge = Judge(world, may_overlap=True)
    program = Program(tmp_path / "killed.db")
    try:
        with WebServer(judge) as web:
            endpoint = program.endpoint(web.url, ordering="subject", delivery=MODES[mode], retry=RETRY, circuit=CIRCUIT)
            world.happen(program, 80)
            await until(lambda: sum(judge.taken["live"].values()) > 20, seconds=60)
            replay = replayed(program, endpoint)
            of_replay = program.get(f"/v1/replays/{replay['id']}").json["total"]
            for part in (10, 25, 40):
                lane = judge.taken[replay["id"]]
                await until(lambda lane=lane, part=part: len(lane) > part or len(lane) == of_replay, seconds=60)
                program.kill()
                world_size = len(world.place)
                program.start()
                world.happen(program, 20)
                assert len(world.place) > world_size
            shown = await finished(program, replay)
            assert (shown["done"], shown["failed"]) == (shown["total"], 0)
            await until(lambda: judge.taken["live"].keys() == set(world.place), seconds=90)
    finally:
        program.kill()
    assert judge.faults == []
    assert len(judge.taken[replay["id"]]) == shown["total"]


async def test_a_batch_takes_a_whole_subject_without_waiting_for_others(server: Server) -> None:
    """Many events of one subject are as many as events of many subjects: the batch is full at once."""
    world = World(4)
    judge = Judge(world)
    many = {"mode": "batch", "max_events": 50, "max_wait_seconds": 3600}
    with WebServer(judge) as web:
        endpoint = server.endpoint(web.url, ordering="subject", delivery=many, retry=RETRY, circuit=CIRCUIT)
        changes = [{"action": "update", "record": {"id": "r1", "data": {}}} for _ in range(200)]
        world.accept(server, changes)
        await until(lambda: sum(judge.taken["live"].values()) == 200, seconds=60)
        path = f"/v1/deliveries?endpoint={endpoint['id']}&state=pending"
        await until(lambda: server.get(path).json["items"] == [])
    assert judge.faults == []


async def test_an_endpoint_that_takes_no_batches_any_more_gets_what_was_in_one(server: Server) -> None:
    is_ill = True
    world = World(5)

    def answer(asked: Asked) -> Say:
        return Say(500) if is_ill else Say()

    with WebServer(answer) as web:
        endpoint = server.endpoint(
            web.url,
            ordering="subject",
            delivery=MODES["batch"],
            retry={"schedule_seconds": [0.05, 3600]},
            circuit=CIRCUIT,
        )
        world.happen(server, 40)
        await until(lambda: len(web.asked) > 3)
        is_ill = False
        changed = server.call("PATCH", f"/v1/endpoints/{endpoint['id']}", {"delivery": {"mode": "realtime"}})
        assert changed.status == 200, changed
        path = f"/v1/deliveries?endpoint={endpoint['id']}&state=delivered&limit=500"
        await until(lambda: len(server.get(path).json["items"]) == len(world.place), seconds=30)


async def test_a_cancelled_member_of_a_batch_that_is_retried_is_not_overtaken(server: Server) -> None:
    """It goes with its batch, since its members are fixed; until that is through, nothing of its subject is sent."""
    is_ill = True
    with WebServer(lambda _: Say(500) if is_ill else Say()) as web:
        endpoint = server.endpoint(
            web.url, ordering="subject", delivery={**MODES["batch"], "max_events": 2},
            retry={"schedule_seconds": [0.3, 0.3, 0.3, 0.3, 0.3]}, circuit=CIRCUIT,
        )  # fmt: skip
        answer = server.post("/v1/records/changes", [{"action": "update", "record": {"id": "r", "data": {}}}] * 3)
        first, second, third = (result["event_ids"][0] for result in answer.json["results"])
        await until(lambda: len(web.asked) >= 1)
        (delivery,) = server.get(f"/v1/deliveries?endpoint={endpoint['id']}&event={first}").json["items"]
        assert server.post(f"/v1/deliveries/{delivery['id']}/cancel").status == 200
        is_ill = False
        path = f"/v1/deliveries?endpoint={endpoint['id']}&state=delivered"
        await until(lambda: len(server.get(path).json["items"]) == 3)
        sent = [[event["id"] for event in json.loads(one.body)] for one in web.asked]
        assert sent[-1] == [third]
        assert all(one == [first, second] for one in sent[:-1])
