"""Fan-out: events after the cursor become deliveries, one for each endpoint that wants the event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tocsin.formats import Expressing
from tocsin.model.delivery import NewDelivery
from tocsin.model.event import order_keys
from tocsin.model.event_view import EventView
from tocsin.model.ids import IdMint, Millis
from tocsin.model.noun import Noun
from tocsin.ports import Cursor
from tocsin.rules.interests import Interests
from tocsin.telemetry import log

CHUNK: Final = 512
"""Deliveries in one transaction, at most."""
_FURTHER_CHUNK: Final = 128
"""The same once an event is known to be for very many: accepts and those who are sent to wait for one chunk after the other."""


class Fan(Noun, frozen=True, kw_only=True):
    """Deliveries to insert, the view of the event each is for, and the cursor after them."""

    deliveries: tuple[NewDelivery, ...]
    views: tuple[EventView, ...]
    cursor: Cursor


def fan_out(
    cursor: Cursor,
    views: Sequence[EventView],
    interests: Interests,
    renderers: Mapping[int, Expressing],
    mint: IdMint,
    now: Millis,
) -> Fan:
    """The next chunk of deliveries for the events right after the cursor. `renderers` by endpoint number."""
    deliveries: list[NewDelivery] = []
    chosen: list[EventView] = []
    done = cursor
    chunk = _FURTHER_CHUNK if cursor.endpoint else CHUNK
    for view in views:
        event = view.event
        keys: tuple[str, ...] | None = None
        room = chunk - len(deliveries)
        wanting = interests.matching(view, done.endpoint, room + 1)
        for endpoint in wanting[:room]:
            if not _expresses(renderers[endpoint.number], view):
                continue
            is_ordered = endpoint.config.ordering == "subject"
            if is_ordered and keys is None:
                keys = order_keys(event)
            deliveries.append(
                NewDelivery(
                    id=mint.delivery(now),
                    tenant=event.tenant,
                    endpoint=endpoint.number,
                    position=event.position,
                    created_at=now,
                    keys=keys or () if is_ordered else (),
                )
            )
            chosen.append(view)
        if len(wanting) > room:
            if room:
                done = Cursor(position=done.position, endpoint=wanting[room - 1].number)
            return Fan(deliveries=tuple(deliveries), views=tuple(chosen), cursor=done)
        view.where_context = None
        done = Cursor(position=event.position)
    return Fan(deliveries=tuple(deliveries), views=tuple(chosen), cursor=done)


def _expresses(renderer: Expressing, view: EventView) -> bool:
    try:
        return renderer.expresses(view)
    except Exception as error:  # noqa: BLE001  # the delivery is made, and ends visibly when it cannot be prepared either
        log.error("fanout.format_fault", event_id=view.event.id, exc_info=error)
        return True
