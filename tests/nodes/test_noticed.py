"""What is asked of one process and done by another is noticed there at once: nobody has to wait until it looks by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import MASTER_KEY
from tests.kit.pages import Pages
from tests.kit.postgres import PostgresServer
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.nodes.test_two_nodes import FIRST, LAST, emit, holds

from tocsin.adapters.postgres.database import prepare_database
from tocsin.rules.partitions import PARTITIONS
from tocsin.workers import erasing, retention

NEVER = 36_000.0


@pytest.fixture
def two(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Server, Server]]:
    """Neither looks by itself."""
    monkeypatch.setattr(erasing, "_ELSEWHERE_SECONDS", NEVER)
    monkeypatch.setattr(retention, "LOOK_SECONDS", NEVER)
    url = postgres_server.fresh("store", prepare_database)
    started = [Server(tmp_path / "none.db", database=url, master_key=MASTER_KEY) for _ in range(2)]
    yield started[0], started[1]
    for server in started:
        server.stop()


async def test_an_erasure_is_done_by_the_holder_of_its_tenant(two: tuple[Server, Server]) -> None:
    for server in two:
        await until(holds(server, PARTITIONS // 2))
    one, other = two
    for asked, tenant in ((one, LAST), (other, FIRST)):
        await asyncio.to_thread(emit, asked, tenant, "a")
        wish = {"subject_type": "record", "subject_id": "t/s"}
        made = (await asyncio.to_thread(asked.post, f"/v1/erasures?tenant={tenant}", wish)).json
        await until(lambda asked=asked, made=made: asked.get(f"/v1/erasures/{made['id']}").json["state"] == "finished")


async def test_rules_of_retention_are_followed_by_the_one_that_removes(two: tuple[Server, Server]) -> None:
    for server in two:
        await until(holds(server, PARTITIONS // 2))
    removing, other = two if 0 in held(two[0]) else two[::-1]
    assert 0 in held(removing)
    rules = {"rules": [{"event_types": ["n.*"], "rows_seconds": 86_400}]}
    answer = await asyncio.to_thread(other.call, "PUT", "/v1/retention?tenant=acme", rules)
    assert answer.status == 200, answer
    await until(
        lambda: "acme" in {one.get("tenant") for one in removing.get("/v1/retention").json["progress"]["passes"]}
    )


async def test_the_system_page_shows_the_nodes(two: tuple[Server, Server]) -> None:
    for server in two:
        await until(holds(server, PARTITIONS // 2))
    await until(lambda: [len(n["holds"]) for n in two[0].get("/v1/doctor").json["process"]["neighbours"]] == [32])
    words = Pages(two[0]).get("/ui/system").words
    process = two[0].get("/v1/doctor").json["process"]
    (neighbour,) = process["neighbours"]
    assert sorted(process["holds"] + neighbour["holds"]) == list(range(PARTITIONS))
    for node, who in ((process, f"{process['name']} this one"), (neighbour, neighbour["name"])):
        assert f"{who} 32 of {PARTITIONS} {', '.join(map(str, node['holds']))}" in words
    assert "Connections" in words
    assert "Write-ahead log" not in words
    assert "tocsin backup" not in words
    await asyncio.to_thread(two[1].stop)
    await until(lambda: f"{PARTITIONS} of {PARTITIONS}" in Pages(two[0]).get("/ui/system").words)


def held(server: Server) -> list[int]:
    found: list[int] = server.get("/v1/doctor").json["process"]["holds"]
    return found
