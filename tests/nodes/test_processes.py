"""`tocsin work` beside a server, and `tocsin serve --processes`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.conftest import MASTER_KEY
from tests.kit.postgres import PostgresServer
from tests.kit.program import Program
from tests.kit.server import OPERATOR_KEY, Client
from tests.kit.waiting import until
from tests.nodes.test_two_nodes import emit, holds, measured, node, states, taken

from tocsin.adapters.postgres.database import prepare_database
from tocsin.receiver import Receiver
from tocsin.rules.partitions import PARTITIONS

__all__ = ["node"]
HERE = {"TOCSIN_LISTEN": "127.0.0.1:0", "TOCSIN_ALLOW_NETWORKS": "127.0.0.0/8", "TOCSIN_ALLOW_HTTP": "true"}


class Several(Client):
    """`tocsin serve --processes`, or another command that says as JSON where it listens."""

    def __init__(self, *command: str, **settings: str) -> None:
        super().__init__()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tocsin", *command, "--output", "json"],
            env=environment | HERE | {"TOCSIN_LOG_LEVEL": "error", "TOCSIN_LEASE_SECONDS": "1"} | settings,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.url = json.loads(self.process.stdout.readline())["url"]

    def children(self) -> list[int]:
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        return [int(text) for text in listed.split()]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(20)


def settings_of(server: PostgresServer) -> dict[str, str]:
    return {
        "TOCSIN_DATABASE": server.fresh("store", prepare_database),
        "TOCSIN_MASTER_KEY": MASTER_KEY,
        "TOCSIN_BOOTSTRAP_KEY": OPERATOR_KEY,
    }


async def test_several_processes_share_one_address_and_the_work(postgres_server: PostgresServer) -> None:
    several = await asyncio.to_thread(Several, "serve", "--processes", "2", **settings_of(postgres_server))
    try:
        await until(lambda: len(several.children()) == 2)
        await until(lambda: several.get("/v1/doctor").json["process"]["neighbours"])
        await until(holds(several, PARTITIONS // 2))  # whichever of the two answers
        async with Receiver() as receiver:
            several.endpoint(receiver.url, tenant="t1", ordering="subject")
            for number in range(10):
                await asyncio.to_thread(emit, several, "t1", f"e{number}")
            await until(lambda: len(taken(receiver)) == 10)
            assert taken(receiver) == [f"e{number}" for number in range(10)]
        assert await asyncio.to_thread(several.end) == 0
    finally:
        several.end(signal.SIGKILL)


async def test_when_one_of_several_ends_all_do(postgres_server: PostgresServer) -> None:
    several = await asyncio.to_thread(Several, "serve", "--processes", "2", **settings_of(postgres_server))
    try:
        await until(lambda: len(several.children()) == 2)
        os.kill(several.children()[-1], signal.SIGKILL)
        assert await asyncio.to_thread(several.process.wait, 20) == 128 + signal.SIGKILL
    finally:
        several.end(signal.SIGKILL)


async def test_those_of_a_parent_that_is_killed_end_by_themselves(postgres_server: PostgresServer) -> None:
    several = await asyncio.to_thread(Several, "serve", "--processes", "2", **settings_of(postgres_server))
    await until(lambda: len(several.children()) == 2)
    children = several.children()
    several.end(signal.SIGKILL)
    await until(lambda: not any(Path(f"/proc/{child}").exists() for child in children) or None)


async def test_a_worker_delivers_and_has_no_api(node: Callable[..., Program]) -> None:
    server = node()
    settings = {"TOCSIN_DATABASE": server.database, "TOCSIN_MASTER_KEY": MASTER_KEY}
    worker = await asyncio.to_thread(Several, "work", **settings)
    try:
        await until(holds(worker, PARTITIONS // 2))
        assert worker.get("/livez").status == worker.get("/readyz").status == worker.get("/version").status == 200
        assert worker.get("/v1/endpoints").status == worker.get("/ui/").status == worker.get("/").status == 404
        assert worker.post("/v1/events", {"id": "x"}).status == 404
        async with Receiver() as receiver:
            for number in range(12):
                server.endpoint(receiver.url, tenant=f"t{number}")
                emit(server, f"t{number}", "a")
            await until(lambda: len(taken(receiver)) == 12)
        assert measured(worker, "tocsin_deliveries_created_total") > 0
        assert states(server, "t0") == {"delivered": 1}
        assert await asyncio.to_thread(worker.end) == 0
        await until(holds(server, PARTITIONS))
    finally:
        worker.end(signal.SIGKILL)


def test_neither_is_there_with_sqlite(tmp_path: Path) -> None:
    environment = os.environ | {"TOCSIN_DATABASE": f"sqlite:///{tmp_path}/a.db"}
    for command in (["work"], ["serve", "--processes", "2"]):
        ended = subprocess.run(
            [sys.executable, "-m", "tocsin", *command], env=environment, capture_output=True, check=False
        )
        assert ended.returncode == 2
        assert b"PostgreSQL" in ended.stderr
