"""Rows and nouns: one place of conversion, for every store."""

from __future__ import annotations

from typing import cast

import msgspec

from tocsin.adapters.storing.values import Row
from tocsin.model.access import ApiKey, Role
from tocsin.model.attempt import Attempt, Settlement
from tocsin.model.audit import Actor, AuditEntry
from tocsin.model.batch import Batch
from tocsin.model.delivery import TRANSITIONS, Claim, Delivery, DeliveryState
from tocsin.model.erasure import Erasure, ErasureState, Progress, Subject, SubjectDelivery, SubjectEvent
from tocsin.model.event import CloudContext, Event, NewEvent
from tocsin.model.filter import Filter
from tocsin.model.ids import BatchId, DeliveryId, EndpointId, ErasureId, EventId, KeyId
from tocsin.model.job import JobRow
from tocsin.model.notice import NAMED, GivenUp, Notice
from tocsin.model.replay import Replay
from tocsin.ports import JobView, StoredEndpoint

encode = msgspec.json.Encoder().encode
_decode_cloud = msgspec.json.Decoder(CloudContext).decode
_decode_attempt = msgspec.json.Decoder(Attempt).decode
decode_job_row = msgspec.json.Decoder(JobRow).decode
decode_keys = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_filters = msgspec.json.Decoder(tuple[Filter, ...]).decode
_decode_reasons = msgspec.json.Decoder(dict[str, int]).decode
_decode_ids = msgspec.json.Decoder(list[list[str]]).decode
_decode_progress = msgspec.json.Decoder(Progress).decode


class _Version(msgspec.Struct):
    """What of a record's data is needed to find its version."""

    version_id: int


_decode_version = msgspec.json.Decoder(_Version).decode

ATTEMPT_BITS = 20
"""An attempt's place is `delivery number << 20 | attempt number`; so it is for batches."""
LAST_ATTEMPT = (1 << ATTEMPT_BITS) - 1
EVENT_COLUMNS = 12
DELIVERY_COLUMNS = 10


def event_row(event: Event) -> Row:
    """In the order of `add_events.sql` where positions are known before."""
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


def new_event_row(new: NewEvent) -> Row:
    """In the order of `add_events.sql` where the store gives positions."""
    return (
        new.id,
        new.tenant,
        new.type,
        new.subject_type,
        new.subject_id,
        new.verb,
        new.time,
        encode(new.keys).decode() if new.keys else None,
        encode(new.cloud) if new.cloud is not None else None,
        new.data,
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
        keys=decode_keys(keys) if keys else (),
        cloud=_decode_cloud(cloud) if cloud else None,
        data=data,
    )


def delivery_of(row: Row) -> Delivery:
    """From the columns number, id, tenant, endpoint, lane, created_at, step, attempts, at_once, accepted_at."""
    number, id_, tenant, endpoint, lane, created_at, step, attempts, at_once, accepted_at = cast(
        "tuple[int, str, str, int, int, int, int, int, int, int | None]", row
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
        accepted_at=accepted_at,
    )


def endpoint_of(row: Row, *, is_deleted: bool = False) -> StoredEndpoint:
    """From the columns of `endpoints.sql`."""
    number, id_, tenant, revision, active_from, created_at, config = cast(
        "tuple[int, str, str, int, int, int, bytes]", row
    )
    return StoredEndpoint(
        number=number,
        id=EndpointId(id_),
        tenant=tenant,
        revision=revision,
        active_from=active_from,
        created_at=created_at,
        config=config,
        is_deleted=is_deleted,
    )


def key_of(row: Row) -> ApiKey:
    """From the columns of `keys.sql`."""
    _, id_, name, role, tenant, hash_, created_at, expires_at, last_used_at = cast(
        "tuple[int, str, str, str, str | None, bytes, int, int | None, int | None]", row
    )
    return ApiKey(
        id=KeyId(id_),
        name=name,
        role=Role(role),
        tenant=tenant,
        hash=hash_,
        created_at=created_at,
        expires_at=expires_at,
        last_used_at=last_used_at,
    )


def job_view_of(row: Row) -> JobView:
    """From the columns of `jobs.sql`."""
    number, tenant, created_at, updated_at, snapshot = cast("tuple[int, str, int, int, bytes]", row)
    return JobView(
        number=number, tenant=tenant, row=decode_job_row(snapshot), created_at=created_at, updated_at=updated_at
    )


def attempt_of(detail: bytes, body: bytes) -> Attempt:
    """From a row of `attempts.sql`, with the body of this or an earlier attempt."""
    return msgspec.structs.replace(_decode_attempt(detail), request_body=body)


def stripped(detail: bytes) -> bytes | None:
    """An attempt's detail without what was answered, marked so; None when it was marked before."""
    attempt = _decode_attempt(detail)
    if attempt.bodies_removed:
        return None
    response = attempt.response and msgspec.structs.replace(attempt.response, body=b"")
    return encode(msgspec.structs.replace(attempt, response=response, bodies_removed=True))


