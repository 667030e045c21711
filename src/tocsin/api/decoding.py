"""Reads reports and data versions from JSON; each field's rules stand in the structs below.

An array of data versions is read whole or refused whole; in an array of reports, one that cannot be read is its own
problem.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Raw

from tocsin.api.auth import TenantName, checked_tenant
from tocsin.api.text_checks import check_json_bytes, check_text, has_bad_text
from tocsin.errors import InvalidRequest, MalformedJson, TocsinError, TooLarge
from tocsin.model.job import JobError, JobState, Mode, Report, Resource, Signal
from tocsin.model.record import DataVersion
from tocsin.model.submission import DataVersions, Reports
from tocsin.model.times import from_text
from tocsin.operations.pointers import invalid_field

T = TypeVar("T")
W = TypeVar("W", bound="TenantWire")
MAX_ITEMS: Final = 1000

Id = Annotated[str, Meta(min_length=1, max_length=512)]
Text = Annotated[str, Meta(max_length=65536)]


class Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what producers send: an unknown field is refused, null stands for not given."""


class TenantWire(Wire, frozen=True, kw_only=True):
    """Base of what may name its tenant."""

    tenant: TenantName | None = None


class ErrorWire(Wire, frozen=True, kw_only=True):
    """Why a job did not succeed."""

    reason: Annotated[str, Meta(min_length=1, max_length=63)]
    message: Text = ""


class ResourceWire(Wire, frozen=True, kw_only=True):
    """Something a job worked on."""

    kind: Id
    id: Id
    name: Text | None = None


class ReportWire(TenantWire, frozen=True, kw_only=True):
    """A report on a job; exactly one of `state` and `signal`."""

    job_id: Id
    state: JobState | None = None
    signal: Signal | None = None
    job_type: Id | None = None
    mode: Mode | None = None
    name: Text | None = None
    time: str | None = None
    details: Text | None = None
    error: ErrorWire | None = None
    resources: Annotated[tuple[ResourceWire, ...], Meta(max_length=1000)] | None = None
    parent_job_id: Id | None = None
    root_job_id: Id | None = None
    attributes: dict[str, object] | None = None
    labels: dict[str, str] | None = None
    overdue_after_seconds: Annotated[float, Meta(gt=0, le=10**9)] | None = None
    restart: bool = False


class DataVersionWire(TenantWire, frozen=True, kw_only=True):
    """A published version of a data category."""

    data_category_id: Id
    data_version: Id
    time: str | None = None


_decode_items: Final = msgspec.json.Decoder(list[Raw]).decode
_decode_report: Final = msgspec.json.Decoder(ReportWire).decode
_decode_data_version: Final = msgspec.json.Decoder(DataVersionWire).decode
_decode_reports: Final = msgspec.json.Decoder(list[ReportWire]).decode


def decode_reports(body: bytes) -> tuple[str | None, Reports]:
    """One report, or an array. Gives the tenant that they name."""
    check_json_bytes(body)
    if not is_array(body):
        check_text(body)
        report = decoded(_decode_report, body)
        return _tenant(report.tenant), Reports(items=(_report(report),), single=True)
    raws = items_of(body)
    wires = _whole_array(body)
    read = wires if wires is not None else [_on_its_own(raw) for raw in raws]
    tenant = common_tenant([None if isinstance(item, TocsinError) else item.tenant for item in read])
    return tenant, Reports(items=tuple(_judged(item) for item in read), single=False)


def decode_data_versions(body: bytes) -> tuple[str | None, DataVersions]:
    """One data version, or an array. Gives the tenant that they name."""
    tenant, items, single = all_or_nothing(body, _decode_data_version, _data_version)
    return tenant, DataVersions(items=items, single=single)


def is_array(body: bytes) -> bool:
    """Whether a JSON text is an array, judged by its first character."""
    return body[:1] == b"[" or body[:64].lstrip(b" \t\r\n")[:1] == b"["


