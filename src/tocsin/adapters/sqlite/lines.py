"""Order: the lines of an ordered endpoint.

Each (endpoint, lane, key) has a line of deliveries in number order. A delivery is ready when it heads all its lines; its
row counts those it does not head. Leaving a line makes the next one its head, in the same transaction. A batch may hold
several of a line, from its head on: they leave together.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from typing import cast

import apsw

from tocsin.adapters.sqlite.statements import read, read_among, read_one, write, write_rows
from tocsin.adapters.storing.lines import lines_of
from tocsin.model.delivery import NewDelivery
from tocsin.model.ids import Millis


def join_lines(connection: apsw.Connection, new: NewDelivery, number: int) -> int:
    """Put a delivery at the end of its lines; gives how many of them it does not head."""
    places = lines_of(new)
    blocked = sum(_head(connection, place) is not None for place in places)
    write_rows(connection, "add_lines", [(*place, number) for place in places])
    return blocked


def leave_lines(connection: apsw.Connection, numbers: Sequence[int]) -> list[int]:
    """Take deliveries out of their lines; gives those that became ready by it."""
    if not numbers or read_one(connection, "any_line") is None:
        return []
    leaving = {cast("int", number) for (number,) in read_among(connection, "in_lines", (), numbers)}
    ready: list[int] = []
    for number in sorted(leaving):
        places = cast("list[tuple[int, int, int]]", read(connection, "lines_of", (number,)))
        headed = [place for place in places if _head(connection, place) == number]
        write(connection, "remove_lines", (number,))
        for place in headed:
            following = _head(connection, place)
            if following is None:
                continue
            row = read_one(connection, "unblock", (following,))
            if row == (0,) and following not in leaving:
                ready.append(following)
    return ready


def let_go(connection: apsw.Connection, numbers: Sequence[int], in_flight: frozenset[int], now: Millis) -> list[int]:
    """Take deliveries that were cancelled out of their lines, but not while they are in flight or a batch that they are in
    may still be sent; gives those that became ready by it. A batch that is left without anything to send ends."""
    held = cast("list[tuple[int, int]]", read_among(connection, "in_pending_batches", (), numbers))
    in_batches = {number for number, _ in held}
    free = [number for number in numbers if number not in in_flight and number not in in_batches]
    for batch in sorted({batch for _, batch in held}):
        members = {cast("int", number) for (number,) in read(connection, "batch_member_numbers", (batch,))}
        if in_flight.isdisjoint(members) and read_one(connection, "has_pending_member", (batch,)) is None:
            free.extend(end_batch(connection, batch, now))
    return leave_lines(connection, free)


def end_batch(connection: apsw.Connection, batch: int, now: Millis | None) -> list[int]:
    """A pending batch of which nothing is to be sent any more ends (`now` None: when it was due); gives its members, which are
    to leave their lines."""
    if read_one(connection, "end_batch", ("dead", now, batch)) is None:
        return []
    read(connection, "release_batches", (batch,))
    return [cast("int", number) for (number,) in read(connection, "batch_member_numbers", (batch,))]


def followers(connection: apsw.Connection, numbers: Sequence[int], now: Millis, limit: int) -> list[int]:
    """Deliveries that are due and wait for nobody but these and one another: so many of them, in number order. The first few
    of the answer wait for nobody but these and the ones before them."""
    found: list[int] = []
    freed: Counter[int] = Counter()
    heap = list(numbers)
    heapq.heapify(heap)
    while heap and len(found) < limit:
        number = heapq.heappop(heap)
        for place in cast("list[tuple[int, int, int]]", read(connection, "lines_of", (number,))):
            row = read_one(connection, "line_after", (*place, number))
            following = cast("int | None", row[0]) if row else None
            if following is None:
                continue
            freed[following] += 1
            if read_one(connection, "follower", (following, now)) == (freed[following],):
                found.append(following)
                heapq.heappush(heap, following)
    return sorted(found)[:limit]


def together(connection: apsw.Connection, numbers: Sequence[int]) -> list[int]:
    """Those of these deliveries, in number order, that are pending, in no batch, and wait for nobody but one another."""
    free = [cast("int", number) for (number,) in read_among(connection, "free_members", (), numbers)]
    cut = read_among(connection, "line_cut", (), free)
    first = cast("int | None", cut[0][0]) if cut else None
    return [number for number in free if first is None or number < first]


def _head(connection: apsw.Connection, place: tuple[int, int, int]) -> int | None:
    row = read_one(connection, "line_head", place)
    return cast("int | None", row[0]) if row else None
