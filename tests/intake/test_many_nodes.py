"""Several processes of Tocsin on one intake: whoever takes a submission, the holder of its tenant accepts it; and kill -9 anywhere."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.intake.given import CLOUD_EVENT, asked, cloud_event, outcomes, receipt
from tests.intake.test_servers_lost import ids_in_log
from tests.kit.links import Link
from tests.kit.nats import NatsCluster
from tests.kit.program import Program
from tests.kit.server import Server
from tests.kit.waiting import until

from tocsin.receiver import Receiver

TENANTS = [f"tenant-{n}" for n in range(16)]


def holders(server: Server) -> int:
    """How many processes hold something."""
    return int(server.rows("SELECT count(DISTINCT holder) FROM cursor WHERE holder > 0")[0][0])


async def test_the_verdict_comes_from_whoever_holds_the_tenant(
    nats_alone: NatsCluster, start: Callable[..., Server]
) -> None:
    first = await asyncio.to_thread(start, nats=nats_alone.urls[0], lease_seconds="2")
    second = await asyncio.to_thread(start, nats=nats_alone.urls[0], lease_seconds="2")
    await until(lambda: holders(first) == 2)
    for server in (first, second):
        for tenant in TENANTS:
            event = cloud_event(1, source=f"/{tenant}")
            path = f"/v1/events?tenant={tenant}"
            assert outcomes(await asked(server.post, path, event, headers=CLOUD_EVENT)) == [
                "accepted" if server is first else "duplicate"
            ]
    change = {"action": "create", "record": {"id": "r1", "data": {}}, "version_id": 7}
    for tenant in TENANTS:
        path = f"/v1/records/changes?tenant={tenant}"
        assert (await asked(first.post, path, change)).status == 202
        other = change | {"record": {"id": "r2", "data": {}}}
        refused = await asked(second.post, path, other)
        assert (refused.status, refused.json["type"]) == (409, "/problems/version-conflict")
        assert refused.json["errors"][0]["pointer"] == "/version_id"
    await asyncio.to_thread(second.stop)
    await until(lambda: holders(first) == 1)
    for tenant in TENANTS:
        event = cloud_event(2, source=f"/{tenant}")
        answer = await asked(first.post, f"/v1/events?tenant={tenant}", event, headers=CLOUD_EVENT)
        assert outcomes(answer) in (["accepted"], ["queued"])
    await until(lambda: len(ids_in_log(first)) == 3 * len(TENANTS))


async def test_kill_9_between_keeping_and_accepting(
    nats_alone: NatsCluster, behind: dict[str, str], link: Link, tmp_path: Path
) -> None:
    """Everything is kept, nothing is accepted, and the process is gone: the next one accepts each of them once."""
    settings = {f"TOCSIN_{name.upper()}": value for name, value in behind.items()}
    settings |= {"TOCSIN_NATS": nats_alone.urls[0], "TOCSIN_LEASE_SECONDS": "2"}
    program = await asyncio.to_thread(Program, tmp_path / "none.db", **settings)
    try:
        async with Receiver() as receiver:
            await asyncio.to_thread(program.endpoint, receiver.url, ordering="subject")
            receipts: list[str] = []
            for round_ in range(3):
                link.cut()
                for number in range(10):
                    event = cloud_event(10 * round_ + number, subject="s")
                    answer = await asked(program.post, "/v1/events", event, headers=CLOUD_EVENT)
                    assert outcomes(answer) == ["queued"]
                    receipts.append(answer.json["receipt_id"])
                await asyncio.to_thread(program.kill)
                link.heal()
                await asyncio.to_thread(program.start)
            for one in receipts:
                await receipt(program, one, "accepted")
            await until(lambda: len(receiver.arrivals) >= 30)
            events = (await asked(program.get, "/v1/events?limit=500")).json["items"]
            assert len(events) == 30
            delivered = [json.loads(arrival.body)["id"] for arrival in receiver.arrivals]
            assert list(dict.fromkeys(delivered)) == [str(number) for number in range(30)]
    finally:
        await asyncio.to_thread(program.kill)


async def test_kill_9_under_load_loses_and_doubles_nothing(
    nats_alone: NatsCluster, settings: dict[str, str], tmp_path: Path
) -> None:
    """Killed in the midst of accepting: what was answered is there, and nothing of it twice (these events have no id that would
    tell: every report makes one)."""
    environment = {f"TOCSIN_{name.upper()}": value for name, value in settings.items()}
    environment |= {"TOCSIN_NATS": nats_alone.urls[0], "TOCSIN_LEASE_SECONDS": "2"}
    program = await asyncio.to_thread(Program, tmp_path / "none.db", **environment)
    answered: list[str] = []

    def produce(producer: int, upto: int) -> None:
        for number in range(upto):
            name = f"{producer}-{number}"
            body = {"data_category_id": name, "data_version": "1"}
            try:
                if program.post("/v1/data-versions", body).status == 202:
                    answered.append(name)
            except OSError:
                return

    try:
        for round_ in range(3):
            producers = [asyncio.to_thread(produce, 10 * round_ + n, 500) for n in range(4)]
            working = asyncio.gather(*producers)
            before = len(answered)
            await until(lambda: len(answered) > before + 60)  # noqa: B023 (it is called before it changes)
            await asyncio.to_thread(program.kill)
            await working
            await asyncio.to_thread(program.start)
        await until(lambda: program.get("/readyz").status == 200)

        def counted() -> Counter[str]:
            found: Counter[str] = Counter()
            cursor = ""
            while True:
                page = program.get(f"/v1/events?limit=500{cursor}").json
                found.update(event["subject_id"] for event in page["items"])
                if page["next_cursor"] is None:
                    return found
                cursor = f"&cursor={page['next_cursor']}"

        await until(lambda: set(answered) <= set(counted()))
        assert {name: times for name, times in (await asyncio.to_thread(counted)).items() if times > 1} == {}
    finally:
        await asyncio.to_thread(program.kill)
