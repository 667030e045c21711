"""Reads record changes from JSON. Record data is not decoded for keeping: it stays the bytes that came."""

from __future__ import annotations

from hashlib import blake2b
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from tocsin.api.decoding import Id, TenantWire, Wire, all_or_nothing, millis
from tocsin.errors import InvalidRequest
from tocsin.model.record import Action, Change
from tocsin.model.submission import Changes

OTHER_RECORD: Final = {Action.MERGE: "retired", Action.UNMERGE: "resurrected"}
"""The member that names the second record of an action; other actions have none."""

VersionId = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class RecordWire(Wire, frozen=True, kw_only=True):
    """A golden record; `data` is an object."""

    id: Id
    data: Raw | UnsetType = UNSET


class RetiredWire(Wire, frozen=True, kw_only=True):
    """The record that a merge retires."""

    id: Id


class ChangeWire(TenantWire, frozen=True, kw_only=True):
    """One logical action on golden records."""

    action: Action
    record: RecordWire
    table: Id = "default"
    retired: RetiredWire | None = None
    resurrected: RecordWire | None = None
    version_id: VersionId | None = None
    time: str | None = None


_decode_change: Final = msgspec.json.Decoder(ChangeWire).decode
_decode_any: Final = msgspec.json.Decoder().decode
_encode_sorted: Final = msgspec.json.Encoder(order="sorted").encode


def decode_changes(body: bytes) -> tuple[str | None, Changes]:
    """One change, or an array. Gives the tenant that they name."""
    tenant, items, single = all_or_nothing(body, _decode_change, _change)
    return tenant, Changes(items=items, single=single)


def _change(wire: ChangeWire) -> Change:
    if "/" in wire.table:
        raise InvalidRequest.at("/table", "A table's name must not contain a slash.")
    _check_other_record(wire)
    data, canonical = _record_data(wire.record, "/record/data", is_needed=wire.action is not Action.DELETE)
    other_data, other_canonical = b"{}", b"{}"
    if wire.resurrected is not None:
        other_data, other_canonical = _record_data(wire.resurrected, "/resurrected/data", is_needed=True)
    other = wire.retired or wire.resurrected
    names = _encode_sorted((wire.action, wire.table, wire.record.id, other.id if other else None))
    return Change(
        action=wire.action,
        table=wire.table,
        record_id=wire.record.id,
        data=data,
        retired_id=wire.retired.id if wire.retired else None,
        resurrected_id=wire.resurrected.id if wire.resurrected else None,
        resurrected_data=other_data,
        version_id=wire.version_id,
        time=millis(wire.time),
        content_hash=blake2b(b"\0".join((names, canonical, other_canonical)), digest_size=16).digest(),
    )


def _check_other_record(wire: ChangeWire) -> None:
    needed = OTHER_RECORD.get(wire.action)
    for name, other in (("retired", wire.retired), ("resurrected", wire.resurrected)):
        if name == needed:
            if other is None:
                raise InvalidRequest.at(f"/{name}", f"The action {wire.action.value} needs this record.")
            if other.id == wire.record.id:
                raise InvalidRequest.at(f"/{name}/id", "It must be another record than the one that stays.")
        elif other is not None:
            raise InvalidRequest.at(f"/{name}", f"The action {wire.action.value} does not have this record.")


def _record_data(record: RecordWire, pointer: str, *, is_needed: bool) -> tuple[bytes, bytes]:
    """The data as received, and in canonical form (sorted keys), by which equal content is recognised."""
    data = b"" if isinstance(record.data, UnsetType) else bytes(record.data)
    if not is_needed:
        if data.translate(None, b" \t\r\n") not in {b"", b"{}", b"null"}:
            raise InvalidRequest.at(pointer, "The action delete does not carry data.")
        return b"{}", b"{}"
    if not data:
        raise InvalidRequest.at(pointer, "The record's data is needed.")
    if data[:1] != b"{":
        raise InvalidRequest.at(pointer, "The record's data must be an object.")
    try:
        return data, _encode_sorted(_decode_any(data))
    except msgspec.DecodeError as error:
        raise InvalidRequest.at(pointer, f"The data holds a value that cannot be kept: {error}") from error
