"""What the sender does with receivers that behave: the bytes on the wire, reuse of connections, limits, cancellation."""

from __future__ import annotations

import asyncio
import socket

import pytest
from tests.adapters.http.sending import request_to, yields
from tests.kit.receivers import OK, Receiver, answer, endless, never, raw

from tocsin.adapters.http.limits import SenderLimits
from tocsin.model.exchange import ErrorKind


async def test_request_goes_out_as_given_and_the_answer_comes_back(sending):
    async with Receiver(answer(202, b"thanks", X_One="1", X_Two="\u00e9")) as receiver:
        exchange = await sending().send(receiver.url, body=b'{"a":1}', headers="webhook-id: evt_1\r\n")
    (request,) = receiver.requests
    assert (
        request.head
        == (
            f"POST /hook HTTP/1.1\r\nHost: 127.0.0.1:{receiver.port}\r\nAccept-Encoding: identity\r\n"
            "webhook-id: evt_1\r\nContent-Length: 7\r\n\r\n"
        ).encode()
    )
    assert request.body == b'{"a":1}'
    assert exchange.failure is None
    assert exchange.response.status == 202
    assert exchange.response.body == b"thanks"
    assert exchange.response.body_bytes == 6
    assert exchange.response.headers == (("X-One", "1"), ("X-Two", "\u00c3\u00a9"), ("Content-Length", "6"))
    assert exchange.address == "127.0.0.1"


async def test_timings_name_the_phases_that_happened(sending):
    one = sending()
    async with Receiver(answer(200)) as receiver:
        fresh = (await one.send(receiver.url)).timings
        reused = (await one.send(receiver.url)).timings
        named = (await one.send(receiver.url_of("localhost"), pool="end_2@1")).timings
    assert fresh.resolve is None
    assert fresh.tls is None
    assert 0 <= fresh.connect <= fresh.total
    assert 0 < fresh.first_byte <= fresh.total
    assert (reused.resolve, reused.connect, reused.tls) == (None, None, None)
    assert 0 < reused.first_byte <= reused.total
    assert 0 < named.resolve <= named.total


async def test_one_connection_serves_500_requests_in_turn(sending):
    one = sending()
    async with Receiver(answer(200)) as receiver:
        for _ in range(500):
            assert (await one.send(receiver.url)).response.status == 200
        assert receiver.connections == 1
        assert len(receiver.requests) == 500
        assert one.sender.connection_counts == (1, 1)


async def test_64_connections_serve_64_at_a_time(sending):
    one = sending()
    together = asyncio.Barrier(64)

    async def behave(peer):
        while True:
            await peer.request()
            await together.wait()
            await peer.send(OK)

    async with Receiver(behave) as receiver:
        for _ in range(5):
            exchanges = await asyncio.gather(*(one.send(receiver.url) for _ in range(64)))
            assert [exchange.response.status for exchange in exchanges] == [200] * 64
        assert receiver.connections == 64
        assert len(receiver.requests) == 320
        assert one.sender.connection_counts == (64, 64)


async def test_the_connection_used_last_is_used_next(sending):
    one = sending()
    async with Receiver(answer(200)) as receiver:
        await asyncio.gather(*(one.send(receiver.url) for _ in range(5)))
        seen = receiver.connections
        by_peer = set()
        for _ in range(20):
            connection = one.sender._pools.take(request_to(receiver.url).target)
            by_peer.add(id(connection))
            one.sender._pools.release(connection)
        assert len(by_peer) == 1
        assert receiver.connections == seen


async def test_chunked_and_trailed_answers_leave_the_connection_usable(sending):
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n"
    )
    one = sending()
    async with Receiver(raw(chunked, OK)) as receiver:
        first = await one.send(receiver.url)
        second = await one.send(receiver.url)
    assert first.response.body == b"abcde"
    assert first.response.headers == (("Transfer-Encoding", "chunked"),)
    assert second.response.headers == (("Content-Length", "2"),)
    assert receiver.connections == 1


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 20]
)
async def test_interim_answers_are_passed_over(sending, interim):
    one = sending()
    async with Receiver(raw(interim + OK)) as receiver:
        for _ in range(2):
            exchange = await one.send(receiver.url)
            assert exchange.response.status == 200
            assert exchange.response.headers == (("Content-Length", "2"),)
        assert receiver.connections == 1


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", id="asks to close"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", id="HTTP/1.0"),
        pytest.param(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", id="HTTP/1.0 kept"),
        pytest.param(OK + b"more", id="extra bytes"),
        pytest.param(OK + OK, id="a second answer"),
        pytest.param(b"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nok", id="204 with a body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nok", id="length too small"),
    ],
)
async def test_connections_in_doubt_are_not_used_again(sending, reply):
    one = sending()
    async with Receiver(raw(reply)) as receiver:
        for number in (1, 2, 3):
            exchange = await one.send(receiver.url)
            assert exchange.response.status in (200, 204)
            assert one.sender.connection_counts[1] == 0
            assert receiver.connections == number


