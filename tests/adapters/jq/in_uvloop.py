"""A program for test_pool.py: evaluating processes under uvloop, killed while they are idle and while they work."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import uvloop

from tocsin.adapters.jq.evaluating import Limits
from tocsin.adapters.jq.pool import JqTemplates
from tocsin.ports import NoValue


async def main() -> None:
    templates = JqTemplates(Limits(cpu_seconds=0.2))
    assert await templates.evaluate((".a",), b'{"a":1}') == ("1",)
    for _ in range(5):
        for process in templates.new.processes | templates.proven.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        assert await templates.evaluate((".a",), b'{"a":1}') == ("1",)
    gave = await asyncio.gather(*(templates.evaluate(("def f: f; f",), b"1") for _ in range(3)))
    assert [isinstance(one, NoValue) and one.cause for one in gave] == ["killed"] * 3
    big = b'"' + b"x" * 3_000_000 + b'"'
    assert await templates.evaluate(("length",), big) == ("3000000",)
    await templates.close()


uvloop.run(main())
