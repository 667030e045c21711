"""Ordinary POSTs to the accept routes, which are answered without ASGI: they get what the ordinary way answers, to the byte."""

import asyncio
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.api.callers import Caller
from tests.kit.server import OPERATOR_KEY, Server
from tests.kit.waiting import until

from tocsin.api.app import make_app
from tocsin.api.connections import Limits
from tocsin.api.direct import Direct
from tocsin.api.services import Services
from tocsin.api.serving import answer_requests, listen
from tocsin.model.access import Caller as Holder
from tocsin.model.access import Role
from tocsin.model.ids import KeyId
from tocsin.model.submission import Accepted, Submission, Verdict

REPORT = {"job_id": "j", "job_type": "load", "state": "running"}
EVENT = {"specversion": "1.0", "id": "e", "source": "/s", "type": "order.created"}
RUN_EVENT = {
    "eventType": "START", "eventTime": "2026-11-22T10:00:00.000Z", "run": {"runId": "d46e465b-d358-4d32-83d4-df660ff614dd"},
    "job": {"namespace": "n", "name": "load"}, "producer": "https://p.example/", "schemaURL": "https://openlineage.io/spec",
}  # fmt: skip
BATCH = "Content-Type: application/cloudevents-batch+json"
BINARY = ("ce-specversion: 1.0", "ce-id: b", "ce-source: /s", "ce-type: order.created", "Content-Type: text/plain")
Asked = tuple[str, tuple[str, ...], bytes]


def dumped(document: object) -> bytes:
    return json.dumps(document).encode()


CASES: dict[str, Asked] = {
    "a report": ("/v1/jobs/reports", (), dumped(REPORT)),
    "an array of reports": ("/v1/jobs/reports", (), dumped([REPORT, {"job_id": "k", "state": "running"}, {"no": 1}])),
    "an event": ("/v1/events", (), dumped(EVENT)),
    "a batch": ("/v1/events", (BATCH,), dumped([EVENT, {**EVENT, "id": "f"}])),
    "an empty batch": ("/v1/events", (BATCH,), b"[]"),
    "a binary event": ("/v1/events", BINARY, b"hello"),
    "a change": ("/v1/records/changes", (), dumped({"action": "create", "record": {"id": "r", "data": {}}})),
    "a data version": ("/v1/data-versions", (), dumped({"data_category_id": "c", "data_version": "1"})),
    "a run event": ("/api/v1/lineage", (), dumped(RUN_EVENT)),
    "not JSON": ("/v1/events", (), b"{"),
    "a bad field": ("/v1/jobs/reports", (), dumped({**REPORT, "colour": 1})),
    "an illegal transition": ("/v1/jobs/reports", (), dumped({"job_id": "n", "state": "running"})),
    "too many items": ("/v1/jobs/reports", (), b"[" + b",".join([b"{}"] * 1001) + b"]"),
    "an unknown type": ("/v1/events", ("Content-Type: application/cloudevents+avro",), b"x"),
    "two content types": ("/v1/events", ("Content-Type: a/b", "Content-Type: a/b"), dumped(EVENT)),
    "an attribute twice": ("/v1/events", (*BINARY, "ce-id: b"), b"hello"),
    "an unknown encoding": ("/v1/events", ("Content-Encoding: br",), dumped(EVENT)),
    "an unknown parameter": ("/v1/events?colour=1", (), dumped(EVENT)),
    "another tenant": ("/v1/events?tenant=other", (), dumped(EVENT)),
    "a bad tenant": ("/v1/events?tenant=a/b", (), dumped(EVENT)),
    "a fragment": ("/v1/events#a", (), dumped(EVENT)),
    "a fragment behind a query": ("/v1/events?tenant=other#a", (), dumped(EVENT)),
    "an escaped path": ("/v1/%65vents", (), dumped(EVENT)),
    "a whole address": ("http://h/v1/events", (), dumped(EVENT)),
    "a key": ("/v1/data-versions", ("Idempotency-Key: a",), dumped({"data_category_id": "c", "data_version": "1"})),
    "a bad key": ("/v1/events", ("Idempotency-Key: a b",), dumped(EVENT)),
    "a key without a body to keep": ("/v1/events", (BATCH, "Idempotency-Key: a b"), b"[]"),
    "no such address": ("/v1/events/", (), dumped(EVENT)),
    "the last one": ("/v1/events", ("Connection: close",), dumped(EVENT)),
}


