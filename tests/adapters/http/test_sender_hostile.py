"""Receivers that break the rules: each is an exchange with a failure, one request was written, nothing hangs."""

from __future__ import annotations

import asyncio
import select
import socket

import pytest
from tests.adapters.http.sending import yields
from tests.kit.receivers import OK, Receiver, dripping, endless, never, raw, refuse_to_read

from tocsin.model.exchange import ErrorKind, TransportFailure

CUT = "The connection was closed before the end of the answer."


def chunked(rest: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + rest


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.7\r\n", "is not HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "is not HTTP"),
        (b"\r\n" + OK, "is not HTTP"),
        (b"<html>hello</html>", "is not HTTP"),
        (b"ICE/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "is not HTTP"),
        (b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "is not HTTP"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "is not valid HTTP"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "is not valid HTTP"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "is not valid HTTP"),
        (b"HTTP/1.1 -20 OK\r\n\r\n", "is not valid HTTP"),
        (b"HTTP/x.1 200 OK\r\n\r\n", "is not valid HTTP"),
        (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "is not valid HTTP"),
        (b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "unknown HTTP version"),
        (b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n", "unknown HTTP version"),
        (b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", "no valid status"),
        (b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n", "no valid status"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", "status 101"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "status 101"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 21 + OK, "too many interim"),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n", "is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nA\x00: b\r\nContent-Length: 0\r\n\r\n", "is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nA: b\x00c\r\nContent-Length: 0\r\n\r\n", "is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 0\r\n\r\n", "is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n", "is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", "is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", "is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok", "is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok", "is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nok", "is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "is not valid HTTP"),
        (chunked(b"zz\r\n"), "is not valid HTTP"),
        (chunked(b"-1\r\n"), "is not valid HTTP"),
        (chunked(b"2\r\nokok\r\n"), "is not valid HTTP"),
        (chunked(b"fffffffffffffffffffff\r\n"), "is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 201 + b"\r\n", "more than 200 headers"),
        (b"HTTP/1.1 200 OK\r\nA: %s\r\nContent-Length: 0\r\n\r\n" % (b"b" * 65_536), "65536 bytes of them"),
    ],
)  # fmt: skip
async def test_answers_against_the_protocol(sending, reply, words):
    async with Receiver(raw(reply)) as receiver:
        exchange = await sending().send(receiver.url)
        assert exchange.response is None
        assert exchange.failure.kind is ErrorKind.PROTOCOL
        assert words in exchange.failure.message
        assert not exchange.failure.is_stale_connection
        assert len(receiver.requests) == 1
        await receiver.until(lambda: receiver.open_connections == 0)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(
    ("start", "piece", "kind"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nA: ", b"b" * 8192, ErrorKind.PROTOCOL, id="an endless header"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 100, ErrorKind.PROTOCOL, id="endless headers"),
        pytest.param(b"HTTP/1.1 ", b"2", ErrorKind.PROTOCOL, id="an endless status"),
        pytest.param(b"HTTP/1.1 200 ", b"O" * 8192, ErrorKind.PROTOCOL, id="an endless reason"),
        pytest.param(b"", b"HTTP/1.1 103 Hints\r\nA: b\r\n\r\n", ErrorKind.PROTOCOL, id="endless interim answers"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536, ErrorKind.TOO_LARGE, id="an endless body"),
        pytest.param(chunked(b""), b"1000\r\n" + b"x" * 4096 + b"\r\n", ErrorKind.TOO_LARGE, id="endless chunks"),
        pytest.param(chunked(b"0\r\n"), b"A: b\r\n" * 100, ErrorKind.PROTOCOL, id="endless trailers"),
        pytest.param(chunked(b"0\r\nA: "), b"b" * 8192, ErrorKind.PROTOCOL, id="an endless trailer"),
        pytest.param(chunked(b"1;"), b"x" * 8192, ErrorKind.PROTOCOL, id="an endless chunk extension"),
        pytest.param(chunked(b""), b"1;%s\r\nx\r\n" % (b"e" * 99), ErrorKind.PROTOCOL, id="mostly extensions"),
        pytest.param(chunked(b""), b"1\r\nx\r\n" * 9999, ErrorKind.TOO_LARGE, id="chunks of one byte"),
    ],
)  # fmt: skip
async def test_floods(sending, start, piece, kind, number):
    """On a fresh connection and on a used one."""

    async def behave(peer):
        for _ in range(number - 1):
            await peer.request()
            await peer.send(OK)
        await endless(start, piece, 100_000)(peer)

    one = sending()
    async with Receiver(behave) as receiver:
        for _ in range(number - 1):
            assert (await one.send(receiver.url)).response.status == 200
        exchange = await one.send(receiver.url)
        assert exchange.failure.kind is kind
        assert (exchange.response is not None) is (kind is ErrorKind.TOO_LARGE)
        assert (receiver.connections, len(receiver.requests)) == (1, number)
        assert one.sender.connection_counts[1] == 0


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("close", TransportFailure(kind=ErrorKind.RESET, message="The connection was closed without an answer.")),
        ("half_close", TransportFailure(kind=ErrorKind.RESET, message="The connection was closed without an answer.")),
        ("reset", TransportFailure(kind=ErrorKind.RESET, message="The connection was reset without an answer.")),
    ],
)
async def test_no_answer_on_a_fresh_connection(sending, how, expected):
    async def behave(peer):
        await peer.request()
        getattr(peer, how)()
        await peer.gone()

    async with Receiver(behave) as receiver:
        exchange = await sending().send(receiver.url)
        assert exchange.failure == expected
        assert exchange.response is None
        assert (receiver.connections, len(receiver.requests)) == (1, 1)


