"""Hands mails over to the operator's mail server: each at most once, on a connection of its own, within one deadline.

Nothing here repeats a mail. Source: RFC 5321 (section 4.2.1: 4yz may be tried again, 5yz not), RFC 3207 (STARTTLS), RFC 4954.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from time import perf_counter_ns
from typing import Final, cast

from aiosmtplib import SMTP, SMTPDataError, SMTPException, SMTPRecipientRefused, SMTPResponse, SMTPSenderRefused

from tocsin.adapters.smtp.failures import NO_TLS, late, refused_session, refused_text, session_failure
from tocsin.model.exchange import Exchange, OutboundMail, Response, Timings, TransportFailure
from tocsin.model.mail import MailServer
from tocsin.telemetry import log

CONNECTIONS: Final = 16
"""How many mails are handed over at once; further ones wait, within their deadline."""
_BODY_KEPT: Final = 16 * 1024
_PERMANENT: Final = 500
_TOO_LARGE: Final = 552


class Progress:
    """How far a mail has come: what a failure means hangs on it."""

    __slots__ = ("connected_ms", "phase")

    def __init__(self) -> None:
        self.phase = "waiting"
        self.connected_ms: float | None = None


class SmtpSender:
    """The port `Sender` for mails. `context` checks the server's certificate; `name` is what this machine calls itself (EHLO).

    The server was chosen by the operator, like his proxy: it is dialled as configured, and no egress rule is asked.
    """

    def __init__(
        self, server: MailServer, context: ssl.SSLContext, *, name: str, connections: int = CONNECTIONS
    ) -> None:
        self._server = server
        self._context = context
        self._name = name
        self._free = asyncio.Semaphore(connections)

    async def send(self, request: OutboundMail) -> Exchange:
        """One call hands over at most one mail. When the call is cancelled, its connection is closed."""
        started, progress = perf_counter_ns(), Progress()
        came: Response | TransportFailure
        try:
            async with asyncio.timeout(request.timeout_seconds), self._free:
                came = await self._handed_over(request, progress, started)
        except TimeoutError:
            came = late(progress.phase, request.timeout_seconds)
        except (SMTPException, OSError, ValueError) as error:
            came = session_failure(progress.phase, error)
            log.warning("mail.failed", phase=progress.phase, error=type(error).__name__, reason=came.reason)
        return Exchange(
            response=came if isinstance(came, Response) else None,
            failure=came if isinstance(came, TransportFailure) else None,
            timings=Timings(connect=progress.connected_ms, total=_ms_since(started)),
            address=None,
            protocol="smtp",
        )

    async def close(self) -> None:
        """Nothing is kept open between mails."""

    async def _handed_over(
        self, request: OutboundMail, progress: Progress, started: int
    ) -> Response | TransportFailure:
        server = self._server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=self._name,
            timeout=None,
            use_tls=server.tls == "implicit",
            start_tls=False,
            tls_context=self._context,
        )
        try:
            refused = await self._let_in(client, progress, started)
            came = refused or await _mailed(client, request, progress)
            # Say goodbye, but wait for no answer: what the mail came to is known.
            if client.protocol is not None and client.is_connected:
                client.protocol.write(b"QUIT\r\n")
        except BaseException:
            if client.transport is not None:
                # CPython 3.11: the transport of a TLS connection that just went has nothing left to abort
                with contextlib.suppress(AttributeError):
                    cast("asyncio.WriteTransport", client.transport).abort()
            raise
        finally:
            client.close()
        return came

    async def _let_in(self, client: SMTP, progress: Progress, started: int) -> TransportFailure | None:
        """A session that is encrypted and logged in as configured; or why there is none."""
        server = self._server
        progress.phase = "connecting"
        await client.connect()
        progress.connected_ms = _ms_since(started)
        await client.ehlo()
        if server.tls == "starttls":
            if not client.supports_extension("starttls"):
                return NO_TLS
            await client.starttls()
            await client.ehlo()
        if server.username is not None and server.password is not None:
            progress.phase = "logging in"
            await client.login(server.username, server.password.reveal())
        return None


async def _mailed(client: SMTP, request: OutboundMail, progress: Progress) -> Response | TransportFailure:
    """What the server said of the recipients and of the mail; what it said of us, or to the sender, is no word about them.

    Somebody whom the server does not know does not keep the mail from the others. Where it asks for patience with one, nobody
    gets it yet: who got it already would get it again.
    """
    progress.phase = "addressing"
    size = (f"SIZE={len(request.message)}",) if client.supports_extension("size") else ()
    try:
        await client.mail(request.sender, options=size)
    except SMTPSenderRefused as refusal:
        return _said(refusal.code, refusal.message) if refusal.code == _TOO_LARGE else refused_session(refusal)
    unknown: list[tuple[str, SMTPResponse]] = []
    for recipient in request.recipients:
        try:
            await client.rcpt(recipient)
        except SMTPRecipientRefused as refusal:
            if refusal.code < _PERMANENT:
                return _said(refusal.code, refused_text(recipient, refusal.code, refusal.message))
            unknown.append((recipient, SMTPResponse(refusal.code, refusal.message)))
    refused = [refused_text(recipient, reply.code, reply.message) for recipient, reply in unknown]
    if len(unknown) == len(request.recipients):
        return _said(unknown[0][1].code, *refused)
    progress.phase = "sending"
    try:
        reply = await client.data(request.message)
    except SMTPDataError as refusal:
        return _said(refusal.code, refusal.message, *refused)
    return _said(reply.code, reply.message, *refused)


def _said(code: int, *texts: str) -> Response:
    body = "\n".join(texts).encode(errors="replace")
    return Response(status=code, headers=(), body=body[:_BODY_KEPT], body_bytes=len(body))


def _ms_since(started: int) -> float:
    return (perf_counter_ns() - started) / 1e6
