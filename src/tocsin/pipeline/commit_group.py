"""Group commit: whatever is waiting is written together; while one group is being written, the next one gathers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class CommitGroup(Generic[T]):
    """Hands what was added to `write`, in order, at most `limit` at a time, one group after another.

    `write` deals with its own failures: whatever it raises ends the loop and shows in `idle`.
    """

    __slots__ = ("_limit", "_task", "_waiting", "_write")

    def __init__(self, write: Callable[[list[T]], Awaitable[None]], *, limit: int) -> None:
        self._write = write
        self._limit = limit
        self._waiting: list[T] = []
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, item: T) -> None:
        self._waiting.append(item)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def idle(self) -> None:
        """Wait until nothing is left to write."""
        while self._task is not None:
            await self._task

    async def _run(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
                await self._write(group)
        finally:
            self._task = None
