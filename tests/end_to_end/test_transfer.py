"""`tocsin migrate --from sqlite:... --to postgresql:...` as operators use it: the API answers as before, deliveries go on, and neither
side can be served by mistake."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import MASTER_KEY
from tests.kit.planted_rows import plant
from tests.kit.postgres import PostgresServer
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer

from tocsin.adapters.postgres.database import prepare_database
from tocsin.api.app import API_ROUTES
from tocsin.cli.main import main

SOON = {"schedule_seconds": [0.05] * 90}
LATE = {"schedule_seconds": [3600]}
CIRCUIT = {"failures": 10_000}
OF_THE_MOMENT = {"last_used_at", "oldest_pending_seconds", "file_bytes", "judged_at"}
"""What tells of the server or of asking, not of what is kept."""
OF_NOW = {"/v1/tail", "/v1/endpoints/stats", "/v1/doctor"}
"""A stream; what was of late, in cells that end now; and what is found on this machine."""


@pytest.fixture
def database(postgres_server: PostgresServer) -> str:
    return postgres_server.fresh("store", prepare_database)


@pytest.fixture
def source(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'source.db'}"


@pytest.fixture
def serve(start_server: Callable[..., Server]) -> Callable[[str], Server]:
    return lambda url: start_server(database=url, master_key=MASTER_KEY)


def moved(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[Any], str]:
    """Exit code, lines of JSON, and what is told of a fault."""
    capsys.readouterr()
    code = main(["migrate", *words, "--output", "json"])
    told = capsys.readouterr()
    return code, [json.loads(line) for line in told.out.splitlines()], told.err


def happen(server: Server, first: int, count: int) -> None:
    """Jobs, records and events of a few subjects."""
    for number in range(first, first + count):
        job = {"job_id": f"j{number}", "job_type": "load", "name": "nightly"}
        for state in ("running", "failed" if number % 2 else "succeeded"):
            assert server.post("/v1/jobs/reports", {**job, "state": state}).status == 202
        record = {"id": f"r{number % 3}", "data": {"n": number}}
        change = {"action": "update", "record": record, "version_id": number + 1}
        answer = server.post("/v1/records/changes", change, headers={"Idempotency-Key": f"key-{number}"})
        assert answer.status == 202, answer
        event = {"specversion": "1.0", "id": f"e{number}", "source": "/s", "type": "order.made", "subject": f"s{number % 3}",
                 "data": {"n": number}}  # fmt: skip
        headers = {"Content-Type": "application/cloudevents+json"}
        assert server.post("/v1/events", event, headers=headers).status == 202


def answering(asked: Asked) -> Say:
    return Say({"/fails": 500, "/rejects": 400}.get(asked.path, 200))


async def filled(server: Server, web: WebServer) -> None:
    """Everything that people do, until nothing moves any more."""
    base = web.url.rstrip("/")
    bearer = {"kind": "bearer", "token": "t" * 30}
    takes = server.endpoint(f"{base}/takes", authorization=bearer, retry=LATE)
    server.endpoint(f"{base}/fails", ordering="subject", retry=LATE, circuit=CIRCUIT)
    server.endpoint(f"{base}/rejects", retry=LATE, circuit=CIRCUIT)
    batches = {"mode": "batch", "max_events": 4, "max_wait_seconds": 0.05}
    server.endpoint(f"{base}/fails", delivery=batches, retry=LATE, circuit=CIRCUIT)
    server.endpoint(f"{base}/takes", delivery=batches, filters=[{"event_types": ["order.*"]}])
    assert (
        server.call(
            "PUT", "/v1/retention?tenant=other", {"rules": [{"event_types": ["*"], "rows_seconds": 9999}]}
        ).status
        == 200
    )
    for name in ("kept", "revoked"):
        made = server.post("/v1/api-keys", {"name": name, "role": "viewer", "tenant": "default"})
        assert made.status == 201, made
    assert server.call("DELETE", f"/v1/api-keys/{made.json['id']}").status == 204
    happen(server, 0, 6)
    await until(lambda: is_calm(server))
    erasure = server.post("/v1/erasures", {"subject_type": "order", "subject_id": "s0"})
    replay = server.post("/v1/replays", {"endpoint_id": takes["id"]})
    delivery = server.get(f"/v1/deliveries?endpoint={takes['id']}&state=delivered").json["items"][0]
    again = server.post(f"/v1/deliveries/{delivery['id']}/resend")
    pending = server.get("/v1/deliveries?state=pending").json["items"][-1]
    cancelled = server.post(f"/v1/deliveries/{pending['id']}/cancel")
    assert [answer.status for answer in (erasure, replay, again, cancelled)] == [202, 202, 202, 200]
    for path in (f"/v1/erasures/{erasure.json['id']}", f"/v1/replays/{replay.json['id']}"):
        await until(lambda path=path: server.get(path).json["finished_at"] is not None)
    await until(lambda: is_calm(server))


def is_calm(server: Server) -> bool:
    """Nothing that could be done before an hour is over is left."""
    position = server.rows("SELECT max(position) FROM event")
    waiting = (
        "SELECT count(*) FROM delivery WHERE state = 'pending' AND blocked = 0 AND batch IS NULL AND attempts = 0"
        " UNION ALL SELECT count(*) FROM batch WHERE state = 'pending' AND attempts = 0"
        " UNION ALL SELECT count(*) FROM notice"
    )
    return server.rows("SELECT min(position) FROM cursor") == position and server.rows(waiting) == [(0,)] * 3


def answers(server: Server) -> dict[str, Any]:
    """What every route says that only asks, of everything there is."""
    found: dict[str, Any] = {}
    for route in API_ROUTES:
        asks = route.method == "GET" and route.path.startswith("/v1/") and "{" not in route.path
        if asks and route.path not in OF_NOW:
            found[route.path] = server.get(f"{route.path}?limit=500" if "limit" in str(route) else route.path)
    assert all(answer.status == 200 for answer in found.values()), found
    found = {path: answer.json for path, answer in found.items()}
    for kind in ("endpoints", "deliveries", "events", "replays", "erasures", "jobs"):
        for item in found[f"/v1/{kind}"]["items"]:
            path = f"/v1/{kind}/{item.get('id', item.get('job_id'))}"
            found[path] = server.get(path).json
    for item in found["/v1/endpoints"]["items"]:
        path = f"/v1/endpoints/{item['id']}/stats"
        found[path] = server.get(path).json
    for path in found:
        if path.endswith("/stats"):  # of a range that ends now
            found[path] = {name: told for name, told in found[path].items() if name not in {"since", "until", "series"}}
    found["history"] = server.get("/v1/records/default/r1/history").json
    return found


def differences(one: Any, other: Any, at: str = "") -> list[str]:
    """Where two answers differ, but for what is of the moment."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = (one.keys() | other.keys()) - OF_THE_MOMENT
        return [fault for name in names for fault in differences(one.get(name), other.get(name), f"{at}/{name}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            fault for n, pair in enumerate(zip(one, other, strict=True)) for fault in differences(*pair, f"{at}/{n}")
        ]
    return [] if one == other else [f"{at}: {one!r} != {other!r}"]


async def test_the_api_answers_as_before(
    serve: Callable[[str], Server], source: str, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with WebServer(answering) as web:
        server = serve(source)
        await filled(server, web)
        code, _, told = await asyncio.to_thread(moved, capsys, "--from", source, "--to", database)
        assert (code, "held by another process" in told) == (4, True)
        server.stop()
        server.start()
        before = answers(server)
        server.stop()
        asked = len(web.asked)
        code, lines, _ = await asyncio.to_thread(moved, capsys, "--from", source, "--to", database)
        assert (code, lines[-1]["moved"], lines[-1]["differing"]) == (0, True, [])
        assert {line["state"] for line in lines[:-1]} == {"copied", "checked"}
        with pytest.raises(Exception, match=r"went to postgresql://.*: serve that"):
            serve(source)
        target = serve(database)
        after = answers(target)
        code, _, told = await asyncio.to_thread(moved, capsys, "--from", source, "--to", database)
        assert (code, "Servers run on this database" in told) == (4, True)
        assert "\n".join(differences(before, after)) == ""
        assert len(web.asked) == asked
        repeated = target.post("/v1/events", {"specversion": "1.0", "id": "e1", "source": "/s", "type": "order.made"},
                               headers={"Content-Type": "application/cloudevents+json"})  # fmt: skip
        assert repeated.json["results"][0]["outcome"] == "duplicate", repeated
        happen(target, 100, 2)
        await until(lambda: is_calm(target))
        target.stop()
        let_in = {one.headers["authorization"] for one in web.asked[asked:] if "authorization" in one.headers}
        assert let_in == {f"Bearer {'t' * 30}"}
    code, _, _ = await asyncio.to_thread(moved, capsys, "--from", source, "--take-back")
    assert code == 0
    serve(source)


def test_each_end_has_its_exit_code(tmp_path: Path, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    new = f"sqlite:///{tmp_path / 'new.db'}"
    nobody = "postgresql://postgres@127.0.0.1:1/none"
    assert moved(capsys, "--from", source, "--to", new)[0] == 2
    assert not (tmp_path / "source.db").exists()
    plant(tmp_path / "source.db", 2)
    for words in (["--from", source], ["--to", new], ["--from", source, "--to", "mysql://x"], ["--from", source, "--to", source],
                  ["--take-back"], ["--take-back", "--from", source, "--to", new]):  # fmt: skip
        assert moved(capsys, *words)[0] == 2, words
    code, _, told = moved(capsys, "--from", source, "--to", nobody)
    assert (code, "cannot be reached" in told) == (3, True)
    assert moved(capsys, "--from", source, "--take-back")[0] == 4
    code, lines, _ = moved(capsys, "--from", source, "--to", new)
    assert (code, lines[-1]["moved"], lines[-1]["from"]) == (0, True, source)
    assert main(["migrate", "--from", new, "--to", source]) == 4
    assert "not empty" in capsys.readouterr().err
    assert moved(capsys, "--from", source, "--take-back")[0] == 0


class Shaky:
    """A receiver that fails three of four requests. What it took, by path: subject and place in the log; and for each path and
    webhook-id the attempts that came, in their order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = 0
        self.taken: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self.attempts: dict[tuple[str, str], list[int]] = defaultdict(list)

    def __call__(self, asked: Asked) -> Say:
        with self._lock:
            self._asked += 1
            self.attempts[asked.path, asked.headers["webhook-id"]].append(int(asked.headers["webhook-attempt"]))
            if self._asked % 4:
                return Say(500)
            event = json.loads(asked.body)
            self.taken[asked.path].append((event["subject"], event["data"]["n"]))
            return Say()


async def test_deliveries_go_on_with_the_same_ids_attempts_and_order(
    serve: Callable[[str], Server], source: str, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shaky = Shaky()
    with WebServer(shaky) as web:
        server = serve(source)
        orders = [{"event_types": ["order.*"]}]
        server.endpoint(f"{web.url}ordered", ordering="subject", retry=SOON, circuit=CIRCUIT, filters=orders)
        server.endpoint(f"{web.url}free", retry=SOON, circuit=CIRCUIT, filters=orders)
        happen(server, 0, 12)
        await until(lambda: len(shaky.taken["/ordered"]) > 2)
        server.stop()
        before = len(shaky.taken["/ordered"])
        begun = {key: list(attempts) for key, attempts in shaky.attempts.items() if key[0] == "/ordered"}
        code, _, _ = await asyncio.to_thread(moved, capsys, "--from", source, "--to", database)
        assert code == 0
        target = serve(database)
        happen(target, 12, 3)
        pending = "SELECT count(*) FROM delivery WHERE state = 'pending'"
        await until(lambda: len(shaky.taken["/ordered"]) == 15 and target.rows(pending) == [(0,)])
        target.stop()
    assert before < 12, "nothing was left to go on with"
    assert any(len(shaky.attempts[key]) > len(attempts) for key, attempts in begun.items())
    assert {len(taken) for taken in shaky.taken.values()} == {len(set(taken)) for taken in shaky.taken.values()} == {15}
    assert len(shaky.attempts) == 2 * 15
    assert all(attempts == [*range(1, len(attempts) + 1)] for attempts in shaky.attempts.values())
    for subject in ("s0", "s1", "s2"):
        places = [place for one, place in shaky.taken["/ordered"] if one == subject]
        assert places == sorted(places)
