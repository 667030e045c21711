"""Golden records through Tocsin: real records are matched, every change is sent, and two receivers that know nothing but the
webhooks rebuild the table. Exit code 0: both have exactly what the engine has. 1: they have not. 3: no data."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from examples.golden_records.data import NotFetched, SourceRecord, source_records
from examples.golden_records.golden import ACTIONS, Engine
from examples.golden_records.produce import TABLE, Producer
from examples.golden_records.rebuild import Rebuilt, differences, read_cloudevents, read_tamr
from examples.golden_records.server import Server
from examples.golden_records.summary import Summary, show
from tocsin.receiver import Receiver, StandardWebhooks

READERS: Final = {"tamr": read_tamr, "cloudevents": read_cloudevents}
SCHEDULE: Final = [0.05, 0.1, 0.2, *[0.4] * 50]
FAILING: Final = "15%"
FIRST: Final = "g00001"
"""What the engine calls the first golden record that it makes."""
QUIET_SECONDS: Final = 30
"""So long without a single webhook: what is missing will not come."""


@dataclass(frozen=True, slots=True)
class Listener:
    """An endpoint: the receiver that serves it, and the table rebuilt there."""

    name: str
    receiver: Receiver
    rebuilt: Rebuilt


async def run(records: list[SourceRecord], directory: Path, *, sabotage: bool) -> Summary:
    """The whole story."""
    began = time.monotonic()
    listeners = [_listener(name, number, sabotage=sabotage) for number, name in enumerate(READERS)]
    engine = Engine()
    for listener in listeners:
        await listener.receiver.start()
    try:
        async with Server(directory) as server:
            await asyncio.gather(*(_create_endpoint(server, listener) for listener in listeners))
            waiting: list[int] = []

            async def crash() -> None:
                await server.kill()
                waiting.extend(max(0, producer.answered - listener.rebuilt.applied) for listener in listeners)
                await server.start()

            producer = Producer(server, engine, crash)
            await producer.run(records)
            for listener in listeners:
                await _until_complete(listener.rebuilt, producer.events)
            undelivered = await _undelivered(server)
    finally:
        for listener in listeners:
            await listener.receiver.stop()
    rebuilt = {listener.name: listener.rebuilt for listener in listeners}
    faults = [*producer.faults, *undelivered]
    faults += [f"the data gave no {action}" for action in ACTIONS if not producer.actions[action]]
    faults += [f"{name}: {fault}" for name, each in rebuilt.items() for fault in each.faults]
    faults += [f"{name}: {line}" for name, each in rebuilt.items() for line in differences(engine.table, each.table)]
    return Summary(
        seconds=time.monotonic() - began,
        records=len(records),
        golden=len(engine.table),
        producer=producer,
        waiting_at_crash=sum(waiting),
        rebuilt=rebuilt,
        faults=faults,
    )


def _listener(name: str, number: int, *, sabotage: bool) -> Listener:
    rebuilt = Rebuilt(READERS[name], seed=number, loses=FIRST if sabotage else None)
    receiver = Receiver(fail=FAILING, status=500, seed=number, on_arrival=rebuilt.arrive, keep=1)
    return Listener(name, receiver, rebuilt)


async def _create_endpoint(server: Server, listener: Listener) -> None:
    body = {
        "name": listener.name,
        "url": listener.receiver.url,
        "format": {"kind": listener.name},
        "filters": [{"tables": [TABLE]}],
        "ordering": "subject",
        "signing": {"kind": "standard_webhooks"},
        "retry": {"schedule_seconds": SCHEDULE},
    }
    with server.client() as client:
        answer = await asyncio.to_thread(client.request, "POST", "/v1/endpoints", body)
    match answer:
        case {"signing": {"secret": str(secret)}}:
            listener.receiver.verify_with(StandardWebhooks(secret))
        case _:
            raise RuntimeError(f"no secret in the answer: {answer}")


async def _until_complete(rebuilt: Rebuilt, events: int) -> None:
    """Until every event was applied, or nothing comes any more."""
    try:
        while rebuilt.applied < events:
            rebuilt.news.clear()
            async with asyncio.timeout(QUIET_SECONDS):
                await rebuilt.news.wait()
    except TimeoutError:
        rebuilt.faults.append(f"{events - rebuilt.applied} of {events} webhooks did not come")


async def _undelivered(server: Server) -> list[str]:
    """Wait for the last retries; what the server then says is not delivered."""
    pending: object = None
    with server.client() as client:
        for _ in range(QUIET_SECONDS * 10):
            stats = await asyncio.to_thread(client.request, "GET", "/v1/stats")
            assert isinstance(stats, dict)
            pending = stats["pending_deliveries"]
            if pending == 0:
                return [f"dead deliveries: {dead}"] if (dead := stats["dead_deliveries"]) else []
            await asyncio.sleep(0.1)
    return [f"pending deliveries: {pending}"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py example", description=__doc__)
    parser.add_argument(
        "--records",
        type=int,
        default=6000,
        metavar="N",
        help="how many source records to read: 300 to 6000, which is all and the default",
    )
    parser.add_argument("--output", choices=("text", "json"), default="text")
    parser.add_argument("--sabotage", action="store_true", help=argparse.SUPPRESS)  # each receiver forgets a webhook
    chosen = parser.parse_args()
    try:
        records = source_records(chosen.records)
    except NotFetched as error:
        print(error, file=sys.stderr)
        return 3
    try:
        with tempfile.TemporaryDirectory() as directory:
            summary = asyncio.run(run(records, Path(directory), sabotage=chosen.sabotage))
    except KeyboardInterrupt:
        return 130
    if chosen.output == "json":
        print(json.dumps(summary.document()))
    else:
        show(Console(), summary)
    return 1 if summary.faults else 0


if __name__ == "__main__":
    sys.exit(main())
