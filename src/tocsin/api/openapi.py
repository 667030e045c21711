"""The OpenAPI 3.1 document, made from the table of routes, the structs and the problem types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final, cast, get_args, get_origin

import msgspec

from tocsin import __version__
from tocsin.api.catalogue import DATA_TYPES, example, schema_of_custom
from tocsin.api.openapi_accepting import (
    ACCEPT_OPERATIONS,
    ACCEPT_TYPES,
    CLOUDEVENT_SCHEMA,
    IDEMPOTENCY_KEY,
    accept_operation,
)
from tocsin.api.routing import JSON, Parameter, Route
from tocsin.errors import (
    AddressTooLong,
    Forbidden,
    HeadersTooLarge,
    IdempotencyKeyReused,
    IntakeUnavailable,
    InvalidRequest,
    MalformedJson,
    MalformedRequest,
    RequestRunning,
    RequestTimeout,
    StorageFull,
    StoreUnavailable,
    TocsinError,
    TooLarge,
    TooManyConnections,
    Unauthenticated,
    UnsupportedMediaType,
)
from tocsin.formats import SAMPLE_TYPES, sample_event
from tocsin.model.event import OWN_SUBJECT_TYPES

Json = dict[str, object]
REF: Final = "#/components/schemas/{name}"
OF_ALL: Final = (
    MalformedRequest,
    RequestTimeout,
    TooLarge,
    AddressTooLong,
    UnsupportedMediaType,
    HeadersTooLarge,
    TooManyConnections,
)
"""What may be wrong with the request itself or its connection, whatever the route."""


def openapi_document(routes: Iterable[Route], problems: Iterable[type[TocsinError]]) -> Json:
    """The document of this version."""
    routes = tuple(routes)
    types = {*ACCEPT_TYPES, *DATA_TYPES.values()}
    for route in routes:
        types.update(
            _bare(kind)
            for kind in (route.takes, route.gives, *route.others.values(), *route.streams.values())
            if kind is not None
        )
    ordered = sorted(types, key=lambda kind: kind.__name__)
    _, schemas = msgspec.json.schema_components(ordered, schema_hook=schema_of_custom, ref_template=REF)
    paths: dict[str, Json] = {}
    for path, operation in ACCEPT_OPERATIONS.items():
        paths.setdefault(path, {})["post"] = accept_operation(operation, problem_responses(_accept_problems(path)))
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tocsin",
            "version": __version__,
            "description": "Tells other systems by webhook when a job or a golden record changes.",
        },
        "security": [{"api_key": []}],
        "paths": dict(sorted(paths.items())),
        "webhooks": {kind: _webhook(kind) for kind in SAMPLE_TYPES if kind.partition(".")[0] in OWN_SUBJECT_TYPES},
        "components": {
            "schemas": {**schemas, "Problem": _problem_schema(problems), "CloudEvent": CLOUDEVENT_SCHEMA},
            "securitySchemes": {"api_key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _bare(kind: type) -> type:
    """The item type of a list."""
    arguments: tuple[type, ...] = get_args(kind)
    return arguments[0] if get_origin(kind) is list else kind


def _ref(kind: type) -> Json:
    return {"$ref": REF.format(name=_bare(kind).__name__)}


def _gives(kind: type) -> Json:
    if get_origin(kind) is not list:
        return _ref(kind)
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": _ref(kind)}, "next_cursor": {"type": ["string", "null"]}},
        "required": ["items", "next_cursor"],
    }


def _operation(route: Route) -> Json:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    parameters += [_parameter(parameter) for parameter in route.parameters]
    if route.method == "POST" and route.is_kept:
        parameters.append(IDEMPOTENCY_KEY)
    answer: Json = {"description": HTTPStatus(route.status).phrase}
    if route.gives is not None:
        answer["content"] = {JSON: {"schema": _gives(route.gives)}}
    elif route.status != 204:
        answer["content"] = {route.content_type: {"schema": {"type": "string"}}}
    operation: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": parameters,
        "responses": _with_others(route, {str(route.status): answer, **problem_responses(_problems(route))}),
    }
    if route.streams:
        operation["x-stream-events"] = {name: _ref(kind) for name, kind in route.streams.items()}
    if route.takes is not None:
        schema: Json = {"type": "object"} if route.method == "PATCH" else _ref(route.takes)
        media_type = "application/merge-patch+json" if route.method == "PATCH" else JSON
        operation["requestBody"] = {
            "required": any(field.required for field in msgspec.structs.fields(route.takes)),
            "content": {media_type: {"schema": schema}, JSON: {"schema": schema}},
        }
    if route.roles is None:
        operation["security"] = []
    else:
        operation["x-roles"] = sorted(route.roles)
    return operation


def _with_others(route: Route, responses: dict[str, Json]) -> dict[str, Json]:
    """The responses, and the route's answers of other statuses; one of these may share its status with problems."""
    for status, kind in route.others.items():
        answer = responses.setdefault(str(status), {"description": HTTPStatus(status).phrase, "content": {}})
        answer["content"] = {JSON: {"schema": _gives(kind)}, **cast("Json", answer["content"])}
    return responses


