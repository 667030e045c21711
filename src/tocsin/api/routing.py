"""A route of the API as data: the same entry answers requests and is documented in /openapi.json.

What every route shares happens here: who is asking, which query parameters there are, the body, the Idempotency-Key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Final, Literal
from urllib.parse import parse_qsl

import msgspec

from tocsin.api.asgi import NOTHING_LOADED, Headers, Stream
from tocsin.api.auth import allow, authenticated, tenant_to_read, tenant_to_write
from tocsin.api.decoding import decoded
from tocsin.api.idempotency import idempotency_key
from tocsin.api.services import Services
from tocsin.api.text_checks import check_json_bytes, check_text
from tocsin.errors import InvalidRequest, TocsinError
from tocsin.model.access import Caller, Role
from tocsin.model.audit import Actor, actor_of
from tocsin.model.noun import Noun
from tocsin.operations.answers import Answer, Scope

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
JSON: Final = "application/json"
_decode_object: Final = msgspec.json.Decoder(dict[str, object]).decode


class Reply(Noun, frozen=True, kw_only=True):
    """An answer to be sent; `policy` is its Content-Security-Policy. With a `stream` that is the body."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    policy: tuple[bytes, bytes] = NOTHING_LOADED
    stream: Stream | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Parameter(Noun, frozen=True, kw_only=True):
    """A query parameter. `values` are the only ones allowed, if there is such a list; `pattern` is for the documentation."""

    name: str
    meaning: str
    kind: Literal["string", "integer", "time", "boolean"] = "string"
    values: tuple[str, ...] = ()
    pattern: str = ""


class Request(Noun, frozen=True, kw_only=True):
    """What a route is asked: `parts` are the names in its path, decoded. `caller` is None only on routes without a key."""

    services: Services
    caller: Caller | None
    parts: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    headers: Headers = ()

    def header(self, name: bytes) -> str | None:
        """A header by its name in lower case. Raises InvalidRequest when it is there twice."""
        values = [value for key, value in self.headers if key == name]
        if len(values) > 1:
            raise InvalidRequest.at(name.decode(), "The header is there twice.")
        return values[0].decode("latin-1") if values else None

    def tenant_read(self) -> str | None:
        """The tenant that is seen; None: all of them."""
        assert self.caller is not None
        return tenant_to_read(self.caller, self.query.get("tenant"))

    def tenant_written(self, in_body: str | None) -> str:
        """The tenant that is written to."""
        assert self.caller is not None
        return tenant_to_write(self.caller, in_body, self.query.get("tenant"))

    def actor(self) -> Actor:
        """Who changes something, for the audit log."""
        assert self.caller is not None
        return actor_of(self.caller)

    def document(self) -> dict[str, object]:
        """The body, which must be a JSON object; an empty body is an empty one."""
        if not self.body.strip():
            return {}
        check_json_bytes(self.body)
        check_text(self.body)
        return decoded(_decode_object, self.body)


class Route(Noun, frozen=True, kw_only=True):
    """One method of one address. `roles` None: no API key is needed. `takes` and `gives` are the types documented for the
    bodies, `others` for those of other statuses, `streams` for the data of a stream's events by name; `problems` are what this route has beside what all have."""

    method: Method
    path: str
    name: str
    summary: str
    answer: Callable[[Request], Awaitable[Reply]]
    roles: frozenset[Role] | None
    parameters: tuple[Parameter, ...] = ()
    takes: type | None = None
    gives: type | None = None
    status: int = 200
    others: Mapping[int, type] = {}
    problems: tuple[type[TocsinError], ...] = ()
    content_type: str = JSON
    streams: Mapping[str, type] = {}
    is_kept: bool = True
    """Whether an answer is kept for its Idempotency-Key."""


class Asked(Noun, frozen=True, kw_only=True):
    """A request as it came in."""

    caller: Caller | None
    path: str
    query: bytes
    idempotency_key: bytes | None
    parts: Mapping[str, str]
    body: bytes
    headers: Headers = ()


def caller_of(route: Route, services: Services, authorization: bytes | None) -> Caller | None:
    """Who asks, None where nobody needs to say. Raises Unauthenticated, Forbidden."""
    if route.roles is None:
        return None
    caller = authenticated(services.keys, authorization)
    allow(caller, route.roles)
    return caller


async def answer(route: Route, services: Services, asked: Asked) -> Reply:
    """What the route answers. Raises TocsinError."""
    caller = asked.caller
    request = Request(
        services=services,
        caller=caller,
        parts=asked.parts,
        query=checked_query(asked.query, route.parameters),
        body=asked.body,
        headers=asked.headers,
    )
    if asked.idempotency_key is None or route.method != "POST" or caller is None or not route.is_kept:
        return await route.answer(request)
    scope = Scope(
        tenant=request.tenant_read() or "",
        route=f"POST {asked.path}",
        key=idempotency_key(asked.idempotency_key),
        body_hash=sha256(asked.query + b"\0" + asked.body).digest(),
    )

    async def make() -> Answer:
        reply = await route.answer(request)
        return Answer(status=reply.status, body=reply.body)

    kept = await services.answers.once(scope, make)
    return Reply(status=kept.status, body=kept.body)


def checked_query(query: bytes, parameters: tuple[Parameter, ...]) -> dict[str, str]:
    """The query parameters by name. Raises InvalidRequest for one that the route does not have, or that is there twice."""
    if not query:
        return {}
    known = {parameter.name: parameter for parameter in parameters}
    given: dict[str, str] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="replace"):
        parameter = known.get(name)
        if parameter is None:
            raise InvalidRequest.at(name, "There is no such query parameter here.")
        if name in given:
            raise InvalidRequest.at(name, "The query parameter is there twice.")
        if parameter.values and value not in parameter.values:
            raise InvalidRequest.at(name, f"It must be one of: {', '.join(parameter.values)}.")
        given[name] = value
    return given
