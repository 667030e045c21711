"""`tail` and `listen` as programs: against a real server, with real receivers, ended by Ctrl-C."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook
from tests.kit.server import OPERATOR_KEY, Server
from tests.kit.web import Asked, Say, WebServer

SECONDS = 30


class Command:
    """`tocsin ... --output json` while it runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: queue.Queue[str] = queue.Queue()
        self.said: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(process.stdout, self._lines.put), daemon=True),
            threading.Thread(target=self._read, args=(process.stderr, self.said.append), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: Any, give: Callable[[str], None]) -> None:
        for line in stream:
            give(line)

    def line(self) -> str:
        return self._lines.get(timeout=SECONDS)

    def next(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.line())
        return document

    def end(self, number: signal.Signals | None = signal.SIGINT) -> int:
        """The exit code; None: it ends by itself."""
        if number is not None:
            self._process.send_signal(number)
        code = self._process.wait(SECONDS)
        for reader, stream in zip(self._readers, (self._process.stdout, self._process.stderr), strict=True):
            reader.join(SECONDS)
            assert stream is not None
            stream.close()
        return code


@contextmanager
def running(server: Server, *arguments: str, key: str = OPERATOR_KEY, mode: str = "json") -> Iterator[Command]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", *arguments, "--output", mode],
        env=kept | {"PYTHONPATH": os.pathsep.join(sys.path), "TOCSIN_URL": server.url, "TOCSIN_API_KEY": key},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    command = Command(process)
    try:
        yield command
    finally:
        if process.poll() is None:
            process.kill()
        command.end(None)


def emit(server: Server, number: int, kind: str = "order.made", **fields: Any) -> None:
    event = {"specversion": "1.0", "id": str(number), "source": kind, "type": kind, "subject": f"o-{number}"} | fields
    answer = server.post("/v1/events", event, headers={"Content-Type": "application/cloudevents+json"})
    assert answer.status == 202, answer


def test_tail_prints_a_line_of_json_for_each_event_and_attempt(shared_server: Server) -> None:
    with WebServer(lambda _: Say(503)) as web, running(shared_server, "tail", "--event-type", "tailed.*") as tail:
        assert tail.next()["kind"] == "watching"
        shared_server.endpoint(web.url, filters=[{"event_types": ["tailed.made"]}], retry={"schedule_seconds": []})
        emit(shared_server, 1, "other.made")
        emit(shared_server, 2, "tailed.made", data={"n": 1.10})
        event, attempt = tail.next(), tail.next()
        assert (event["kind"], event["event"]["cloudevent"]["id"]) == ("event", "2")
        assert (attempt["kind"], attempt["attempt"]["deliveries"][0]["state"]) == ("attempt", "dead")
        assert tail.end() == 0
        assert tail.said == []


def test_tail_for_people_names_endpoints_and_harms_no_terminal(shared_server: Server) -> None:
    with WebServer(lambda _: Say(200)) as web:
        filters = [{"event_types": ["shown.*"]}]
        shared_server.endpoint(web.url, name="\x1b[31mRed", filters=filters)
        with running(shared_server, "tail", "--event-type", "shown.*", "--count", "2", mode="text") as tail:
            while not tail.said:
                threading.Event().wait(0.02)
            emit(shared_server, 1, "shown.made")
            event, attempt = tail.line(), tail.line()
            assert tail.end(None) == 0
    assert "event    shown.made" in event
    assert "o-1" in event
    assert "\x1b" not in event + attempt
    assert "-> \\x1b[31mRed delivered 200 in " in attempt
    assert "Watching all tenants" in tail.said[0]


def test_tail_goes_on_when_the_server_is_back_and_shows_what_it_missed(tmp_path: Path) -> None:
    server = Server(tmp_path / "again.db")
    try:
        with running(server, "tail") as tail:
            tail.next()
            emit(server, 1)
            assert tail.next()["event"]["cloudevent"]["id"] == "1"
            server.stop()
            server = Server(tmp_path / "again.db", listen=server.url.removeprefix("http://"))
            emit(server, 2)
            shown = [message for message in (tail.next(), tail.next()) if message["kind"] == "event"]
            assert [message["event"]["cloudevent"]["id"] for message in shown] == ["2"]
            emit(server, 3)
            assert tail.next()["event"]["cloudevent"]["id"] == "3"
            assert tail.end(signal.SIGTERM) == 0
            assert "the server is stopping; trying again in" in tail.said[0]
    finally:
        server.stop()