class Talk:
    """One connection."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._read.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self) -> bytes:
        """The bytes of the next answer; none at the end of the connection."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._read.readline()
            if not line:
                return head
            head += line
        length = re.search(rb"content-length: (\d+)", head)
        assert length is not None
        return head + self._read.read(int(length[1]))

    def ask(self, data: bytes) -> bytes:
        self.send(data)
        return self.answer()


def post(asked: Asked, key: str, *, chunked: bool = False) -> bytes:
    path, headers, body = asked
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    lines = (f"POST {path} HTTP/1.1", "Host: h", f"Authorization: Bearer {key}", length, *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + sent


def told(answer: bytes) -> bytes:
    """An answer without what differs from one to the next."""
    answer = re.sub(rb"date: [^\r]*", b"date", answer)
    return re.sub(rb"evt_[0-9a-f-]{36}", b"evt", answer)


@pytest.mark.parametrize("case", CASES)
def test_it_is_answered_as_in_the_ordinary_way(shared_server: Server, case: str) -> None:
    """A chunked body goes the ordinary way. Of three requests that go directly the last two have a head that is known."""
    answers: list[list[bytes]] = []
    for chunked in (True, False):
        with Talk(shared_server.url) as talk:
            request = post(CASES[case], Caller(shared_server).key("producer"), chunked=chunked)
            answers.append([])
            for _ in range(3):
                answers[-1].append(told(talk.ask(request)))
                if b"connection: close" in answers[-1][-1]:
                    assert talk.answer() == b""
                    break
    assert answers[0] == answers[1]
    assert answers[0][0].startswith(b"HTTP/1.1 ")


@pytest.mark.parametrize("role", ["viewer", None])
def test_who_may_not_is_refused_as_in_the_ordinary_way(shared_server: Server, role: str | None) -> None:
    key = Caller(shared_server).key(role) if role else "unknown"
    with Talk(shared_server.url) as talk:
        ordinary = told(talk.ask(post(CASES["an event"], key, chunked=True)))
        assert ordinary.startswith(b"HTTP/1.1 403 " if role else b"HTTP/1.1 401 ")
        for _ in range(2):
            assert told(talk.ask(post(CASES["an event"], key))) == ordinary


def test_a_key_that_is_revoked_lets_nobody_in_over_an_open_connection(shared_server: Server) -> None:
    caller = Caller(shared_server)
    request = post(CASES["an event"], caller.key("producer"))
    with Talk(shared_server.url) as talk:
        for _ in range(3):
            assert talk.ask(request).startswith(b"HTTP/1.1 202 ")
        keys = caller.get("/v1/api-keys").json["items"]
        (producer,) = [key["id"] for key in keys if key["role"] == "producer"]
        assert caller.call("DELETE", f"/v1/api-keys/{producer}").status == 204
        assert talk.ask(request).startswith(b"HTTP/1.1 401 ")


@settings(max_examples=60, deadline=None)
@given(
    asked=st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.lists(st.integers(1, 260), max_size=3)), max_size=6)
)
def test_however_it_is_cut_into_segments(shared_server: Server, asked: list[tuple[int, bool, list[int]]]) -> None:
    """Bodies of several lengths, some heads with one header more, cut anywhere: each has its answer."""
    with Talk(shared_server.url) as talk:
        for longer, has_more, cuts in asked:
            body = dumped({"data_category_id": "c" + "c" * longer, "data_version": "1"})
            request = post(("/v1/data-versions", ("X-A: b",) * has_more, body), OPERATOR_KEY)
            begin = 0
            for cut in sorted(set(cuts)):
                talk.send(request[begin:cut])
                begin = cut
            answer = talk.ask(request[begin:]) if request[begin:] else talk.answer()
            assert answer.startswith(b"HTTP/1.1 202 ")
            assert b'"c%b"' % (b"c" * longer) in answer


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("behind", [b"garbage", post(CASES["an event"], "k"), b"\r\n\r\nx"])
def test_what_follows_in_the_same_segment_is_dropped(shared_server: Server, behind: bytes, *, known: bool) -> None:
    request = post(CASES["an event"], Caller(shared_server).key("producer"))
    with Talk(shared_server.url) as talk:
        if known:
            assert talk.ask(request)
        answer = talk.ask(request + behind)
        assert answer.startswith(b"HTTP/1.1 202 ")
        assert b"\r\nconnection: close\r\n" in answer
        assert talk.answer() == b""


