"""A request as the browser sent it: method, address, cookies, body; and whether one of our own pages made it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Final, cast
from urllib.parse import parse_qsl, quote, urlsplit

from tocsin.model.noun import Noun
from tocsin.ui.answers import Header
from tocsin.ui.asking import Form, read_form

Scope = MutableMapping[str, object]
Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_FORM_BYTES: Final = 512 * 1024
FORM_TYPE: Final = "application/x-www-form-urlencoded"


class Gone(Exception):
    """The browser went away before its request was complete."""


class Unreadable(Exception):
    """The body is no form that can be read; the status says why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class BrowserRequest(Noun, frozen=True, kw_only=True):
    """What is looked at of a request. `raw_path` is percent-encoded, as it was sent; `target` has
    the query as well."""

    method: str
    path: str
    raw_path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    address: str
    target: str

    @property
    def is_for_stream(self) -> bool:
        """Whether a script asks, and for a stream: a page to sign in would be of no use to it."""
        return self.headers.get("accept", "") == "text/event-stream"

    def is_own(self, public_url: str | None) -> bool:
        """Whether a page of ours made it, as far as the browser tells: another site's must change nothing.

        Browsers send `Origin` with every POST, and `Sec-Fetch-Site` where the connection is safe.
        """
        if self.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return False
        origin = self.headers.get("origin")
        if origin is None:
            return True
        ours = {self.headers.get("host", "").lower(), urlsplit(public_url or "").netloc.lower()} - {""}
        return origin.lower().partition("://")[2] in ours


def browser_request(scope: Scope) -> BrowserRequest:
    """From what the server gives."""
    raw = cast("Iterable[tuple[bytes, bytes]]", scope["headers"])
    headers = _first_of_each((name.decode("latin-1"), value.decode("latin-1")) for name, value in raw)
    path, raw_path = cast("str", scope["path"]), scope.get("raw_path")
    query = cast("bytes", scope["query_string"]).decode("latin-1")
    sent = raw_path.decode("latin-1") if isinstance(raw_path, bytes) else quote(path)
    client = cast("tuple[str, int] | None", scope.get("client"))
    return BrowserRequest(
        method=cast("str", scope["method"]),
        path=path,
        raw_path=sent,
        query=_first_of_each(parse_qsl(query, errors="replace")),
        headers=headers,
        cookies=_cookies(headers.get("cookie", "")),
        address=client[0] if client else "",
        target=f"{sent}?{query}" if query else sent,
    )


def _first_of_each(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def _cookies(header: str) -> dict[str, str]:
    """Read leniently: what other programs of the same host have set must not hide ours."""
    pairs = (part.partition("=") for part in header.split(";"))
    return _first_of_each((name.strip(), value.strip()) for name, is_pair, value in pairs if is_pair)


async def form_of(request: BrowserRequest, receive: Receive) -> Form:
    """The form in the body. Raises Gone, Unreadable."""
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        chunk = cast("bytes", message.get("body", b""))
        size += len(chunk)
        if size > MAX_FORM_BYTES:
            raise Unreadable(413, f"The form is larger than {MAX_FORM_BYTES // 1024} KiB.")
        chunks.append(chunk)
        more = bool(message.get("more_body", False))
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise Unreadable(415, f"A form is sent as {FORM_TYPE}.")
    try:
        return read_form(b"".join(chunks))
    except ValueError:
        raise Unreadable(400, "The form cannot be read.") from None


def cookie(name: str, value: str, *, is_secure: bool, seconds: int | None = None, same_site: str = "Lax") -> Header:
    """A cookie for the pages. No script can read it; other sites' pages do not send it with what they post."""
    parts = [f"{name}={value}", "Path=/", "HttpOnly", f"SameSite={same_site}"]
    if seconds is not None:
        parts.append(f"Max-Age={seconds}")
    if is_secure:
        parts.append("Secure")
    return b"set-cookie", "; ".join(parts).encode("latin-1")
