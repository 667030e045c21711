"""Fan-out of events within the transaction that accepts them: one COMMIT for both, and an event is sent as soon as it is accepted.

Only where the cursor stands right before these events, and the loop of fan-out leaves it alone meanwhile; else that goes on from the cursor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tocsin.model.event import Event
from tocsin.model.event_view import EventView
from tocsin.pipeline.fanout import CHUNK, Fan
from tocsin.ports import Cursor, Fanned, Fanning, Holder, Move
from tocsin.telemetry import log

EVENTS: Final = CHUNK
"""Events matched within one transaction, at most: those that are left, and as many new ones."""
PARTITION: Final = 0
"""There is one: where there are more, whoever accepts need not be who fans out."""


class Within:
    """`ports.FanWithin` for one commit group: from the cursor over what is `left` before it; if that is all up to the `head` of the log,
    over the new events too. `tell` hears when the accept is over. `fan_out` gives the revision of the directory that the fan is made by as well."""

    __slots__ = ("_cursor", "_fan_out", "_head", "_holder", "_left", "_tell", "fan", "fanned", "move")

    def __init__(
        self,
        cursor: Cursor,
        left: Sequence[EventView],
        head: int,
        holder: Holder,
        fan_out: Callable[[Cursor, Sequence[EventView]], tuple[Fan, int]],
        tell: Callable[[Within], None],
    ) -> None:
        self._cursor = cursor
        self._left = left
        self._head = head
        self._holder = holder
        self._fan_out = fan_out
        self._tell = tell
        self.fan: Fan | None = None
        self.move: Move | None = None
        self.fanned: Sequence[Fanned] | None = None

    def plan(self, events: Sequence[Event]) -> Fanning | None:
        """In the writer's thread."""
        views = list(self._left)
        end = views[-1].event.position if views else self._cursor.position
        if end >= self._head and events[0].position == end + 1:
            views += [EventView(event) for event in events[:EVENTS]]
        if not views:
            return None
        try:
            fan, revision = self._fan_out(self._cursor, views)
        except Exception as error:  # noqa: BLE001  # it is tried again in the event loop: nobody's accept fails for it
            log.warning("fanout.within", exc_info=error)
            return None
        self.fan = fan
        self.move = Move(partition=PARTITION, old=self._cursor, new=fan.cursor)
        return Fanning(holder=self._holder, moves=(self.move,), deliveries=fan.deliveries, directory_revision=revision)

    def written(self, fanned: Sequence[Fanned]) -> None:
        self.fanned = fanned

    def covers(self, position: int) -> bool:
        """Whether every event up to here has its deliveries."""
        return self.fanned is not None and self.fan is not None and self.fan.cursor.position >= position

    def over(self) -> None:
        self._tell(self)
