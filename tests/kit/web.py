"""A small web server in a thread, told by a function what to answer; it keeps what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, Self


class Asked(NamedTuple):
    """A request: header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Say(NamedTuple):
    """An answer."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class WebServer:
    """`with WebServer(answer) as web:` `web.url` is its address, `web.asked` every request in order."""

    def __init__(self, answer: Callable[[Asked], Say]) -> None:
        self.asked: list[Asked] = []
        web = self

        class Exchange(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, body)
                web.asked.append(asked)
                say = answer(asked)
                self.send_response_only(say.status)
                for name, value in (*say.headers, ("Content-Length", str(len(say.body)))):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(say.body)

            do_GET = do_POST = do_OPTIONS = do_CONNECT = answer  # noqa: N815 (the names that http.server looks for)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
