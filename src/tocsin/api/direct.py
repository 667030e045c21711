"""Most requests to the accept routes, answered without ASGI: no scope, no task, nothing that waits. One write answers each.

A request with anything unusual about it is left to the ordinary way: another HTTP version, chunks, a compressed or large
body, a head with which something is wrong. A head that differs from the one before it on its
connection at most in the value of Content-Length says what that one said: it is not parsed again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from hashlib import sha256
from typing import Final

import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from tocsin.api.accepting import (
    ACCEPT_ROUTES,
    LARGE_BYTES,
    NOTHING,
    Decode,
    is_empty,
    kept_under,
    sent_of,
    submission_of,
    tenant_in,
)
from tocsin.api.asgi import CLOSE, JSON_TYPE, Headers, problem_headers
from tocsin.api.auth import POSTERS, allow, caller_with, key_hash_of
from tocsin.api.connections import Connection, Limits, Stage
from tocsin.api.head import Head
from tocsin.api.services import Services
from tocsin.errors import TocsinError
from tocsin.model.noun import Noun
from tocsin.model.submission import Accepted
from tocsin.telemetry import log

_DECODES: Final = {path.encode(): decode for path, decode in ACCEPT_ROUTES.items()}
_LENGTH: Final = re.compile(rb"(?<=\r\n)content-length:[ \t]*(\d{1,7})(?=\r\n)", re.IGNORECASE)
_DIGITS: Final = 7
_CLOSE_LINE: Final = b"%b: %b\r\n" % CLOSE
_NOBODY_WAITS: Final = asyncio.Event()


class Plain(Noun, frozen=True, kw_only=True):
    """What the head of an ordinary POST to an accept route says. The caller is looked up for each request."""

    path: str
    decode: Decode
    head: Head
    key_hash: bytes
    in_query: str | None


class _Known(Noun, frozen=True, kw_only=True):
    """A head that was read, as the bytes before and after the value of its Content-Length."""

    plain: Plain
    before: bytes
    after: bytes


class Direct:
    """Takes such requests for the server behind it."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def plain(self, url: bytes, headers: Headers) -> Plain | None:
        """What a POST's head says; None when it is one for the ordinary way."""
        path, _, query = url.partition(b"?")
        decode = _DECODES.get(path)
        if decode is None or b"#" in query:
            return None
        try:
            head = Head(headers)
            plain = Plain(
                path=path.decode(),
                decode=decode,
                head=head,
                key_hash=key_hash_of(head.authorization),
                in_query=tenant_in(query),
            )
            allow(caller_with(self._services.keys, plain.key_hash), POSTERS)
        except TocsinError:
            return None
        return plain if not head.is_gzip and head.length and head.length < LARGE_BYTES else None

    def take(self, plain: Plain, content: bytes, tell: Callable[[Accepted | Exception], None]) -> None:
        """Hand the request to accept, and have `tell` hear of its verdict. Raises TocsinError."""
        caller = caller_with(self._services.keys, plain.key_hash)
        allow(caller, POSTERS)
        decoded = plain.decode(content, plain.head)
        submission = submission_of(self._services, caller, plain.in_query, decoded, len(content))
        if (key := plain.head.idempotency_key) is not None:
            submission = kept_under(key, plain.path, submission, sha256(content).digest())
        if is_empty(submission):
            tell(Accepted(verdict=NOTHING))
        elif (door := self._services.door) is not None:
            door.submit(submission, sent_of(plain.path, plain.head, content), tell)
        else:
            self._services.submit(submission, tell)


class _Posting(RequestResponseCycle):
    """A request that is under way, to uvicorn, which asks what became of it. Nothing of ASGI is in it."""

    def __init__(self, plain: Plain, *, keep_alive: bool) -> None:
        self.plain = plain
        self.chunks: list[bytes] = []
        self.keep_alive = keep_alive
        self.disconnected = False
        self.more_body = True
        self.response_started = False
        self.response_complete = False
        self.message_event = _NOBODY_WAITS


def _content_behind(known: _Known, data: bytes) -> bytes | None:
    """The body, when the segment holds one request with this head and nothing else."""
    if not data.startswith(known.before):
        return None
    at = len(known.before)
    end = data.find(b"\r", at, at + _DIGITS + 1)
    begin = end + len(known.after)
    digits = data[at:end] if end > at else b""
    if not digits.isdigit() or int(digits) != len(data) - begin or not data.startswith(known.after, end):
        return None
    return data[begin:] if 0 < int(digits) < LARGE_BYTES else None


