"""The real server in a thread of its own: real store, real sockets, its own event loop, of the kind that the program has."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from pathlib import Path
from typing import Any

import uvloop
from tests.kit.apart import apart
from tests.kit.stores import part_of, place_of

from tocsin.config import load_settings
from tocsin.wiring import Running, serve

OPERATOR_KEY = "operator-key-for-tests"
SETTINGS = {
    "listen": "127.0.0.1:0",
    "allow_networks": "127.0.0.0/8",
    "allow_http": "true",
    "bootstrap_key": OPERATOR_KEY,
    "log_level": "error",
    "lease_seconds": "1",
}


class Answer:
    """Status, headers (lower-case names) and body of an answer."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"{self.status} {self.body[:2000]!r}"


class Client:
    """Speaks HTTP to a server."""

    def __init__(self) -> None:
        self.url = ""

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = OPERATOR_KEY,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request; a body that is not bytes is sent as JSON."""
        sent = {"Authorization": f"Bearer {key}"} if key else {}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            sent["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=30)
        try:
            connection.request(method, path, body, sent | (headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def post(self, path: str, body: object = None, **options: Any) -> Answer:
        return self.call("POST", path, body, **options)

    def get(self, path: str, **options: Any) -> Answer:
        return self.call("GET", path, **options)

    def endpoint(self, url: str, **fields: object) -> Any:
        """Create an endpoint; gives its wire form."""
        answer = self.post("/v1/endpoints", {"name": "test", "url": url, **fields})
        assert answer.status == 201, answer
        return answer.json


class Server(Client):
    """One server on one database; can be stopped and started again. Settings may name another database than the file."""

    def __init__(self, file: Path, **settings: str) -> None:
        super().__init__()
        self.sign_in_link = ""
        self.database = file
        self._settings = SETTINGS | {"database": f"sqlite:///{file}"} | settings
        self.url_of_database = self._settings["database"]
        self._ready = threading.Event()
        self._fault: BaseException | None = None
        self.start()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What is in its database."""
        return apart(place_of(self.url_of_database).rows(query))

    def part(self, name: str) -> Any:
        """The class behind a port of its store."""
        return part_of(self.url_of_database, name)

    def start(self) -> None:
        self._ready.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(30), "the server did not start"
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def stop(self) -> None:
        """As SIGTERM does."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(20)
            assert not self._thread.is_alive(), "the server did not stop"
        if self._fault is not None:
            raise self._fault

    def _run(self) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            self._stop = asyncio.Event()
            await serve(load_settings(self._settings, {}), self._is_ready, self._stop)

        try:
            uvloop.run(main())
        except BaseException as fault:
            self._fault = fault
            self._ready.set()

    def _is_ready(self, running: Running) -> None:
        self.url = running.url
        self.sign_in_link = running.sign_in_link
        self._ready.set()
