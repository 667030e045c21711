"""What callers and browsers may try on the API: compressed bodies, other methods, long values, a fault inside."""

import asyncio
import base64
import gzip
import hashlib
import json
import re
import threading
from typing import Any, cast

import pytest
from tests.api.callers import Caller, problem_of
from tests.kit.server import OPERATOR_KEY, Answer, Client, Server

from tocsin.api.app import API_ROUTES, make_app
from tocsin.api.services import Services
from tocsin.api.serving import answer_requests, default_limits, listen
from tocsin.telemetry import set_up_logs

GZIP = {"Content-Encoding": "gzip"}
ACCEPTED: dict[str, Any] = {
    "/v1/jobs/reports": {"job_id": "z", "job_type": "t", "state": "running"},
    "/v1/records/changes": {"action": "create", "record": {"id": "r", "data": {"name": "Ann"}}},
    "/v1/data-versions": {"data_category_id": "c", "data_version": "v"},
    "/v1/events": {"specversion": "1.0", "id": "1", "source": "/z", "type": "a.b"},
}


def zipped(document: object) -> bytes:
    return gzip.compress(json.dumps(document).encode())


@pytest.mark.parametrize("path", ACCEPTED)
@pytest.mark.parametrize("encoding", ["gzip", "GZip", "x-gzip"])
def test_bodies_may_be_compressed(shared_server: Server, path: str, encoding: str) -> None:
    answer = Caller(shared_server).post(path, zipped(ACCEPTED[path]), headers={"Content-Encoding": encoding})
    assert answer.status == 202, answer


def test_a_large_compressed_body(shared_server: Server) -> None:
    reports = [ACCEPTED["/v1/jobs/reports"] | {"job_id": f"z{n}", "details": "long " * 500} for n in range(500)]
    answer = Caller(shared_server).post("/v1/jobs/reports", zipped(reports), headers=GZIP)
    assert answer.status == 202
    assert {result["outcome"] for result in answer.json["results"]} == {"changed"}