@pytest.mark.parametrize("how", ["close", "half_close", "reset"])
async def test_no_answer_on_a_used_connection(sending, how):
    """The request may have been acted upon: it is not repeated here, but the failure says that trying again is fair."""

    async def behave(peer):
        await peer.request()
        await peer.send(OK)
        await peer.request()
        getattr(peer, how)()
        await peer.gone()

    one = sending()
    async with Receiver(behave) as receiver:
        assert (await one.send(receiver.url)).response.status == 200
        exchange = await one.send(receiver.url)
        assert exchange.failure.kind is ErrorKind.RESET
        assert exchange.failure.is_stale_connection
        assert (receiver.connections, len(receiver.requests)) == (1, 2)


@pytest.mark.parametrize("how", ["close", "half_close", "reset"])
async def test_closed_without_reading(sending, how):
    async def behave(peer):
        getattr(peer, how)()
        await peer.gone()

    async with Receiver(behave) as receiver:
        exchange = await sending().send(receiver.url)
        assert exchange.failure.kind is ErrorKind.RESET
        assert not exchange.failure.is_stale_connection
        assert (receiver.connections, len(receiver.requests)) == (1, 0)


@pytest.mark.parametrize(
    "part",
    [
        b"H",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nonly9byte",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        chunked(b""),
        chunked(b"5\r\nabc"),
        chunked(b"3\r\nabc\r\n"),
        chunked(b"3\r\nabc\r\n0\r\n"),
    ],
)
@pytest.mark.parametrize("how", ["close", "half_close"])
async def test_cut_answers(sending, part, how):
    async def behave(peer):
        await peer.request()
        await peer.send(part)
        getattr(peer, how)()
        await peer.gone()

    async with Receiver(behave) as receiver:
        exchange = await sending().send(receiver.url)
        assert exchange.response is None
        assert exchange.failure == TransportFailure(kind=ErrorKind.PROTOCOL, message=CUT)


async def test_reset_in_the_middle_of_an_answer(sending):
    go = asyncio.Event()

    async def behave(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        await go.wait()
        peer.reset()

    one = sending()
    async with Receiver(behave) as receiver:
        task = asyncio.ensure_future(one.send(receiver.url))
        await yields(lambda: any(c._first_byte_at for c in one.sender._pools._open))
        go.set()
        exchange = await task
        assert exchange.failure.kind is ErrorKind.RESET
        assert not exchange.failure.is_stale_connection


@pytest.mark.parametrize(
    ("behave", "text"),
    [
        pytest.param(never, "There was not an answer within 0.2 s.", id="no answer"),
        pytest.param(refuse_to_read, "There was not an answer within 0.2 s.", id="nothing read"),
        pytest.param(dripping(OK), "There was not the end of the answer within 0.2 s.", id="dripping head"),
        pytest.param(
            dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000, 0.005),
            "There was not the end of the answer within 0.2 s.",
            id="dripping body",
        ),
        pytest.param(
            raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"),
            "There was not the end of the answer within 0.2 s.",
            id="length too large",
        ),
        pytest.param(
            raw(b"HTTP/1.1 100 Continue\r\n\r\n"),
            "There was not the end of the answer within 0.2 s.",
            id="interim only",
        ),
    ],
)
async def test_the_deadline_holds(sending, behave, text):
    one = sending()
    async with Receiver(behave) as receiver:
        exchange = await one.send(receiver.url, timeout_seconds=0.2)
        assert exchange.failure == TransportFailure(kind=ErrorKind.TIMEOUT, message=text)
        assert exchange.response is None
        assert exchange.timings.total >= 199
        assert exchange.address == "127.0.0.1"
        assert one.sender.connection_counts[1] == 0
        if behave is not refuse_to_read:
            await receiver.until(lambda: receiver.open_connections == 0)