def test_each_answer_has_its_status(shared_server: Server) -> None:
    """One connection, routes that answer with 201 and 202 within the same second."""
    key = Caller(shared_server).key("producer")
    run_event = CASES["a run event"]
    with Talk(shared_server.url) as talk:
        answers = [talk.ask(post(asked, key)) for asked in (CASES["an event"], run_event, CASES["a report"], run_event)]
    assert [answer.split()[1] for answer in answers] == [b"202", b"201", b"202", b"201"]


def test_another_head_of_the_same_size_is_another_head(shared_server: Server) -> None:
    path, _, body = CASES["an event"]
    key = Caller(shared_server).key("producer")
    with Talk(shared_server.url) as talk:
        request = post((path, ("Content-Type: application/json",), body), key)
        for _ in range(2):
            assert talk.ask(request).startswith(b"HTTP/1.1 202 ")
        assert talk.ask(request.replace(b"application/json", b"application/jsoo")).startswith(b"HTTP/1.1 415 ")
        assert talk.ask(request.replace(key.encode(), key[:-4].encode() + b"none")).startswith(b"HTTP/1.1 401 ")
        assert talk.ask(request).startswith(b"HTTP/1.1 202 ")


def test_a_length_that_lies_ends_the_connection(shared_server: Server) -> None:
    request = post(CASES["an event"], Caller(shared_server).key("producer"))
    for lie in (b"Content-Length: 1", b"Content-Length: +75", b"Content-Length: 0x4", b"Content-Length: 75, 75"):
        with Talk(shared_server.url) as talk:
            assert talk.ask(request).startswith(b"HTTP/1.1 202 ")
            answer = talk.ask(re.sub(rb"Content-Length: \d+", lie, request))
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert talk.answer() == b""


