"""The events of one logical action on golden records: a table, and the parts it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from tocsin.model.event import NewEvent
from tocsin.model.ids import EventId, Millis
from tocsin.model.record import Action, Change, ChangeType, RecordData

Role = Literal["record", "retired", "resurrected"]


class Part(NamedTuple):
    """One event of an action; its place in the row is its record number. `role` says which record it is about."""

    verb: str
    change_type: ChangeType
    role: Role
    has_data: bool


EXPANSION: Final[Mapping[Action, tuple[Part, ...]]] = {
    Action.CREATE: (Part("created", "CREATE", "record", has_data=True),),
    Action.UPDATE: (Part("updated", "UPDATE", "record", has_data=True),),
    Action.ENRICH: (Part("updated", "UPDATE", "record", has_data=True),),
    Action.DELETE: (Part("deleted", "DELETE", "record", has_data=False),),
    Action.MERGE: (
        Part("updated", "UPDATE", "record", has_data=True),
        Part("deleted", "DELETE", "retired", has_data=False),
    ),
    Action.UNMERGE: (
        Part("updated", "UPDATE", "record", has_data=True),
        Part("created", "CREATE", "resurrected", has_data=True),
    ),
}

_NOTHING: Final = msgspec.Raw(b"{}")
_encode = msgspec.json.Encoder().encode


def missing_role(change: Change) -> Role | None:
    """The record that the action speaks of and the change does not name."""
    return next((part.role for part in EXPANSION[change.action] if _id_of(change, part.role) is None), None)


def expand(
    change: Change, version_id: int, tenant: str, received_at: Millis, mint_event: Callable[[], EventId]
) -> tuple[NewEvent, ...]:
    """The events of a change, side by side in record-number order. Each of several carries the order keys of all."""
    parts = EXPANSION[change.action]
    subjects = tuple(f"{change.table}/{_id_of(change, part.role)}" for part in parts)
    keys = tuple(f"record\0{subject}" for subject in subjects) if len(subjects) > 1 else ()
    return tuple(
        NewEvent(
            id=mint_event(),
            tenant=tenant,
            type="record." + part.verb,
            subject_type="record",
            subject_id=subject,
            verb=part.verb,
            time=received_at if change.time is None else change.time,
            data=_encode(
                RecordData(
                    table=change.table,
                    record_id=_id_of(change, part.role) or "",
                    version_id=version_id,
                    change_type=part.change_type,
                    record_number=number,
                    action=change.action,
                    new_data=_data_of(change, part),
                )
            ),
            keys=keys,
        )
        for number, (part, subject) in enumerate(zip(parts, subjects, strict=True))
    )


def _id_of(change: Change, role: Role) -> str | None:
    match role:
        case "record":
            return change.record_id
        case "retired":
            return change.retired_id
        case "resurrected":
            return change.resurrected_id


def _data_of(change: Change, part: Part) -> msgspec.Raw:
    if not part.has_data:
        return _NOTHING
    return msgspec.Raw(change.resurrected_data if part.role == "resurrected" else change.data)
