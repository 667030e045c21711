"""Fronts of fan-out: partitions whose fan-out stands at the same place of the log go on together, so that the log is read once for all
of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from tocsin.ports import Cursor, Move

_START: Final = Cursor(position=0)


class Front:
    """Partitions that have read as far as `cursor`. When that is in the midst of an event, it is one of partition `midst`. It
    `is_behind` when there may be more to read."""

    __slots__ = ("cursor", "is_behind", "midst", "partitions")

    def __init__(self, cursor: Cursor, partition: int) -> None:
        self.cursor = cursor
        self.partitions = {partition}
        self.midst = partition if cursor.endpoint else None
        self.is_behind = True


class Fronts:
    """All fronts of this process, and where each partition's cursor stands in the store: there, or before it with nothing between."""

    __slots__ = ("_fronts", "stored")

    def __init__(self) -> None:
        self._fronts: list[Front] = []
        self.stored: dict[int, Cursor] = {}

    def __iter__(self) -> Iterator[Front]:
        """As they are now, whatever becomes of them meanwhile."""
        return iter(tuple(self._fronts))

    def __contains__(self, front: Front) -> bool:
        return front in self._fronts

    @property
    def are_many(self) -> bool:
        return len(self._fronts) > 1

    def put(self, cursors: Mapping[int, Cursor]) -> None:
        """The fan-out of these partitions goes on from here. They join no other front yet: what is being read or written for that one is
        not for these, and would take them past their events."""
        self.remove(cursors.keys())
        others, self._fronts = self._fronts, []
        for partition, cursor in cursors.items():
            self.stored[partition] = cursor
            self._fronts.append(Front(cursor, partition))
        self.merge()
        self._fronts = others + self._fronts

    def remove(self, partitions: Collection[int]) -> None:
        """These are gone."""
        for partition in partitions:
            self.stored.pop(partition, None)
        for front in self:
            front.partitions.difference_update(partitions)
            if front.midst in partitions:
                front.midst, front.cursor = None, Cursor(position=front.cursor.position)
        self._fronts = [front for front in self._fronts if front.partitions]

    def news(self) -> None:
        """There may be more for all of them."""
        for front in self._fronts:
            front.is_behind = True

    def ahead_of(self, front: Front) -> int | None:
        """The place of the nearest front ahead, where this one is to join it; None: there is none."""
        here = front.cursor.position
        return min((other.cursor.position for other in self._fronts if other.cursor.position > here), default=None)

    def merge(self) -> None:
        """Those at the same place, in the midst of no event, become one. Not while one of them is being read or written for."""
        at: dict[int, Front] = {}
        for front in self:
            if front.midst is not None:
                continue
            first = at.setdefault(front.cursor.position, front)
            if first is not front:
                first.partitions |= front.partitions
                first.is_behind |= front.is_behind
                self._fronts.remove(front)

    def move(self, front: Front, partition: int) -> Move:
        """What brings the stored cursor of a partition to where its front is."""
        new = front.cursor if partition == front.midst else Cursor(position=front.cursor.position)
        return Move(partition=partition, old=self.stored[partition], new=new)

    @staticmethod
    def advance(front: Front, cursor: Cursor, midst: int | None) -> None:
        """What is behind the front up to here has its deliveries. When the partition of the event that it is in the midst of is gone
        meanwhile, the next event is another one's, and is not begun."""
        front.midst = midst if midst in front.partitions else None
        front.cursor = cursor if front.midst is not None else Cursor(position=cursor.position)

    def lagging(self, partitions: Collection[int] | None = None) -> list[Move]:
        """What brings the stored cursors of these (None: of all) to where they are."""
        moves = [
            self.move(front, partition)
            for front in self._fronts
            for partition in front.partitions
            if partitions is None or partition in partitions
        ]
        return [move for move in moves if move.new != move.old]

    def written(self, moves: Collection[Move]) -> None:
        """The store has them; of a partition that is gone meanwhile nothing is kept."""
        for move in moves:
            if move.partition in self.stored:
                self.stored[move.partition] = move.new

    def position(self, partition: int | None = None) -> int:
        """How far a partition has come (None: the last of them), 0 when it is not held."""
        return min(
            (front.cursor.position for front in self._fronts if partition is None or partition in front.partitions),
            default=_START.position,
        )
