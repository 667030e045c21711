"""What the server says of itself: alive, ready, version, documentation. It needs no key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from inspect import getdoc
from typing import Final

import msgspec

from tocsin import __version__
from tocsin.api.docs_page import DOCS_POLICY, docs_page
from tocsin.api.routing import Reply, Request, Route
from tocsin.errors import NotFound, TocsinError
from tocsin.model.noun import Noun

TEXT: Final = "text/plain; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"


class Status(Noun, frozen=True, kw_only=True):
    """Whether the server lives, or can do its work; `problems` says what stands in the way."""

    status: str
    problems: tuple[str, ...] = ()


class VersionShown(Noun, frozen=True, kw_only=True):
    """The version of this server."""

    version: str


def problem_types() -> Mapping[str, type[TocsinError]]:
    """Every problem type by its slug."""
    types: dict[str, type[TocsinError]] = {}
    waiting: list[type[TocsinError]] = [TocsinError]
    while waiting:
        kind = waiting.pop(0)
        types[kind.slug] = kind
        waiting.extend(kind.__subclasses__())
    return types


async def _livez(request: Request) -> Reply:
    del request
    return Reply(body=msgspec.json.encode(Status(status="alive")))


async def _readyz(request: Request) -> Reply:
    problems = tuple(request.services.ready())
    if problems:
        return Reply(status=503, body=msgspec.json.encode(Status(status="not ready", problems=problems)))
    return Reply(body=msgspec.json.encode(Status(status="ready")))


async def _version(request: Request) -> Reply:
    del request
    return Reply(body=msgspec.json.encode(VersionShown(version=__version__)))


async def _problem(request: Request) -> Reply:
    kind = problem_types().get(request.parts["slug"])
    if kind is None:
        raise NotFound("There is no such problem type.")
    text = f"{kind.slug} ({kind.status})\n{kind.title}\n\n{problem_text(kind)}\n"
    return Reply(body=text.encode(), content_type=TEXT)


def problem_text(kind: type[TocsinError]) -> str:
    """What a problem type means, on one line."""
    if kind is TocsinError:
        return "Something failed that should not have; the server's log has the reason."
    return " ".join((getdoc(kind) or "").split())


SYSTEM_ROUTES: Final = (
    Route(method="GET", path="/livez", name="livez", summary="Alive.", answer=_livez, roles=None, gives=Status),
    Route(
        method="GET",
        path="/readyz",
        name="readyz",
        summary="Ready to accept and to deliver; 503 when not.",
        answer=_readyz,
        roles=None,
        gives=Status,
        others={503: Status},
    ),
    Route(
        method="GET",
        path="/version",
        name="version",
        summary="The server's version.",
        answer=_version,
        roles=None,
        gives=VersionShown,
    ),
    Route(
        method="GET",
        path="/problems/{slug}",
        name="get_problem_type",
        summary="What a problem type means.",
        answer=_problem,
        roles=None,
        content_type=TEXT,
        problems=(NotFound,),
    ),
)


def documentation_routes(openapi: Callable[[], Mapping[str, object]]) -> Iterator[Route]:
    """The OpenAPI document and the page made of it. Both are made when they are first asked for, beside the loop: that takes a
    tenth of a second, for which no start and no delivery has to wait."""
    as_json = cache(lambda: msgspec.json.encode(openapi()))
    as_page = cache(lambda: docs_page(openapi()).encode())

    async def openapi_json(request: Request) -> Reply:
        del request
        return Reply(body=await asyncio.to_thread(as_json))

    async def docs(request: Request) -> Reply:
        del request
        page = await asyncio.to_thread(as_page)
        return Reply(body=page, content_type=HTML, policy=(b"content-security-policy", DOCS_POLICY))

    yield Route(method="GET", path="/openapi.json", name="openapi", summary="", answer=openapi_json, roles=None)
    yield Route(method="GET", path="/docs", name="docs", summary="", answer=docs, roles=None)
