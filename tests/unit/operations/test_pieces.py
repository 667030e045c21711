"""Long work lets others in: after each step that makes its piece long enough, and not before."""

from __future__ import annotations

import asyncio
from time import perf_counter

from tocsin.operations.pieces import LONGEST_SECONDS, Pieces


async def test_others_are_let_in_once_a_piece_is_long() -> None:
    seen: list[str] = []
    pieces = Pieces()
    other = asyncio.get_running_loop().create_task(_say(seen))
    end = perf_counter() + LONGEST_SECONDS
    while perf_counter() <= end:
        pass
    seen.append("worked")
    await pieces.step()
    seen.append("goes on")
    assert seen == ["worked", "other", "goes on"]
    await other


async def test_a_short_piece_goes_on() -> None:
    seen: list[str] = []
    other = asyncio.get_running_loop().create_task(_say(seen))
    pieces = Pieces()
    pieces._began = perf_counter() + 3600
    await pieces.step()
    assert seen == []
    await other


async def _say(seen: list[str]) -> None:
    seen.append("other")
