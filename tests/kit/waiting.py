"""Waiting for something to become true, in bounds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def until(look: Callable[[], T | None], *, seconds: float = 20.0) -> T:
    """What `look` gives once it is something (not None, not False, not empty); it is called in a thread."""
    end = time.monotonic() + seconds
    while True:
        found = await asyncio.to_thread(look)
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s"
        await asyncio.sleep(0.02)
