"""The sender of mail against a real SMTP server on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

import pytest
import trustme
from tests.kit.mail_servers import DROP, HANG, MailServer

from tocsin.adapters.smtp.sender import SmtpSender
from tocsin.model.exchange import ErrorKind, Exchange, OutboundMail
from tocsin.rules.mail import mail_server
from tocsin.rules.outcome import verdict_of

AUTHORITY = trustme.CA()
TEXT = b"Subject: x\r\n\r\n.a line that begins with a dot\r\n.\r\nand more\r\n"


def server_context(name: str = "localhost") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(name).configure_cert(context)
    return context


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def sender_to(url: str, **options: int) -> SmtpSender:
    return SmtpSender(mail_server(url), client_context(), name="hooks.example.com", **options)


def mail(*recipients: str, timeout_seconds: float = 10) -> OutboundMail:
    return OutboundMail(
        url="mailto:ann@example.com",
        body=b"text",
        shown=(),
        timeout_seconds=timeout_seconds,
        sender="tocsin@example.com",
        recipients=recipients or ("ann@example.com",),
        message=TEXT,
    )


def outcome(exchange: Exchange) -> tuple[str, str | None]:
    verdict = verdict_of(exchange)
    return verdict.outcome, verdict.error and verdict.error.kind


async def test_a_mail_arrives_as_it_is() -> None:
    with MailServer() as server:
        exchange = await sender_to(server.url()).send(mail("ann@example.com", "bob@example.com"))
    assert exchange.response is not None
    assert (exchange.response.status, exchange.response.body) == (250, b"2.0.0 queued as 1")
    assert outcome(exchange) == ("delivered", None)
    assert exchange.address is None
    (one,) = server.mails
    assert (one.sender, one.recipients) == ("tocsin@example.com", ["ann@example.com", "bob@example.com"])
    assert one.content == TEXT
    assert not one.was_encrypted


@pytest.mark.parametrize("implicit", [False, True])
async def test_tls_and_login(implicit: bool) -> None:
    with MailServer(context=server_context(), implicit=implicit, login=("tocsin", "p@ss:word")) as server:
        query = "" if implicit else "?tls=required"
        exchange = await sender_to(server.url("tocsin:p%40ss%3Aword@", query=query)).send(mail())
    assert outcome(exchange) == ("delivered", None), exchange
    assert server.mails[0].was_encrypted


@pytest.mark.parametrize("implicit", [False, True])
async def test_a_certificate_for_another_host_is_not_taken(implicit: bool) -> None:
    with MailServer(context=server_context("mail.example.com"), implicit=implicit) as server:
        exchange = await sender_to(server.url(query="" if implicit else "?tls=required")).send(mail())
    assert outcome(exchange) == ("retry", ErrorKind.TLS), exchange
    assert server.mails == []


async def test_without_starttls_nothing_is_said_where_it_is_required() -> None:
    with MailServer(login=("tocsin", "secret")) as server:
        exchange = await sender_to(server.url("tocsin:secret@", query="?tls=required")).send(mail())
    assert outcome(exchange) == ("retry", ErrorKind.TLS)
    assert server.mails == []


async def test_a_wrong_password_is_tried_again_and_no_mails_fault() -> None:
    with MailServer(login=("tocsin", "secret")) as server:
        exchange = await sender_to(server.url("tocsin:other@")).send(mail())
    assert exchange.response is None
    assert outcome(exchange) == ("retry", ErrorKind.CONNECT)
    assert exchange.failure is not None
    assert exchange.failure.message == "The mail server refused Tocsin's login (535)."
    assert exchange.failure.reason == "mail_login"


async def test_a_server_without_login() -> None:
    with MailServer() as server:
        exchange = await sender_to(server.url("tocsin:secret@")).send(mail())
    assert exchange.failure is not None
    assert (exchange.failure.kind, exchange.failure.reason) == (ErrorKind.CONNECT, "mail_login")
    assert server.mails == []


@pytest.mark.parametrize(
    ("stage", "reply", "status", "expected"),
    [
        ("rcpt", "450 4.2.1 try later", 450, ("retry", ErrorKind.STATUS)),
        ("rcpt", "550 5.1.1 nobody here", 550, ("rejected", ErrorKind.STATUS)),
        ("data", "451 4.3.0 not now", 451, ("retry", ErrorKind.STATUS)),
        ("data", "554 5.7.1 not wanted", 554, ("rejected", ErrorKind.STATUS)),
        ("mail", "552 5.3.4 too big", 552, ("rejected", ErrorKind.STATUS)),
        ("mail", "550 5.7.1 not you", None, ("retry", ErrorKind.CONNECT)),
        ("mail", "451 4.7.1 slow down", None, ("retry", ErrorKind.CONNECT)),
    ],
)
async def test_replies(stage: str, reply: str, status: int | None, expected: tuple[str, str]) -> None:
    with MailServer(lambda at, _: reply if at == stage else None) as server:
        exchange = await sender_to(server.url()).send(mail())
    assert outcome(exchange) == expected, exchange
    assert (exchange.response and exchange.response.status) == status
    if exchange.response is not None:
        assert reply[4:] in exchange.response.body.decode()
    assert server.mails == []


async def test_one_unknown_recipient_does_not_keep_the_mail_from_the_others() -> None:
    with MailServer(lambda _, address: "550 nobody here" if address == "bob@example.com" else None) as server:
        exchange = await sender_to(server.url()).send(mail("ann@example.com", "bob@example.com"))
    assert outcome(exchange) == ("delivered", None)
    assert exchange.response is not None
    assert exchange.response.body == b"2.0.0 queued as 1\n550 bob@example.com: nobody here"
    assert server.mails[0].recipients == ["ann@example.com"]


async def test_patience_with_one_recipient_is_patience_with_all() -> None:
    with MailServer(lambda _, address: "451 greylisted" if address == "bob@example.com" else None) as server:
        exchange = await sender_to(server.url()).send(mail("ann@example.com", "bob@example.com"))
    assert outcome(exchange) == ("retry", ErrorKind.STATUS)
    assert server.mails == []


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
async def test_a_connection_that_is_dropped(stage: str) -> None:
    with MailServer(lambda at, _: DROP if at == stage else None) as server:
        exchange = await sender_to(server.url()).send(mail())
    assert outcome(exchange) == ("retry", ErrorKind.RESET), exchange


@pytest.mark.parametrize(("stage", "reason"), [("mail", "mail_addressing"), ("data", "mail_sending")])
async def test_a_slow_server_has_until_the_deadline(stage: str, reason: str) -> None:
    with MailServer(lambda at, _: HANG if at == stage else None) as server:
        exchange = await sender_to(server.url()).send(mail(timeout_seconds=0.5))
    assert outcome(exchange) == ("retry", ErrorKind.TIMEOUT)
    assert exchange.failure is not None
    assert exchange.failure.reason == reason


async def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        exchange = await sender_to(f"smtp://127.0.0.1:{taken.getsockname()[1]}").send(mail())
    assert outcome(exchange) == ("retry", ErrorKind.CONNECT)
    assert exchange.failure is not None
    assert exchange.failure.message == "The mail server cannot be reached."


async def test_no_such_name() -> None:
    exchange = await sender_to("smtp://mail.invalid:25?tls=off").send(mail())
    assert outcome(exchange) == ("retry", ErrorKind.DNS), exchange


@pytest.mark.parametrize(
    ("greeting", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", ErrorKind.PROTOCOL),
        (b"554 go away\r\n", ErrorKind.CONNECT),
        (b"x" * 70000, ErrorKind.PROTOCOL),
    ],
)
async def test_what_is_no_mail_server_for_us(greeting: bytes, kind: ErrorKind) -> None:
    is_gone = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        is_gone.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        exchange = await sender_to(f"smtp://127.0.0.1:{port}").send(mail())
        await is_gone.wait()
    assert outcome(exchange) == ("retry", kind), exchange


async def test_connections_are_bounded_and_waiting_is_within_the_deadline() -> None:
    may_go = asyncio.Event()
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()

    def reply(stage: str, _: str) -> str | None:
        if stage == "data":
            loop.call_soon_threadsafe(arrived.set)
            asyncio.run_coroutine_threadsafe(may_go.wait(), loop).result(10)
        return None

    with MailServer(reply) as server:
        sender = sender_to(server.url(), connections=1)
        first = asyncio.create_task(sender.send(mail()))
        await arrived.wait()
        second = await sender.send(mail(timeout_seconds=0.2))
        assert outcome(second) == ("retry", ErrorKind.TIMEOUT)
        assert second.failure is not None
        assert second.failure.reason == "mail_waiting"
        may_go.set()
        assert outcome(await first) == ("delivered", None)
        assert outcome(await sender.send(mail())) == ("delivered", None)
    assert (server.sessions, len(server.mails)) == (2, 2)


async def test_a_cancelled_call_leaves_no_connection() -> None:
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()

    def reply(stage: str, _: str) -> str | None:
        if stage != "data":
            return None
        loop.call_soon_threadsafe(arrived.set)
        return HANG

    with MailServer(reply) as server:
        sender = sender_to(server.url(), connections=1)
        task = asyncio.create_task(sender.send(mail()))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            while server.open:
                await asyncio.sleep(0.01)
    assert server.mails == []