class Held:
    """A server whose accept waits for the test, by the real connections in front of it."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Submission, Callable[[Accepted | Exception], None]]] = []
        listener, self.url = listen("127.0.0.1", 0)
        holder = Holder(key_id=KeyId("key_1"), key_name="k", role=Role.PRODUCER, tenant="t")
        services = cast(
            "Services",
            SimpleNamespace(
                keys=SimpleNamespace(caller_by_hash=lambda _: holder),
                now_ms=lambda: 0,
                submit=lambda submission, tell: self.waiting.append((submission, tell)),
                door=None,
            ),
        )
        started = threading.Event()

        async def main() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            started.set()
            limits = Limits(connections=8, body_seconds=0.4, idle_seconds=1, stalled_seconds=0.4)
            await answer_requests(make_app(services), listener, limits, self._stop, direct=Direct(services))

        self._thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
        self._thread.start()
        assert started.wait(10)

    def tell(self, answer: Accepted | Exception) -> None:
        _, tell = self.waiting.pop(0)
        self._loop.call_soon_threadsafe(tell, answer)

    def begin_to_stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)

    def stop(self) -> None:
        self.begin_to_stop()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def held() -> Iterator[Held]:
    server = Held()
    yield server
    server.stop()


VERDICT = Accepted(verdict=Verdict(status=202, body=b'{"results":["here"]}'))


async def test_a_stop_lets_a_request_finish(held: Held) -> None:
    with Talk(held.url) as talk:
        talk.send(post(CASES["an event"], "k"))
        await until(lambda: len(held.waiting) == 1)
        held.begin_to_stop()
        await until(lambda: _is_refused(held.url))
        held.tell(VERDICT)
        answer = talk.answer()
        assert answer.endswith(VERDICT.verdict.body)
        assert b"\r\nconnection: close\r\n" in answer
        assert talk.answer() == b""


def _is_refused(url: str) -> bool:
    try:
        Talk(url).__exit__()
    except OSError:
        return True
    return False


async def test_a_client_that_went_away_does_not_disturb_the_others(held: Held) -> None:
    with Talk(held.url) as talk:
        with Talk(held.url) as gone:
            gone.send(post(CASES["an event"], "k"))
            await until(lambda: len(held.waiting) == 1)
        talk.send(post(CASES["an event"], "k"))
        await until(lambda: len(held.waiting) == 2)
        held.tell(VERDICT)
        held.tell(VERDICT)
        assert talk.answer().endswith(VERDICT.verdict.body)


@pytest.mark.parametrize("known", [False, True])
async def test_a_request_before_the_answer_is_dropped_with_the_connection(held: Held, *, known: bool) -> None:
    with Talk(held.url) as talk, Talk(held.url) as other:
        if known:
            talk.send(post(CASES["an event"], "k"))
            await until(lambda: len(held.waiting) == 1)
            held.tell(VERDICT)
            assert b"connection" not in talk.answer()
        talk.send(post(CASES["an event"], "k"))
        await until(lambda: len(held.waiting) == 1)
        talk.send(post(CASES["an event"], "k"))
        assert other.ask(b"GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n")  # so what came before that was read
        held.tell(VERDICT)
        assert b"\r\nconnection: close\r\n" in talk.answer()
        assert talk.answer() == b""
    assert held.waiting == []


@pytest.mark.parametrize("apart", [False, True])
async def test_what_follows_a_last_request_with_an_offer_is_not_answered_in_its_place(
    held: Held, *, apart: bool
) -> None:
    """The parser that reads a head again without its offer refuses every byte behind a last request."""
    path, _, body = CASES["an event"]
    last = post((path, ("Connection: Upgrade, close", "Upgrade: h2c"), body), "k")
    with Talk(held.url) as talk, Talk(held.url) as other:
        talk.send(last + b"x" * (not apart))
        await until(lambda: len(held.waiting) == 1)
        talk.send(b"x" * apart)
        assert other.ask(b"GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n")  # so what came before that was read
        held.tell(VERDICT)
        assert talk.answer().endswith(VERDICT.verdict.body)
        assert talk.answer() == b""


@pytest.mark.parametrize("known", [False, True])
async def test_a_body_that_does_not_arrive_in_time(held: Held, *, known: bool) -> None:
    request = post(CASES["an event"], "k")
    with Talk(held.url) as talk:
        if known:
            talk.send(request)
            await until(lambda: len(held.waiting) == 1)
            held.tell(VERDICT)
            assert talk.answer().endswith(VERDICT.verdict.body)
        talk.send(request[:-1])
        answer = await asyncio.to_thread(talk.answer)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert talk.answer() == b""
    assert held.waiting == []


async def test_a_fault_inside_is_an_answer(held: Held) -> None:
    with Talk(held.url) as talk:
        for _ in range(2):
            talk.send(post(CASES["an event"], "k"))
            await until(lambda: len(held.waiting) == 1)
            held.tell(RuntimeError("the-inside-of-it"))
            answer = talk.answer()
            assert answer.startswith(b"HTTP/1.1 500 ")
            assert b"the-inside-of-it" not in answer


async def test_a_client_that_does_not_read_is_cut_off(held: Held) -> None:
    large = Accepted(verdict=Verdict(status=202, body=bytes(32 * 1024 * 1024)))
    with Talk(held.url) as talk:
        talk.send(post(CASES["an event"], "k"))
        await until(lambda: len(held.waiting) == 1)
        held.tell(large)
        await until(lambda: _is_cut_off(talk))


def _is_cut_off(talk: Talk) -> bool:
    try:
        talk.send(b"\r\n")
    except OSError:
        return True
    return False


async def test_silence_after_an_answer_ends_the_connection(held: Held) -> None:
    """Not before its time, though a request came since the timer was set."""
    with Talk(held.url) as talk:
        for _ in range(3):
            talk.send(post(CASES["an event"], "k"))
            await until(lambda: len(held.waiting) == 1)
            held.tell(VERDICT)
            assert talk.answer().endswith(VERDICT.verdict.body)
        assert await asyncio.to_thread(talk.answer) == b""


def test_most_requests_go_directly(shared_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or else nothing here says anything."""
    taken: list[Any] = []
    take = Direct.take
    monkeypatch.setattr(Direct, "take", lambda self, *given: taken.append(given) or take(self, *given))
    with Talk(shared_server.url) as talk:
        for _ in range(3):
            talk.ask(post(CASES["an event"], Caller(shared_server).key("producer")))
        assert len(taken) == 3
        talk.ask(post(CASES["an event"], Caller(shared_server).key("producer"), chunked=True))
        assert len(taken) == 3
