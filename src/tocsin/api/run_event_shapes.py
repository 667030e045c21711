"""The shapes of OpenLineage events on the wire, as far as they are read.

Source: OpenLineage 2-0-2 (OpenLineage.json and its facets). Facets may hold anything beside the fields that are read. Around
them, a field that the known versions do not have is refused, unless the event says that it follows a newer one.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType, field

from tocsin.api.decoding import Id, Text

EventType = Literal["START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER"]


class Facet(msgspec.Struct, frozen=True, rename="camel"):
    """Base of the facets that are read: others of their fields are left out, and every field may be absent."""


class RunLink(Facet, frozen=True):
    """A run by its id."""

    run_id: Id | None = None


class Root(Facet, frozen=True):
    """The run at the top of the tree."""

    run: RunLink | None = None


class ParentFacet(Facet, frozen=True):
    """The run that started this one."""

    run: RunLink | None = None
    root: Root | None = None


class ErrorFacet(Facet, frozen=True):
    """What went wrong."""

    message: str | None = None


class NominalTimeFacet(Facet, frozen=True):
    """For which time the run was scheduled."""

    nominal_start_time: Text | None = None
    nominal_end_time: Text | None = None


class Tag(Facet, frozen=True):
    """A key with a value."""

    key: Text | None = None
    value: Text | None = None


class TagsFacet(Facet, frozen=True):
    """Tags of a job or of a run."""

    tags: tuple[Tag, ...] | None = None


class RunFacets(Facet, frozen=True):
    """The facets of a run that are read. `parentRun` is what some older clients call `parent`."""

    parent: ParentFacet | None = None
    parent_run: ParentFacet | None = None
    error_message: ErrorFacet | None = None
    nominal_time: NominalTimeFacet | None = None
    tags: TagsFacet | None = None


class JobTypeFacet(Facet, frozen=True):
    """What kind of job it is."""

    processing_type: Text | None = None
    integration: Text | None = None
    job_type: Id | None = None


class JobFacets(Facet, frozen=True):
    """The facets of a job that are read."""

    job_type: JobTypeFacet | None = None
    tags: TagsFacet | None = None


class Lenient(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of what stands around the facets in an event of a newer version."""


class RunPart(Lenient, frozen=True, kw_only=True):
    """Which run it is about."""

    run_id: Id
    facets: RunFacets | None = None


class JobPart(Lenient, frozen=True, kw_only=True):
    """Whose run it is."""

    namespace: Text
    name: Text
    facets: JobFacets | None = None


class DatasetPart(Lenient, frozen=True, kw_only=True):
    """What the run reads or writes."""

    namespace: Text
    name: Text
    facets: Raw | UnsetType = UNSET
    input_facets: Raw | UnsetType = UNSET
    output_facets: Raw | UnsetType = UNSET


class NewerRunEvent(Lenient, frozen=True, kw_only=True):
    """A run event of any version."""

    event_type: EventType | None = None
    event_time: str
    run: RunPart
    job: JobPart
    inputs: tuple[DatasetPart, ...] | None = None
    outputs: tuple[DatasetPart, ...] | None = None
    producer: Text | None = None


class StrictRun(RunPart, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same in a version that is known."""


class StrictJob(JobPart, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same in a version that is known."""


class StrictDataset(DatasetPart, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same in a version that is known."""


class OpenLineageRunEvent(NewerRunEvent, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An OpenLineage RunEvent 2-0-2, or older. Facets may hold anything; those that are not known are left out."""

    run: StrictRun
    job: StrictJob
    inputs: tuple[StrictDataset, ...] | None = None
    outputs: tuple[StrictDataset, ...] | None = None
    schema_url: str | None = field(default=None, name="schemaURL")


class EventKind(msgspec.Struct, frozen=True, rename="camel"):
    """By which the three kinds of events are told apart, and the version."""

    run: Raw | UnsetType = UNSET
    job: Raw | UnsetType = UNSET
    dataset: Raw | UnsetType = UNSET
    event_type: Raw | UnsetType = UNSET
    schema_url: Annotated[str, Meta(max_length=65536)] | UnsetType | None = field(default=UNSET, name="schemaURL")
