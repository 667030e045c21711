"""Rows and nouns: one place of conversion."""

from __future__ import annotations

from typing import cast

import msgspec

from tocsin.adapters.sqlite.statements import Row
from tocsin.model.delivery import Delivery
from tocsin.model.event import CloudContext, Event, NewEvent
from tocsin.model.ids import DeliveryId, EventId

encode = msgspec.json.Encoder().encode
_decode_cloud = msgspec.json.Decoder(CloudContext).decode
_decode_keys = msgspec.json.Decoder(tuple[str, ...]).decode

EVENT_COLUMNS = 12
DELIVERY_COLUMNS = 9


def event_row(event: Event) -> Row:
    """In the order of `add_events.sql`."""
    return (
        event.position,
        event.id,
        event.tenant,
        event.type,
        event.subject_type,
        event.subject_id,
        event.verb,
        event.time,
        event.accepted_at,
        encode(event.keys).decode() if event.keys else None,
        encode(event.cloud) if event.cloud is not None else None,
        event.data,
    )


def placed(new: NewEvent, position: int, accepted_at: int) -> Event:
    """A new event at its place in the log."""
    return Event(
        position=position,
        accepted_at=accepted_at,
        id=new.id,
        tenant=new.tenant,
        type=new.type,
        subject_type=new.subject_type,
        subject_id=new.subject_id,
        verb=new.verb,
        time=new.time,
        data=new.data,
        keys=new.keys,
        cloud=new.cloud,
    )


def event_of(row: Row) -> Event:
    """From the columns of `events_after.sql`."""
    position, id_, tenant, type_, subject_type, subject_id, verb, time, accepted_at, keys, cloud, data = cast(
        "tuple[int, str, str, str, str, str, str, int, int, str | None, bytes | None, bytes]", row
    )
    return Event(
        position=position,
        id=EventId(id_),
        tenant=tenant,
        type=type_,
        subject_type=subject_type,
        subject_id=subject_id,
        verb=verb,
        time=time,
        accepted_at=accepted_at,
        keys=_decode_keys(keys) if keys else (),
        cloud=_decode_cloud(cloud) if cloud else None,
        data=data,
    )


def delivery_of(row: Row) -> Delivery:
    """From the columns number, id, tenant, endpoint, lane, created_at, step, attempts, at_once."""
    number, id_, tenant, endpoint, lane, created_at, step, attempts, at_once = cast(
        "tuple[int, str, str, int, int, int, int, int, int]", row
    )
    return Delivery(
        number=number,
        id=DeliveryId(id_),
        tenant=tenant,
        endpoint=endpoint,
        lane=lane,
        created_at=created_at,
        step=step,
        attempts=attempts,
        at_once=at_once,
    )
