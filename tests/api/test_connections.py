"""What clients may do to a connection: bytes that can be read in two ways, slowness, size, number."""

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Self

import pytest
import uvloop
from tests.kit.waiting import until

from tocsin.api.connections import Limits
from tocsin.api.serving import answer_requests, listen

LIMITS = Limits(
    connections=8, head_seconds=0.4, body_seconds=0.4, idle_seconds=1, stalled_seconds=0.4, head_bytes=4096, header_count=20
)  # fmt: skip
HOST = b"Host: h\r\n"
BIG = 32 * 1024 * 1024
Message = dict[str, Any]


class Answering:
    """A server with small limits. It answers with what it read: method, path, headers, body."""

    def __init__(self, limits: Limits) -> None:
        self._listener, url = listen("127.0.0.1", 0)
        self.port = int(url.rpartition(":")[2])
        self.seen: list[str] = []
        self.released = threading.Event()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._main(limits)), daemon=True)
        self._thread.start()
        assert self._started.wait(10)

    async def _main(self, limits: Limits) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._started.set()
        await answer_requests(self._answer, self._listener, limits, self._stop)

    async def _answer(
        self,
        scope: Any,
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        self.seen.append(scope["path"])
        body, more = b"", scope["path"] not in {"/early", "/late"}
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        if scope["path"] in {"/held", "/late"}:
            await asyncio.to_thread(self.released.wait, 10)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        seen = {"method": scope["method"], "path": scope["path"], "headers": headers, "body": body.decode()}
        content = bytes(BIG) if scope["path"] == "/big" else json.dumps(seen).encode()
        length = (b"content-length", b"%d" % len(content))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": content})
        self.seen.append(f"{scope['path']} done")

    def stop(self) -> None:
        self.released.set()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def connect(self) -> "Talk":
        return Talk(self.port)

    def ask(self, *parts: bytes) -> list[Message]:
        with self.connect() as talk:
            return talk.ask(*parts)

    def each(self, *parts: bytes) -> list[Message]:
        with self.connect() as talk:
            return talk.each(*parts)


class Talk:
    """One connection. Answers are read until the server closes it."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._read = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._read.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self) -> Message | None:
        line = self._read.readline()
        if not line:
            return None
        status = int(line.split()[1])
        headers: dict[str, str] = {}
        for _ in range(100):
            name, _, value = self._read.readline().decode().partition(":")
            if not value:
                break
            headers[name] = value.strip()
        body = self._read.read(int(headers.get("content-length", 0)))
        return {"status": status, "headers": headers, "json": json.loads(body) if body else None}

    def slowly(self, size: int, pace: threading.Event) -> int:
        """Read a body of this size, its first part at a slow pace; gives how much there was."""
        for _ in range(100):
            if not self._read.readline().strip():
                break
        left = size
        for _ in range(30):
            left -= len(self._read.read(size // 64))
            pace.wait(0.05)
        return size - left + len(self._read.read(left))

    def each(self, *parts: bytes) -> list[Message]:
        """Send each part after the answer to the one before it."""
        answers: list[Message] = []
        for part in parts:
            self.send(part)
            answer = self.answer()
            assert answer is not None
            answers.append(answer)
        return answers

    def ask(self, *parts: bytes) -> list[Message]:
        """As `each`, and all that comes then, up to the end of the connection."""
        answers = self.each(*parts[:-1])
        self.send(parts[-1])
        for _ in range(10):
            answer = self.answer()
            if answer is None:
                return answers
            answers.append(answer)
        raise AssertionError(answers)


@pytest.fixture(scope="module")
def server() -> Iterator[Answering]:
    running = Answering(LIMITS)
    yield running
    running.stop()


def post(*headers: bytes, body: bytes = b"", path: bytes = b"/") -> bytes:
    return b"POST %b HTTP/1.1\r\n" % path + HOST + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


CHUNKED = b"Transfer-Encoding: chunked"
REFUSED = {
    "length and chunked": post(b"Content-Length: 3", CHUNKED, body=b"0\r\n\r\n"),
    "chunked and length": post(CHUNKED, b"Content-Length: 3", body=b"0\r\n\r\n"),
    "two equal lengths": post(b"Content-Length: 3", b"Content-Length: 3", body=b"abc"),
    "two lengths": post(b"Content-Length: 3", b"Content-Length: 4", body=b"abc"),
    "list of lengths": post(b"Content-Length: 3, 3", body=b"abc"),
    "signed length": post(b"Content-Length: +3", body=b"abc"),
    "hexadecimal length": post(b"Content-Length: 0x3", body=b"abc"),
    "empty length": post(b"Content-Length:", body=b"abc"),
    "overflowing length": post(b"Content-Length: 18446744073709551619", body=b"abc"),
    "space before colon": post(b"Content-Length : 3", body=b"abc"),
    "folded header": post(b"X-A: b\r\n c"),
    "folded chunked": post(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n"),
    "folded length": post(b"Content-Length:\r\n 3", body=b"abc"),
    "bare LF": b"GET / HTTP/1.1\nHost: h\n\n",
    "bare LF in a header": post(b"X-A: b\nX-C: d"),
    "bare CR in a header": post(b"X-A: b\rX-C: d"),
    "NUL in a header": post(b"X-A: b\0"),
    "control character in a header": post(b"X-A: b\x01"),
    "space in a name": post(b"X A: b"),
    "space before the first header": b"GET / HTTP/1.1\r\n Host: h\r\n\r\n",
    "unknown coding": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "coding before chunked": post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "coding after chunked": post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    "chunked twice": post(CHUNKED, CHUNKED, body=b"0\r\n\r\n"),
    "identity": post(b"Transfer-Encoding: identity", b"Content-Length: 3", body=b"abc"),
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\n%b\r\n\r\n0\r\n\r\n" % CHUNKED,
    "chunk size with LF": post(CHUNKED, body=b"3\nabc\r\n0\r\n\r\n"),
    "chunk extension with LF": post(CHUNKED, body=b"3;a\nb\r\nabc\r\n0\r\n\r\n"),
    "chunk longer than its size": post(CHUNKED, body=b"3\r\nabcd\r\n0\r\n\r\n"),
    "negative chunk": post(CHUNKED, body=b"-3\r\nabc\r\n0\r\n\r\n"),
    "chunk size with 0x": post(CHUNKED, body=b"0x3\r\nabc\r\n0\r\n\r\n"),
    "overflowing chunk": post(CHUNKED, body=b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\n" + HOST + b"\r\n",
    "a proxy's request": b"CONNECT h:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "an unknown method": b"FOO / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path that is not ASCII": b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n",
    "TLS": bytes.fromhex("16030100a5010000a10303"),
    "an offer of h2c that hides two lengths": post(
        b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 3", CHUNKED, body=b"abc"
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_be_read_in_two_ways_is_refused(server: Answering, case: str) -> None:
    hidden = b"GET /hidden HTTP/1.1\r\n" + HOST + b"\r\n"
    (answer,) = server.ask(REFUSED[case] + hidden)
    assert answer["status"] == answer["json"]["status"] == 400
    assert answer["json"]["type"] == "/problems/malformed-request"
    assert answer["headers"]["connection"] == "close"
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert answer["headers"]["x-content-type-options"] == "nosniff"
    assert "/hidden" not in server.seen


@pytest.mark.parametrize(
    ("status", "request_bytes"),
    [
        (414, b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
        (431, post(b"X: " + b"a" * 5000)),
        (431, post(b"X: " + b"a" * 500_000)[:-4]),
        (431, post(*[b"X: a"] * 20)),
    ],
)
def test_a_head_has_a_size(status: int, request_bytes: bytes) -> None:
    server = Answering(
        Limits(connections=8, head_seconds=5, header_count=20, head_bytes=4096 if status == 431 else 65536)
    )
    try:
        (answer,) = server.ask(request_bytes)
        assert answer["status"] == status
        assert server.seen == []
    finally:
        server.stop()


def test_chunk_extensions_and_trailers_are_left_aside(server: Answering) -> None:
    body = b'3;a=b;c="d"\r\nabc\r\n0\r\nAuthorization: Bearer x\r\n' + b"X: y\r\n" * 100 + b"\r\n"
    (answer,) = server.each(post(CHUNKED, body=body))
    assert answer["json"]["body"] == "abc"
    assert set(answer["json"]["headers"]) == {"host", "transfer-encoding"}


def test_one_request_after_the_other(server: Answering) -> None:
    answers = server.each(
        post(path=b"/1"), b"\r\n" + post(b"Content-Length: 3", path=b"/2", body=b"abc"), post(path=b"/3")
    )
    assert [answer["json"]["path"] for answer in answers] == ["/1", "/2", "/3"]
    assert all("connection" not in answer["headers"] for answer in answers)


@pytest.mark.parametrize("second", [post(path=b"/dropped"), b"garbage\r\n\r\n", post(path=b"/dropped") * 50])
def test_a_request_before_the_answer_is_dropped_with_the_connection(server: Answering, second: bytes) -> None:
    (answer,) = server.ask(post(path=b"/1") + second)
    assert (answer["json"]["path"], answer["headers"]["connection"]) == ("/1", "close")
    assert "/dropped" not in server.seen


def test_an_offer_of_another_protocol_is_not_taken_up(server: Answering) -> None:
    offer = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
    by_length = post(*offer, b"Content-Length: 3", body=b"abc")
    answers = server.each(by_length, post(*offer, CHUNKED, body=b"3\r\nabc\r\n0\r\n\r\n"), post(*offer), by_length)
    assert [answer["json"]["body"] for answer in answers] == ["abc", "abc", "", "abc"]
    assert all("upgrade" not in answer["json"]["headers"] for answer in answers)


async def test_the_body_of_an_offer_is_not_the_next_request(server: Answering) -> None:
    inner = b"GET /hidden HTTP/1.1\r\n" + HOST + b"\r\n"
    offer = post(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: %d" % len(inner), path=b"/offer")
    with server.connect() as talk:
        talk.send(offer)
        await until(lambda: "/offer" in server.seen)
        (answer,) = talk.each(inner)
    assert answer["json"]["body"] == inner.decode()
    assert "/hidden" not in server.seen


def test_a_body_may_be_waited_for(server: Answering) -> None:
    with server.connect() as talk:
        talk.send(post(b"Expect: 100-continue", b"Content-Length: 3"))
        first = talk.answer()
        assert first is not None
        assert first["status"] == 100
        assert talk.each(b"abc")[0]["json"]["body"] == "abc"


@pytest.mark.parametrize("sent", [b"G", b"POST / HTTP/1.1\r\nHost: h\r\nX-A: ", post(b"Content-Length: 3", body=b"ab")])
def test_what_does_not_arrive_in_time(server: Answering, sent: bytes) -> None:
    (answer,) = server.ask(sent)
    assert answer["json"]["type"] == "/problems/request-timeout"
    assert answer["status"] == 408


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\n" + HOST, post(CHUNKED)])
def test_a_drip_does_not_hold_a_connection(server: Answering, head: bytes) -> None:
    """A byte now and then does not move the deadline."""
    drop = b"1\r\na\r\n" if b"chunked" in head else b"X: y\r\n"
    with server.connect() as talk:
        talk.send(head)
        over = threading.Event()

        def drip() -> None:
            for _ in range(200):
                if over.wait(0.05):
                    return
                try:
                    talk.send(drop)
                except OSError:
                    return
            raise AssertionError("the connection was held for ten seconds")

        dripping = threading.Thread(target=drip)
        dripping.start()
        answer = talk.answer()
        over.set()
        dripping.join()
    assert answer is not None
    assert answer["status"] == 408


def test_silence_is_closed_without_an_answer(server: Answering) -> None:
    assert server.ask(b"") == []


def test_an_early_answer_does_not_keep_the_connection_for_good(server: Answering) -> None:
    """The answer is out before the body is complete, and the body never is."""
    answers = server.ask(post(b"Content-Length: 1000000", path=b"/early"), b"more")
    assert [answer["status"] for answer in answers] == [200]


def test_after_an_early_answer_the_next_request_is_read(server: Answering) -> None:
    with server.connect() as talk:
        talk.send(post(b"Content-Length: 3", path=b"/early"))
        assert talk.answer()
        (answer,) = talk.each(b"abc" + post(path=b"/next"))
    assert answer["json"]["path"] == "/next"


def test_after_an_early_answer_an_idle_connection_is_closed(server: Answering) -> None:
    with server.connect() as talk:
        talk.send(post(b"Content-Length: 3", path=b"/early"))
        assert talk.answer()
        assert talk.ask(b"abc") == []


async def test_an_answer_that_comes_after_the_refusal_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    server = Answering(LIMITS)
    try:
        with server.connect() as talk:
            talk.send(post(b"Content-Length: 3", path=b"/late", body=b"a"))
            refused = talk.answer()
            assert refused is not None
            assert refused["status"] == 408
            server.released.set()
            await until(lambda: "/late done" in server.seen)
    finally:
        server.stop()
    assert [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_a_client_that_does_not_read_is_cut_off(server: Answering) -> None:
    with server.connect() as talk:
        talk.send(post(path=b"/big"))
        await until(lambda: _is_cut_off(talk))


def test_a_client_that_reads_slowly_gets_all_of_it(server: Answering) -> None:
    """It takes several times as long as a client that does not read may."""
    pace = threading.Event()
    with server.connect() as talk:
        talk.send(post(path=b"/big"))
        assert talk.slowly(BIG, pace) == BIG


def _is_cut_off(talk: Talk) -> bool:
    try:
        talk.send(b"\r\n")
    except OSError:
        return True
    return False


async def test_the_number_of_connections_is_limited() -> None:
    server = Answering(Limits(connections=2))
    try:
        with server.connect() as first, server.connect() as second:
            for talk in (first, second):
                talk.send(post())
                assert talk.answer()
            (refused,) = server.ask(b"")
            assert refused["json"]["type"] == "/problems/too-many-connections"
            assert (refused["status"], refused["headers"]["retry-after"]) == (503, "5")
            first.send(post())
            assert first.answer()
        await until(lambda: server.ask(post(b"Connection: close"))[0]["status"] == 200)
    finally:
        server.stop()


async def test_a_stop_lets_a_request_finish() -> None:
    server = Answering(LIMITS)
    with server.connect() as talk:
        talk.send(post(path=b"/held"))
        await until(lambda: "/held" in server.seen)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        (answer,) = talk.ask(b"")
        stopping.join(10)
    assert answer["status"] == 200
