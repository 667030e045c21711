"""Order: the lines of an ordered endpoint.

Each (endpoint, lane, key) has a line of deliveries in number order. A delivery is ready when it heads all its lines; its
row counts those it does not head. Leaving a line makes the next one its head, in the same transaction. A batch may hold
several of a line, from its head on: they leave together. Whoever joins or leaves lines of an endpoint has its slot until COMMIT.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Sequence
from enum import IntEnum
from typing import Final, cast

from tocsin.adapters.postgres.statements import Connection, read, read_among, read_one, write, write_among, write_rows
from tocsin.adapters.storing.lines import Line, lines_of
from tocsin.model.delivery import NewDelivery
from tocsin.model.ids import Millis

SLOTS: Final = 1024
"""Advisory locks of a class: few enough for the server's table of locks. Strangers may share one and wait for each other."""


class Slots(IntEnum):
    """Classes of transaction-scoped advisory locks, in the order in which they are taken."""

    FACTS = 0x746F6301
    LINES = 0x746F6302


async def lock_slots(connection: Connection, slots: Slots, wanted: Collection[int]) -> None:
    """Wait until nobody else has these, and have them until COMMIT."""
    if wanted:
        await read(connection, "lock_slots", (slots, sorted({number % SLOTS for number in wanted})))


async def join_lines(connection: Connection, new: Sequence[NewDelivery], numbers: Sequence[int]) -> list[int]:
    """Put deliveries at the ends of their lines; gives how many of them each does not head. The slots of their endpoints were
    locked before their numbers were drawn."""
    lines = [lines_of(one) for one in new]
    wanted = sorted({line for some in lines for line in some})
    if not wanted:
        return [0] * len(new)
    columns = [list(column) for column in zip(*wanted, strict=True)]
    occupied = {cast("Line", row) for row in await read(connection, "occupied_lines", columns)}
    blocked: list[int] = []
    for some in lines:
        blocked.append(sum(line in occupied for line in some))
        occupied.update(some)
    rows = [(*line, number) for some, number in zip(lines, numbers, strict=True) for line in some]
    await write_rows(connection, "add_lines", rows)
    return blocked


async def leave_lines(connection: Connection, numbers: Sequence[int]) -> list[int]:
    """Take deliveries out of their lines; gives those that became ready by it."""
    endpoints = await read_among(connection, "endpoints_in_lines", (), numbers)
    if not endpoints:
        return []
    await lock_slots(connection, Slots.LINES, [cast("int", endpoint) for (endpoint,) in endpoints])
    rows = cast("list[tuple[int, int]]", await read_among(connection, "leave_lines", (), numbers))
    return sorted(number for number, blocked in rows if blocked == 0)


async def let_go(connection: Connection, numbers: Sequence[int], in_flight: frozenset[int], now: Millis) -> list[int]:
    """Take deliveries that were cancelled out of their lines, but not while they are in flight or a batch that they are in
    may still be sent; gives those that became ready by it. A batch that is left without anything to send ends."""
    held = cast("list[tuple[int, int]]", await read_among(connection, "in_pending_batches", (), numbers))
    in_batches = {number for number, _ in held}
    free = [number for number in numbers if number not in in_flight and number not in in_batches]
    for batch in sorted({batch for _, batch in held}):
        members = {cast("int", number) for (number,) in await read(connection, "batch_member_numbers", (batch,))}
        if in_flight.isdisjoint(members) and await read_one(connection, "has_pending_member", (batch,)) is None:
            free.extend(await end_batch(connection, batch, now))
    await mark_lines(connection, sorted(set(numbers).difference(free)))
    return await leave_lines(connection, free)


async def mark_lines(connection: Connection, numbers: Sequence[int]) -> None:
    """Those of these deliveries that have ended stay in their lines, for their holder to find."""
    await write_among(connection, "mark_lines", (), numbers)


async def end_batch(connection: Connection, batch: int, now: Millis | None) -> list[int]:
    """A pending batch of which nothing is to be sent any more ends (`now` None: when it was due); gives its members, which are
    to leave their lines."""
    if await read_one(connection, "end_batch", ("dead", now, batch)) is None:
        return []
    await write(connection, "release_batches", (batch,))
    return [cast("int", number) for (number,) in await read(connection, "batch_member_numbers", (batch,))]


async def followers(connection: Connection, numbers: Sequence[int], now: Millis, limit: int) -> list[int]:
    """Deliveries that are due and wait for nobody but these and one another: so many of them, in number order. The first few
    of the answer wait for nobody but these and the ones before them."""
    found: list[int] = []
    freed: Counter[int] = Counter()
    heap = list(numbers)
    heapq.heapify(heap)
    while heap and len(found) < limit:
        number = heapq.heappop(heap)
        rows = await read(connection, "behind_in_lines", (number, now))
        for following, blocked in cast("list[tuple[int, int | None]]", rows):
            freed[following] += 1
            if blocked == freed[following]:
                found.append(following)
                heapq.heappush(heap, following)
    return sorted(found)[:limit]


async def together(connection: Connection, numbers: Sequence[int]) -> list[int]:
    """Those of these deliveries, in number order, that are pending, in no batch, and wait for nobody but one another."""
    free = [cast("int", number) for (number,) in await read_among(connection, "free_members", (), numbers)]
    cut = await read_among(connection, "line_cut", (), free)
    first = cast("int | None", cut[0][0]) if cut else None
    return [number for number in free if first is None or number < first]