def test_other_bodies_may_be_compressed_too(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.post("/v1/endpoints", zipped({"name": "e", "url": "http://127.0.0.1:9/"}), headers=GZIP)
    assert made.status == 201
    changed = caller.call("PATCH", f"/v1/endpoints/{made.json['id']}", zipped({"name": "f"}), headers=GZIP)
    assert changed.json["name"] == "f"
    assert caller.post(f"/v1/endpoints/{made.json['id']}/disable", headers=GZIP).status == 200


@pytest.mark.parametrize("path", ["/v1/jobs/reports", "/v1/endpoints"])
def test_compressed_bodies_that_are_refused(shared_server: Server, path: str) -> None:
    whole = zipped(ACCEPTED["/v1/jobs/reports"])
    for body in (b"x", whole[:-1], whole + b"x", whole + whole):
        assert problem_of(shared_server.post(path, body, headers=GZIP))[:2] == ("malformed-request", 400)
    for encoding in ("deflate", "br", "zstd", "gzip, gzip", "compress", "*"):
        answer = shared_server.post(path, whole, headers={"Content-Encoding": encoding})
        assert problem_of(answer)[:2] == ("unsupported-media-type", 415)
    bomb = gzip.compress(bytes(10 * 1024 * 1024 + 1))
    assert problem_of(shared_server.post(path, bomb, headers=GZIP))[:2] == ("too-large", 413)


def test_a_repeated_request_is_known_by_its_content(shared_server: Server) -> None:
    caller = Caller(shared_server)
    content = json.dumps(ACCEPTED["/v1/data-versions"]).encode()
    key = {"Idempotency-Key": "same"}
    bodies = [gzip.compress(content, 1, mtime=1), gzip.compress(content, 9, mtime=2)]
    answers = [caller.post("/v1/data-versions", body, headers=GZIP | key) for body in bodies]
    answers.append(caller.post("/v1/data-versions", content, headers=key))
    assert [answer.status for answer in answers] == [202] * 3
    assert len({answer.body for answer in answers}) == 1
    other = caller.post("/v1/data-versions", gzip.compress(content + b" "), headers=GZIP | key)
    assert problem_of(other)[:2] == ("idempotency-key-reused", 422)


def test_a_kept_answer_is_for_the_tenant_that_was_named(shared_server: Server) -> None:
    caller = Caller(shared_server)
    body = {"name": "e", "url": "http://127.0.0.1:9/"}
    key = {"Idempotency-Key": "kept"}
    assert caller.post("/v1/endpoints", body, headers=key).status == 201
    assert problem_of(caller.post("/v1/endpoints?tenant=other", body, headers=key))[:2] == ("forbidden", 403)
    for role in ("admin", "operator"):
        call = shared_server.post if role == "operator" else caller.post
        assert problem_of(call("/v1/endpoints?tenant=", body, headers=key)) == ("invalid-request", 422, ["tenant"])


def hardened(answer: Answer) -> str:
    """Checks what every answer carries; gives its Content-Security-Policy."""
    headers = answer.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "date" in headers
    assert "server" not in headers
    assert not [name for name in headers if name.startswith("access-control")]
    return headers["content-security-policy"]


def test_every_answer_is_hardened(shared_server: Server) -> None:
    caller = Caller(shared_server)
    endpoint = f"/v1/endpoints/{caller.endpoint()['id']}"
    answers = [
        caller.post("/v1/jobs/reports", ACCEPTED["/v1/jobs/reports"]),
        caller.post("/v1/jobs/reports", b"{"),
        caller.get(endpoint),
        caller.call("HEAD", endpoint),
        caller.call("DELETE", endpoint),
        caller.get("/v1/endpoints/none"),
        caller.call("PROPFIND", endpoint),
        caller.call(
            "OPTIONS", endpoint, headers={"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
        ),
        shared_server.get("/nothing", key=None),
        shared_server.get("/v1/endpoints", key="wrong"),
        shared_server.post("/v1/events", {}, key=None),
        shared_server.get("/openapi.json", key=None),
        shared_server.get("/metrics", key=None),
        shared_server.get("/problems/conflict", key=None),
        shared_server.get("/livez", key=None, headers={"Expect": "x", "Origin": "https://a.example"}),
    ]
    assert [answer.status for answer in answers] == [
        202,
        400,
        200,
        200,
        204,
        404,
        405,
        405,
        404,
        401,
        401,
        200,
        200,
        200,
        200,
    ]
    assert {hardened(answer) for answer in answers} == {"default-src 'none'; frame-ancestors 'none'"}
    assert "content-length" not in answers[4].headers


def test_the_page_may_use_its_own_style_only(shared_server: Server) -> None:
    page = shared_server.get("/docs", key=None)
    policy = hardened(page)
    style = re.findall(rb"<style>(.*?)</style>", page.body, re.DOTALL)
    assert len(style) == 1
    assert f"style-src 'sha256-{base64.b64encode(hashlib.sha256(style[0]).digest()).decode()}'" in policy
    assert "unsafe" not in policy
    assert b" style=" not in page.body
    assert b"<script" not in page.body


def test_a_method_is_what_the_request_line_says(shared_server: Server) -> None:
    caller = Caller(shared_server)
    path = f"/v1/endpoints/{caller.endpoint()['id']}"
    for header in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        assert caller.get(f"{path}?tenant={caller.tenant}", headers={header: "DELETE"}).status == 200
    assert problem_of(caller.post(f"{path}?_method=DELETE"))[:2] == ("method-not-allowed", 405)
    for method in ("TRACE", "OPTIONS", "COPY", "PROPFIND"):
        refused = caller.call(method, path)
        assert problem_of(refused)[:2] == ("method-not-allowed", 405)
        assert refused.headers["allow"] == "DELETE, GET, HEAD, PATCH, PUT"
    assert caller.get(path).status == 200


@pytest.mark.parametrize("path", ["/v1/jobs/reports", "/v1/endpoints"])
def test_a_header_that_counts_is_there_once(shared_server: Server, path: str) -> None:
    for name in ("Authorization", "Content-Type", "Content-Encoding", "Idempotency-Key"):
        first = f"{name}: gzip\r\n" if name == "Content-Encoding" else f"{name}: Bearer {OPERATOR_KEY}\r\n"
        answer = raw(
            shared_server,
            f"POST {path} HTTP/1.1\r\nHost: h\r\n{first * 2}Connection: close\r\nContent-Length: 2\r\n\r\n{{}}",
        )
        assert answer.startswith(b"HTTP/1.1 400 "), answer
        assert f"more than one {name}".encode() in answer


def raw(server: Client, text: str) -> bytes:
    """What the server answers to these very bytes."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")

    async def talk() -> bytes:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(text.encode())
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
        return answer

    return asyncio.run(talk())


LONG = "x" * 1_000_000


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/jobs/reports", {LONG: 1}),
        ("/v1/jobs/reports", {"job_id": "a", "state": LONG}),
        ("/v1/jobs/reports", {"job_id": LONG, "state": "running"}),
        ("/v1/records/changes", {"action": LONG}),
        ("/v1/data-versions", {"data_category_id": "a", "data_version": "b", "time": LONG}),
        ("/v1/events", {LONG: "A"}),
        ("/v1/events", {f"A{n}": 1.5 for n in range(50_000)}),
        ("/v1/events", {f"A{n}": "a" for n in range(50_000)}),
        ("/v1/events", {"specversion": "1.0", "id": "1", "source": "/", "type": f"job.{LONG}"}),
        ("/v1/endpoints", {LONG: 1}),
        ("/v1/endpoints", {"name": "e", "url": f"ftp://{LONG}"}),
        ("/v1/endpoints", {"name": "e", "url": "https://a.example/", "format": {"kind": LONG}}),
        ("/v1/endpoints", {"name": "e", "url": "https://a.example/", "headers": [{"name": LONG, "value": "v"}]}),
        ("/v1/endpoints", {"name": "e", "url": "https://a.example/", "filters": [{"where": f"type == '{LONG}"}]}),
        ("/v1/api-keys", {"name": "n", "role": LONG}),
        ("/v1/api-keys", {"name": "n", "role": "viewer", "tenant": LONG}),
    ],
)
def test_a_problem_does_not_repeat_all_that_was_sent(shared_server: Server, path: str, body: object) -> None:
    answer = shared_server.post(path, body)
    assert 400 <= answer.status < 500
    assert len(answer.body) < 150_000 if "A1" in cast("dict[str, object]", body) else len(answer.body) < 4000


class Broken:
    """Stands in for everything that the API needs, and has none of it."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("the-inside-of-it")


def test_a_fault_inside_is_logged_and_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    set_up_logs("error")
    listener, url = listen("127.0.0.1", 0)
    stop: asyncio.Event | None = None
    running = threading.Event()

    async def main() -> None:
        nonlocal stop
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        ends.append(lambda: loop.call_soon_threadsafe(stop.set))
        running.set()
        await answer_requests(make_app(cast("Services", Broken())), listener, default_limits(), stop)

    ends: list[Any] = []
    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        assert running.wait(10)
        client = Client()
        client.url = url
        paths = [("POST", path) for path in ACCEPTED]
        paths += [
            (route.method, re.sub(r"\{\w+\}", "x", route.path)) for route in API_ROUTES if route.roles is not None
        ]
        for method, path in paths:
            answer = client.call(method, path, {})
            assert problem_of(answer) == ("internal-error", 500, [])
            assert set(answer.json) == {"type", "title", "status"}
            hardened(answer)
    finally:
        ends[0]()
        thread.join(10)
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert len(lines) == len(paths)
    assert all("the-inside-of-it" in line["exception"] for line in lines)
    assert OPERATOR_KEY not in json.dumps(lines)