def _parameter(parameter: Parameter) -> Json:
    schema: Json = {"type": "integer" if parameter.kind == "integer" else "string"}
    if parameter.kind == "time":
        schema["format"] = "date-time"
    if parameter.kind == "integer":
        schema |= {"minimum": 1, "maximum": 500, "default": 50}
    if parameter.pattern:
        schema["pattern"] = parameter.pattern
    if parameter.values:
        schema["enum"] = [str(value) for value in parameter.values]
    return {"name": parameter.name, "in": "query", "description": parameter.meaning, "schema": schema}


def _problems(route: Route) -> tuple[type[TocsinError], ...]:
    """Everything that may go wrong on a route."""
    problems = (*route.problems, *OF_ALL, InvalidRequest, TocsinError)
    if route.roles is not None:
        problems = (*problems, Unauthenticated, Forbidden, StoreUnavailable)
    if route.method != "GET":
        problems = (*problems, MalformedJson, StoreUnavailable, StorageFull)
    if route.method == "POST" and route.is_kept and route.roles is not None:
        problems = (*problems, RequestRunning, IdempotencyKeyReused)
    return problems


def _accept_problems(path: str) -> tuple[type[TocsinError], ...]:
    return (
        *ACCEPT_OPERATIONS[path].problems,
        *OF_ALL,
        MalformedJson,
        Unauthenticated,
        Forbidden,
        RequestRunning,
        InvalidRequest,
        IdempotencyKeyReused,
        StoreUnavailable,
        IntakeUnavailable,
        StorageFull,
        TocsinError,
    )


_HEADERS: Final[Mapping[int, Json]] = {
    401: {"headers": {"WWW-Authenticate": {"required": True, "schema": {"const": 'Bearer realm="tocsin"'}}}},
    429: {"headers": {"Retry-After": {"description": "Seconds.", "required": True, "schema": {"type": "integer"}}}},
    503: {"headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}},
}


def problem_responses(problems: Iterable[type[TocsinError]]) -> dict[str, Json]:
    """The answers that these problems are, one for each status."""
    by_status: dict[int, list[type[TocsinError]]] = {}
    for problem in problems:
        kinds = by_status.setdefault(problem.status, [])
        if problem not in kinds:
            kinds.append(problem)
    return {
        str(status): {
            "description": " ".join(kind.title for kind in kinds),
            **_HEADERS.get(status, {}),
            "content": {"application/problem+json": {"schema": {"$ref": REF.format(name="Problem")}}},
            "x-problem-types": [f"/problems/{kind.slug}" for kind in kinds],
        }
        for status, kinds in sorted(by_status.items())
    }


def _problem_schema(problems: Iterable[type[TocsinError]]) -> Json:
    return {
        "description": "A problem document (RFC 9457). Some types have members beside these.",
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": [f"/problems/{kind.slug}" for kind in problems]},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
                    "required": ["pointer", "detail"],
                },
            },
        },
        "required": ["type", "title", "status"],
    }


def _webhook(kind: str) -> Json:
    """What a receiver of this event type gets, in the default format."""
    event = sample_event(kind)
    assert event is not None
    shown = example(event, "cloudevents")
    assert shown is not None
    envelope: Mapping[str, object] = {
        "allOf": [
            {"$ref": REF.format(name="CloudEvent")},
            {
                "type": "object",
                "properties": {
                    "type": {"const": kind},
                    "data": {"$ref": REF.format(name=DATA_TYPES[event.subject_type].__name__)},
                },
            },
        ]
    }
    sample: object = msgspec.json.decode(shown.body)
    return {
        "post": {
            "operationId": f"receive_{kind.replace('.', '_')}",
            "summary": f"Sent to endpoints that want {kind}; other formats than this default one are in /v1/event-types.",
            "security": [],
            "requestBody": {
                "required": True,
                "content": {shown.content_type: {"schema": envelope, "example": sample}},
            },
            "responses": {
                "2XX": {"description": "Delivered. The body is not read."},
                "410": {"description": "The endpoint is disabled."},
                "429": {"description": "With Retry-After: nothing is sent to the endpoint until then. Also 503."},
                "default": {"description": "Tried again on the endpoint's schedule, save for 413 and 415."},
            },
        }
    }