class DirectConnection(Connection):
    """A connection whose ordinary POSTs to the accept routes are answered directly."""

    direct: Direct
    """Set in the class that `connection_class` makes."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._known: _Known | None = None
        self._segment = b""
        self._complete: _Posting | None = None
        self._date: object = None
        self._begins: dict[int, bytes] = {}

    def data_received(self, data: bytes) -> None:
        if self._stage is Stage.BETWEEN and not self._is_over and self._is_answered():
            if (known := self._known) is not None and not self.flow.write_paused:
                content = _content_behind(known, data)
                if content is not None:
                    self.cycle = _Posting(known.plain, keep_alive=True)
                    self._take(known.plain, content)
                    return
            self._segment = data
        super().data_received(data)
        if (complete := self._complete) is not None:
            self._complete = None
            content = b"".join(complete.chunks)
            self._remember(complete, len(content))
            self._take(complete.plain, content)
        self._segment = b""

    # What the parser calls.

    def _begin(self) -> None:
        plain = self._plain()
        if plain is None:
            super()._begin()
        else:
            self.cycle = _Posting(plain, keep_alive=self.parser.should_keep_alive())

    def _plain(self) -> Plain | None:
        if self._is_chunked or self.expect_100_continue or self.flow.write_paused:
            return None
        if self.parser.get_method() != b"POST" or self.parser.get_http_version() != "1.1":
            return None
        return self.direct.plain(self.url, self.headers)

    def on_body(self, body: bytes) -> None:
        if isinstance(self.cycle, _Posting):
            self.cycle.chunks.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if isinstance(self.cycle, _Posting) and self._stage is Stage.BETWEEN:
            self._complete = self.cycle

    def _remember(self, posting: _Posting, length: int) -> None:
        """The head, when it is at the beginning of a segment that holds this request and nothing else."""
        end = len(self._segment) - length
        length_at = _LENGTH.search(self._segment, 0, end)
        if posting.plain.head.idempotency_key is not None:
            return
        is_whole = self._segment.startswith(b"POST ") and self._segment.find(b"\r\n\r\n") + 4 == end
        if not is_whole or length_at is None or not posting.keep_alive or end + _DIGITS > self.limits.head_bytes:
            return
        before, after = self._segment[: length_at.start(1)], self._segment[length_at.end(1) : end]
        self._known = _Known(plain=posting.plain, before=before, after=after)

    # Answers.

    def _take(self, plain: Plain, content: bytes) -> None:
        try:
            self.direct.take(plain, content, self._tell)
        except Exception as error:  # noqa: BLE001 (the outermost place: whatever went wrong, the client gets an answer)
            self._tell(error)

    def _tell(self, answer: Accepted | Exception) -> None:
        problem = answer.verdict.problem if isinstance(answer, Accepted) else answer
        if isinstance(answer, Accepted) and problem is None:
            self._write(self._begin_of_verdict(answer.verdict.status), answer.verdict.body)
        elif isinstance(problem, TocsinError):
            self._tell_problem(problem)
        else:
            log.error("accept.fault", path=self.url.decode(), exc_info=problem)
            self._tell_problem(TocsinError())

    def _begin_of_verdict(self, status: int) -> bytes:
        """It is the same until the date changes, with the next second."""
        if self._date is not self.server_state.default_headers:
            self._date = self.server_state.default_headers
            self._begins.clear()
        begin = self._begins.get(status)
        if begin is None:
            begin = self._begins[status] = self.begin_of_answer(status, [JSON_TYPE])
        return begin

    def _tell_problem(self, problem: TocsinError) -> None:
        headers = problem_headers(problem)
        if CLOSE in headers:
            self.cycle.keep_alive = False
        self._write(self.begin_of_answer(problem.status, headers), msgspec.json.encode(problem.problem()))

    def _write(self, begin: bytes, body: bytes) -> None:
        posting = self.cycle
        if posting.disconnected:
            return
        posting.response_started = posting.response_complete = True
        close = b"" if posting.keep_alive or _CLOSE_LINE in begin else _CLOSE_LINE
        self.transport.write(b"%b%d\r\n%b\r\n%b" % (begin, len(body), close, body))
        if not posting.keep_alive:
            self.transport.close()
        self._rest()


def connection_class(limits: Limits, direct: Direct | None) -> type[Connection]:
    """The class of a server's connections, for uvicorn, which makes them itself."""
    if direct is None:
        return type("LimitedConnection", (Connection,), {"limits": limits})
    return type("LimitedDirectConnection", (DirectConnection,), {"limits": limits, "direct": direct})
