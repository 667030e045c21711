"""The ASGI application: the accept routes in front, the table of routes behind them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Final, cast
from urllib.parse import quote

from tocsin.api.accepting import ACCEPT_ROUTES, accept_request
from tocsin.api.asgi import Disconnected, Headers, Receive, Scope, Send, send_bytes, send_problem, send_stream
from tocsin.api.attempt_routes import ATTEMPT_ROUTES
from tocsin.api.audit_routes import AUDIT_ROUTES
from tocsin.api.backup_routes import BACKUP_ROUTES
from tocsin.api.consent_routes import CONSENT_ROUTES
from tocsin.api.delivery_routes import DELIVERY_ROUTES
from tocsin.api.doctor_routes import DOCTOR_ROUTES
from tocsin.api.draft_routes import DRAFT_ROUTES
from tocsin.api.endpoint_list_routes import ENDPOINT_LIST_ROUTES
from tocsin.api.endpoint_routes import ENDPOINT_ROUTES
from tocsin.api.erasure_routes import ERASURE_ROUTES
from tocsin.api.event_routes import EVENT_ROUTES
from tocsin.api.head import Head, read_content
from tocsin.api.job_routes import JOB_ROUTES
from tocsin.api.key_routes import KEY_ROUTES
from tocsin.api.many_delivery_routes import MANY_DELIVERY_ROUTES
from tocsin.api.master_key_routes import MASTER_KEY_ROUTES
from tocsin.api.openapi import openapi_document
from tocsin.api.preview_routes import PREVIEW_ROUTES
from tocsin.api.receipt_routes import RECEIPT_ROUTES
from tocsin.api.replay_routes import REPLAY_ROUTES
from tocsin.api.retention_routes import RETENTION_ROUTES
from tocsin.api.router import Router
from tocsin.api.routing import Asked, Reply, answer, caller_of
from tocsin.api.services import Services
from tocsin.api.stats_routes import STATS_ROUTES
from tocsin.api.system_routes import SYSTEM_ROUTES, documentation_routes, problem_types
from tocsin.api.tail_routes import TAIL_ROUTES
from tocsin.api.tenant_routes import TENANT_ROUTES
from tocsin.errors import MethodNotAllowed, NotFound, TocsinError
from tocsin.telemetry import log

API_ROUTES: Final = (
    *ENDPOINT_ROUTES,
    *ENDPOINT_LIST_ROUTES,
    *DRAFT_ROUTES,
    *CONSENT_ROUTES,
    *PREVIEW_ROUTES,
    *MANY_DELIVERY_ROUTES,
    *DELIVERY_ROUTES,
    *ATTEMPT_ROUTES,
    *REPLAY_ROUTES,
    *EVENT_ROUTES,
    *JOB_ROUTES,
    *RECEIPT_ROUTES,
    *KEY_ROUTES,
    *AUDIT_ROUTES,
    *MASTER_KEY_ROUTES,
    *RETENTION_ROUTES,
    *STATS_ROUTES,
    *TENANT_ROUTES,
    *ERASURE_ROUTES,
    *TAIL_ROUTES,
    *BACKUP_ROUTES,
    *DOCTOR_ROUTES,
    *SYSTEM_ROUTES,
)
AS_IT_COMES: Final = ((b"x-accel-buffering", b"no"),)
"""For proxies that would gather the answer before they pass it on."""
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@cache
def openapi() -> dict[str, object]:
    """The OpenAPI document of this version."""
    return openapi_document(API_ROUTES, problem_types().values())


def make_app(services: Services) -> App:
    """The application of one server."""
    router = Router((*API_ROUTES, *documentation_routes(openapi)))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "POST":
            decode = ACCEPT_ROUTES.get(cast("str", scope["path"]))
            if decode is not None:
                await accept_request(services, decode, scope, receive, send)
                return
        await answer_request(services, router, scope, receive, send)

    return app


async def answer_request(services: Services, router: Router, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request to anything but an accept route."""
    try:
        reply = await _reply(services, router, scope, receive)
    except MethodNotAllowed as problem:
        await send_problem(send, problem, (b"allow", str(problem.members["allowed"]).encode()))
    except TocsinError as problem:
        await send_problem(send, problem)
    except Disconnected:
        return
    except Exception as fault:  # noqa: BLE001 (the outermost place: whatever went wrong, the client gets an answer)
        log.error("request.fault", path=scope["path"], exc_info=fault)
        await send_problem(send, TocsinError())
    else:
        headers = [(b"content-type", reply.content_type.encode())] if reply.body or reply.stream else []
        headers += reply.headers
        if reply.stream is not None and scope["method"] != "HEAD":
            await send_stream(receive, send, [*headers, *AS_IT_COMES], reply.stream, reply.policy)
            return
        if reply.stream is not None:
            reply.stream.close()
        await send_bytes(send, reply.status, headers, reply.body, reply.policy)


async def _reply(services: Services, router: Router, scope: Scope, receive: Receive) -> Reply:
    path = cast("str", scope["path"])
    raw_path = scope.get("raw_path")
    found = router.find(raw_path.decode("latin-1") if isinstance(raw_path, bytes) else quote(path))
    allowed: set[str] = set(found.routes) if found else set()
    if path in ACCEPT_ROUTES:
        allowed.add("POST")
    if "GET" in allowed:
        allowed.add("HEAD")
    if not allowed:
        raise NotFound("There is no such address.")
    method = cast("str", scope["method"])
    route = found.routes.get("GET" if method == "HEAD" else method) if found else None
    if found is None or route is None:
        raise MethodNotAllowed(f"{method} is not allowed here.", allowed=", ".join(sorted(allowed)))
    head = Head(cast("Headers", scope["headers"]))
    caller = caller_of(route, services, head.authorization)
    asked = Asked(
        caller=caller,
        path=path,
        headers=cast("Headers", scope["headers"]),
        query=cast("bytes", scope["query_string"]),
        idempotency_key=head.idempotency_key,
        parts=found.parts,
        body=b"" if route.method == "GET" else await read_content(receive, head),
    )
    return await answer(route, services, asked)
