"""A scripted HTTP server on a real socket: it answers what it is told and keeps what it got."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Scripted(ThreadingHTTPServer):
    """`answers` are (status, document) pairs, given in turn; the last one stays. A status of 0 closes without a word."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = [(202, {"results": [{"job_id": "j", "outcome": "changed", "event_ids": ["evt_1"]}]})]
        self.requests = []
        self.headers = []
        self.connections = 0
        self.lock = threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def bodies(self):
        return [body for _, _, body in self.requests]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.connections += 1

    def answer(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            answers = self.server.answers
            status, document = answers.pop(0) if len(answers) > 1 else answers[0]
            if status:
                self.server.requests.append((self.command, self.path, json.loads(raw) if raw else None))
                self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        if not status:
            self.close_connection = True
            return
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = do_PATCH = answer  # noqa: N815

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def server():
    scripted = Scripted()
    thread = threading.Thread(target=scripted.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield scripted
    scripted.shutdown()
    scripted.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("TOCSIN_URL", "TOCSIN_API_KEY", "TOCSIN_TENANT", "TOCSIN_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
