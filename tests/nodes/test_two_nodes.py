"""Two processes on one PostgreSQL: both deliver, and each goes on where the other ends, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import MASTER_KEY
from tests.kit.postgres import PostgresServer
from tests.kit.program import Program
from tests.kit.server import Client
from tests.kit.waiting import until

from tocsin.adapters.postgres.database import connect, prepare_database
from tocsin.receiver import Receiver
from tocsin.rules.partitions import PARTITIONS, partition_of

FEW = tuple(f"t{n}" for n in range(200))
FIRST = next(tenant for tenant in FEW if partition_of(tenant, PARTITIONS) < 4)
"""Its partition stays with the process that was there first."""
LAST = next(tenant for tenant in FEW if partition_of(tenant, PARTITIONS) > 60)
"""Its partition goes to the second one."""
FAST = {"retry": {"schedule_seconds": [0.1] * 50}, "timeout_seconds": 1}


@pytest.fixture
def node(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts processes on one database; nothing of them is left at the end."""
    url = postgres_server.fresh("store", prepare_database)
    started: list[Program] = []

    def start(**settings: str) -> Program:
        fixed = {"TOCSIN_DATABASE": url, "TOCSIN_MASTER_KEY": MASTER_KEY, "TOCSIN_LOG_LEVEL": "info"}
        made = Program(tmp_path / "none.db", log=tmp_path / f"{len(started)}.log", **fixed, **settings)
        started.append(made)
        return made

    yield start
    for program in started:
        with contextlib.suppress(ProcessLookupError):
            program.thaw()
        program.kill()


def measured(program: Client, name: str) -> float:
    text = program.get("/metrics").body.decode()
    found = re.search(rf"^{name} ([0-9.e+]+)$", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1])


def holds(program: Client, count: int) -> Callable[[], bool]:
    return lambda: measured(program, "tocsin_partitions_held") == count


