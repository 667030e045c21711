"""Runs a transfer again and again in processes of their own, each killed by SIGKILL at a write: a line of standard input says
after how many, and whether that write is let through first. What became of each is a line of standard output."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.kit.stores import close, place_of

from tocsin.adapters.postgres import transfers as postgres
from tocsin.adapters.sqlite import transfers as sqlite
from tocsin.operations.transfer import Transfer
from tocsin.telemetry import set_up_logs

PAGE_ROWS = 5
WRITES = ("begin", "finish", "save", "set_mark", "set_heads")


def killing(part: Any, left: list[int], lets_through: bool) -> None:
    """Die at the write for which nothing is left."""

    def counted(write: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def counting(*values: object) -> None:
            left[0] -= 1
            if left[0] >= 0 or lets_through:
                await write(*values)
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        return counting

    for name in WRITES:
        setattr(part, name, counted(getattr(part, name)))


async def run(urls: list[str], writes: int, lets_through: bool) -> None:
    source, target = [await place_of(url).open(lambda: time.time_ns() // 1_000_000) for url in urls]
    left = [writes]
    for store in (source, target):
        killing(store.transfers, left, lets_through)
    work = Transfer(
        source.transfers,
        target.transfers,
        (urls[0], urls[1]),
        new_id=lambda: "1",
        now_ms=lambda: 1,
        tell=lambda _: None,
    )
    done = await work.run()
    await close(target)
    await close(source)
    sys.exit(0 if done.is_over else 1)


def main() -> None:
    """Until standard input ends."""
    set_up_logs("error")
    for module in (sqlite, postgres):
        module.PAGE_ROWS = PAGE_ROWS  # type: ignore[misc]  # so that there are several pages
    for line in sys.stdin:
        number, lets = map(int, line.split())
        child = os.fork()
        if child == 0:
            asyncio.run(run(sys.argv[1:], number, bool(lets)))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
