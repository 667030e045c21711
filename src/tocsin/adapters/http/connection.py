"""One HTTP/1.1 connection: writes one request, reads one answer, and says whether it may be used again.

All of it happens in the protocol's callbacks: an exchange costs no task and, on a reused connection, no timer. Whatever a receiver does is an exchange with a failure, never an exception. Source: RFC 9112 section 9.
"""

from __future__ import annotations

import asyncio
import os
import select
import ssl
from collections.abc import Callable
from time import perf_counter_ns
from typing import Protocol, cast

from tocsin.adapters.http.answer import AnswerReader
from tocsin.adapters.http.failures import tls_failure
from tocsin.adapters.http.limits import SenderLimits
from tocsin.model.exchange import ErrorKind, Exchange, OutboundRequest, Timings, TransportFailure
from tocsin.model.noun import Noun

WRITE_SLICE = 65536
_RECENT_NS = 50_000_000
_TIMER_SLACK_NS = 1_000_000


class Phases(Noun, frozen=True, kw_only=True):
    """What it took to open a connection, in milliseconds; None where it was not done."""

    resolve: float | None = None
    connect: float | None = None
    tls: float | None = None


NO_PHASES = Phases()
Done = Callable[[Exchange], None]
"""Hears what came of an exchange, in the turn of the event loop in which it ended."""


class Keeper(Protocol):
    """Who keeps connections between exchanges."""

    def release(self, connection: Connection) -> None:
        """An exchange ended well: the connection may be used again."""

    def forget(self, connection: Connection) -> None:
        """The connection is closed."""