async def test_an_answer_without_length_ends_with_the_connection(sending):
    async def behave(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")

    async with Receiver(behave) as receiver:
        exchange = await sending().send(receiver.url)
    assert exchange.response.body == b"all of it"


async def test_redirects_are_not_followed(sending):
    async with Receiver(answer(200)) as elsewhere, Receiver(answer(302, b"", Location=elsewhere.url)) as receiver:
        exchange = await sending().send(receiver.url)
    assert exchange.response.status == 302
    assert len(receiver.requests) == 1
    assert elsewhere.connections == 0


async def test_nothing_is_decompressed(sending):
    packed = b"\x1f\x8b\x08\x00" + bytes(1000)
    async with Receiver(answer(200, packed, Content_Encoding="gzip")) as receiver:
        exchange = await sending().send(receiver.url)
    assert exchange.response.body == packed


async def test_long_bodies_are_read_but_only_their_beginning_is_kept(sending):
    one = sending()
    async with Receiver(answer(200, b"x" * 1048576)) as receiver:
        for _ in range(2):
            exchange = await one.send(receiver.url)
            assert exchange.failure is None
            assert exchange.response.body == b"x" * 16384
            assert exchange.response.body_bytes == 1048576
        assert receiver.connections == 1


async def test_headers_are_kept_up_to_a_limit(sending):
    lines = b"".join(b"X-%02d: %s\r\n" % (number, b"v" * 1000) for number in range(40))
    async with Receiver(raw(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 0\r\n\r\n")) as receiver:
        exchange = await sending().send(receiver.url)
    assert exchange.response.headers[:16] == tuple((f"X-{number:02}", "v" * 1000) for number in range(16))
    assert sum(len(name) + len(value) for name, value in exchange.response.headers) == 16384


async def test_large_request_bodies_arrive_whole(sending):
    body = bytes(range(256)) * 20_000
    one = sending()
    async with Receiver(answer(200)) as receiver:
        for _ in range(2):
            assert (await one.send(receiver.url, body=body)).response.status == 200
        assert receiver.connections == 1
        assert [request.body for request in receiver.requests] == [body, body]


async def test_an_idle_connection_that_was_closed_is_replaced(sending):
    async def behave(peer):
        await peer.request()
        await peer.send(OK)

    one = sending()
    async with Receiver(behave) as receiver:
        for number in (1, 2, 3):
            assert (await one.send(receiver.url)).response.status == 200
            assert (receiver.connections, len(receiver.requests)) == (number, number)
            await yields(lambda: one.sender.connection_counts == (0, 0))


async def test_a_close_that_the_loop_has_not_read_yet_is_seen(sending):
    one, loop = sending(), asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        for _ in range(2):
            task = asyncio.ensure_future(one.send(url))
            accepted, _ = await loop.sock_accept(listener)
            with accepted:
                assert (await loop.sock_recv(accepted, 65536)).startswith(b"POST")
                await loop.sock_sendall(accepted, OK)
                assert (await task).response.status == 200
            assert one.sender.connection_counts == (1, 1)
            for connection in one.sender._pools._idle:
                connection.idle_since = 0


async def test_unasked_bytes_close_an_idle_connection(sending):
    talk = asyncio.Event()

    async def behave(peer):
        await peer.request()
        await peer.send(OK)
        await talk.wait()
        await peer.send(OK)
        await peer.gone()

    one = sending()
    async with Receiver(behave) as receiver:
        assert (await one.send(receiver.url)).response.status == 200
        assert one.sender.connection_counts == (1, 1)
        talk.set()
        await yields(lambda: one.sender.connection_counts == (0, 0))
        assert (await one.send(receiver.url)).response.status == 200
        assert receiver.connections == 2


async def test_pools_do_not_share_connections(sending):
    one = sending()
    async with Receiver(answer(200)) as receiver:
        for pool in ("end_1@1", "end_2@1", "end_1@2", "end_1@1"):
            assert (await one.send(receiver.url, pool=pool)).response.status == 200
        assert receiver.connections == 3


async def test_a_pool_never_leads_to_another_origin(sending):
    one = sending()
    async with Receiver(answer(200)) as first, Receiver(answer(201)) as second:
        statuses = [(await one.send(each.url)).response.status for each in (first, second, first)]
    assert statuses == [200, 201, 200]


async def test_closing_a_pool_closes_idle_connections_and_lets_busy_ones_finish(sending):
    go = asyncio.Event()

    async def behave(peer):
        await peer.request()
        if peer.number == 1:
            await go.wait()
        await peer.send(OK)
        await peer.gone()

    one = sending()
    async with Receiver(behave) as receiver:
        busy = asyncio.ensure_future(one.send(receiver.url))
        await receiver.until(lambda: len(receiver.requests) == 1)
        assert (await one.send(receiver.url)).response.status == 200
        assert one.sender.connection_counts == (2, 1)
        one.sender.close_pool("end_1@1")
        await receiver.until(lambda: receiver.open_connections == 1)
        go.set()
        assert (await busy).response.status == 200
        await receiver.until(lambda: receiver.open_connections == 0)
        assert one.sender.connection_counts == (0, 0)


async def test_idle_connections_are_bounded_by_pool_and_in_all(sending):
    one = sending(limits=SenderLimits(idle_per_pool=2, idle_in_all=3))
    together = asyncio.Barrier(4)

    async def behave(peer):
        await peer.request()
        await together.wait()
        await peer.send(OK)
        await peer.gone()

    async with Receiver(behave) as receiver:
        for pool, idle in (("end_1@1", 2), ("end_2@1", 3)):
            await asyncio.gather(*(one.send(receiver.url, pool=pool) for _ in range(4)))
            await yields(lambda idle=idle: one.sender.connection_counts == (idle, idle))


async def test_idle_connections_are_closed_after_a_while(sending):
    one = sending(limits=SenderLimits(idle_seconds=0.05))
    async with Receiver(answer(200)) as receiver:
        await one.send(receiver.url)
        await receiver.until(lambda: receiver.open_connections == 0)
        await yields(lambda: one.sender.connection_counts == (0, 0))


async def test_cancelling_closes_the_connection(sending):
    one = sending()
    async with Receiver(never) as receiver:
        task = asyncio.ensure_future(one.send(receiver.url, timeout_seconds=60))
        await receiver.until(lambda: len(receiver.requests) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await receiver.until(lambda: receiver.open_connections == 0)
        assert one.sender.connection_counts == (0, 0)


async def test_an_exchange_needs_no_task_of_its_own(sending):
    one = sending()
    async with Receiver(never) as receiver:
        mine = asyncio.ensure_future(one.send(receiver.url))
        await receiver.until(lambda: len(receiver.requests) == 1)
        assert asyncio.all_tasks() - receiver._tasks == {asyncio.current_task(), mine}
        mine.cancel()


async def test_closing_the_sender_ends_exchanges_under_way(sending):
    one = sending()
    async with Receiver(never) as receiver:
        under_way = asyncio.ensure_future(one.send(receiver.url))
        await receiver.until(lambda: len(receiver.requests) == 1)
        await one.sender.close()
        assert (await under_way).failure.kind is ErrorKind.RESET
        assert (await one.send(receiver.url)).failure.kind is ErrorKind.CONNECT
        assert receiver.connections == 1


@pytest.mark.parametrize(
    "smuggled",
    [
        "x: y\r\n\r\nPOST / HTTP/1.1\r\n", "x: y\n\n", "x: y", "\r\n", "x: y\nz: 1\r\n", "x: y\rz: 1\r\n", "x: y\n\r\n",
        "x: y\r\r\n", "x: y\r\n\n", "x: \0y\r\n", "x: y\n\rz: 1\r\n",
    ],
)  # fmt: skip
async def test_a_head_that_could_hold_two_requests_is_not_sent(sending, smuggled):
    async with Receiver(answer(200)) as receiver:
        exchange = await sending().send(receiver.url, headers=smuggled)
        assert exchange.failure.kind is ErrorKind.PROTOCOL
        assert receiver.connections == 0


async def test_reading_stops_at_the_limit_of_bodies(sending):
    one = sending()
    start = b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 999999999\r\n\r\n"
    async with Receiver(endless(start, b"x" * 65536, 400)) as receiver:
        exchange = await one.send(receiver.url)
        assert exchange.failure.kind is ErrorKind.TOO_LARGE
        assert exchange.response.status == 200
        assert exchange.response.headers[0] == ("X-A", "b")
        assert exchange.response.body == b"x" * 16384
        assert exchange.response.body_bytes > 1048576
        await receiver.until(lambda: receiver.open_connections == 0)


async def test_ipv6(sending):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 loopback here")
    async with Receiver(answer(200), host="::1") as receiver:
        exchange = await sending(allow="::1").send(receiver.url_of("[::1]"))
        assert exchange.response.status == 200
        assert exchange.address == "::1"
        assert receiver.requests[0].header("Host") == f"[::1]:{receiver.port}"


async def test_a_receiver_that_speaks_first_gets_no_request_or_no_success(sending):
    async def behave(peer):
        await peer.send(b"SSH-2.0-OpenSSH_9.7\r\n")
        await peer.gone()

    async with Receiver(behave) as receiver:
        exchange = await sending().send(receiver.url)
        assert exchange.response is None
        assert exchange.failure.kind in (ErrorKind.PROTOCOL, ErrorKind.RESET)
        assert not exchange.failure.is_stale_connection
        await receiver.until(lambda: receiver.open_connections == 0)
