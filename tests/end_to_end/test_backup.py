"""A backup that is made under load, and restored: everything accepted before it is there, and the server runs on it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.test_crash import Load
from tests.kit.program import Program
from tests.kit.server import OPERATOR_KEY, Client
from tests.kit.waiting import until

from tocsin.cli.main import main
from tocsin.receiver import Receiver


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    made: list[Program] = []
    yield made
    for program in made:
        program.kill()


def tocsin(server: Client, *arguments: str, key: str = OPERATOR_KEY) -> tuple[int, str, str]:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main([*arguments, "--url", server.url, "--api-key", key])
    return code, out.getvalue(), err.getvalue()


async def test_what_was_accepted_before_a_backup_is_there_after_a_restore(
    programs: list[Program], tmp_path: Path
) -> None:
    database, kept = tmp_path / "lost.db", tmp_path / "kept.db"
    async with Receiver(keep=200_000) as receiver:
        program = Program(database)
        programs.append(program)
        secret = {"kind": "bearer", "token": "planted-token"}
        made = program.endpoint(receiver.url, authorization=secret, retry={"schedule_seconds": [0.05] * 50})
        load = Load(program)
        try:
            await until(lambda: len(load.acknowledged) > 200)
            before = list(load.acknowledged)
            code, out, _ = await asyncio.to_thread(tocsin, program, "backup", str(kept), "--output", "json")
            assert code == 0
            during = len(load.acknowledged)
            assert during > len(before), "nothing was accepted while the backup was made"
            await until(lambda: len(load.acknowledged) > during + 50)
        finally:
            await asyncio.to_thread(program.kill)
            load._stop.set()
        answer = json.loads(out)
        assert answer == {
            "file": str(kept), "bytes": kept.stat().st_size, "sha256": hashlib.sha256(kept.read_bytes()).hexdigest(),
        }  # fmt: skip
        assert kept.stat().st_mode & 0o777 == 0o600
        assert b"planted-token" not in kept.read_bytes()
        assert [path.name for path in tmp_path.iterdir() if "copy" in path.name or "part" in path.name] == []

        shutil.copy(database.with_name("lost.db.key"), kept.with_name("kept.db.key"))
        restored = Program(kept)
        programs.append(restored)
        await until(lambda: restored.get("/v1/stats").json["pending_deliveries"] == 0, seconds=60)
        for event_id in (before[0], before[len(before) // 2], before[-1]):
            event = {"specversion": "1.0", "id": event_id, "source": "/load", "type": "load.went", "data": 1}
            headers = {"Content-Type": "application/cloudevents+json"}
            again = restored.post("/v1/events", event, headers=headers)
            assert again.json["results"][0]["outcome"] == "duplicate", "an event from before the backup is not there"
        assert restored.get("/v1/stats").json["events"] >= len(before)
        taken = {json.loads(arrival.body)["id"] for arrival in receiver.arrivals if arrival.status < 300}
        assert set(before) <= taken
        event = {"specversion": "1.0", "id": "after", "source": "/load", "type": "load.went", "data": 1}
        restored.post("/v1/events", event, headers={"Content-Type": "application/cloudevents+json"})
        await until(lambda: b'"after"' in receiver.arrivals[-1].body)
        assert receiver.arrivals[-1].headers["authorization"] == "Bearer planted-token"
        assert restored.get(f"/v1/endpoints/{made['id']}").status == 200
        assert tocsin(restored, "doctor", "--integrity", "--output", "json")[0] in {0, 1}


def test_a_backup_without_its_key_does_not_start(programs: list[Program], tmp_path: Path) -> None:
    program = Program(tmp_path / "one.db")
    programs.append(program)
    assert tocsin(program, "backup", str(tmp_path / "kept.db"))[0] == 0
    environment = os.environ | {"TOCSIN_DATABASE": f"sqlite:///{tmp_path}/kept.db", "TOCSIN_LISTEN": "127.0.0.1:0"}
    command = [sys.executable, "-m", "tocsin", "serve"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "kept.db.key is missing" in done.stderr) == (2, True)


def test_a_backup_is_a_new_file_and_for_operators(programs: list[Program], tmp_path: Path) -> None:
    program = Program(tmp_path / "one.db")
    programs.append(program)
    there = tmp_path / "there.db"
    there.write_bytes(b"mine")
    code, _, said = tocsin(program, "backup", str(there))
    assert (code, "is there already" in said, there.read_bytes()) == (2, True, b"mine")
    key = program.post("/v1/api-keys", {"name": "a", "role": "admin", "tenant": "t"}).json["value"]
    code, _, said = tocsin(program, "backup", str(tmp_path / "no.db"), key=key)
    assert (code, "may not do this" in said) == (4, True)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("no")) == []
    program.kill()
    assert tocsin(program, "backup", str(tmp_path / "no.db"))[0] == 3
