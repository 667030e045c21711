"""The receiver over real sockets: keep-alive, split and pipelined requests, refusals, failing on purpose."""

import asyncio
import base64
import contextlib
import http.client
import socket
import time
from datetime import UTC, datetime

import pytest
import uvloop
from standardwebhooks import Webhook

from tocsin.receiver import Receiver, StandardWebhooks
from tocsin.receiver.server import failing

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


def post(port, body=b"{}", headers=None, count=1):
    """Statuses of so many POSTs over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        statuses = []
        for _ in range(count):
            connection.request("POST", "/in?x=1", body, headers or {})
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        return statuses
    finally:
        connection.close()


async def raw(port, data, *, parts=1):
    """Write bytes in parts, then read to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    size = -(-len(data) // parts)
    for start in range(0, len(data), size):
        writer.write(data[start : start + size])
        await writer.drain()
        await asyncio.sleep(0)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    return answer


def signed(body, identifier="evt_1"):
    now = datetime.fromtimestamp(time.time(), UTC)
    signature = Webhook(SECRET).sign(identifier, now, body.decode())
    return {"webhook-id": identifier, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}


async def test_a_connection_is_kept_and_arrivals_are_collected():
    async with Receiver() as receiver:
        assert await asyncio.to_thread(post, receiver.port, b'{"a":1}', {"Webhook-Attempt": "3"}, 3) == [204] * 3
        arrivals = await receiver.wait_for_count(3)
    assert receiver.connections == 1
    first = arrivals[0]
    assert (first.number, first.path, first.body, first.attempt) == (1, "/in?x=1", b'{"a":1}', 3)
    assert (first.status, first.verified, first.problem, first.is_duplicate) == (204, None, None, False)
    assert first.json() == {"a": 1}


async def test_many_connections_at_once():
    async with Receiver(delay=0.05) as receiver:
        answers = await asyncio.gather(
            *(asyncio.to_thread(post, receiver.port, b"x" * 3000, None, 2) for _ in range(16))
        )
        assert answers == [[204, 204]] * 16
        assert (receiver.total, receiver.connections) == (32, 16)


async def test_signed_requests_verify_and_others_get_401():
    async with Receiver(secret=SECRET) as receiver:
        good = await asyncio.to_thread(post, receiver.port, b'{"b":2}', signed(b'{"b":2}'))
        bad = await asyncio.to_thread(post, receiver.port, b'{"b":3}', signed(b'{"b":2}'))
        arrivals = await receiver.wait_for_count(2)
    assert (good, bad) == ([204], [401])
    assert [arrival.verified for arrival in arrivals] == [True, False]
    assert arrivals[1].problem == "no signature matches: other secret, or the body was changed"


async def test_a_verifier_may_be_given_later():
    async with Receiver() as receiver:
        receiver.verify_with(StandardWebhooks(SECRET))
        assert await asyncio.to_thread(post, receiver.port) == [401]


async def test_the_first_requests_fail_with_the_status_and_headers_asked_for():
    async with Receiver(fail=2, status=429, headers=[("Retry-After", "7")]) as receiver:
        answer = await raw(receiver.port, b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        assert answer == (
            b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        assert await asyncio.to_thread(post, receiver.port, b"{}", None, 3) == [429, 204, 204]


async def test_a_share_fails_repeatably():
    statuses = []
    for _ in range(2):
        async with Receiver(fail="30%", seed=7) as receiver:
            statuses.append(await asyncio.to_thread(post, receiver.port, b"{}", None, 100))
    assert statuses[0] == statuses[1]
    assert 15 <= statuses[0].count(503) <= 45


async def test_duplicates_are_those_that_were_answered_well_before():
    async with Receiver(fail=1) as receiver:
        await asyncio.to_thread(post, receiver.port, b"{}", {"webhook-id": "evt_1"}, 3)
        arrivals = await receiver.wait_for_count(3)
    assert [arrival.is_duplicate for arrival in arrivals] == [False, False, True]


async def test_split_and_pipelined_requests():
    one = b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    last = b"POST /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    async with Receiver(delay=0.01) as receiver:
        answer = await raw(receiver.port, one % 1 + one % 2 + last, parts=40)
    assert answer.count(b"HTTP/1.1 204 No Content\r\n") == 3
    assert [(a.path, a.body) for a in receiver.arrivals] == [("/1", b"hello"), ("/2", b"hello"), ("/3", b"")]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length : 5\r\n\r\nhello", 400),
        (b"POST /\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"X" * 70000, 431),
        (b"GET / HTTP/1.0\r\n\r\n", 405),
    ],
)
async def test_what_it_does_not_read_is_refused_and_closed(request_bytes, status):
    async with Receiver() as receiver:
        answer = await raw(receiver.port, request_bytes)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.endswith(b"Connection: close\r\n\r\n")


async def test_waiting_ends_with_a_timeout_error():
    async with Receiver() as receiver:
        with pytest.raises(TimeoutError):
            await receiver.wait_for_count(1, seconds=0.05)


async def test_on_arrival_is_called():
    numbers = []
    async with Receiver(on_arrival=lambda arrival: numbers.append(arrival.number)) as receiver:
        await asyncio.to_thread(post, receiver.port, b"{}", None, 2)
        await receiver.wait_for_count(2)
    assert numbers == [1, 2]


@pytest.mark.parametrize(
    ("fail", "expected"), [("30%", (0.3, 0)), ("0", (0.0, 0)), (4, (0.0, 4)), ("12.5%", (0.125, 0)), ("100%", (1.0, 0))]
)
def test_how_often_to_fail(fail, expected):
    assert failing(fail) == expected


@pytest.mark.parametrize("fail", ["", "%", "-1", "101%", "1.5", "often"])
def test_how_often_to_fail_must_be_readable(fail):
    with pytest.raises(ValueError, match=r"how often to fail|share"):
        failing(fail)


def test_it_runs_on_uvloop_as_well():
    async def main():
        async with Receiver() as receiver:
            return await asyncio.to_thread(post, receiver.port, b"{}", None, 2)

    assert uvloop.run(main()) == [204] * 2


@pytest.mark.parametrize("turns", range(5))
async def test_who_connects_while_it_stops_is_cut_off(turns):
    receiver = Receiver()
    await receiver.start()
    with socket.create_connection(("127.0.0.1", receiver.port), 5) as client:
        for _ in range(turns):
            await asyncio.sleep(0)
        await receiver.stop()
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.to_thread(client.recv, 1) == b""
