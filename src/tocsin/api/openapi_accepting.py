"""The documentation of the accept routes, which are no entries in the table of routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.api.auth import TENANT_PATTERN
from tocsin.api.change_decoding import ChangeWire
from tocsin.api.decoding import MAX_ITEMS, DataVersionWire, ReportWire
from tocsin.api.run_event_shapes import OpenLineageRunEvent
from tocsin.errors import IllegalTransition, Overloaded, TocsinError, VersionConflict
from tocsin.model.noun import Noun
from tocsin.rules.accepting import ChangeAnswer, CloudEventAnswer, DataVersionAnswer, ReportAnswer
from tocsin.rules.accepting_runs import RunEventAnswer, RunEventBatchAnswer
from tocsin.rules.intake import QueuedBatchAnswer, QueuedChange, QueuedDataVersion, QueuedEvent, QueuedReport

Json = dict[str, object]


class AcceptOperation(Noun, frozen=True, kw_only=True):
    """An accept route. `takes` None: CloudEvents. `gives` is one result, or the whole answer where `is_whole`, `queued` the same while the verdict is
    to come. `each_alone`: in an
    array each item is accepted or refused by itself."""

    name: str
    summary: str
    takes: type | None
    gives: type
    queued: type
    status: int = 202
    is_whole: bool = False
    only_arrays: bool = False
    problems: tuple[type[TocsinError], ...] = (Overloaded,)
    each_alone: bool = False


ACCEPT_OPERATIONS: Final[Mapping[str, AcceptOperation]] = {
    "/v1/jobs/reports": AcceptOperation(
        name="report_jobs",
        summary="Report on a job, or on several: in an array each report stands alone.",
        takes=ReportWire,
        gives=ReportAnswer,
        queued=QueuedReport,
        problems=(IllegalTransition, Overloaded),
        each_alone=True,
    ),
    "/v1/records/changes": AcceptOperation(
        name="change_records",
        summary="Tell about a change of a golden record, or several: an array is accepted whole or refused whole.",
        takes=ChangeWire,
        gives=ChangeAnswer,
        queued=QueuedChange,
        problems=(VersionConflict, Overloaded),
    ),
    "/v1/data-versions": AcceptOperation(
        name="publish_data_versions",
        summary="Tell that a data version was published, or several.",
        takes=DataVersionWire,
        gives=DataVersionAnswer,
        queued=QueuedDataVersion,
    ),
    "/v1/events": AcceptOperation(
        name="post_events",
        summary="Post a CloudEvent 1.0 (structured or binary), or a batch: all or nothing.",
        takes=None,
        gives=CloudEventAnswer,
        queued=QueuedEvent,
    ),
    "/api/v1/lineage": AcceptOperation(
        name="post_lineage",
        summary="Post an OpenLineage event, as its clients do: a run is a job. An array is accepted too, each event by itself.",
        takes=OpenLineageRunEvent,
        gives=RunEventAnswer,
        queued=QueuedReport,
        status=201,
        each_alone=True,
    ),
    "/api/v1/lineage/batch": AcceptOperation(
        name="post_lineage_batch",
        summary="Post a batch of OpenLineage events: each stands alone.",
        takes=OpenLineageRunEvent,
        gives=RunEventBatchAnswer,
        queued=QueuedBatchAnswer,
        status=200,
        is_whole=True,
        only_arrays=True,
        each_alone=True,
    ),
}

ACCEPT_TYPES: Final[tuple[type, ...]] = (
    ReportWire,
    ChangeWire,
    DataVersionWire,
    ReportAnswer,
    ChangeAnswer,
    DataVersionAnswer,
    CloudEventAnswer,
    OpenLineageRunEvent,
    RunEventAnswer,
    RunEventBatchAnswer,
    QueuedReport,
    QueuedChange,
    QueuedDataVersion,
    QueuedEvent,
    QueuedBatchAnswer,
)

CLOUDEVENT_SCHEMA: Final[Json] = {
    "description": "CloudEvents 1.0 in its JSON format. Further members are extension attributes.",
    "type": "object",
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1, "format": "uri-reference"},
        "type": {"type": "string", "minLength": 1},
        "subject": {"type": ["string", "null"]},
        "time": {"type": ["string", "null"], "format": "date-time"},
        "datacontenttype": {"type": ["string", "null"]},
        "dataschema": {"type": ["string", "null"], "format": "uri"},
        "data": {},
        "data_base64": {"type": ["string", "null"]},
    },
    "required": ["specversion", "id", "source", "type"],
    "additionalProperties": {"type": ["string", "boolean", "integer", "null"]},
}
OTHER_OPENLINEAGE: Final[Json] = {
    "description": "A JobEvent or a DatasetEvent, which is ignored; or a run event of a version after 2-0-2, of which what is "
    "known is read.",
    "type": "object",
}
IDEMPOTENCY_KEY: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same body is answered with the first answer, for 24 hours.",
    "schema": {
        "type": "string",
        "pattern": r"""^([!#-+\--~]{1,255}|"([ !#-\[\]-~]|\\["\\]){1,255}")$""",
    },
}
_PARAMETERS: Final[list[Json]] = [
    {
        "name": "tenant",
        "in": "query",
        "description": "For operators: the tenant that is meant; `default` without it.",
        "schema": {"type": "string", "pattern": TENANT_PATTERN},
    },
    IDEMPOTENCY_KEY,
]


def accept_operation(operation: AcceptOperation, problems: Mapping[str, Json]) -> Json:
    """The OpenAPI operation of an accept route."""
    if operation.is_whole:
        schema, queued = _ref(operation.gives.__name__), _ref(operation.queued.__name__)
    else:
        schema = _results(operation.gives)
        queued = _results(operation.queued, receipt_id={"type": "string"})
    accepted = {
        "description": "Accepted and on disk; with a replicated intake perhaps `queued`: kept, and its receipt tells the verdict.",
        "content": {"application/json": {"schema": {"anyOf": [schema, queued]}}},
    }
    return {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": _PARAMETERS,
        "requestBody": {"required": True, "content": _content(operation)},
        "responses": {str(operation.status): accepted, **problems},
        "x-roles": ["admin", "operator", "producer"],
    }


def _results(kind: type, **more: Json) -> Json:
    """One result for each item."""
    results = {"type": "array", "items": _ref(kind.__name__)}
    return {
        "type": "object",
        "properties": {"results": results, **more},
        "required": ["results", *more],
    }


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(operation: AcceptOperation) -> Json:
    one = _ref("CloudEvent" if operation.takes is None else operation.takes.__name__)
    items: Json = (
        {"anyOf": [one, {"description": "Anything else is refused by itself."}]} if operation.each_alone else one
    )
    if operation.takes is OpenLineageRunEvent:
        one = {"anyOf": [one, OTHER_OPENLINEAGE]}
    several: Json = {"type": "array", "items": items, "maxItems": MAX_ITEMS}
    if operation.only_arrays:
        return {"application/json": {"schema": {**several, "minItems": 1}}}
    if operation.takes is not None:
        return {"application/json": {"schema": {"anyOf": [one, {**several, "minItems": 1}]}}}
    return {
        "application/cloudevents+json": {"schema": one},
        "application/cloudevents-batch+json": {"schema": several},
        "application/json": {"schema": {"anyOf": [one, several]}},
        "*/*": {"schema": {"description": "Binary mode: the data; the attributes are in `ce-` headers."}},
    }