async def both(node: Callable[..., Program], **settings: str) -> tuple[Program, Program]:
    """Two that have shared everything."""
    one = node(**settings)
    await until(holds(one, PARTITIONS))
    other = node(**settings)
    await until(holds(one, PARTITIONS // 2))
    await until(holds(other, PARTITIONS // 2))
    return one, other


def emit(program: Client, tenant: str, *ids: str, subject: str = "s") -> None:
    events = [{"specversion": "1.0", "id": i, "source": "/n", "type": "n.went", "subject": subject} for i in ids]
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    answer = program.post(f"/v1/events?tenant={tenant}", events, headers=headers)
    assert answer.status == 202, answer


def taken(receiver: Receiver) -> list[str]:
    return [json.loads(arrival.body)["id"] for arrival in receiver.arrivals if arrival.status < 300]


def states(program: Client, tenant: str) -> dict[str, int]:
    count: dict[str, int] = defaultdict(int)
    for delivery in program.get(f"/v1/deliveries?tenant={tenant}&limit=200").json["items"]:
        count[delivery["state"]] += 1
    return dict(count)


def answers(program: Client) -> bool:
    try:
        return program.get("/livez").status == 200
    except OSError:
        return False


async def test_each_delivers_for_its_tenants_wherever_events_come_in(node: Callable[..., Program]) -> None:
    """Nobody ends here, and on a busy machine nobody is to be taken for dead, nor a request for lost."""
    one, other = await both(node, TOCSIN_LEASE_SECONDS="30")
    async with Receiver() as receiver:
        for tenant in (FIRST, LAST):
            one.endpoint(receiver.url, tenant=tenant, ordering="subject")
        for number in range(5):
            for tenant in (FIRST, LAST):
                emit(one, tenant, f"{tenant}-a{number}", subject="a")
                emit(other, tenant, f"{tenant}-b{number}", subject="b")
        await until(lambda: len(taken(receiver)) == 20, seconds=60)
        for tenant in (FIRST, LAST):
            for subject in "ab":
                came = [i for i in taken(receiver) if i.startswith(f"{tenant}-{subject}")]
                assert came == [f"{tenant}-{subject}{number}" for number in range(5)]
    assert measured(one, "tocsin_deliveries_created_total") == measured(other, "tocsin_deliveries_created_total") == 10
    assert measured(one, "tocsin_swept_total") == measured(other, "tocsin_swept_total") == 0
    assert await asyncio.to_thread(other.stop) == 0
    assert await asyncio.to_thread(one.stop) == 0


async def test_one_that_is_killed_is_followed_by_the_other(node: Callable[..., Program]) -> None:
    one, other = await both(node)
    async with Receiver() as receiver:
        one.endpoint(receiver.url, tenant=LAST, ordering="subject", **FAST)
        emit(other, LAST, "a")
        await receiver.wait_for_count(1)
        other.kill()
        emit(one, LAST, "b", "c")
        await until(holds(one, PARTITIONS))
        await until(lambda: set(taken(receiver)) == {"a", "b", "c"})
        assert [i for i in taken(receiver) if i != "a"] == ["b", "c"]
    back = node()
    await until(holds(back, PARTITIONS // 2))


async def test_what_is_enabled_while_nobody_holds_it_stays_enabled(node: Callable[..., Program]) -> None:
    one, other = await both(node)
    async with Receiver(fail=1, status=410) as receiver:
        address = f"/v1/endpoints/{one.endpoint(receiver.url, tenant=LAST, **FAST)['id']}"
        emit(one, LAST, "a")
        await until(lambda: one.get(address).json["state"] == "disabled")
        await until(lambda: one.get(address).json["state_reason"] == "gone")
        other.kill()
        assert one.post(f"{address}/enable").status == 200
        await until(holds(one, PARTITIONS))
        await until(lambda: states(one, LAST) == {"delivered": 1})
        await until(lambda: one.get(address).json["state"] == "healthy")


async def test_one_that_was_frozen_writes_nothing_and_breaks_no_order(node: Callable[..., Program]) -> None:
    one, other = await both(node)
    async with Receiver(delay=0.4) as receiver:
        one.endpoint(receiver.url, tenant=LAST, ordering="subject", **FAST)
        emit(other, LAST, *(f"e{number}" for number in range(6)))
        await receiver.wait_for_count(2)
        other.freeze()  # e1 or e2 is out, and its outcome is not written
        await until(holds(one, PARTITIONS))
        await until(lambda: states(one, LAST) == {"delivered": 6})
        came = taken(receiver)
        other.thaw()
        await until(lambda: measured(other, "tocsin_fenced_total") == 1)
        await until(holds(other, PARTITIONS // 2))
        assert taken(receiver) == came, "it sent after others had taken over"
        firsts = list(dict.fromkeys(came))
        assert firsts == [f"e{number}" for number in range(6)]
        assert came == sorted(came), "one came after its successor"
        emit(other, LAST, "e6")
        await until(lambda: states(one, LAST) == {"delivered": 7})


async def test_one_that_is_told_to_end_hands_over_at_once(node: Callable[..., Program]) -> None:
    one, other = await both(node, TOCSIN_LEASE_SECONDS="120")
    async with Receiver(delay=0.3) as receiver:
        one.endpoint(receiver.url, tenant=LAST, ordering="subject", **FAST)
        emit(one, LAST, *(f"e{number}" for number in range(5)))
        await receiver.wait_for_count(2)
        assert await asyncio.to_thread(other.stop) == 0
        await until(holds(one, PARTITIONS))
        await until(lambda: states(one, LAST) == {"delivered": 5})
        assert taken(receiver) == [f"e{number}" for number in range(5)], "sent twice, or out of order"


async def test_one_that_is_told_to_end_waits_for_the_database_to_take_its_outcomes(
    node: Callable[..., Program],
) -> None:
    one, other = await both(node, TOCSIN_LEASE_SECONDS="120")
    database = await connect(one.database, seconds=30)
    await database.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END$$"
    )
    await database.execute("CREATE TRIGGER refuse BEFORE INSERT ON attempt FOR EACH ROW EXECUTE FUNCTION refuse()")
    async with Receiver() as receiver:
        one.endpoint(receiver.url, tenant=LAST)
        emit(one, LAST, "a")
        await until(lambda: taken(receiver) == ["a"])
        await until(lambda: other.get("/readyz").status == 503)
        ending = asyncio.create_task(asyncio.to_thread(other.stop))
        await until(lambda: not answers(other))
        await asyncio.wait({ending}, timeout=1)  # enough to leave, if it did not wait
        assert not ending.done()
        await database.execute("DROP TRIGGER refuse ON attempt")
        assert await ending == 0
        await until(holds(one, PARTITIONS))
        emit(one, LAST, "b")
        await until(lambda: states(one, LAST) == {"delivered": 2})
        assert taken(receiver) == ["a", "b"]
    await database.close()


async def test_what_is_asked_of_one_is_done_by_the_other(node: Callable[..., Program]) -> None:
    """Cancelling and resending for an endpoint that the other process delivers to."""
    one, other = await both(node, TOCSIN_LEASE_SECONDS="120")
    async with Receiver(fail=1, status=500) as receiver:
        slow = FAST | {"retry": {"schedule_seconds": [3600]}}
        one.endpoint(receiver.url, tenant=LAST, ordering="subject", **slow)
        emit(one, LAST, "a", "b")
        await receiver.wait_for_count(1)
        await until(lambda: states(other, LAST) == {"pending": 2})
        stuck = one.get(f"/v1/deliveries?tenant={LAST}&limit=200").json["items"][-1]
        assert one.post(f"/v1/deliveries/{stuck['id']}/cancel?tenant={LAST}").status == 200
        await until(lambda: states(one, LAST) == {"cancelled": 1, "delivered": 1})
        assert one.post(f"/v1/deliveries/{stuck['id']}/resend?tenant={LAST}").status in {200, 201, 202}
        await until(lambda: states(one, LAST) == {"cancelled": 1, "delivered": 2})
        assert taken(receiver) == ["b", "a"]
