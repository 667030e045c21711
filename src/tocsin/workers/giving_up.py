"""Giving up pending deliveries without a race: while it is being stored, none of them can start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tocsin.model.delivery import Claim
from tocsin.workers.ready import Ready

Write = Callable[[frozenset[int]], Awaitable[list[Claim]]]
"""Stores it; gives the deliveries that became ready by it. It is told those whose request is out: they keep their order keys
until their exchange is over."""


async def give_up(ready: Ready, endpoint: int, numbers: frozenset[int], write: Write) -> None:
    """Give up these deliveries of an endpoint, as `write` stores it."""
    ready.lane(endpoint)
    lanes, out = ready.lanes(endpoint), numbers.intersection(ready.flight.out)
    resting = numbers - out
    for lane in lanes if resting else ():
        lane.withheld |= resting
        lane.put_back(resting.__contains__)
    try:
        ready.take(await write(out))
    finally:
        for lane in lanes:
            lane.withheld -= resting
            ready.list(lane)
