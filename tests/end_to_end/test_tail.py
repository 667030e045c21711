"""The real server stops in good order while tails are open, and nothing is lost."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.kit.program import Program
from tests.kit.tails import Message, Watching
from tests.kit.waiting import until

from tocsin.receiver import Receiver

EVENTS = 100
HEADERS = {"Content-Type": "application/cloudevents-batch+json"}


def events(kind: str, count: int, fill: str = "") -> list[dict[str, object]]:
    return [
        {"specversion": "1.0", "id": f"{kind}-{n}-{len(fill)}", "source": "/t", "type": kind, "data": fill}
        for n in range(count)
    ]


async def test_sigterm_with_tails_open_ends_them_at_once_and_loses_nothing(tmp_path: Path) -> None:
    program = Program(tmp_path / "tail.db")

    async def post(given: list[dict[str, object]]) -> None:
        answer = await asyncio.to_thread(program.post, "/v1/events", given, headers=HEADERS)
        assert answer.status == 202, answer

    try:
        async with (
            Receiver(delay=0.02) as receiver,
            Watching(program, "kind=event&type=order.*") as tail,
            Watching(program, receive_bytes=4096) as stuck,
        ):
            filters = [{"event_types": ["order.made"]}]
            await asyncio.to_thread(lambda: program.endpoint(receiver.url, filters=filters))
            # More than fits between the server and one who does not read; whoever reads has it all.
            for size in range(16):
                await post(events("order.filled", 10, "x" * (80_000 + size)))
                assert {message.name for message in await tail.some(10)} == {"event"}
            await post(events("order.made", EVENTS))
            began = time.monotonic()
            stopping = asyncio.create_task(asyncio.to_thread(program.stop))
            while (seen := await tail.next()).name != "end":
                assert seen.name in {"event", "dropped"}  # of so many at once a busy machine may not read all
            assert seen == Message("end", {"reason": "stopping"}, None)
            await tail.over()
            assert await stopping == 0
            # What is asked for; it takes about a second, which is for the one who is stuck.
            assert time.monotonic() - began < 3
            del stuck
            await asyncio.to_thread(program.start)

            def arrived() -> bool:
                return len({arrival.webhook_id for arrival in tuple(receiver.arrivals)}) == EVENTS

            await until(arrived)
    finally:
        await asyncio.to_thread(program.stop)
