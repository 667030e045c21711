"""The master key of the installed program: made, changed and replaced at the command line, killed in between."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
from pathlib import Path

from tests.kit.program import Program
from tests.kit.server import OPERATOR_KEY


def tocsin(*arguments: str, url: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"TOCSIN_URL": url, "TOCSIN_API_KEY": OPERATOR_KEY}
    command = [sys.executable, "-m", "tocsin", "master-key", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def new_key() -> str:
    made = tocsin("new")
    assert made.returncode == 0, made
    return made.stdout.strip()


def write(path: Path, *keys: str) -> None:
    """As an operator should: never half a file."""
    begun = path.with_suffix(".begun")
    begun.touch(mode=0o600)
    begun.write_text("".join(f"{key}\n" for key in keys), encoding="ascii")
    begun.replace(path)


def test_the_key_is_changed_at_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "t.db.key"
    program = Program(tmp_path / "t.db")
    try:
        made = program.endpoint("http://127.0.0.1:9/", authorization={"kind": "bearer", "token": "sesame"})
        old, new = path.read_text(encoding="ascii").strip(), new_key()
        write(path, new, old)
        done = tocsin("rewrap", url=program.url)
        assert done.returncode == 0, done
        assert "no longer needed" in done.stdout
        assert old not in done.stdout
        assert new not in done.stdout
        program.stop()
        write(path, new)
        program.start()
        assert program.get(f"/v1/endpoints/{made['id']}").json["authorization"] == made["authorization"]
    finally:
        program.stop()


def test_a_key_in_the_environment_is_not_changed_while_running(tmp_path: Path) -> None:
    program = Program(tmp_path / "t.db", TOCSIN_MASTER_KEY=new_key())
    try:
        refused = tocsin("rewrap", url=program.url)
        assert refused.returncode == 4
        assert "restart the server" in refused.stderr
        assert not (tmp_path / "t.db.key").exists()
    finally:
        program.stop()


def test_a_named_file_is_read_again(tmp_path: Path) -> None:
    path, first, second = tmp_path / "master", new_key(), new_key()
    write(path, first)
    program = Program(tmp_path / "t.db", TOCSIN_MASTER_KEY_FILE=str(path))
    try:
        write(path, second)  # the old key may be gone already: the running server still knows it
        assert program.post("/v1/master-key/rewrap").status == 200
        program.kill()
        program.start()
    finally:
        program.stop()


def rewraps_until_killed(program: Program, after: int) -> int:
    """How many were answered; the kill comes while the one after the first `after` of them is made."""
    killer = threading.Thread(target=program.kill)
    for number in range(after + 50):
        try:
            assert program.post("/v1/master-key/rewrap").status == 200
        except (OSError, http.client.HTTPException):
            killer.join(20)
            return number
        if number + 1 == after:
            killer.start()
    raise AssertionError("it was not killed")


def test_killed_while_it_re_wraps_it_starts_with_the_keys_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.db.key"
    program = Program(tmp_path / "t.db")
    keys = [path.read_text(encoding="ascii").strip()]
    bearer = {"kind": "bearer", "token": "sesame"}
    made = [program.endpoint("http://127.0.0.1:9/", authorization=bearer)]
    try:
        for after in (1, 2, 5):
            keys.insert(0, new_key())
            write(path, *keys)
            assert rewraps_until_killed(program, after) >= after
            program.start()
            made.append(program.endpoint("http://127.0.0.1:9/", authorization=bearer))
            for endpoint in made:
                shown = program.get(f"/v1/endpoints/{endpoint['id']}").json
                assert shown["authorization"] == made[0]["authorization"]
    finally:
        program.stop()
