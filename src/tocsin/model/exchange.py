"""One request, or one mail, and what came of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

from tocsin import __version__
from tocsin.model.noun import Noun
from tocsin.model.secret import Secret

HeaderPairs = tuple[tuple[str, str], ...]
USER_AGENT: Final = f"Tocsin/{__version__}"


class ClientTls(Noun, frozen=True, kw_only=True):
    """TLS of an endpoint's own, in PEM: the issuers that are trusted instead of the system's, the client's certificate
    chain and its key."""

    ca: str | None = None
    certificate: str | None = None
    key: Secret | None = None


class ProxyTarget(Noun, frozen=True, kw_only=True):
    """A forward proxy: where it is, and who we are to it."""

    kind: Literal["http", "socks5"]
    host: str
    port: int
    username: str | None = None
    password: Secret | None = None


class Target(Noun, frozen=True, kw_only=True):
    """Where a request goes: the parts of a checked URL. `host` is ASCII (IDNA), without brackets; `authority` is the
    Host header; `path` is the request target with its query. `pool` names the endpoint and its revision: connections
    are shared only within it. `tls` and `proxy` None: the operator's."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    authority: str
    path: str
    pool: str
    tenant: str = ""
    tls: ClientTls | None = None
    proxy: ProxyTarget | None = None


class Outbound(Noun, frozen=True, kw_only=True):
    """What an attempt sends, whichever way. `shown` are the headers as people may see them (secrets masked); `hidden` what
    must not be kept of an answer that repeats it."""

    url: str
    body: bytes
    shown: HeaderPairs
    timeout_seconds: float
    hidden: tuple[bytes, ...] = ()


class OutboundRequest(Outbound, frozen=True, kw_only=True):
    """The exact HTTP request: `head` is the request line and all headers but Content-Length, ended by CRLF; `body` the signed
    bytes."""

    target: Target
    head: bytes


class OutboundMail(Outbound, frozen=True, kw_only=True):
    """The exact mail: `message` is all of it, in ASCII (RFC 5322), `body` its text before that is encoded for the way. `sender`
    and `recipients` are the envelope (RFC 5321)."""

    sender: str
    recipients: tuple[str, ...]
    message: bytes


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
    """There was no usable answer. `reason` names the cause more closely than `kind`, for programs. `is_stale_connection`: a
    reused connection was closed after the request was written, without a byte of answer, so that one more attempt at
    once is fair."""

    kind: ErrorKind
    message: str
    reason: str | None = None
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
    has both. `address` is the address dialled. `protocol` says whose the status is: an SMTP reply code is no HTTP status."""

    response: Response | None
    failure: TransportFailure | None
    timings: Timings
    address: str | None
    protocol: Literal["http", "smtp"] = "http"
