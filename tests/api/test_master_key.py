"""The master key over HTTP and at start: changed while the server runs, refused when it is not the right one."""

import base64
import os
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from tests.api.callers import Caller, problem_of
from tests.kit.server import Server

from tocsin.errors import Misconfigured

Start = Callable[..., Server]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "t.db"


def new_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def write_keys(database: Path, *keys: str) -> None:
    """Into the file beside the database."""
    path = database.with_name(database.name + ".key")
    path.write_text("\n".join(keys) + "\n", encoding="ascii")
    path.chmod(0o600)


def key_in(database: Path) -> str:
    return database.with_name(database.name + ".key").read_text(encoding="ascii").strip()


def authorization_of(server: Server, endpoint_id: str) -> object:
    return server.get(f"/v1/endpoints/{endpoint_id}").json["authorization"]


def test_the_key_is_changed_while_running_and_the_old_one_is_not_needed_again(
    start_server: Start, database: Path
) -> None:
    server = start_server(database)
    made = server.endpoint("http://127.0.0.1:9/", authorization={"kind": "bearer", "token": "sesame-1"})
    old, new = key_in(database), new_key()
    write_keys(database, new, old)
    answer = server.post("/v1/master-key/rewrap")
    assert answer.status == 200, answer
    done = answer.json
    assert done["data_keys"] == done["newest_data_key"] == 2
    assert len(done["replaced"]) == 1
    assert done["not_needed"] == done["replaced"] != [done["master_key"]]
    assert not [key for key in (old, new) if key.encode() in answer.body]
    later = server.endpoint("http://127.0.0.1:9/", authorization={"kind": "bearer", "token": "sesame-1"})
    assert later["authorization"] == made["authorization"], "the fingerprint stays the same"
    entry = server.get("/v1/audit?action=master_key.rewrapped").json["items"][0]
    assert (entry["target"], entry["tenant"]) == (done["master_key"], None)
    server.stop()

    write_keys(database, new)
    server.start()
    for endpoint in (made, later):
        assert authorization_of(server, endpoint["id"]) == made["authorization"]
    server.stop()

    write_keys(database, old)
    with pytest.raises(Misconfigured, match="which was not given"):
        server.start()
    write_keys(database, new)
    server.start()
    assert authorization_of(server, made["id"]) == made["authorization"]


def test_what_the_old_key_opened_is_not_in_the_files_any_more(start_server: Start, database: Path) -> None:
    server = start_server(database)
    server.stop()
    before = wrapped_keys(database)
    write_keys(database, new_key(), key_in(database))
    server.start()  # re-wraps
    server.stop()
    files = b"".join(path.read_bytes() for path in database.parent.glob("t.db*"))
    assert not [wrapped for wrapped in before if wrapped in files]
    assert [wrapped for wrapped in wrapped_keys(database) if wrapped in files] == wrapped_keys(database) != []


def wrapped_keys(database: Path) -> list[bytes]:
    connection = apsw.Connection(str(database))
    try:
        return [row[0] for row in connection.execute("SELECT wrapped FROM data_key ORDER BY id").fetchall()]
    finally:
        connection.close()


def test_no_key_is_made_for_a_database_that_lost_its_own(start_server: Start, database: Path) -> None:
    server = start_server(database)
    server.stop()
    key = key_in(database)
    path = database.with_name(database.name + ".key")
    path.unlink()
    with pytest.raises(Misconfigured, match=r"t\.db\.key is missing"):
        server.start()
    assert not path.exists()
    write_keys(database, key)
    server.start()


def test_a_key_in_the_environment_needs_a_restart(start_server: Start, database: Path) -> None:
    old, new = new_key(), new_key()
    server = start_server(database, master_key=old)
    made = server.endpoint("http://127.0.0.1:9/", authorization={"kind": "bearer", "token": "sesame-1"})
    refused = server.post("/v1/master-key/rewrap")
    assert problem_of(refused) == ("conflict", 409, [])
    assert "restart the server" in refused.json["detail"]
    server.stop()
    for keys in (f"{new},{old}", new):
        again = start_server(database, master_key=keys)
        assert authorization_of(again, made["id"]) == made["authorization"]
        again.stop()
    with pytest.raises(Misconfigured, match="which was not given"):
        start_server(database, master_key=old)


def test_a_file_that_cannot_be_used_is_a_conflict_and_changes_nothing(start_server: Start, database: Path) -> None:
    server = start_server(database)
    key = key_in(database)
    write_keys(database, "nonsense")
    refused = server.post("/v1/master-key/rewrap")
    assert problem_of(refused) == ("conflict", 409, [])
    assert "nonsense" not in refused.json["detail"]
    assert server.get("/v1/audit?action=master_key.rewrapped").json["items"] == []
    server.stop()
    write_keys(database, key)
    server.start()


@pytest.fixture
def caller(shared_server: Server) -> Caller:
    return Caller(shared_server)


@pytest.mark.parametrize("role", ["admin", "producer", "viewer"])
def test_only_an_operator_may(caller: Caller, role: str) -> None:
    assert problem_of(caller.post("/v1/master-key/rewrap", role=role)) == ("forbidden", 403, [])
    assert caller.server.post("/v1/master-key/rewrap", key=None).status == 401
