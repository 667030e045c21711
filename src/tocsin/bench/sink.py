"""The sink process: answers 200 as cheaply as Python can and keeps count of every event at every endpoint.

Started as `python -m tocsin.bench.sink`. The healthy endpoint with number n has the path `/n`. Other paths begin with a word:
`/crowd/n` for the many that get one event; `/hanging/n` is never answered, `/failing/n` with 500 at once, `/slow/n` after
1.5 s. The same is served over HTTPS, on a port of its own.
"""

from __future__ import annotations

import asyncio
import datetime
import time
from typing import Final, cast

import httptools
import msgspec

from tocsin.bench.certificate import Certificate, self_signed
from tocsin.bench.control import (
    Arrived,
    Away,
    Command,
    Count,
    Mark,
    Ready,
    Received,
    Spread,
    Tell,
    obey,
    run_until_closed,
    spread_of,
)
from tocsin.bench.requests import MARK

ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
FAILURE: Final = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
AWAY: Final = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: %d\r\ncontent-length: 0\r\n\r\n"
SLOW_SECONDS: Final = 1.5
NUMBER: Final = slice(len(MARK), len(MARK) + 10)
SUBJECT: Final = slice(NUMBER.stop + 1, NUMBER.stop + 11)
SENT: Final = slice(SUBJECT.stop + 1, SUBJECT.stop + 20)
NINE: Final = ord("9")
STEP: Final = 1 << 18


class Tally:
    """What arrived at one endpoint: `copies[n]` counts event n, at most to 255."""

    __slots__ = ("copies", "latest", "out_of_order", "sample")

    def __init__(self) -> None:
        self.copies = bytearray(STEP)
        self.latest: dict[bytes, bytes] = {}
        self.out_of_order = 0
        self.sample = ""


class Sink:
    """Everything that arrived. Latencies in ns, since the last mark."""

    def __init__(self) -> None:
        self.tallies: dict[bytes, Tally] = {}
        self.stray = Tally()
        self.total = 0
        self.unmarked = 0
        self.connections = 0
        self.first_ns = 0
        self.last_ns = 0
        self.away = b""
        self.latencies: list[int] = []
        self.sent: list[int] = []
        self.crowd: dict[bytes, int] = {}
        self.troubled = 0

    def tally(self, path: bytes) -> Tally:
        """The tally of an endpoint."""
        return self.tallies.setdefault(path, Tally())

    def count(self, tally: Tally, body: bytes) -> None:
        """A request arrived: an array of events, or one event. Its mark is looked for from the end: a job's history may hold
        older ones."""
        now = time.monotonic_ns()
        at = body.find(MARK) if body.startswith(b"[") else body.rfind(MARK)
        if at < 0:
            self.unmarked += 1
            return
        self.first_ns = self.first_ns or now
        self.last_ns = now
        self._note(tally, body[at : at + SENT.stop], now)
        if body.startswith(b"["):
            while (at := body.find(MARK, at + SENT.stop)) >= 0:
                self._note(tally, body[at : at + SENT.stop], now)

    def _note(self, tally: Tally, mark: bytes, now: int) -> None:
        sent = int(mark[SENT])
        self.sent.append(sent)
        self.latencies.append(now - sent)
        self.total += 1
        text, subject = mark[NUMBER], mark[SUBJECT]
        number = int(text)
        copies = tally.copies
        while number >= len(copies):
            copies += bytes(STEP)
        if copies[number] == 0 and tally.latest.get(subject, b"") > text:
            tally.out_of_order += 1
        tally.latest[subject] = text
        copies[number] = min(copies[number] + 1, 255)

    async def answer(self, command: Command) -> msgspec.Struct | None:
        """Do what the measuring process asks."""
        match command:
            case Mark():
                self._mark()
                return self._arrived()
            case Away():
                self._mark()
                self.away = AWAY % command.seconds if command.seconds else b""
                return self._arrived()
            case Count():
                return self._arrived()
            case Tell():
                return self._account(command)
            case _:
                return None

    def _mark(self) -> None:
        self.latencies, self.sent, self.first_ns = [], [], 0

    def _in_phase(self, began: int, ended: int) -> Spread | None:
        pairs = zip(self.sent, self.latencies, strict=True)
        return spread_of([latency for sent, latency in pairs if began <= sent < ended])

    def _arrived(self) -> Arrived:
        return Arrived(total=self.total, first_ns=self.first_ns, last_ns=self.last_ns, crowd=sum(self.crowd.values()))

    def _account(self, asked: Tell) -> Received:
        lost = duplicated = 0
        tallies = [self.tally(b"/%d" % number) for number in range(asked.endpoints)]
        for number, tally in enumerate(tallies):
            arrived = bytes(tally.copies[asked.first : asked.beyond]).ljust(asked.beyond - asked.first, b"\0")
            copies = of_one(arrived, number, asked)
            lost += copies.count(0)
            duplicated += len(copies) - copies.count(0) - copies.count(1)
        return Received(
            lost=lost,
            duplicated=duplicated,
            out_of_order=sum(tally.out_of_order for tally in tallies),
            unmarked=self.unmarked,
            connections=self.connections,
            latency=spread_of(self.latencies),
            samples=[tally.sample for tally in tallies if tally.sample],
            crowd=len(self.crowd),
            crowd_repeated=sum(count > 1 for count in self.crowd.values()),
            troubled=self.troubled,
            phases=[self._in_phase(*phase) for phase in asked.phases],
        )


