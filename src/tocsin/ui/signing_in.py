"""Signing in, by a typed API key or a one-time link, and out: what can be asked without a session."""

from __future__ import annotations

import contextlib
import hmac
import secrets
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from tocsin.errors import TocsinError
from tocsin.model.access import Caller
from tocsin.model.ids import Millis
from tocsin.ui.answers import Header, Reply, redirect
from tocsin.ui.asking import Form, own_address
from tocsin.ui.browser import BrowserRequest, cookie
from tocsin.ui.calls import target_of
from tocsin.ui.links import Guesses, Links
from tocsin.ui.navigation import HOME
from tocsin.ui.rendering import render
from tocsin.ui.sessions import ABSOLUTE_MS, TOKEN_BYTES, Session, Sessions
from tocsin.ui.toasts import TOAST_SECONDS

SIGN_IN: Final = "/ui/sign-in"
SIGN_OUT: Final = "/ui/sign-out"
_FORM_SECONDS: Final = 3600


class LinkKeys(Protocol):
    """The operator keys that one-time links sign in with."""

    async def make(self) -> str:
        """A new one; its value, which is kept nowhere. Raises TocsinError."""
        ...

    async def end(self, caller: Caller) -> None:
        """Revoke the caller's key, which a link made. Raises TocsinError."""
        ...


class SignIn:
    """The door. `is_secure`: people come by https, and cookies are for that alone."""

    __slots__ = (
        "_form_cookie",
        "_guesses",
        "_link_keys",
        "_session_cookie",
        "_toast_cookie",
        "is_secure",
        "links",
        "sessions",
    )

    def __init__(
        self, sessions: Sessions, links: Links, link_keys: LinkKeys, now_ms: Callable[[], Millis], *, is_secure: bool
    ) -> None:
        self.sessions = sessions
        self.links = links
        self.is_secure = is_secure
        self._link_keys = link_keys
        self._guesses = Guesses(now_ms)
        prefix = "__Host-" if is_secure else ""
        self._session_cookie = f"{prefix}tocsin_session"
        self._form_cookie = f"{prefix}tocsin_sign_in"
        self._toast_cookie = f"{prefix}tocsin_toasts"

    def token_of(self, request: BrowserRequest) -> str:
        """The token of a session, as the browser sent it."""
        return request.cookies.get(self._session_cookie, "")

    async def session_of(self, request: BrowserRequest) -> Session | None:
        """Who is signed in. Raises StoreUnavailable."""
        token = self.token_of(request)
        by_itself = "x-refresh" in request.headers or request.is_for_stream
        toasts = request.cookies.get(self._toast_cookie, "")
        return await self.sessions.find(token, by_itself=by_itself, toasts=toasts) if token else None

    def with_toasts(self, reply: Reply, session: Session) -> Reply:
        """The same with what the session has to tell, or without what it has told."""
        if (text := session.toasts.to_send()) is None:
            return reply
        seconds = TOAST_SECONDS if text else 0
        kept = cookie(self._toast_cookie, text, is_secure=self.is_secure, seconds=seconds)
        return msgspec.structs.replace(reply, headers=(*reply.headers, kept))

    def ask(self, request: BrowserRequest, problem: str = "", status: int = 200, *headers: Header) -> Reply:
        """The page that asks for a key. Its form is good only together with a cookie that it comes with."""
        nonce = request.cookies.get(self._form_cookie) or secrets.token_urlsafe(TOKEN_BYTES)
        view: dict[str, object] = {
            "title": "Sign in",
            "csrf": nonce,
            "problem": problem,
            "link": request.query.get("link", "") if not problem else "",
            "next": request.query.get("next", ""),
            "action": SIGN_IN,
            "theme": request.cookies.get("tocsin_theme", ""),
        }
        kept = cookie(self._form_cookie, nonce, is_secure=self.is_secure, seconds=_FORM_SECONDS, same_site="Strict")
        return Reply(status=status, body=render("sign_in.html", view), headers=(kept, *headers))

    def ask_first(self, request: BrowserRequest) -> Reply:
        """To the page that asks for a key, and from there back."""
        is_page = request.method == "GET" and request.target != HOME
        return redirect(target_of(SIGN_IN, {"next": request.target if is_page else None}))

    async def enter(self, request: BrowserRequest, form: Form) -> Reply:
        """Somebody gave a key, or followed a link."""
        nonce = request.cookies.get(self._form_cookie, "")
        if not nonce or not hmac.compare_digest(nonce.encode(), form.get("csrf").encode()):
            return self.ask(request, "The page was open for too long. Try again.", 403)
        wait = self._guesses.wait_seconds(request.address)
        if wait:
            after: Header = (b"retry-after", str(wait).encode())
            return self.ask(request, f"Too many wrong keys. Try again in {wait} s.", 429, after)
        try:
            token = await self._token(form)
        except TocsinError as problem:
            return self.ask(request, problem.title, problem.status)
        if token is None:
            self._guesses.count(request.address)
            is_link = bool(form.get("link"))
            told = "The link was used or is too old." if is_link else "The API key is unknown, expired or revoked."
            return self.ask(request, told, 401)
        with contextlib.suppress(TocsinError):
            await self.sessions.end(self.token_of(request))
        kept = cookie(self._session_cookie, token, is_secure=self.is_secure, seconds=ABSOLUTE_MS // 1000)
        return redirect(own_address(form.get("next")) or HOME, kept, self._no_form())

    async def _token(self, form: Form) -> str | None:
        link = form.get("link")
        if not link:
            return await self.sessions.start(form.get("key"))
        if not await self.links.take(link):
            return None
        return await self.sessions.start(await self._link_keys.make(), is_by_link=True)

    async def leave(self, request: BrowserRequest, session: Session) -> Reply:
        """Sign out. A key that a link made is of no more use."""
        gone = cookie(self._session_cookie, "", is_secure=self.is_secure, seconds=0)
        try:
            await self.sessions.end(self.token_of(request))
        except TocsinError as problem:
            return self.ask(request, f"{problem.title} You may still be signed in.", problem.status, gone)
        if session.is_by_link:
            with contextlib.suppress(TocsinError):
                await self._link_keys.end(session.caller)
        return redirect(SIGN_IN, gone)

    def _no_form(self) -> Header:
        return cookie(self._form_cookie, "", is_secure=self.is_secure, seconds=0, same_site="Strict")
