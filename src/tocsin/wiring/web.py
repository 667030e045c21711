"""The web interface and the API behind one address: what is below `/ui/` is for people, everything else for programs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Final, cast

from tocsin.api.app import API_ROUTES, App, make_app
from tocsin.api.asgi import Receive, Scope, Send, send_problem
from tocsin.api.calling import InProcess
from tocsin.api.services import Services
from tocsin.config import Settings
from tocsin.errors import NotFound
from tocsin.model.access import Caller, Role
from tocsin.model.audit import SERVER, actor_of
from tocsin.model.ids import KeyId, Millis
from tocsin.operations.api_keys import ApiKeys
from tocsin.ui.app import WebInterface
from tocsin.ui.calls import ApiAnswer
from tocsin.ui.links import Links
from tocsin.ui.sessions import ABSOLUTE_MS, Sessions
from tocsin.ui.signing_in import SIGN_IN, SignIn

LINK_KEY: Final = "one-time link"
"""The name of the API key that a one-time link signs in with; it is valid for as long as a session can be."""


class LinkKeys:
    """The keys of one-time links."""

    __slots__ = ("_keys", "_made", "_now_ms")

    def __init__(self, keys: ApiKeys, now_ms: Callable[[], Millis]) -> None:
        self._keys = keys
        self._now_ms = now_ms
        self._made: set[KeyId] = set()

    async def make(self) -> str:
        expires_at = self._now_ms() + ABSOLUTE_MS
        made = await self._keys.create(name=LINK_KEY, role=Role.OPERATOR, tenant=None, expires_at=expires_at, by=SERVER)
        self._made.add(made.key.id)
        return made.value

    async def end(self, caller: Caller) -> None:
        if caller.key_id in self._made:
            await self._keys.revoke(caller.key_id, None, by=actor_of(caller))
            self._made.discard(caller.key_id)


class ApiCalls:
    """The API as the web interface calls it."""

    __slots__ = ("_call",)

    def __init__(self, services: Services) -> None:
        self._call = InProcess(services, API_ROUTES)

    async def __call__(self, caller: Caller, method: str, target: str, body: bytes, once: str = "") -> ApiAnswer:
        reply = await self._call(caller, method, target, body, once.encode() or None)
        return ApiAnswer(status=reply.status, body=reply.body)

    async def stream(self, caller: Caller, target: str) -> AsyncGenerator[bytes, None]:
        """The chunks of a tail."""
        reply = await self._call(caller, "GET", target, b"")
        if reply.stream is None:
            yield b"event: refused\ndata: %b\n\n" % reply.body
            return
        try:
            async with contextlib.aclosing(reply.stream.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            reply.stream.close()


TELLING: Final = frozenset({"/livez", "/readyz", "/metrics", "/version"})


def tells_only(app: App) -> App:
    """Of an application only what tells how the process is."""

    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope.get("path") not in TELLING:
            await send_problem(send, NotFound("This process has no API: `tocsin serve` does."))
        else:
            await app(scope, receive, send)

    return told


class Web:
    """The application of one server, and links into its web interface."""

    def __init__(self, services: Services, keys: ApiKeys, settings: Settings, now_ms: Callable[[], Millis]) -> None:
        self._links = Links(now_ms)
        self._api = make_app(services)
        is_secure = (settings.public_url or "").startswith("https:")
        sessions = Sessions(keys.caller_by_hash, now_ms)
        door = SignIn(sessions, self._links, LinkKeys(keys, now_ms), now_ms, is_secure=is_secure)
        self._pages = WebInterface(ApiCalls(services), door, now_ms, public_url=settings.public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = cast("str", scope.get("path", ""))
        is_page = scope["type"] == "http" and (path.startswith("/ui/") or path in {"/", "/ui"})
        await (self._pages if is_page else self._api)(scope, receive, send)

    def link(self, url: str) -> str:
        """A link that signs in as operator, once and soon; `url` is where the server listens."""
        return f"{url}{SIGN_IN}?link={self._links.make()}"
