"""The web interface as an ASGI application: assets, who is signed in, the page, and problems in the shell."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from tocsin.errors import StoreUnavailable
from tocsin.model.access import Role
from tocsin.model.ids import Millis
from tocsin.telemetry import log
from tocsin.ui.answers import AS_IT_COMES, NO_STORE, SECURITY_HEADERS, Answer, Header, Reply, Stream, drawn, redirect
from tocsin.ui.asking import Form, UiRequest
from tocsin.ui.assets import FOR_GOOD, PREFIX, assets
from tocsin.ui.browser import (
    BrowserRequest,
    Gone,
    Receive,
    Scope,
    Send,
    Unreadable,
    browser_request,
    cookie,
    form_of,
)
from tocsin.ui.calls import Api, Calls, ProblemShown, Refused
from tocsin.ui.navigation import HOME
from tocsin.ui.pages.problem import problem_page
from tocsin.ui.routes import ROUTES
from tocsin.ui.routing import Page, PageRouter
from tocsin.ui.sessions import Session
from tocsin.ui.signing_in import SIGN_IN, SIGN_OUT, SignIn

THEME: Final = "/ui/theme"
THEMES: Final = frozenset({"light", "dark"})
_A_YEAR: Final = 365 * 24 * 3600
_NOT_OURS: Final = ProblemShown(
    status=403, title="The request did not come from this page.", detail="Nothing was changed. Load the page again."
)


class WebInterface:
    """Answers everything below `/ui/`, and sends `/` there. `public_url` is where people reach it, if that is set."""

    def __init__(
        self, calls: Calls, sign_in: SignIn, now_ms: Callable[[], Millis], *, public_url: str | None = None
    ) -> None:
        self._calls = calls
        self._door = sign_in
        self._now_ms = now_ms
        self._public_url = public_url
        self._router = PageRouter(ROUTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = browser_request(scope)
        with contextlib.suppress(Gone):
            if request.path.startswith(PREFIX):
                await _send_asset(request, send)
                return
            began = time.perf_counter()
            answer = await drawn(await self._answer(request, receive))
            await _send(_timed(answer, time.perf_counter() - began), request, receive, send)

    async def _answer(self, request: BrowserRequest, receive: Receive) -> Answer:
        if request.path in {"/", "/ui"}:
            return redirect(HOME)
        form = Form()
        if request.method == "POST":
            try:
                form = await form_of(request, receive)
            except Unreadable as unreadable:
                return Reply(status=unreadable.status, body=str(unreadable).encode(), content_type="text/plain")
            if not request.is_own(self._public_url):
                return self._door.ask(request, _NOT_OURS.title, 403)
        if request.path == SIGN_IN:
            return await self._door.enter(request, form) if request.method == "POST" else self._door.ask(request)
        try:
            session = await self._door.session_of(request)
        except StoreUnavailable as problem:
            return self._door.ask(request, problem.title, problem.status)
        if session is None:
            return self._door.ask_first(request) if not request.is_for_stream else Reply(status=401)
        asked = self._asked(request, session, form)
        answer = await (self._posted(asked, request) if asked.method == "POST" else self._page(asked, request.raw_path))
        return self._door.with_toasts(answer, session) if isinstance(answer, Reply) else answer

    async def _posted(self, asked: UiRequest, request: BrowserRequest) -> Answer:
        if not hmac.compare_digest(asked.session.csrf.encode(), asked.form.get("csrf").encode()):
            return problem_page(asked, _NOT_OURS)
        if asked.path == SIGN_OUT:
            return await self._door.leave(request, asked.session)
        if asked.path == THEME:
            return self._theme(asked)
        return await self._page(asked, request.raw_path)

    def _asked(self, request: BrowserRequest, session: Session, form: Form) -> UiRequest:
        caller = session.caller
        named = request.query.get("tenant") or None
        tenant = named if caller.role is Role.OPERATOR else caller.tenant
        theme = request.cookies.get("tocsin_theme", "")
        return UiRequest(
            method="GET" if request.method == "HEAD" else request.method,
            path=request.path,
            target=request.target,
            parts={},
            query=request.query,
            form=form,
            session=session,
            is_signed_in=partial(self._is_signed_in, request),
            api=Api(self._calls, caller, tenant if caller.role is Role.OPERATOR else None),
            tenant=tenant,
            theme=theme if theme in THEMES else "",
            now=self._now_ms(),
            paths=self._router.paths,
            is_fragment="x-fragment" in request.headers,
            last_event_id=request.headers.get("last-event-id", ""),
        )

    async def _is_signed_in(self, request: BrowserRequest) -> bool:
        try:
            return await self._door.session_of(request) is not None
        except StoreUnavailable:
            return False

    async def _page(self, asked: UiRequest, raw_path: str) -> Answer:
        found = self._router.find(raw_path)
        if found is None:
            return problem_page(asked, ProblemShown(status=404, title="There is no such page."))
        page = found.pages.get(asked.method)
        if page is None:
            return problem_page(asked, ProblemShown(status=405, title="The page does not take that."))
        return await _shown(page, asked.with_parts(found.parts))

    def _theme(self, asked: UiRequest) -> Reply:
        theme = asked.form.get("theme")
        kept = cookie("tocsin_theme", theme if theme in THEMES else "", is_secure=self._door.is_secure, seconds=_A_YEAR)
        back = asked.back(HOME)
        return Reply(status=back.status, headers=(*back.headers, kept))


async def _shown(page: Page, asked: UiRequest) -> Answer:
    try:
        return await drawn(await page(asked))
    except Refused as refused:
        return problem_page(asked, refused.problem)
    except Exception as fault:  # noqa: BLE001 (the outermost place: whatever went wrong, the person gets a page)
        log.error("page.fault", path=asked.path, exc_info=fault)
        return problem_page(asked, ProblemShown(status=500, title="Something went wrong inside Tocsin."))


def _timed(answer: Answer, seconds: float) -> Answer:
    """A page tells how long it took, for whoever looks at what the browser asks (Server-Timing)."""
    if isinstance(answer, Stream):
        return answer
    took: Header = (b"server-timing", b"page;dur=%.1f" % (seconds * 1000))
    return msgspec.structs.replace(answer, headers=(*answer.headers, took))


async def _send(answer: Answer, request: BrowserRequest, receive: Receive, send: Send) -> None:
    if isinstance(answer, Stream) and request.method == "HEAD":
        await answer.chunks.aclose()
        await _send_reply(Reply(content_type=answer.content_type), request, send)
    elif isinstance(answer, Stream):
        await _send_stream(answer, receive, send)
    else:
        await _send_reply(answer, request, send)


async def _send_reply(reply: Reply, request: BrowserRequest, send: Send) -> None:
    headers = [(b"content-type", reply.content_type.encode()), NO_STORE, *SECURITY_HEADERS, *reply.headers]
    headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else reply.body})


async def _send_stream(stream: Stream, receive: Receive, send: Send) -> None:
    """Until its chunks end, or the browser goes."""
    headers = [(b"content-type", stream.content_type.encode()), NO_STORE, AS_IT_COMES, *SECURITY_HEADERS]
    await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def pass_on() -> None:
        async with contextlib.aclosing(stream.chunks) as chunks:
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def until_gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    passing, gone = asyncio.create_task(pass_on()), asyncio.create_task(until_gone())
    try:
        await asyncio.wait((passing, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (passing, gone):
            task.cancel()
        await asyncio.gather(passing, gone, return_exceptions=True)


async def _send_asset(request: BrowserRequest, send: Send) -> None:
    asset = assets().find(request.path)
    if asset is None or request.method not in {"GET", "HEAD"}:
        await _send_reply(Reply(status=404, body=b"There is no such asset.", content_type="text/plain"), request, send)
        return
    is_gzip = "gzip" in request.headers.get("accept-encoding", "")
    body = asset.compressed if is_gzip else asset.body
    headers: list[Header] = [
        (b"content-type", asset.content_type.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", FOR_GOOD),
        (b"vary", b"accept-encoding"),
        *SECURITY_HEADERS,
    ]
    if is_gzip:
        headers.append((b"content-encoding", b"gzip"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})
