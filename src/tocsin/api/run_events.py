"""Reads OpenLineage events from JSON: what they say of a run becomes a report on a job, whatever else they say is left out.

Nothing of what is left out can refuse an event: its clients do not send again what was refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from tocsin.api.decoding import decoded, is_array, items_of
from tocsin.api.run_event_shapes import (
    ErrorFacet,
    EventKind,
    EventType,
    JobFacets,
    JobTypeFacet,
    NewerRunEvent,
    NominalTimeFacet,
    OpenLineageRunEvent,
    ParentFacet,
    Root,
    RunFacets,
    TagsFacet,
)
from tocsin.api.text_checks import has_bad_text, is_bad_text
from tocsin.errors import InvalidRequest, MalformedJson, TocsinError
from tocsin.model.job import JobError, JobState, Mode, Report, Resource, Signal
from tocsin.model.submission import RunEvent, RunEvents
from tocsin.model.times import from_text

STATES: Final[dict[EventType, JobState]] = {
    "START": JobState.RUNNING,
    "RUNNING": JobState.RUNNING,
    "COMPLETE": JobState.SUCCEEDED,
    "FAIL": JobState.FAILED,
    "ABORT": JobState.STOPPED,
}
CONTINUOUS: Final = frozenset({"STREAMING", "SERVICE"})
"""The processing types of jobs that have no end of their own (JobTypeJobFacet 2-0-4)."""
KNOWN_VERSION: Final = (2, 0, 2)
MOST_TEXT: Final = 65536
CLIENT_TAG: Final = "openlineage_client_version"
"""What the client library adds to each run."""
_VERSION: Final = re.compile(r"/(\d{1,6})-(\d{1,6})-(\d{1,6})/OpenLineage\.json")

_decode_event: Final = msgspec.json.Decoder(OpenLineageRunEvent).decode
_decode_newer: Final = msgspec.json.Decoder(NewerRunEvent).decode
_decode_kind: Final = msgspec.json.Decoder(EventKind).decode


def decode_run_events(body: bytes, *, is_batch: bool) -> RunEvents:
    """One event, or an array in which each stands alone; a batch must be an array. Raises MalformedJson, InvalidRequest,
    TooLarge."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise MalformedJson(f"The body is not UTF-8 (byte {error.start}).") from error
    if is_array(body):
        return RunEvents(items=tuple(_on_its_own(raw) for raw in items_of(body)), single=False, is_batch=is_batch)
    if is_batch:
        decoded(_decode_kind, body)
        raise InvalidRequest.at("", "A batch is an array of events.")
    return RunEvents(items=(_event(body),), single=True)


def _on_its_own(raw: Raw) -> RunEvent | TocsinError | None:
    try:
        return _event(bytes(raw))
    except TocsinError as problem:
        return problem


def _event(body: bytes) -> RunEvent | None:
    """What a single event says; None when it is not about a run."""
    try:
        wire: NewerRunEvent = _decode_event(body)
    except (msgspec.DecodeError, RecursionError):
        kind = decoded(_decode_kind, body)
        if _is_about_no_run(kind):
            return None
        wire = decoded(_decode_newer if _is_newer(kind.schema_url) else _decode_event, body)
    event = _run_event(wire)
    if has_bad_text(body):
        _check_texts(wire, event.report)
    return event


def _is_about_no_run(kind: EventKind) -> bool:
    """Whether it is an event about a job or a dataset as such, which have no runs."""
    if kind.run is not UNSET or kind.event_type is not UNSET:
        return False
    return any(isinstance(part, Raw) and bytes(part)[:1] == b"{" for part in (kind.job, kind.dataset))


def _is_newer(schema_url: str | UnsetType | None) -> bool:
    version = _VERSION.search(schema_url) if isinstance(schema_url, str) else None
    return version is not None and tuple(int(part) for part in version.groups()) > KNOWN_VERSION