class Connection(asyncio.Protocol):
    """Idle, or in one exchange. `pool` is the name under which it may be reused, `address` what was dialled."""

    __slots__ = (
        "_deadline",
        "_done",
        "_fd",
        "_first_byte_at",
        "_is_paused",
        "_is_reused",
        "_is_tls",
        "_keeper",
        "_loop",
        "_phases",
        "_reader",
        "_started",
        "_timeout_seconds",
        "_timer",
        "_timer_at",
        "_transport",
        "_unsent",
        "_written_at",
        "address",
        "idle_since",
        "is_closed",
        "pool",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, keeper: Keeper, pool: str, address: str, limits: SenderLimits
    ) -> None:
        self._loop = loop
        self._keeper = keeper
        self._reader = AnswerReader(limits)
        self._done: Done | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = self._deadline = self._started = self._written_at = self._first_byte_at = 0
        self._timeout_seconds = 0.0
        self._phases = NO_PHASES
        self._unsent: memoryview | None = None
        self._is_paused = self._is_reused = self._is_tls = False
        self._fd = -1
        self.pool = pool
        self.address = address
        self.idle_since = 0
        self.is_closed = False

    # The exchange

    def start(self, request: OutboundRequest, started: int, phases: Phases, done: Done) -> None:
        """Write the request; `done` gets what comes of it, once. `started` (perf_counter_ns) is when the exchange began: the
        deadline counts from there."""
        self._done = done
        self._started = started
        self._phases = phases
        self._first_byte_at = 0
        self._timeout_seconds = request.timeout_seconds
        self._deadline = deadline = started + int(request.timeout_seconds * 1e9)
        if self._timer is None or deadline < self._timer_at:
            self._arm(perf_counter_ns())
        body = request.body
        if len(body) <= WRITE_SLICE:
            self._transport.write(b"%bContent-Length: %d\r\n\r\n%b" % (request.head, len(body), body))
        else:
            self._transport.write(b"%bContent-Length: %d\r\n\r\n" % (request.head, len(body)))
            self._unsent = memoryview(body)
            self._write_on()
        self._written_at = perf_counter_ns()

    def cancel(self, done: Done) -> None:
        """Nobody waits for this exchange any more."""
        if self._done is done:
            self._done = None
            self.abort()

    def abort(self) -> None:
        """Close at once. An exchange under way ends with a failure."""
        self.is_closed = True
        self._unsent = None
        self._transport.abort()
        if self._done is not None:
            self._fail(TransportFailure(kind=ErrorKind.RESET, message="The connection was closed by Tocsin."))

    def is_quiet(self, now: int) -> bool:
        """Whether the idle connection is fit for a request: open, and nothing has come that the loop did not read yet
        (a close, mostly). The kernel is asked only when the connection was not used just now."""
        if self.is_closed or self._transport.is_closing():
            return False
        if now - self.idle_since < _RECENT_NS:
            return True
        poll = select.poll()
        poll.register(self._fd, select.POLLIN | select.POLLRDHUP)
        return not poll.poll(0)

    def _succeed(self) -> None:
        reader, done = self._reader, self._done
        self._done = None
        assert done is not None
        exchange = self._exchange(None)
        reusable = (
            reader.is_reusable and not self._transport.is_closing() and (self._unsent is None or self._is_written())
        )
        self._unsent = None
        reader.reset()
        if reusable:
            self._is_reused = True
            self._keeper.release(self)
        else:
            self.abort()
        done(exchange)

    def _is_written(self) -> bool:
        """Whether nothing of a large body is left here: an answer may come before that, and then the receiver still waits
        for the rest."""
        return not self._unsent and not self._transport.get_write_buffer_size()

    def _fail(self, failure: TransportFailure) -> None:
        done, self._done = self._done, None
        assert done is not None
        exchange = self._exchange(failure)
        self.abort()
        done(exchange)

    def _exchange(self, failure: TransportFailure | None) -> Exchange:
        now, first, phases = perf_counter_ns(), self._first_byte_at, self._phases
        has_response = failure is None or failure.kind is ErrorKind.TOO_LARGE
        return Exchange(
            response=self._reader.response() if has_response else None,
            failure=failure,
            timings=Timings(
                resolve=phases.resolve,
                connect=phases.connect,
                tls=phases.tls,
                first_byte=milliseconds(first - self._written_at) if first else None,
                total=milliseconds(now - self._started),
            ),
            address=self.address,
        )

    # The deadline. The timer is left running from one exchange to the next and looks at the deadline of the moment only
    # when it fires, so that a busy connection sets one timer per time-out and not one per request.

    def _arm(self, now: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._deadline
        self._timer = self._loop.call_later(max(self._deadline - now, 0) / 1e9, self._check_deadline)

    def _check_deadline(self) -> None:
        self._timer = None
        if self._done is None:
            return
        now = perf_counter_ns()
        if now + _TIMER_SLACK_NS < self._deadline:
            self._arm(now)
            return
        missing = "the end of the answer" if self._first_byte_at else "an answer"
        text = f"There was not {missing} within {self._timeout_seconds:g} s."
        self._fail(TransportFailure(kind=ErrorKind.TIMEOUT, message=text))

    # Writing a large body: no more of it is handed over than the transport has room for.

    def _write_on(self) -> None:
        while self._unsent and not self._is_paused and not self._transport.is_closing():
            part, self._unsent = self._unsent[:WRITE_SLICE], self._unsent[WRITE_SLICE:]
            self._transport.write(part)

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self._write_on()

    # What the transport reports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._is_tls = transport.get_extra_info("ssl_object") is not None
        self._fd = transport.get_extra_info("socket").fileno()

    def data_received(self, data: bytes) -> None:
        if self._done is None:
            self.abort()
            return
        if not self._first_byte_at:
            self._first_byte_at = perf_counter_ns()
        failure = self._reader.feed(data)
        if failure is not None:
            self._fail(failure)
        elif self._reader.is_complete:
            self._succeed()

    def eof_received(self) -> None:
        if self._done is None:
            self.is_closed = True
            self._keeper.forget(self)
        else:
            self._closed_by_receiver(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None:
            if exc is not None and not self._is_tls:
                self._read_what_is_left()
            if self._done is not None:
                self._closed_by_receiver(exc)
        self.is_closed = True
        self._unsent = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._keeper.forget(self)

    def _closed_by_receiver(self, exc: Exception | None) -> None:
        if isinstance(exc, ssl.SSLError):
            self._fail(tls_failure(exc))
        elif not self._first_byte_at:
            how = "reset" if exc is not None else "closed"
            text = f"The connection was {how} without an answer."
            self._fail(TransportFailure(kind=ErrorKind.RESET, message=text, is_stale_connection=self._is_reused))
        elif exc is not None:
            text = "The connection was reset before the end of the answer."
            self._fail(TransportFailure(kind=ErrorKind.RESET, message=text))
        elif (failure := self._reader.end()) is not None:
            self._fail(failure)
        else:
            self._succeed()

    def _read_what_is_left(self) -> None:
        """A receiver that refuses a large body answers and closes; our next write then fails before the answer was read,
        but the kernel still has it, and the descriptor is open until this callback returns."""
        try:
            data = os.read(self._fd, WRITE_SLICE)
        except OSError:
            return
        if data:
            self.data_received(data)


def milliseconds(nanoseconds: int) -> float:
    """To the microsecond."""
    return nanoseconds // 1000 / 1000
