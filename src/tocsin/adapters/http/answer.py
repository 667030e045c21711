"""Reads one HTTP answer out of the bytes of a connection, within limits.

llhttp does the parsing, strictly; here stand the rules it leaves open: what is kept, where reading stops, whether the
connection can be trusted with another request. Source: RFC 9112 sections 2.1, 4, 6.3, 7.1, 9.3; RFC 9110 section 15.2.
"""

from __future__ import annotations

import httptools

from tocsin.adapters.http.limits import SenderLimits
from tocsin.model.exchange import ErrorKind, HeaderPairs, Response, TransportFailure

_H = ord("H")
_VERSIONS = ("1.1", "1.0")
_KNOWN_BYTES = 1024
_FRAMING = 8  # a chunk of one byte takes six on the wire, and reading a few more must not matter


class _Stop(Exception):
    """Ends parsing from inside one of the parser's callbacks."""


class AnswerReader:
    """The answer being read. `is_complete`: all of it is here. `is_reusable`: it was, and the connection was left exactly
    behind it. After a failure the reader is of no further use.

    Receivers mostly give the same short answer again and again. So the last one that came whole in one read is kept, with what was
    read of it: the same bytes mean the same.
    """

    __slots__ = (
        "_body_bytes",
        "_chunks",
        "_failure",
        "_head_bytes",
        "_head_is_read",
        "_headers",
        "_informational",
        "_kept",
        "_known",
        "_known_response",
        "_limits",
        "_parser",
        "_response",
        "_rest_bytes",
        "is_complete",
        "is_reusable",
        "status",
    )

    def __init__(self, limits: SenderLimits) -> None:
        self._limits = limits
        self._known = b""
        self._known_response: Response | None = None
        self._head_bytes = 1  # so that the first reset makes everything
        self.reset()
        self._parser = httptools.HttpResponseParser(self)

    def reset(self) -> None:
        """Be ready for the next answer on the same connection."""
        self._response: Response | None = None
        self.is_complete = self.is_reusable = False
        if not self._head_bytes:
            return  # the last one was known already
        self._headers: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._failure: TransportFailure | None = None
        self._head_bytes = self._rest_bytes = self._informational = self._kept = self._body_bytes = 0
        self._head_is_read = False
        self.status = 0

    def feed(self, data: bytes) -> TransportFailure | None:
        """Read on; a failure ends the exchange."""
        if not self._head_is_read:
            if not self._head_bytes:
                if data == self._known:
                    self._response = self._known_response
                    self.is_complete = self.is_reusable = True
                    return None
                if data[0] != _H:
                    return _protocol("The answer is not HTTP.")
            self._head_bytes += len(data)
        else:
            self._rest_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self.is_complete:
                self.is_reusable = False
                return None
            return self._failure or _protocol(f"The answer is not valid HTTP: {error}.")
        if not self._head_is_read and self._head_bytes > self._limits.max_header_bytes:
            return self._too_many_headers()
        if self._rest_bytes > self._limits.max_header_bytes + _FRAMING * self._body_bytes:
            return _protocol("The answer consists of little but chunk headers or trailers.")
        if self.is_reusable and self._head_bytes == len(data) <= _KNOWN_BYTES and not self._rest_bytes:
            self._known, self._known_response = data, self.response()
        return None

    def end(self) -> TransportFailure | None:
        """The connection was closed for good. An answer without a length ends here (RFC 9112 section 6.3 rule 8); any
        other is cut short."""
        if self._head_is_read and not any(
            name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self._headers
        ):
            self.is_complete, self.is_reusable = True, False
            return None
        return _protocol("The connection was closed before the end of the answer.")

    def response(self) -> Response:
        """What was read, as it is kept."""
        if self._response is not None:
            return self._response
        chunks = self._chunks
        self._response = Response(
            status=self.status,
            headers=self._kept_headers(),
            body=(chunks[0] if len(chunks) == 1 else b"".join(chunks)) if chunks else b"",
            body_bytes=self._body_bytes,
        )
        return self._response

    def _kept_headers(self) -> HeaderPairs:
        if self._head_bytes <= self._limits.kept_header_bytes:
            return tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._headers])
        room = self._limits.kept_header_bytes
        kept: list[tuple[str, str]] = []
        for name, value in self._headers:
            room -= len(name)
            if room <= 0:
                break
            kept.append((name.decode("latin-1"), value[:room].decode("latin-1")))
            room -= len(value)
        return tuple(kept)

    # The names below are the parser's.

    def on_message_begin(self) -> None:
        if self.is_complete:
            raise _Stop

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_is_read:  # else it is a trailer, which nobody asked for
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self._check_informational(status)
            return
        if len(self._headers) > self._limits.max_headers or self._head_bytes > self._limits.max_header_bytes:
            self._check_headers()
        self.status = status
        self._head_is_read = True

    def on_body(self, data: bytes) -> None:
        self._body_bytes += len(data)
        room = self._limits.kept_body_bytes - self._kept
        if room > 0:
            kept = data[:room]
            self._chunks.append(kept)
            self._kept += len(kept)
        if self._body_bytes > self._limits.max_body_bytes:
            text = f"The answer is larger than {self._limits.max_body_bytes} bytes."
            self._failure = TransportFailure(kind=ErrorKind.TOO_LARGE, message=text)
            raise _Stop

    def on_message_complete(self) -> None:
        # The parser forgets whether the connection may be kept as soon as this callback has returned.
        if not self._head_is_read:
            self._headers = []
            return
        version = self._parser.get_http_version()
        if version not in _VERSIONS:
            self._failure = _protocol("The answer is of an unknown HTTP version.")
            raise _Stop
        self.is_complete = True
        self.is_reusable = version == "1.1" and self._parser.should_keep_alive()

    def _check_informational(self, status: int) -> None:
        """RFC 9110 section 15.2: any number of them may precede the answer. 101 was not asked for."""
        self._informational += 1
        if status == 101:
            self._failure = _protocol("The receiver switched protocols without being asked (status 101).")
        elif status < 100:
            self._failure = _protocol("The answer has no valid status.")
        elif self._informational > self._limits.max_informational:
            self._failure = _protocol("The receiver sent too many interim answers.")
        if self._failure is not None:
            raise _Stop

    def _check_headers(self) -> None:
        """`_head_bytes` is what was read up to the end of the head, so a body may be in it: now the headers are counted."""
        size = sum(len(name) + len(value) for name, value in self._headers)
        if len(self._headers) > self._limits.max_headers or size > self._limits.max_header_bytes:
            self._failure = self._too_many_headers()
            raise _Stop

    def _too_many_headers(self) -> TransportFailure:
        return _protocol(
            f"The answer has more than {self._limits.max_headers} headers "
            f"or {self._limits.max_header_bytes} bytes of them."
        )


def _protocol(message: str) -> TransportFailure:
    return TransportFailure(kind=ErrorKind.PROTOCOL, message=message)