def _run_event(wire: NewerRunEvent) -> RunEvent:
    kind = wire.event_type or "OTHER"
    state = STATES.get(kind)
    run, job = wire.run.facets or RunFacets(), wire.job.facets or JobFacets()
    parent = run.parent or run.parent_run or ParentFacet()
    job_type = job.job_type or JobTypeFacet()
    report = Report(
        job_id=wire.run.run_id,
        state=state,
        signal=Signal.PROGRESSED if state is None else None,
        job_type=job_type.job_type or None,
        mode=_mode(job_type.processing_type),
        name=f"{wire.job.namespace}/{wire.job.name}",
        time=_millis(wire.event_time),
        error=_error(state, run.error_message),
        resources=_resources(wire),
        parent_job_id=_run_id(parent),
        root_job_id=_run_id(parent.root),
        attributes=dict(_attributes(wire, run, job_type)),
        labels=dict(_tags(run.tags, job.tags)),
    )
    return RunEvent(report=report, once=f"{wire.run.run_id}\n{wire.event_time}" if state is None else None)


def _mode(processing_type: str | None) -> Mode | None:
    if not processing_type:
        return None
    return "realtime" if processing_type.upper() in CONTINUOUS else "batch"


def _error(state: JobState | None, facet: ErrorFacet | None) -> JobError | None:
    """The error of an end without success. Its message is cut and mended rather than refused: the end itself matters more."""
    if state not in {JobState.FAILED, JobState.STOPPED} or facet is None or not facet.message:
        return None
    message = facet.message[:MOST_TEXT].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return JobError(reason="JOB_FAILED" if state is JobState.FAILED else "STOPPED", message=message)


def _run_id(link: ParentFacet | Root | None) -> str | None:
    return link.run.run_id if link is not None and link.run is not None else None


def _resources(wire: NewerRunEvent) -> tuple[Resource, ...] | None:
    datasets = (*(wire.inputs or ()), *(wire.outputs or ()))
    if not datasets:
        return None
    return tuple(
        Resource(kind="dataset", id=f"{item.namespace}/{item.name}", name=item.name or None) for item in datasets
    )


def _attributes(wire: NewerRunEvent, run: RunFacets, job_type: JobTypeFacet) -> Iterator[tuple[str, object]]:
    """What filters and templates may want to ask for."""
    yield "job_namespace", wire.job.namespace
    yield "job_name", wire.job.name
    nominal = run.nominal_time or NominalTimeFacet()
    for name, value in (
        ("producer", wire.producer),
        ("integration", job_type.integration),
        ("nominal_start_time", nominal.nominal_start_time),
        ("nominal_end_time", nominal.nominal_end_time),
    ):
        if value:
            yield name, value


def _tags(*facets: TagsFacet | None) -> Iterator[tuple[str, str]]:
    """Those that somebody set."""
    for facet in facets:
        if facet is None or facet.tags is None:
            continue
        for tag in facet.tags:
            if tag.key and tag.value is not None and tag.key != CLIENT_TAG:
                yield tag.key, tag.value


def _millis(text: str) -> int:
    """The time of an event: RFC 3339, or another ISO 8601 form of date and time; without an offset it is UTC. Raises
    InvalidRequest."""
    try:
        return from_text(text)
    except ValueError as error:
        detail = f"Not a time: {error}."
    try:
        moment = datetime.fromisoformat(text)
        if len(text) > len("2026-11-22") and "T" in text.upper():
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
            return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
    except (ValueError, OverflowError):
        pass
    raise InvalidRequest.at("/eventTime", detail)


def _check_texts(wire: NewerRunEvent, report: Report) -> None:
    """Raises InvalidRequest at the first text with NUL in it that would be kept."""
    texts: list[tuple[str, str | None]] = [
        ("/eventTime", wire.event_time),
        ("/run/runId", wire.run.run_id),
        ("/job/namespace", wire.job.namespace),
        ("/job/name", wire.job.name),
        ("/producer", wire.producer),
        ("/run/facets/parent", report.parent_job_id),
        ("/run/facets/parent/root", report.root_job_id),
        ("/job/facets/jobType", report.job_type),
    ]
    for name, parts in (("inputs", wire.inputs), ("outputs", wire.outputs)):
        texts += [(f"/{name}/{index}", f"{part.namespace}{part.name}") for index, part in enumerate(parts or ())]
    texts += [("/run/facets", str(value)) for value in (report.attributes or {}).values()]
    texts += [("/run/facets/tags", f"{key}{value}") for key, value in (report.labels or {}).items()]
    for pointer, text in texts:
        if text is not None and is_bad_text(text):
            raise InvalidRequest.at(pointer, "A text must not contain NUL.")
