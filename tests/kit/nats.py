"""Real NATS servers with JetStream on 127.0.0.1, from the wheel or from PATH: three of them are a cluster, one is alone."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any, Final, Self

from tests.kit.waiting import until

_CONFIGURATION: Final = """
server_name: {name}
listen: 127.0.0.1:{port}
http: 127.0.0.1:{watched}
jetstream {{ store_dir: {folder}, max_memory_store: 64MB, max_file_store: 4GB, sync_interval: always }}
"""
_CLUSTER: Final = "cluster {{ name: kit, listen: 127.0.0.1:{inner}, routes: [{routes}], no_advertise: {is_silent} }}\n"


def program() -> str:
    """The path of the server."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    assert found is not None, "nats-server is neither in the environment nor on PATH"
    return found


class NatsServer:
    """One of a cluster. Its data outlives its process, as long as the cluster is there."""

    def __init__(self, name: str, folder: Path, ports: tuple[int, int, int]) -> None:
        self.name = name
        self.port, self.inner, self._watched = ports
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def configure(self, routes: list[int], more: str, *, is_advertised: bool) -> None:
        text = (_CONFIGURATION + _CLUSTER if routes else _CONFIGURATION).format(
            name=self.name, port=self.port, watched=self._watched, inner=self.inner,
            folder=json.dumps(str(self._folder / self.name)),
            is_silent=json.dumps(not is_advertised),
            routes=", ".join(f'"nats://127.0.0.1:{port}"' for port in routes),
        )  # fmt: skip
        (self._folder / f"{self.name}.conf").write_text(text + more, encoding="utf-8")

    def start(self) -> None:
        command = [program(), "-c", str(self._folder / f"{self.name}.conf")]
        with (self._folder / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self) -> None:
        """SIGKILL."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """As an operator does who restarts it: SIGTERM."""
        self._signal(signal.SIGTERM)

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def ask(self, path: str) -> Any:
        """What it says of itself, by its monitoring port; None while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._watched}{path}", timeout=2) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None

    @property
    def log(self) -> str:
        return (self._folder / f"{self.name}.log").read_text(encoding="utf-8", errors="replace")

    def _signal(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        process.wait(20)


class NatsCluster:
    """`async with NatsCluster() as cluster`: all are up, and they have a leader. `more` is what their configuration says besides.
    `is_advertised`: clients learn from one server of the others."""

    def __init__(self, size: int = 3, more: str = "", *, is_advertised: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tocsin-nats-"))
        ports = _free_ports(3 * size)
        self.servers = [
            NatsServer(f"nats{n}", self._folder, (ports[3 * n], ports[3 * n + 1], ports[3 * n + 2]))
            for n in range(size)
        ]
        for server in self.servers:
            server.configure(
                [other.inner for other in self.servers if other is not server], more, is_advertised=is_advertised
            )

    async def __aenter__(self) -> Self:
        for server in self.servers:
            server.start()
        await self.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self.servers:
            server.kill()
        shutil.rmtree(self._folder)

    @property
    def urls(self) -> list[str]:
        return [server.url for server in self.servers]

    async def wait(self, *, seconds: float = 60) -> NatsServer:
        """Until the servers that are up agree on a leader, and have what the others have; gives the leader."""

        def led() -> NatsServer | None:
            up = [server for server in self.servers if server.is_up]
            states = [(server.ask("/jsz"), server.ask("/healthz")) for server in up]
            if not all(jsz is not None and health == {"status": "ok"} for jsz, health in states):
                return None
            if len(self.servers) == 1:
                return up[0] if up else None
            leaders = {jsz.get("meta_cluster", {}).get("leader") for jsz, _ in states}
            return next((server for server in up if {server.name} == leaders), None)

        try:
            return await until(led, seconds=seconds)
        except AssertionError:
            raise AssertionError("\n".join(server.log[-2000:] for server in self.servers)) from None

    async def restart(self, server: NatsServer) -> None:
        """Stop it, start it again, and wait until the cluster is whole."""
        await asyncio.to_thread(server.stop)
        server.start()
        await self.wait()


def _free_ports(count: int) -> list[int]:
    """They differ; each is free now."""
    listeners = [socket.socket() for _ in range(count)]
    try:
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()
