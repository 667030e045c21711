"""`tocsin doctor`: of a running server, of a database that no server has open, and of neither."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.kit.server import OPERATOR_KEY, Server

from tocsin.cli.main import main

NOWHERE = "http://127.0.0.1:9"


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def codes(self) -> dict[str, str]:
        return {finding["code"]: finding["severity"] for finding in json.loads(self.out)["findings"]}


def doctor(url: str, *arguments: str, key: str = OPERATOR_KEY) -> Said:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(["doctor", "--url", url, "--api-key", key, *arguments])
    return Said(code, out.getvalue(), err.getvalue())


@pytest.fixture
def many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many this machine allows."""
    monkeypatch.setattr("tocsin.wiring.services.open_files", lambda: 65536)


@pytest.fixture
def stopped(start_server: Callable[..., Server]) -> Path:
    """The database of a server that ran once."""
    server = start_server()
    assert server.post("/v1/jobs/reports", {"job_id": "j", "job_type": "t", "state": "running"}).status == 202
    server.stop()
    return server.database


def test_a_server_that_is_well(many_files: None, start_server: Callable[..., Server]) -> None:
    server = start_server()
    said = doctor(server.url, "--integrity")
    assert said.code == 0, said
    assert "note     Endpoints may have http URLs.  TOCSIN_ALLOW_HTTP" in said.out
    assert "         do:  Set it to false once every receiver has TLS" in said.out
    assert said.out.splitlines()[-1].endswith(": 4 notes.")
    assert set(doctor(server.url, "--output", "json").codes.values()) == {"note"}


def test_what_is_wrong_is_the_exit_code(many_files: None, start_server: Callable[..., Server]) -> None:
    server = start_server(disk_reserve="900000GiB")
    said = doctor(server.url, "--output", "json")
    assert (said.code, said.codes["disk.reserve"]) == (1, "error")
    assert doctor(server.url).out.startswith("error    The server is not ready")


def test_a_server_of_another_version(
    many_files: None, start_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server()
    monkeypatch.setattr("tocsin.cli.doctor.__version__", "0.0.1")
    said = doctor(server.url, "--output", "json")
    assert (said.code, said.codes["cli.version"]) == (1, "warning")
    assert json.loads(said.out)["is_well"] is False


def test_it_is_for_operators(shared_server: Server) -> None:
    key = shared_server.post("/v1/api-keys", {"name": "a", "role": "admin", "tenant": "t"}).json["value"]
    assert doctor(shared_server.url, key=key).code == 4


def test_a_database_that_no_server_has_open(stopped: Path) -> None:
    before = {
        path.name: path.stat().st_mtime_ns for path in stopped.parent.iterdir() if not path.name.endswith(".lock")
    }
    said = doctor(NOWHERE, "--database", f"sqlite:///{stopped}", "--integrity", "--output", "json")
    assert (said.code, said.codes["server.not_running"]) == (0, "note")
    document: Any = json.loads(said.out)
    assert (document["store"]["position"], document["process"]) == (2, None)
    after = {path.name: path.stat().st_mtime_ns for path in stopped.parent.iterdir() if not path.name.endswith(".lock")}
    assert after == before, "looking changed something"


def test_a_key_file_that_others_can_read_or_that_is_not_there(stopped: Path) -> None:
    key = stopped.with_name(stopped.name + ".key")
    key.chmod(0o644)
    said = doctor(NOWHERE, "--database", f"sqlite:///{stopped}")
    assert said.code == 1
    assert f"error    {key} can be read by others." in said.out
    key.unlink()
    said = doctor(NOWHERE, "--database", f"sqlite:///{stopped}", "--output", "json")
    assert (said.code, said.codes["settings.key_file"]) == (1, "error")


def test_a_damaged_file_is_found(stopped: Path) -> None:
    whole = bytearray(stopped.read_bytes())
    middle = len(whole) // 2 // 4096 * 4096
    whole[middle : middle + 40960] = b"\x7f" * 40960
    stopped.write_bytes(whole)
    said = doctor(NOWHERE, "--database", f"sqlite:///{stopped}", "--integrity", "--output", "json")
    assert (said.code, said.codes["store.damaged"]) == (1, "error")


def test_a_server_that_has_the_file_but_is_asked_elsewhere(shared_server: Server) -> None:
    said = doctor(NOWHERE, "--database", f"sqlite:///{shared_server.database}")
    assert (said.code, "is a server running on it?" in said.err) == (3, True)


def test_neither_a_server_nor_a_database(tmp_path: Path) -> None:
    said = doctor(NOWHERE, "--database", f"sqlite:///{tmp_path}/none.db")
    assert (said.code, "there is no database at" in said.err) == (3, True)
    assert list(tmp_path.iterdir()) == []
