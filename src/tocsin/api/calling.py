"""Calls of the API from within the process, for the web interface: the same routes, roles and checks, without a socket."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from tocsin.api.asgi import Stream
from tocsin.api.auth import allow
from tocsin.api.router import Router
from tocsin.api.routing import Asked, Reply, Route, answer
from tocsin.api.services import Services
from tocsin.errors import NotFound, TocsinError
from tocsin.model.access import Caller
from tocsin.telemetry import log

_NO_BODY: Final = b""


class CalledReply(msgspec.Struct, frozen=True, kw_only=True):
    """What a call was answered; with a `stream` that is the body, and whoever called has to close it."""

    status: int
    body: bytes
    stream: Stream | None = None


class InProcess:
    """The routes, to be called as somebody who is known already."""

    __slots__ = ("_router", "_services")

    def __init__(self, services: Services, routes: Iterable[Route]) -> None:
        self._services = services
        self._router = Router(routes)

    async def __call__(
        self, caller: Caller, method: str, target: str, body: bytes = _NO_BODY, once: bytes | None = None
    ) -> CalledReply:
        """`target` is the path with its query, both percent-encoded; `once` is an Idempotency-Key. Problems are answers, as they
        are over HTTP."""
        try:
            reply = await self._answer(caller, method, target, body, once)
        except TocsinError as problem:
            return _reply_of(problem)
        except Exception as fault:  # noqa: BLE001 (the outermost place, as `answer_request` is for HTTP)
            log.error("request.fault", path=target.partition("?")[0], exc_info=fault)
            return _reply_of(TocsinError())
        return CalledReply(status=reply.status, body=reply.body, stream=reply.stream)

    async def _answer(self, caller: Caller, method: str, target: str, body: bytes, once: bytes | None) -> Reply:
        path, _, query = target.partition("?")
        found = self._router.find(path)
        route = found.routes.get(method) if found else None
        if found is None or route is None:
            raise NotFound("There is no such address.")
        if route.roles is not None:
            allow(caller, route.roles)
        asked = Asked(
            caller=None if route.roles is None else caller,
            path=path,
            query=query.encode(),
            idempotency_key=once,
            parts=found.parts,
            body=body,
        )
        return await answer(route, self._services, asked)


def _reply_of(problem: TocsinError) -> CalledReply:
    return CalledReply(status=problem.status, body=msgspec.json.encode(problem.problem()))
