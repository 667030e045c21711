"""Which resources a Tamr job event names, and where: the `configuration` of its data.

The key inside `configuration` says what kind of job it is (`load`, `update`, `publish`). The identifiers of each job type,
those that are always empty among them, are those of the table on Tamr's page about job events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.model.job import Job, Resource
from tocsin.model.noun import Noun

Configuration = dict[str, dict[str, str]]


class Identifiers(Noun, frozen=True):
    """What a job type returns in its arm of the configuration: `returned` with values, `empty` as empty texts.

    `legacy` is all that is returned for a legacy data product, None where being legacy makes no difference.
    """

    arm: str
    returned: tuple[str, ...]
    empty: tuple[str, ...] = ()
    legacy: tuple[str, ...] | None = None


IDENTIFIERS: Final[Mapping[str, Identifiers]] = {
    "load_source": Identifiers("load", ("sourceId", "sourceDisplayName")),
    "update_data_product": Identifiers(
        "update",
        ("dataProductId", "dataProductDisplayName"),
        ("workflowId", "workflowDisplayName"),
        legacy=("dataProductId",),
    ),
    "update_workflow": Identifiers(
        "update", ("workflowId", "workflowDisplayName"), ("dataProductId", "dataProductDisplayName")
    ),
    "publish_configuration": Identifiers(
        "publish",
        ("dataProductId", "dataProductDisplayName", "destinationId"),
        ("destinationDisplayName",),
        legacy=("destinationId",),
    ),
    "publish_destination": Identifiers(
        "publish", ("destinationId", "destinationDisplayName"), ("dataProductId", "dataProductDisplayName")
    ),
}
"""By job type."""


class Kind(Noun, frozen=True):
    """Where a resource of this kind stands in the configuration of a job type that Tamr does not know."""

    arm: str
    id_key: str
    name_key: str


KINDS: Final[Mapping[str, Kind]] = {
    "source": Kind("load", "sourceId", "sourceDisplayName"),
    "data_product": Kind("update", "dataProductId", "dataProductDisplayName"),
    "workflow": Kind("update", "workflowId", "workflowDisplayName"),
    "destination": Kind("publish", "destinationId", "destinationDisplayName"),
    "publish_configuration": Kind("publish", "destinationId", "destinationDisplayName"),
}
"""By resource kind. A publish configuration stands in for a destination that was not given."""


def configuration_of(job: Job) -> Configuration:
    """The identifiers of a job, by arm."""
    identifiers = IDENTIFIERS.get(job.job_type)
    if identifiers is None:
        return _as_they_are(job.resources)
    values = _values(job.resources)
    if identifiers.legacy is not None and job.attributes.get("legacy") is True:
        return {identifiers.arm: {key: values.get(key, "") for key in identifiers.legacy}}
    arm = {key: values.get(key, "") for key in identifiers.returned}
    return {identifiers.arm: arm | dict.fromkeys(identifiers.empty, "")}


def _first_of_each(resources: tuple[Resource, ...]) -> list[tuple[Kind, Resource]]:
    """The first resource for each place, in the order of the table of kinds."""
    found: dict[str, tuple[Kind, Resource]] = {}
    for name, kind in KINDS.items():
        for resource in resources:
            if resource.kind == name:
                found.setdefault(kind.id_key, (kind, resource))
    return list(found.values())


def _values(resources: tuple[Resource, ...]) -> dict[str, str]:
    values: dict[str, str] = {}
    for kind, resource in _first_of_each(resources):
        values[kind.id_key] = resource.id
        values[kind.name_key] = resource.name or ""
    return values


def _as_they_are(resources: tuple[Resource, ...]) -> Configuration:
    configuration: Configuration = {}
    for kind, resource in _first_of_each(resources):
        arm = configuration.setdefault(kind.arm, {})
        arm[kind.id_key] = resource.id
        arm[kind.name_key] = resource.name or ""
    return configuration
