"""Group commit: whatever is waiting is written together; while one group is being written, the next one gathers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class CommitGroup(Generic[T]):
    """Hands what was added to `write`, in order, one group after another. Each item has a weight; a group weighs at most
    `limit`, or is a single item. `weight` is that of all that waits.

    `write` deals with its own failures: whatever it raises ends the loop and shows in `idle`.
    """

    __slots__ = ("_limit", "_marks", "_task", "_under_way", "_waiting", "_write", "weight")

    def __init__(self, write: Callable[[list[T]], Awaitable[None]], *, limit: int) -> None:
        self._write = write
        self._limit = limit
        self._waiting: deque[tuple[T, int]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._under_way = 0
        self._marks: list[tuple[int, asyncio.Future[None]]] = []
        self.weight = 0

    def add(self, item: T, weight: int = 1) -> None:
        self._waiting.append((item, weight))
        self.weight += weight
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def idle(self) -> None:
        """Wait until nothing is left to write."""
        while self._task is not None:
            await self._task

    async def written(self) -> None:
        """Wait until everything that was added so far is written, whatever comes after it."""
        if self._task is not None:
            mark = asyncio.get_running_loop().create_future()
            self._marks.append((self._under_way + len(self._waiting), mark))
            await mark

    async def _run(self) -> None:
        try:
            while self._waiting:
                group = self._take()
                self._under_way = len(group)
                await self._write(group)
                if self._marks:
                    self._pass(len(group))
                self._under_way = 0
        finally:
            self._task = None

    def _pass(self, count: int) -> None:
        """So many were written."""
        left = [(items - count, mark) for items, mark in self._marks]
        self._marks = [(items, mark) for items, mark in left if items > 0]
        for items, mark in left:
            if items <= 0 and not mark.done():
                mark.set_result(None)

    def _take(self) -> list[T]:
        group: list[T] = []
        left = self._limit
        while self._waiting and (not group or self._waiting[0][1] <= left):
            item, weight = self._waiting.popleft()
            group.append(item)
            left -= weight
            self.weight -= weight
        return group