def replay_of(row: Row) -> Replay:
    """From the columns of `replays.sql`."""
    fields: dict[str, object] = dict(zip(Replay.__struct_fields__, row, strict=True))
    fields["filters"] = _decode_filters(cast("bytes", fields["filters"]))
    fields["new_webhook_ids"] = bool(fields["new_webhook_ids"])
    return msgspec.convert(fields, Replay)


def erasure_of(row: Row) -> Erasure:
    """From the columns of `erasures.sql`."""
    number, id_, tenant, subject_type, subject_id, state, reason, last, progress, created_at, finished_at = cast(
        "tuple[int, str, str, str, str, str, str | None, int, bytes, int, int | None]", row
    )
    return Erasure(
        number=number,
        id=ErasureId(id_),
        subject=Subject(tenant=tenant, type=subject_type, id=subject_id),
        state=ErasureState(state),
        reason=reason,
        last=last,
        progress=_decode_progress(progress),
        created_at=created_at,
        finished_at=finished_at,
    )


def subject_event_of(row: Row) -> SubjectEvent:
    """From the columns of `subject_events.sql`."""
    position, keys, size, record = cast("tuple[int, str | None, int, bytes | None]", row)
    return SubjectEvent(
        position=position,
        keys=decode_keys(keys) if keys else (),
        size=size,
        version_id=None if record is None else _decode_version(record).version_id,
    )


def subject_delivery_of(row: Row) -> SubjectDelivery:
    """From the columns of `deliveries_of_events.sql`."""
    position, number, endpoint, is_pending, batch = cast("tuple[int, int, int, int, int | None]", row)
    return SubjectDelivery(
        position=position, number=number, endpoint=endpoint, is_pending=bool(is_pending), batch=batch
    )


def entry_row(entry: AuditEntry) -> Row:
    """In the order of `add_audit_entry.sql`."""
    actor = entry.actor
    return (
        entry.id, entry.at, entry.tenant, actor.key_id, actor.key_name, actor.role, entry.action, entry.target, entry.before,
        entry.after,
    )  # fmt: skip


def entry_of(row: Row) -> AuditEntry:
    """From the columns of `audit.sql` behind the number."""
    id_, at, tenant, key_id, key_name, role, action, target, before, after = row
    fields = {"id": id_, "at": at, "tenant": tenant, "action": action, "target": target}
    actor = Actor(
        key_id=cast("str | None", key_id),
        key_name=cast("str | None", key_name),
        role=None if role is None else Role(cast("str", role)),
    )
    return msgspec.convert(fields | {"actor": actor, "before": before, "after": after}, AuditEntry)


def notice_row(notice: Notice) -> Row:
    """In the order of `add_notice.sql`."""
    return (notice.tenant, notice.type, notice.about, notice.time, notice.data, notice.once)


def notice_of(row: Row) -> Notice:
    """From the columns of `notices.sql` behind the number."""
    return msgspec.convert(dict(zip(Notice.__struct_fields__, row, strict=True)), Notice)


def given_up_of(row: Row) -> GivenUp:
    """From the columns of `given_up.sql`."""
    endpoint, endpoint_id, tenant, minute, count, reasons, ids = cast("tuple[int, str, str, int, int, str, str]", row)
    return GivenUp(
        endpoint=endpoint,
        endpoint_id=EndpointId(endpoint_id),
        tenant=tenant,
        minute=minute,
        count=count,
        reasons=_decode_reasons(reasons),
        delivery_ids=[one for some in _decode_ids(ids) for one in some][:NAMED],
    )


def batch_of(row: Row) -> Batch:
    """From the columns of `due_batches.sql`."""
    number, id_, tenant, endpoint, lane, step, at_once, attempts, created_at = cast(
        "tuple[int, str, str, int, int, int, int, int, int]", row
    )
    return Batch(
        number=number,
        id=BatchId(id_),
        tenant=tenant,
        endpoint=endpoint,
        lane=lane,
        step=step,
        at_once=at_once,
        attempts=attempts,
        created_at=created_at,
    )


def settle_row(settlement: Settlement) -> Row:
    """In the order of `settle.sql`."""
    return (
        settlement.delivery,
        TRANSITIONS[DeliveryState.PENDING, settlement.step_taken],
        settlement.reason,
        settlement.due_at,
        settlement.schedule_step,
        settlement.at_once,
        settlement.attempt.number,
        settlement.settled_at,
    )


def claim_of(row: Row) -> Claim:
    """From the columns of a delivery and its event."""
    return Claim(delivery=delivery_of(row[:DELIVERY_COLUMNS]), event=event_of(row[DELIVERY_COLUMNS:]))


def place_of(settlement: Settlement) -> int:
    """Where its attempt stands."""
    return (settlement.delivery << ATTEMPT_BITS) + min(settlement.attempt.number, LAST_ATTEMPT)


def attempt_row(settlement: Settlement, last_body: bytes | None) -> Row:
    """In the order of `add_attempts.sql`. The body is left out where it is the last one again."""
    attempt = settlement.attempt
    body = None if attempt.request_body == last_body else attempt.request_body
    return (place_of(settlement), encode(msgspec.structs.replace(attempt, request_body=b"")), body)
