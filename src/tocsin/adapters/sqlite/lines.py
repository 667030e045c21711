"""Order: the lines of an ordered endpoint.

Each (endpoint, lane, key) has a line of deliveries in number order. A delivery is ready when it heads all its lines; its
row counts those it does not head. Leaving a line makes the next one its head, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import cast

import apsw

from tocsin.adapters.sqlite.statements import read, read_among, read_one, write, write_rows
from tocsin.model.delivery import NewDelivery


def key_hash(tenant: str, key: str) -> int:
    """64 bits of a key. A collision only makes a delivery wait for a stranger."""
    return int.from_bytes(blake2b(f"{tenant}\0{key}".encode(), digest_size=8).digest(), "big", signed=True)


def join_lines(connection: apsw.Connection, new: NewDelivery, number: int) -> int:
    """Put a delivery at the end of its lines; gives how many of them it does not head."""
    keys = sorted({key_hash(new.tenant, key) for key in new.keys})
    places = [(new.endpoint, new.lane, key) for key in keys]
    blocked = sum(_head(connection, place) is not None for place in places)
    write_rows(connection, "add_lines", [(*place, number) for place in places])
    return blocked


def leave_lines(connection: apsw.Connection, numbers: Sequence[int]) -> list[int]:
    """Take deliveries out of their lines; gives those that became ready by it."""
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


def _head(connection: apsw.Connection, place: tuple[int, int, int]) -> int | None:
    row = read_one(connection, "line_head", place)
    return cast("int | None", row[0]) if row else None
