"""One HTTP request and what came of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from tocsin.model.noun import Noun

HeaderPairs = tuple[tuple[str, str], ...]


class Target(Noun, frozen=True, kw_only=True):
    """Where a request goes: the parts of a checked URL. `host` is ASCII (IDNA), without brackets; `authority` is the
    Host header; `path` is the request target with its query. `pool` names the endpoint and its revision: connections
    are
    shared only within it."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    authority: str
    path: str
    pool: str


class OutboundRequest(Noun, frozen=True, kw_only=True):
    """The exact request: `head` is the request line and all headers but Content-Length, ended by CRLF; `body` the signed
    bytes. `shown` are the headers as people may see them (secrets masked)."""

    target: Target
    url: str
    head: bytes
    body: bytes
    shown: HeaderPairs
    timeout_seconds: float


class ErrorKind(StrEnum):
    """Why there was no success."""

    DNS = "dns"
    CONNECT = "connect"
    RESET = "reset"
    TIMEOUT = "timeout"
    TLS = "tls"
    BLOCKED = "blocked"
    PROXY = "proxy"
    TOKEN = "token"  # noqa: S105 (a kind of error, not a secret)
    PROTOCOL = "protocol"
    TOO_LARGE = "too_large"
    STATUS = "status"


class Response(Noun, frozen=True, kw_only=True):
    """What the receiver answered: `body` is cut after 16 KiB, `body_bytes` is what was read of it."""

    status: int
    headers: HeaderPairs
    body: bytes
    body_bytes: int


class TransportFailure(Noun, frozen=True, kw_only=True):
    """There was no usable answer. `is_stale_connection`: a reused connection was closed after the request was written,
    without a byte of answer, so that one more attempt at once is fair."""

    kind: ErrorKind
    message: str
    is_stale_connection: bool = False


class Timings(Noun, frozen=True, kw_only=True):
    """Milliseconds of each phase; None where the phase did not happen (a reused connection, a failure before it)."""

    resolve: float | None = None
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None
    total: float


class Exchange(Noun, frozen=True, kw_only=True):
    """A request that was tried. Exactly one of `response` and `failure` is set, save that a response too large to read
    has both. `address` is the address dialled."""

    response: Response | None
    failure: TransportFailure | None
    timings: Timings
    address: str | None
