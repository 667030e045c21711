"""HTTP to a Tocsin server over one kept connection: JSON in, JSON out, problems as exceptions."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import threading
from collections.abc import Iterator, Mapping
from typing import Final, Self
from urllib.parse import urlencode, urlsplit

from tocsin.client.fields import ordered_uuid
from tocsin.client.streaming import Message, messages

DEFAULT_URL: Final = "http://127.0.0.1:8080"
_MAX_ANSWER: Final = 64 * 1024 * 1024
_SILENCE_SECONDS: Final = 45.0
"""A stream has a heartbeat every 15 seconds: after so many without one it is lost."""


class Problem(Exception):
    """The server refused. `document` is its problem document (RFC 9457)."""

    def __init__(self, status: int, document: Mapping[str, object], retry_after: str | None = None) -> None:
        self.status = status
        self.document = document
        self.retry_after = retry_after
        super().__init__(self.text)

    @property
    def type(self) -> str:
        """The last part of the problem type: `illegal-transition`, `invalid-request`, ..."""
        return str(self.document.get("type", "")).rsplit("/", 1)[-1]

    @property
    def text(self) -> str:
        """Title, detail and the bad fields in one line."""
        parts = [str(self.document.get("title") or f"The server answered {self.status}.")]
        if detail := self.document.get("detail"):
            parts.append(str(detail))
        errors = self.document.get("errors")
        for error in errors if isinstance(errors, list) else ():
            if isinstance(error, dict) and error.get("detail") != self.document.get("detail"):
                parts.append(f"{error.get('pointer')}: {error.get('detail')}")
            elif isinstance(error, dict) and error.get("pointer"):
                parts.append(f"(at {error['pointer']})")
        return " ".join(parts)


class Unreachable(Exception):
    """No answer came: the server is not there, or did not answer in time."""


class Download:
    """An answer that is being read."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._response = response

    def header(self, name: str) -> str | None:
        return self._response.headers.get(name)

    def read(self, size: int) -> bytes:
        """The next piece, empty at the end. Raises Unreachable when the answer breaks off."""
        try:
            piece = self._response.read(size)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"the answer broke off: {error}") from error
        if not piece and self._response.length:
            raise Unreachable("the answer broke off before its end")
        return piece

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *of_error: object) -> None:
        self._connection.close()


class Transport:
    """Requests to one server, one at a time; threads wait for one another. A fork opens its own connection."""

    def __init__(self, url: str, api_key: str | None, timeout_seconds: float) -> None:
        """Raises ValueError for a URL that is not http or https."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"not the http or https address of a server: {url}")
        self.url = url.rstrip("/")
        self._is_tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._is_tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._authorization = f"Bearer {api_key}" if api_key else None
        self._timeout = timeout_seconds
        self._lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None
        self._pid = os.getpid()

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str | None] | None = None,
        content_type: str = "application/json",
        idempotency_key: str | None = None,
    ) -> object:
        """The decoded answer, None when it has no body. Every POST carries an Idempotency-Key, so that repeating it
        after a lost connection does nothing twice. Raises Problem and Unreachable."""
        named = {name: value for name, value in (query or {}).items() if value is not None}
        target = self._prefix + path + (f"?{urlencode(named)}" if named else "")
        headers = {"Accept": "application/json", "User-Agent": "tocsin-client"}
        if self._authorization:
            headers["Authorization"] = self._authorization
        payload: bytes | None = None
        if body is not None:
            payload = body if isinstance(body, bytes) else encoded(body)
            headers["Content-Type"] = content_type
        if method == "POST":
            headers["Idempotency-Key"] = idempotency_key or ordered_uuid()
        if self._pid != os.getpid():
            self._pid, self._lock, self._connection = os.getpid(), threading.Lock(), None
        with self._lock:
            status, retry_after, answer = self._exchange(method, target, payload, headers)
        return _decoded(status, retry_after, answer)

    def stream(
        self, path: str, *, query: Mapping[str, str | None], last_event_id: str | None = None
    ) -> Iterator[Message]:
        """Server-sent events, over a connection of its own, until the server ends it. Raises Problem, and Unreachable when the
        connection is lost or silent."""
        named = {name: value for name, value in query.items() if value is not None}
        headers = {"Accept": "text/event-stream", "User-Agent": "tocsin-client"}
        if self._authorization:
            headers["Authorization"] = self._authorization
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        connection = self._new_connection(max(self._timeout, _SILENCE_SECONDS))
        try:
            connection.request("GET", self._prefix + path + (f"?{urlencode(named)}" if named else ""), None, headers)
            response = connection.getresponse()
            if response.status != 200:
                _decoded(response.status, response.headers.get("Retry-After"), response.read(_MAX_ANSWER))
            yield from messages(response)
        except ValueError as error:
            raise Unreachable("the answer is not a stream of events: is this a Tocsin server?") from error
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.url} cannot be reached: {error}") from error
        finally:
            connection.close()

    def download(self, method: str, path: str, timeout_seconds: float) -> Download:
        """An answer that may be large, over a connection of its own, to be read piece by piece. Raises Problem, Unreachable."""
        headers = {"User-Agent": "tocsin-client"} | (
            {"Authorization": self._authorization} if self._authorization else {}
        )
        connection = self._new_connection(timeout_seconds)
        try:
            connection.request(method, self._prefix + path, None, headers)
            response = connection.getresponse()
            if response.status >= 300:
                _decoded(response.status, response.headers.get("Retry-After"), response.read(_MAX_ANSWER))
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unreachable(f"{self.url} cannot be reached: {error}") from error
        except BaseException:
            connection.close()
            raise
        return Download(connection, response)

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _exchange(
        self, method: str, target: str, payload: bytes | None, headers: dict[str, str]
    ) -> tuple[int, str | None, bytes]:
        """One request; a second one when a kept connection turns out to be closed."""
        is_reused = self._connection is not None
        try:
            return self._send(method, target, payload, headers)
        except (ConnectionError, http.client.BadStatusLine) as error:
            self._drop()
            if not is_reused:
                raise Unreachable(f"{self.url} cannot be reached: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise Unreachable(f"{self.url} cannot be reached: {error}") from error
        try:
            return self._send(method, target, payload, headers)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise Unreachable(f"{self.url} cannot be reached: {error}") from error

    def _send(
        self, method: str, target: str, payload: bytes | None, headers: dict[str, str]
    ) -> tuple[int, str | None, bytes]:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._new_connection(self._timeout)
        connection.request(method, target, payload, headers)
        response = connection.getresponse()
        answer = response.read(_MAX_ANSWER)
        if response.will_close or not response.isclosed():
            self._drop()
        return response.status, response.headers.get("Retry-After"), answer

    def _new_connection(self, timeout_seconds: float) -> http.client.HTTPConnection:
        if self._is_tls:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=timeout_seconds, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout_seconds)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def encoded(body: object) -> bytes:
    """As JSON; TypeError and ValueError for what JSON cannot say."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _decoded(status: int, retry_after: str | None, answer: bytes) -> object:
    try:
        document: object = json.loads(answer) if answer.strip() else None
    except ValueError:
        document = None
        if status < 300:
            raise Unreachable("the answer is not JSON: is this a Tocsin server?") from None
    if 200 <= status < 300:
        return document
    raise Problem(status, document if isinstance(document, dict) else {}, retry_after)