async def test_the_deadline_holds_while_a_body_is_written(sending):
    async with Receiver(refuse_to_read) as receiver:
        exchange = await sending().send(receiver.url, body=bytes(20_000_000), timeout_seconds=0.3)
        assert exchange.failure.kind is ErrorKind.TIMEOUT


@pytest.mark.parametrize("earlier", [(60,), (1, 60), (60, 1)])
async def test_each_exchange_on_a_connection_has_its_own_deadline(sending, earlier):
    """A later exchange may have a nearer deadline, or one that is farther."""

    async def behave(peer):
        for _ in earlier:
            await peer.request()
            await peer.send(OK)
        await peer.request()
        await peer.gone()

    one = sending()
    async with Receiver(behave) as receiver:
        for seconds in earlier:
            assert (await one.send(receiver.url, timeout_seconds=seconds)).response.status == 200
        late = await one.send(receiver.url, timeout_seconds=1.1)
        assert late.failure.kind is ErrorKind.TIMEOUT
        assert late.timings.total >= 1099
        assert receiver.connections == 1


@pytest.mark.parametrize("how", ["stays", "close", "reset"])
@pytest.mark.parametrize("number", range(5))
async def test_refused_before_the_body_was_read(sending, how, number):
    """The answer counts even when the receiver closes on us while we are still writing; a RST may win over it."""

    async def behave(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        if how == "stays":
            await asyncio.Event().wait()
        getattr(peer, how)()

    one = sending()
    async with Receiver(behave) as receiver:
        exchange = await one.send(receiver.url, body=bytes(5_000_000))
        if how == "reset" and exchange.failure is not None:
            assert exchange.failure.kind is ErrorKind.RESET
        else:
            assert exchange.response.status == 413
        assert one.sender.connection_counts[1] == 0
        assert receiver.connections == 1


async def test_an_answer_that_is_here_counts_though_writing_failed(sending):
    """The receiver answered and closed with our bytes unread: writing on fails before the loop has seen the answer."""
    one, loop = sending(), asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        task = asyncio.ensure_future(one.send(f"http://127.0.0.1:{listener.getsockname()[1]}/", body=bytes(1000)))
        accepted, _ = await loop.sock_accept(listener)
        await yields(lambda: select.select([accepted], [], [], 0)[0] == [accepted])
        accepted.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        accepted.close()
        (connection,) = one.sender._pools._open
        connection._transport.write(b"more")
        connection._transport.write(b"and more")
        exchange = await task
    assert exchange.response.status == 413
    assert one.sender.connection_counts == (0, 0)


async def test_a_pipelined_guess_is_not_taken_for_the_next_answer(sending):
    """An answer that comes before its request was written must not be given to that request."""
    one = sending()
    async with Receiver(raw(OK + b"HTTP/1.1 500 Poison\r\nContent-Length: 0\r\n\r\n", OK)) as receiver:
        statuses = [(await one.send(receiver.url)).response.status for _ in range(3)]
    assert statuses == [200, 200, 200]
    assert receiver.connections == 3


async def test_a_trouble_on_one_connection_does_not_touch_others(sending):
    async def behave(peer):
        while True:
            request = await peer.request()
            if request.body == b"bad":
                peer.reset()
                return
            await peer.send(OK)

    one = sending()
    async with Receiver(behave) as receiver:
        bodies = [b"bad" if number % 3 == 0 else b"good" for number in range(60)]
        exchanges = await asyncio.gather(*(one.send(receiver.url, body=body) for body in bodies))
        assert [exchange.failure is None for exchange in exchanges] == [body == b"good" for body in bodies]
        assert len(receiver.requests) == 60


async def test_nobody_listens(sending):
    async with Receiver(never) as receiver:
        port = receiver.port
    exchange = await sending().send(f"http://127.0.0.1:{port}/")
    assert exchange.failure == TransportFailure(
        kind=ErrorKind.CONNECT, message="The connection was refused.", reason="refused"
    )
    assert exchange.address == "127.0.0.1"
    assert exchange.timings.connect is None
