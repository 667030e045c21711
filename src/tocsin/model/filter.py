"""The condition under which an endpoint wants an event."""

from __future__ import annotations

from typing import Annotated

import msgspec

from tocsin.model.job import JobState, Mode
from tocsin.model.record import Action

Texts = Annotated[
    tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=512)], ...], msgspec.Meta(min_length=1, max_length=200)
]


class ResourceRef(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A resource by kind and id."""

    kind: str
    id: str


class Filter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """All conditions named must hold; one that is None is not named. Event types may be globs (`*` and `?`); `where` is a CEL
    expression over `type`, `subject`, `data` and `attributes`. `after_failures` holds for `job.failed` when at least so many runs
    of the job in a row have failed by then, and for the `job.succeeded` that ends such a row."""

    event_types: Texts | None = None
    subject_types: Texts | None = None
    subject_ids: Texts | None = None
    verbs: Texts | None = None
    job_types: Texts | None = None
    modes: Annotated[tuple[Mode, ...], msgspec.Meta(min_length=1)] | None = None
    states: Annotated[tuple[JobState, ...], msgspec.Meta(min_length=1)] | None = None
    resources: Annotated[tuple[ResourceRef, ...], msgspec.Meta(min_length=1, max_length=200)] | None = None
    sources: Texts | None = None
    tables: Texts | None = None
    actions: Annotated[tuple[Action, ...], msgspec.Meta(min_length=1)] | None = None
    labels: dict[str, str] | None = None
    after_failures: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
    where: Annotated[str, msgspec.Meta(min_length=1, max_length=2048)] | None = None
