"""One connection of a client: how long it may take, how much it may send, and bytes that can be read in only one way.

httptools refuses what is not HTTP, both lengths at once, and bare line ends. What it lets pass and uvicorn ignores is here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

import httptools
import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from tocsin.api.asgi import NOTHING_LOADED, SECURITY_HEADERS, problem_headers
from tocsin.errors import (
    AddressTooLong,
    HeadersTooLarge,
    MalformedRequest,
    RequestTimeout,
    TocsinError,
    TooManyConnections,
)
from tocsin.model.noun import Noun

LINGER_SECONDS: Final = 2
"""How long the rest of a refused request is still read: a client that is sending would otherwise not see the answer."""
STOPPING_SECONDS: Final = 1.0
"""The same as `stalled_seconds`, once the server stops."""
RETRY_SECONDS: Final = 5
READ_BYTES: Final = 64 * 1024
"""A client has to read this much of its answer within `stalled_seconds`, or all that is left."""


class Limits(Noun, frozen=True, kw_only=True):
    """What clients may ask of the server.

    `head_seconds` is from the first byte to the end of the headers, and from the connection to its first byte; `body_seconds`
    for the whole body; `stalled_seconds` for a client that does not go on reading its answer.
    """

    connections: int
    head_seconds: float = 10
    body_seconds: float = 60
    idle_seconds: int = 75
    stalled_seconds: float = 60
    address_bytes: int = 16 * 1024
    head_bytes: int = 64 * 1024
    header_count: int = 200


class Stage(Enum):
    """What the next byte of the client is part of."""

    BETWEEN = auto()
    HEAD = auto()
    BODY = auto()


class Connection(HttpToolsProtocol):
    """A connection held to limits. Requests are not pipelined: one that comes before the answer to the one before it is
    dropped with the connection, after that answer (RFC 9112 section 9.3.2 has the client send it again)."""

    limits: Limits
    """Set in the class that `connection_class` makes."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._stage = Stage.BETWEEN
        self._is_over = False
        self._refused_for: TocsinError | None = None
        self._hosts = 0
        self._is_chunked = False
        self._head_bytes = 0
        self._segment_bytes = 0
        self._idle_since = 0.0
        self._without_offer = b""
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._patience = self.limits.stalled_seconds

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        if len(self.connections) <= self.limits.connections:
            self._arm(self.limits.head_seconds, self._late)
            return
        problem = TooManyConnections(retry_after_seconds=RETRY_SECONDS)
        self._is_over = True
        transport.write(self._answer(problem))
        transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._stop_watching()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        self._segment_bytes = len(data)
        try:
            self._feed(data)
        except httptools.HttpParserCallbackError:
            self._refuse(self._refused_for or MalformedRequest("The request is not HTTP/1.1."))
        except httptools.HttpParserError as error:
            self._refuse(MalformedRequest(f"The request is not HTTP/1.1: {error}."))
        else:
            self._mind_the_time()

    def _feed(self, data: bytes) -> None:
        """Another protocol (Java's client offers h2c with every request) is not taken up. httptools would do so, and lose the
        body: it gets the head again, without the offer."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.parser = httptools.HttpRequestParser(self)
            self.parser.feed_data(self._without_offer + data[upgrade.args[0] :])

    def _mind_the_time(self) -> None:
        """Start the clock of whatever the client has not finished sending; most requests come in one piece and need none."""
        if self._stage is Stage.BETWEEN:
            if self._is_answered() and not self.transport.is_closing():
                self._rest()
            return
        if self._stage is Stage.HEAD:
            self._head_bytes += self._segment_bytes
            if self._head_bytes > self.limits.head_bytes:
                self._refuse(HeadersTooLarge(f"The head of a request has at most {self.limits.head_bytes} bytes."))
                return
        if self._deadline is None:
            is_head = self._stage is Stage.HEAD
            self._arm(self.limits.head_seconds if is_head else self.limits.body_seconds, self._late)

    def _is_answered(self) -> bool:
        """Whether no request waits for its answer."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    # What the parser calls.

    def on_message_begin(self) -> None:
        if not self._is_answered():
            self.cycle.keep_alive = False
            self._is_over = True
            raise MalformedRequest
        self._stage = Stage.HEAD
        self._hosts = 0
        self._is_chunked = False
        self._head_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._stage is not Stage.HEAD:
            return  # A trailer: it comes when the headers were judged already.
        name = name.lower()
        if name == b"host":
            self._hosts += 1
        elif name == b"transfer-encoding":
            self._is_chunked = True
            if value.strip().lower() != b"chunked":
                self._stop(MalformedRequest("The only Transfer-Encoding that is read is chunked."))
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._judge_head()
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._stop(MalformedRequest("This is not a proxy."))
            kept = b"".join(b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade")
            version = self.parser.get_http_version().encode()
            self._without_offer = b"%b %b HTTP/%b\r\n%b\r\n" % (self.parser.get_method(), self.url, version, kept)
            return
        self._disarm()
        self._begin()
        self._stage = Stage.BODY

    def _begin(self) -> None:
        """Have the request answered whose head is in order."""
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if self._stage is Stage.HEAD:
            return  # The head is read again, without an offer.
        self._stage = Stage.BETWEEN
        self._disarm()
        super().on_message_complete()

    def _judge_head(self) -> None:
        limits = self.limits
        version = self.parser.get_http_version()
        if version not in {"1.0", "1.1"}:
            self._stop(MalformedRequest("The request is not HTTP/1.1."))
        if len(self.url) > limits.address_bytes:
            self._stop(AddressTooLong(f"An address has at most {limits.address_bytes} bytes."))
        if len(self.headers) > limits.header_count:
            self._stop(HeadersTooLarge(f"A request has at most {limits.header_count} headers."))
        if self._head_bytes + self._segment_bytes > limits.head_bytes:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > limits.head_bytes:
                self._stop(HeadersTooLarge(f"The head of a request has at most {limits.head_bytes} bytes."))
        if self._hosts != 1 and (self._hosts > 1 or version == "1.1"):
            self._stop(MalformedRequest("A request has exactly one Host."))
        if version == "1.0" and self._is_chunked:
            self._stop(MalformedRequest("HTTP/1.0 has no Transfer-Encoding."))

    def _stop(self, problem: TocsinError) -> None:
        """Out of the parser, which reads nothing further."""
        self._refused_for = problem
        raise problem

    # Ends.

    def _late(self) -> None:
        self._deadline = None
        if self._stage is Stage.BETWEEN:
            self._close()
        else:
            self._refuse(RequestTimeout("The request did not arrive in time."))

    def _refuse(self, problem: TocsinError) -> None:
        """Answer with the problem unless the request has an answer already, and end the connection."""
        if self._is_over:
            return
        self._is_over = True
        self._disarm()
        if self._stage is Stage.BETWEEN and not self._is_answered():
            self.cycle.keep_alive = False
            return  # What is refused came behind a request: the answer that is next is that request's.
        if self._stage is Stage.BODY:
            if self.cycle.response_started:
                self.cycle.keep_alive = False
                if self.cycle.response_complete:
                    self._close()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(self._answer(problem))
        self.transport.write_eof()
        self._arm(LINGER_SECONDS, self.transport.abort)

    def _answer(self, problem: TocsinError) -> bytes:
        """The whole answer to what ends a connection."""
        body = msgspec.json.encode(problem.problem())
        begin = self.begin_of_answer(problem.status, problem_headers(problem))
        return begin + b"%d\r\nconnection: close\r\n\r\n%b" % (len(body), body)

    def begin_of_answer(self, status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
        """An answer's head up to the value of its Content-Length."""
        every = (*self.server_state.default_headers, *headers, NOTHING_LOADED, *SECURITY_HEADERS)
        return STATUS_LINE[status] + b"".join(b"%b: %b\r\n" % header for header in every) + b"content-length: "

    def on_response_complete(self) -> None:
        self._rest()

    def _rest(self) -> None:
        """The answer is out: wait for the next request. The timer of an earlier wait runs on, and looks how long this one is."""
        if self.transport.is_closing():
            self._close()
            return
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._watch_idling(self.timeout_keep_alive)

    def _watch_idling(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self._stage is not Stage.BETWEEN or not self._is_answered():
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._watch_idling(left)
        else:
            self._close()

    def _close(self) -> None:
        """Close when everything is sent, and after a while even when the client does not take it."""
        self.transport.close()
        if self.transport.get_write_buffer_size() > 0:
            self._watch_reading()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_watching()

    def shutdown(self) -> None:
        """The server stops: a client that does not read what it asked for is not waited for any longer than that."""
        self._patience = min(self._patience, STOPPING_SECONDS)
        super().shutdown()
        if self._stalled is not None:
            self._watch_reading()

    def _watch_reading(self) -> None:
        """Cut the client off unless it has read some of its answer by then."""
        self._stop_watching()
        left = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(self._patience, self._look_at_reading, left)

    def _look_at_reading(self, before: int) -> None:
        if before - self.transport.get_write_buffer_size() < READ_BYTES:
            self.transport.abort()
        else:
            self._watch_reading()

    def _stop_watching(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _arm(self, seconds: float, end: Callable[[], None]) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(seconds, end)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
