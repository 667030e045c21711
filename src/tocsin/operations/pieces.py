"""Work on the event loop in pieces: nobody else waits longer than one of them."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Final

LONGEST_SECONDS: Final = 0.0005
"""Half of what nothing may hold up the loop for: a piece ends where its last step ends."""


class Pieces:
    """One for each piece of work, made when it begins."""

    __slots__ = ("_began",)

    def __init__(self) -> None:
        self._began = perf_counter()

    async def step(self) -> None:
        """After each small step: lets others in when the piece was long enough."""
        if perf_counter() - self._began > LONGEST_SECONDS:
            await asyncio.sleep(0)
            self._began = perf_counter()
