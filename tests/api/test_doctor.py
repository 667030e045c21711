"""Doctor and backups over HTTP: what is found on a running server, and the copy that an operator is given."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.api.callers import Caller
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Say, WebServer

from tocsin import __version__
from tocsin.model.times import from_text, to_text

DAY = 86_400_000


def findings(server: Server, query: str = "") -> dict[str, list[dict[str, Any]]]:
    answer = server.get(f"/v1/doctor{query}")
    assert answer.status == 200, answer
    by_code: dict[str, list[dict[str, Any]]] = {}
    for finding in answer.json["findings"]:
        by_code.setdefault(finding["code"], []).append(finding)
    return by_code


@pytest.mark.both_stores
def test_the_facts_of_a_server(server: Server, kept_in: str) -> None:
    assert server.post("/v1/jobs/reports", {"job_id": "j", "job_type": "t", "state": "running"}).status == 202
    shown = server.get("/v1/doctor?integrity=true").json
    assert shown["version"] == __version__
    assert 0 in shown["process"]["holds"]
    store = shown["store"]
    assert (store["position"], store["file_bytes"] > 0) == (2, True)
    if kept_in == "sqlite":
        assert store["engine"].startswith("SQLite 3.")
        assert store["place"] == str(server.database.resolve())
        assert store["commits"] > 0
        assert store["mean_commit_parts"] >= 1
        assert store["shared"] is None
    else:
        assert store["engine"].startswith("PostgreSQL 1")
        assert store["place"] == server.url_of_database
        assert store["free_bytes"] is None
        shared = store["shared"]
        assert 2 <= shared["connections"] <= shared["most_connections"] == 117
        assert (shared["is_durable"], shared["checksum_failures"], shared["replicas"]) == (False, 0, 0)
        assert shared["transactions_behind"] > 0
        assert shared["eras"] >= 6
        assert "store.not_durable" in {finding["code"] for finding in shown["findings"]}
    assert store["last_accepted_at"] <= shown["at"]


def test_settings_that_open_something_are_told_as_notes(server: Server, kept_in: str) -> None:
    found = findings(server)
    codes = {code for code in found if code.startswith("settings.")}
    beside = {"settings.key_beside"} if kept_in == "sqlite" else set()
    assert codes == {"settings.http_allowed", "settings.networks_allowed", "settings.no_public_url", *beside}
    assert all(finding["severity"] == "note" for code in codes for finding in found[code])
    assert found["settings.networks_allowed"][0]["about"] == "TOCSIN_ALLOW_NETWORKS"


@pytest.mark.both_stores
def test_a_server_that_is_low_on_disk_says_so_first(start_server: Callable[..., Server], kept_in: str) -> None:
    """The disk of PostgreSQL is not ours to see."""
    server = start_server(disk_reserve="900000GiB")
    shown = server.get("/v1/doctor").json
    assert shown["is_well"] is False
    told = {"disk.reserve", "server.not_ready"} & {finding["code"] for finding in shown["findings"]}
    assert told == ({"disk.reserve", "server.not_ready"} if kept_in == "sqlite" else set())
    order = [finding["severity"] for finding in shown["findings"]]
    assert order == sorted(order, key=["error", "warning", "note"].index)


async def test_endpoints_in_trouble_and_dead_deliveries(server: Server) -> None:
    with WebServer(lambda asked: Say(410 if "gone" in asked.path else 503 if "later" in asked.path else 500)) as web:
        made = {
            name: server.endpoint(f"{web.url}{name}", name=name, tenant="acme", retry={"schedule_seconds": []})
            for name in ("gone", "bad")
        }
        report = {"job_id": "j", "job_type": "t", "state": "running", "tenant": "acme"}
        assert server.post("/v1/jobs/reports", report).status == 202
        await until(lambda: server.get("/v1/deliveries?state=dead").json["items"])
        await until(lambda: server.get(f"/v1/endpoints/{made['gone']['id']}").json["state"] == "disabled")
        found = findings(server)
    (disabled,) = found["endpoint.disabled"]
    assert (disabled["severity"], disabled["about"]) == ("error", made["gone"]["id"])
    assert "acme/gone" in disabled["what"]
    assert "410" in disabled["what"]
    (failing,) = found["endpoint.failing"]
    assert (failing["severity"], failing["about"]) == ("warning", made["bad"]["id"])
    (dead,) = found["deliveries.dead"]
    assert dead["severity"] == "warning"
    assert "bad" in dead["why"]


def test_keys_that_expire_soon_save_those_made_for_a_short_time(server: Server) -> None:
    now = from_text(server.get("/v1/doctor").json["at"])

    def key(name: str, days: float) -> str:
        made = server.post(
            "/v1/api-keys",
            {"name": name, "role": "viewer", "tenant": "t", "expires_at": to_text(now + int(days * DAY))},
        )
        assert made.status == 201, made
        return made.json["id"]

    soon = key("soon", 5)
    key("later", 60)
    key("session", 0.5)
    (found,) = findings(server)["key.expires"]
    assert (found["about"], found["severity"]) == (soon, "warning")


@pytest.mark.both_stores
def test_a_backup_is_the_whole_database_and_told_of_in_the_audit_log(
    server: Server, tmp_path: Path, kept_in: str
) -> None:
    if kept_in == "postgres":
        refuses_backups(server)
        return
    caller = Caller(server)
    caller.endpoint(authorization={"kind": "bearer", "token": "hush-hush"})
    answer = server.post("/v1/backups")
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "application/vnd.sqlite3"
    assert answer.headers["content-length"] == str(len(answer.body))
    digest = hashlib.sha256(answer.body)
    assert answer.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert b"hush-hush" not in answer.body
    path = tmp_path / "copy.db"
    path.write_bytes(answer.body)
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    assert connection.execute("SELECT count(*) FROM endpoint").fetchone() == (1,)
    connection.close()
    (told,) = [entry for entry in server.get("/v1/audit").json["items"] if entry["action"] == "backup.taken"]
    assert told["after"] == {"size": len(answer.body), "sha256": digest.hexdigest()}
    assert told["tenant"] is None


def refuses_backups(server: Server) -> None:
    answer = server.post("/v1/backups")
    assert (answer.status, answer.json["type"]) == (409, "/problems/conflict")
    assert "pg_dump" in answer.json["detail"]
    assert [entry for entry in server.get("/v1/audit").json["items"] if entry["action"] == "backup.taken"] == []


def test_the_same_idempotency_key_makes_another_backup(server: Server, kept_in: str) -> None:
    """An answer of any size is not kept."""
    if kept_in == "postgres":
        refuses_backups(server)
        return
    first = server.post("/v1/backups", headers={"Idempotency-Key": "k"})
    assert server.post("/v1/jobs/reports", {"job_id": "j", "job_type": "t", "state": "running"}).status == 202
    second = server.post("/v1/backups", headers={"Idempotency-Key": "k"})
    assert (first.status, second.status) == (200, 200)
    assert first.body != second.body


def test_a_backup_that_would_take_from_the_reserve_is_refused(
    start_server: Callable[..., Server], kept_in: str
) -> None:
    server = start_server(disk_reserve="900000GiB")
    if kept_in == "postgres":
        refuses_backups(server)
        return
    answer = server.post("/v1/backups")
    assert (answer.status, answer.json["type"]) == (507, "/problems/storage-full")