class SinkConnection(asyncio.Protocol):
    """One connection of the server under test."""

    __slots__ = ("_body", "_first", "_parser", "_sink", "_tally", "_transport", "_url")

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._parser = httptools.HttpRequestParser(self)
        self._tally = sink.stray
        self._url = b""
        self._body = b""
        self._first: bytes | None = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._sink.connections += 1

    def data_received(self, data: bytes) -> None:
        if self._first is not None:
            self._first += data
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url = url
        if url[1] <= NINE:
            self._tally = self._sink.tally(url)

    def on_body(self, body: bytes) -> None:
        self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        if self._url[1] > NINE:
            self._answer_apart()
            return
        if self._sink.away:
            self._transport.write(self._sink.away)
            self._first = b""
            return
        self._sink.count(self._tally, self._body)
        self._transport.write(ANSWER)
        if self._first is not None:
            self._tally.sample = self._tally.sample or self._first.decode("latin-1")
            self._first = None

    def _answer_apart(self) -> None:
        url, sink = self._url, self._sink
        self._first = None
        if url.startswith(b"/crowd/"):
            sink.crowd[url] = sink.crowd.get(url, 0) + 1
            sink.last_ns = time.monotonic_ns()
            self._transport.write(ANSWER)
            return
        sink.troubled += 1
        if url.startswith(b"/failing/"):
            self._transport.write(FAILURE)
        elif url.startswith(b"/slow/"):
            asyncio.get_running_loop().call_later(SLOW_SECONDS, self._transport.write, ANSWER)


def of_one(copies: bytes, number: int, asked: Tell) -> bytes:
    """What is for this endpoint: the tenants take turns, POST by POST."""
    batch = asked.batch
    start = (number - asked.first // batch) % asked.tenants * batch
    return b"".join(copies[at : at + batch] for at in range(start, len(copies), asked.tenants * batch))


async def main() -> None:
    """Listen on two free ports of the loopback and obey."""
    now = datetime.datetime.fromtimestamp(time.time(), datetime.UTC)
    sink, certificate = Sink(), self_signed("127.0.0.1", now)
    plain, secure = await listening(sink, None), await listening(sink, certificate)
    await obey(
        Ready(port=port_of(plain), https_port=port_of(secure), certificate_pem=certificate.certificate_pem.decode()),
        sink.answer,
    )
    plain.close()
    secure.close()


async def listening(sink: Sink, certificate: Certificate | None) -> asyncio.Server:
    """A server of the sink, over TLS where it has a certificate."""
    loop, context = asyncio.get_running_loop(), certificate.server_context() if certificate else None
    return await loop.create_server(lambda: SinkConnection(sink), "127.0.0.1", 0, backlog=4096, ssl=context)


def port_of(server: asyncio.Server) -> int:
    """The port that it was given."""
    port: int = server.sockets[0].getsockname()[1]
    return port


if __name__ == "__main__":
    run_until_closed(main)
