"""A real SMTP server in a thread, told by a function what to reply; it keeps the mails it took."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import ssl
import threading
from collections.abc import Callable
from email.message import EmailMessage
from typing import Literal, NamedTuple, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tocsin.receiver.server import stop_listening

Stage = Literal["mail", "rcpt", "data"]
DROP = "drop"
"""Instead of a reply: the connection is closed. At `data`, when the client may begin to send the mail."""
HANG = "hang"
"""Instead of a reply: nothing, until the server is closed."""


class Mail(NamedTuple):
    """A mail that was taken: its envelope, its bytes, and whether it came over TLS."""

    sender: str
    recipients: list[str]
    content: bytes
    was_encrypted: bool

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.content, policy=email.policy.default)


class MailServer:
    """`with MailServer(...) as mails:` `reply` is asked at each stage, with an address or "", and says None for yes."""

    def __init__(
        self,
        reply: Callable[[Stage, str], str | None] = lambda _stage, _address: None,
        *,
        context: ssl.SSLContext | None = None,
        implicit: bool = False,
        login: tuple[str, str] | None = None,
    ) -> None:
        self.mails: list[Mail] = []
        self.sessions = 0
        self.open: set[SMTP] = set()
        self._reply = reply
        self._context = context
        self._implicit = implicit
        self._login = login

    def __enter__(self) -> Self:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    def url(self, login: str = "", *, query: str = "") -> str:
        """As TOCSIN_SMTP has it."""
        return f"{'smtps' if self._implicit else 'smtp'}://{login}localhost:{self.port}{query}"

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(
            self._session, "localhost", 0, ssl=self._context if self._implicit else None
        )
        # "localhost" may be two addresses, and port 0 gives each its own: one of them is enough
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        await stop_listening(server)
        for session in tuple(self.open):
            # CPython 3.11: the transport of a TLS connection that just went has nothing left to abort
            with contextlib.suppress(AttributeError):
                session.transport.abort()
        for _ in range(1000):
            if not self.open and len(asyncio.all_tasks()) == 1:
                break
            await asyncio.sleep(0.005)

    def _session(self) -> SMTP:
        return _Session(
            self,
            self._reply,
            tls_context=None if self._implicit else self._context,
            authenticator=self._authenticate if self._login else None,
            auth_require_tls=False,
            hostname="mail.test",
        )

    def _authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == self._login, handled=given == self._login)

    async def said(self, session: SMTP, stage: Stage, address: str) -> str | None:
        reply = await asyncio.to_thread(self._reply, stage, address)
        if reply == DROP:
            # CPython 3.11: the transport of a TLS connection that just went has nothing left to abort
            with contextlib.suppress(AttributeError):
                session.transport.abort()
            return "421 gone"
        if reply == HANG:
            await self._end.wait()
            return "421 gone"
        return reply

    async def handle_MAIL(  # noqa: N802 (the names that aiosmtpd looks for)
        self, session: SMTP, _s: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = await self.said(session, "mail", address)
        if reply is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return reply or "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, session: SMTP, _s: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        reply = await self.said(session, "rcpt", address)
        if reply is None:
            envelope.rcpt_tos.append(address)
        return reply or "250 OK"

    async def handle_DATA(self, session: SMTP, s: Session, envelope: Envelope) -> str:  # noqa: N802
        reply = await self.said(session, "data", "")
        if reply is not None:
            return reply
        encrypted = s.ssl is not None or self._implicit
        self.mails.append(Mail(envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content, encrypted))
        return f"250 2.0.0 queued as {len(self.mails)}"


class _Session(SMTP):
    """Counts, and can leave in the middle of a mail."""

    def __init__(self, server: MailServer, reply: Callable[[Stage, str], str | None], **options: object) -> None:
        super().__init__(server, **options)
        self._mails = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._mails.sessions += 1
        self._mails.open.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._mails.open.discard(self)
