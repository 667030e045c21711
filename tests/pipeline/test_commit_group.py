"""A commit group: what was added so far can be waited for while more keeps coming."""

from __future__ import annotations

import asyncio

from tocsin.pipeline.commit_group import CommitGroup


async def test_what_was_added_is_waited_for_and_nothing_that_came_later() -> None:
    written: list[int] = []
    may_write = asyncio.Semaphore(0)

    async def write(items: list[int]) -> None:
        await may_write.acquire()
        written.extend(items)

    group = CommitGroup(write, limit=2)
    await group.written()
    for item in range(5):
        group.add(item)
    await asyncio.sleep(0)
    waiting = asyncio.create_task(group.written())
    await asyncio.sleep(0)
    for item in range(5, 9):
        group.add(item)
    for count in (2, 4):
        may_write.release()
        while len(written) < count:
            await asyncio.sleep(0)
    assert (written, waiting.done()) == ([0, 1, 2, 3], False)
    may_write.release()
    await asyncio.wait_for(waiting, 5)
    assert written == [0, 1, 2, 3, 4, 5]
    may_write.release()
    may_write.release()
    await group.idle()
    assert written == list(range(9))
    await group.written()
