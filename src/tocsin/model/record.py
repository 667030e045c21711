"""Golden records: what a producer sends about them, and the data of the events that follow."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from tocsin.model.noun import Noun


class Action(StrEnum):
    """The logical action on golden records."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    MERGE = "merge"
    UNMERGE = "unmerge"
    ENRICH = "enrich"


ChangeType = Literal["CREATE", "UPDATE", "DELETE"]


class Change(Noun, frozen=True, kw_only=True):
    """One logical action. `data` and `resurrected_data` are JSON objects as received, byte for byte."""

    action: Action
    table: str
    record_id: str
    data: bytes
    retired_id: str | None = None
    resurrected_id: str | None = None
    resurrected_data: bytes = b"{}"
    version_id: int | None = None
    time: int | None = None
    content_hash: bytes


class RecordData(Noun, frozen=True, kw_only=True):
    """The data of every record event, in this key order."""

    table: str
    record_id: str
    version_id: int
    change_type: ChangeType
    record_number: int
    action: Action
    new_data: msgspec.Raw


decode_record = msgspec.json.Decoder(RecordData).decode


class DataVersion(Noun, frozen=True, kw_only=True):
    """A published version of a data category; the data of `data_version.published`, save for `time`."""

    data_category_id: str
    data_version: str
    time: int | None = None


class DataVersionData(Noun, frozen=True, kw_only=True):
    """The data of a `data_version.published` event."""

    data_category_id: str
    data_version: str


decode_data_version = msgspec.json.Decoder(DataVersionData).decode