def test_tail_ends_with_its_key_and_says_what_is_wrong(shared_server: Server) -> None:
    made = shared_server.post("/v1/api-keys", {"name": "n", "role": "viewer", "tenant": "t"}).json
    with running(shared_server, "tail", key=made["value"]) as tail:
        tail.next()
        assert shared_server.call("DELETE", f"/v1/api-keys/{made['id']}").status == 204
        assert tail.end(None) == 4
        assert "The API key was revoked, or has expired." in tail.said[-1]
    with running(shared_server, "tail", key="no-key-at-all-is-this") as tail:
        assert tail.end(None) == 4


def test_listen_sends_what_an_endpoint_would_be_sent_and_leaves_nothing(shared_server: Server) -> None:
    before = shared_server.get("/v1/endpoints?limit=500").json["items"]

    def answer(asked: Asked) -> Say:
        return Say(500, b"not like this") if b"bad" in asked.body else Say(204)

    with WebServer(answer) as web:
        address = web.url.removeprefix("http://") + "hooks?from=me"
        with running(shared_server, "listen", "--forward-to", address, "--event-type", "heard.*") as listen:
            begun = listen.next()
            emit(shared_server, 1, "heard.good", data={"n": 1})
            emit(shared_server, 2, "other.good")
            emit(shared_server, 3, "heard.bad")
            good, bad = listen.next(), listen.next()
            assert listen.end() == 0
        (first, second) = web.asked
        assert (first.path, first.headers["content-type"]) == ("/hooks?from=me", "application/cloudevents+json")
        for asked in (first, second):
            Webhook(begun["secret"]).verify(asked.body, asked.headers)
        assert json.loads(first.body) == good["request"]["body"]
        assert json.loads(first.body)["data"] == {"n": 1}
        assert first.headers["webhook-id"] == good["event"]["id"]
        assert (good["status"], good["error"], bad["status"]) == (204, None, 500)
    assert shared_server.get("/v1/endpoints?limit=500").json["items"] == before
    with running(shared_server, "listen") as again:
        assert again.next()["secret"] == begun["secret"]
        assert again.end() == 0


def test_listen_says_when_there_is_no_receiver_and_goes_on(shared_server: Server) -> None:
    with WebServer(lambda _: Say(200)) as web:
        url = web.url
    with running(shared_server, "listen", "--forward-to", url, "--event-type", "lost.*", "--count", "2") as listen:
        listen.next()
        emit(shared_server, 1, "lost.one")
        emit(shared_server, 2, "lost.two")
        first, second = listen.next(), listen.next()
        assert (first["status"], first["error"]["kind"]) == (None, "connect")
        assert second["event"]["type"] == "lost.two"
        assert listen.end(None) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_listen_ends_while_its_receiver_hangs(shared_server: Server, number: signal.Signals) -> None:
    asked, released = threading.Event(), threading.Event()

    def hang(_: Asked) -> Say:
        asked.set()
        released.wait(SECONDS)
        return Say(200)

    kind = f"hung.{number.name.lower()}"
    with (
        WebServer(hang) as web,
        running(shared_server, "listen", "--forward-to", web.url, "--event-type", kind) as listen,
    ):
        listen.next()
        emit(shared_server, 1, kind)
        assert asked.wait(SECONDS)
        assert listen.end(number) == 0
        assert listen.said == []
        released.set()


def test_listen_like_an_endpoint_takes_its_filters_format_and_what_is_sent_again(shared_server: Server) -> None:
    with WebServer(lambda _: Say(200)) as web, WebServer(lambda _: Say(200)) as mine:
        endpoint = shared_server.endpoint(web.url, format={"kind": "tamr"}, filters=[{"states": ["failed"]}])
        job = {"job_id": "like-1", "job_type": "load_source", "resources": [{"kind": "source", "id": "s1"}]}
        arguments = ("listen", "--like", endpoint["id"], "--forward-to", mine.url)
        with running(shared_server, *arguments) as listen:
            assert listen.next()["format"] == "tamr"
            for state in ("running", "failed"):
                assert shared_server.post("/v1/jobs/reports", job | {"state": state}).status == 202
            first = listen.next()
            assert first["request"]["body"]["data"]["status"]["state"] == "DONE"
            path = f"/v1/deliveries?event={first['event']['id']}&state=delivered"
            while not (delivered := shared_server.get(path).json["items"]):
                threading.Event().wait(0.02)
            assert shared_server.post(f"/v1/deliveries/{delivered[0]['id']}/resend").status == 202
            again = listen.next()
            assert again["request"]["body"] == first["request"]["body"]
            assert again["request"]["headers"]["webhook-id"] == first["request"]["headers"]["webhook-id"]
            assert listen.end() == 0
        assert len(mine.asked) == 2
        assert [asked.body for asked in web.asked] == [asked.body for asked in mine.asked]
