"""Programs for test_pool.py: evaluating processes under uvloop, as in the server. `use` kills them while they are idle and
while they work; `leave` says which there are, and waits to be killed itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import uvloop

from tocsin.adapters.jq.evaluating import Limits
from tocsin.adapters.jq.pool import TRIAL, JqTemplates
from tocsin.ports import NoValue

ENDLESS = "def f: f; f"


def pids(templates: JqTemplates) -> set[int]:
    crews = (templates.proven, templates.new, templates.indebted)
    return {process.pid for crew in crews for process in crew.processes}


async def use() -> None:
    templates = JqTemplates(Limits(cpu_seconds=0.2))
    assert await templates.evaluate((".a",), b'{"a":1}') == ("1",)
    for _ in range(5):
        for pid in pids(templates):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert await templates.evaluate((".a",), b'{"a":1}') == ("1",)
    gave = await asyncio.gather(*(templates.evaluate((ENDLESS,), b"1") for _ in range(3)))
    assert [isinstance(one, NoValue) and one.cause for one in gave] == ["killed"] * 3
    big = b'"' + b"x" * 3_000_000 + b'"'
    assert await templates.evaluate(("length",), big) == ("3000000",)
    await templates.close()


async def leave() -> None:
    templates = JqTemplates()
    for _ in range(TRIAL + 1):
        await asyncio.gather(*(templates.evaluate((str(n),), b"1") for n in range(3)))
    waiting = asyncio.create_task(templates.evaluate((ENDLESS,), b"1"))
    await asyncio.sleep(0.05)
    running = pids(templates)
    if sys.platform == "linux":
        assert {
            sorted(path.name for path in Path(f"/proc/{pid}/fd").iterdir()) == ["0", "1", "2"] for pid in running
        } == {True}
    print(*running, flush=True)
    await waiting
    await asyncio.Event().wait()


uvloop.run({"use": use, "leave": leave}[sys.argv[1]]())
