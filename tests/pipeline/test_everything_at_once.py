"""Everything that people may do to an endpoint with order, at random and while its receiver fails: nothing is out twice at a time,
and when they have done nothing waits for ever."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import WebServer
from tests.pipeline.test_order_everywhere import CIRCUIT, RECORDS, RETRY, Judge, World

MODES = (
    {"mode": "realtime"},
    {"mode": "batch", "max_events": 6, "max_wait_seconds": 0.05},
    {"mode": "batch", "max_events": 3, "max_wait_seconds": 0},
)
ACTIONS = {
    "happen": 6, "mode": 4, "cancel": 6, "cancel all": 1, "off": 2, "on": 3, "replay": 2, "pause": 2, "resume": 3,
    "cancel replay": 2, "erase": 1, "resend": 3,
}  # fmt: skip


class Somebody:
    """Does one thing after another."""

    def __init__(self, server: Server, world: World, endpoint: dict[str, Any], seed: int) -> None:
        self._server = server
        self._world = world
        self._path = f"/v1/endpoints/{endpoint['id']}"
        self._id = endpoint["id"]
        self._chance = random.Random(seed)
        self.replays: list[str] = []
        self.erased: set[str] = set()

    def act(self) -> None:
        (action,) = self._chance.choices(list(ACTIONS), list(ACTIONS.values()))
        server = self._server
        match action:
            case "happen":
                self._world.happen(server, 20)
            case "mode":
                assert server.call("PATCH", self._path, {"delivery": self._chance.choice(MODES)}).status == 200
            case "cancel" | "resend":
                self._one(action)
            case "cancel all":
                assert server.post(f"{self._path}/cancel-pending", {}).status == 200
            case "on" | "off":
                server.post(f"{self._path}/{'enable' if action == 'on' else 'disable'}")
            case "replay":
                made = server.post("/v1/replays", {"endpoint_id": self._id})
                self.replays += [made.json["id"]] if made.status == 202 else []
            case "erase":
                record = f"r{self._chance.randrange(RECORDS)}"
                self.erased.add(record)
                made = server.post("/v1/erasures", {"subject_type": "record", "subject_id": f"default/{record}"})
                assert made.status == 202, made
            case _ if self.replays:
                server.post(f"/v1/replays/{self._chance.choice(self.replays)}/{action.split()[0]}")
            case _:
                pass

    def _one(self, action: str) -> None:
        state = "pending" if action == "cancel" else "delivered"
        items = self._server.get(f"/v1/deliveries?endpoint={self._id}&state={state}&limit=100").json["items"]
        if items:
            self._server.post(f"/v1/deliveries/{self._chance.choice(items)['id']}/{action}")

    def done(self) -> None:
        """Everything that was held goes on."""
        self._server.post(f"{self._path}/enable")
        for replay in self.replays:
            self._server.post(f"/v1/replays/{replay}/resume")


class Overlaps(Judge):
    """Looks only for what is out twice: what is cancelled or erased is not there to come before others. The other record of a
    merge is not tied to the one that was erased any more."""

    erased: set[str] = set()

    def _judge(self, lane: str, events: list[str], keys: set[str]) -> None:
        out = sorted(key for key in keys - self.erased if self._out[key])
        if out:
            self.faults.append(f"{lane}: {out} were out")


@pytest.mark.both_stores
@pytest.mark.parametrize("seed", range(3))
async def test_nothing_waits_for_ever(server: Server, seed: int) -> None:
    world = World(seed)
    judge = Overlaps(world)
    with WebServer(judge) as web:
        endpoint = server.endpoint(web.url, ordering="subject", delivery=MODES[0], retry=RETRY, circuit=CIRCUIT)
        somebody = Somebody(server, world, endpoint, seed)
        judge.erased = somebody.erased
        for _ in range(60):
            somebody.act()
        somebody.done()
        await until(lambda: server.rows("SELECT count(*) FROM delivery WHERE state = 'pending'") == [(0,)], seconds=60)
        await until(lambda: all(is_over(server, f"/v1/replays/{one}") for one in somebody.replays), seconds=60)
        open_erasures = "SELECT count(*) FROM erasure WHERE state = 'running'"
        await until(lambda: server.rows(open_erasures) == [(0,)], seconds=60)
        await until(lambda: server.rows("SELECT count(*) FROM line") == [(0,)])
    assert judge.faults == []
    assert server.rows("SELECT count(*) FROM batch WHERE state = 'pending'") == [(0,)]
    counted = dict(server.rows("SELECT state, count(*) FROM delivery GROUP BY state"))
    told = server.rows("SELECT pending, dead, delivered, cancelled FROM tally WHERE tenant = '' AND endpoint = 0")
    assert told == [tuple(counted.get(state, 0) for state in ("pending", "dead", "delivered", "cancelled"))]


def is_over(server: Server, path: str) -> bool:
    return server.get(path).json["finished_at"] is not None