def items_of(body: bytes) -> list[Raw]:
    """The items of an array, not decoded. Raises TooLarge, InvalidRequest when there is none."""
    raws = decoded(_decode_items, body)
    if len(raws) > MAX_ITEMS:
        raise TooLarge(f"An array may have {MAX_ITEMS} items; this one has {len(raws)}.")
    if not raws:
        raise InvalidRequest.at("", "The array is empty.")
    return raws


def decoded(decode: Callable[[bytes | Raw], T], body: bytes | Raw, prefix: str = "") -> T:
    """What a typed decoder makes of the body. Raises MalformedJson, InvalidRequest with pointers below `prefix`."""
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise invalid_field(error, prefix) from error
    except msgspec.DecodeError as error:
        raise MalformedJson(str(error)) from error
    except RecursionError as error:
        raise MalformedJson("The body is nested too deeply and never closed.") from error


def common_tenant(named: Sequence[str | None]) -> str | None:
    """The tenant of an array, whose items must not name different ones. Raises InvalidRequest."""
    tenant: str | None = None
    for index, name in enumerate(named):
        if name is not None and tenant is None:
            tenant = checked_tenant(name, f"/{index}/tenant")
        elif name is not None and name != tenant:
            raise InvalidRequest.at(f"/{index}/tenant", "All items of an array must name the same tenant, or none.")
    return tenant


def millis(text: str | None, pointer: str = "/time") -> int | None:
    """A producer's time. Raises InvalidRequest at `pointer`."""
    if text is None:
        return None
    try:
        return from_text(text)
    except ValueError as error:
        raise InvalidRequest.at(pointer, f"Not a time: {error}.") from error


def all_or_nothing(
    body: bytes, decode: Callable[[bytes | Raw], W], make: Callable[[W], T]
) -> tuple[str | None, tuple[T, ...], bool]:
    """One item or an array of them, read by `decode` and turned into a noun by `make`; with the tenant that they name, and
    whether it was a single one. Raises MalformedJson, InvalidRequest, TooLarge."""
    check_json_bytes(body)
    check_text(body)
    if not is_array(body):
        wire = decoded(decode, body)
        return _tenant(wire.tenant), (make(wire),), True
    wires = [decoded(decode, raw, f"/{index}") for index, raw in enumerate(items_of(body))]
    items: list[T] = []
    for index, wire in enumerate(wires):
        try:
            items.append(make(wire))
        except TocsinError as problem:
            raise problem.under(f"/{index}") from problem
    return common_tenant([wire.tenant for wire in wires]), tuple(items), False


def _tenant(name: str | None) -> str | None:
    return None if name is None else checked_tenant(name, "/tenant")


def _whole_array(body: bytes) -> list[ReportWire] | None:
    """All reports at once, which is faster than one by one; None when one of them cannot be read."""
    if has_bad_text(body):
        return None
    try:
        return _decode_reports(body)
    except msgspec.DecodeError:
        return None


def _on_its_own(raw: Raw) -> ReportWire | TocsinError:
    try:
        check_text(bytes(raw))
        return decoded(_decode_report, raw)
    except TocsinError as problem:
        return problem


def _judged(item: ReportWire | TocsinError) -> Report | TocsinError:
    if isinstance(item, TocsinError):
        return item
    try:
        return _report(item)
    except TocsinError as problem:
        return problem


def _report(wire: ReportWire) -> Report:
    return Report(
        job_id=wire.job_id,
        state=wire.state,
        signal=wire.signal,
        job_type=wire.job_type,
        mode=wire.mode,
        name=wire.name,
        time=millis(wire.time),
        details=wire.details,
        error=None if wire.error is None else JobError(reason=wire.error.reason, message=wire.error.message),
        resources=None
        if wire.resources is None
        else tuple(Resource(kind=item.kind, id=item.id, name=item.name) for item in wire.resources),
        parent_job_id=wire.parent_job_id,
        root_job_id=wire.root_job_id,
        attributes=wire.attributes,
        labels=wire.labels,
        overdue_after_seconds=wire.overdue_after_seconds,
        restart=wire.restart,
    )


def _data_version(wire: DataVersionWire) -> DataVersion:
    return DataVersion(data_category_id=wire.data_category_id, data_version=wire.data_version, time=millis(wire.time))
