"""A real PostgreSQL on 127.0.0.1, from the wheel or from PATH: one server, and a fresh database for each test that asks."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Coroutine
from typing import Final

import asyncpg
from tests.kit.apart import apart

from tocsin.bench.throwaway import ThrowawayPostgres

_FAST: Final = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}
"""The server answers as if it were durable, and is not: for tests of what is in it, never of what survives it."""
_SMALL: Final = {
    "shared_buffers": "32MB",
    "max_connections": "120",
    "unix_socket_directories": "",
    "jit": "off",
    # In its folder, where nothing is left of one that was killed.
    "dynamic_shared_memory_type": "mmap",
    "recovery_init_sync_method": "syncfs",
}


class PostgresServer(ThrowawayPostgres):
    """Small, with databases for tests. Its data lies in a folder of its own under the system's temporary one, and goes with it."""

    def __init__(self, *, durable: bool = False, also_at: str | None = None) -> None:
        """`also_at`: an address beside 127.0.0.1, at which everybody is let in."""
        places = {"listen_addresses": "127.0.0.1" if also_at is None else f"127.0.0.1,{also_at}"}
        super().__init__({**({} if durable else _FAST), **_SMALL, **places})
        if also_at is not None:
            with (self._data / "pg_hba.conf").open("a") as rules:
                rules.write("host all all all trust\n")
        self._made = 0
        self._templates: set[str] = set()

    def kill(self) -> None:
        """SIGKILL to the server; its children end by themselves, soon."""
        os.kill(int((self._data / "postmaster.pid").read_text().split("\n", 1)[0]), signal.SIGKILL)

    def start_again(self, *, seconds: float = 60) -> None:
        """After a kill: until the children of the last one are gone it does not come up."""
        end = time.monotonic() + seconds
        while True:
            try:
                return self.start()
            except subprocess.CalledProcessError:
                assert time.monotonic() < end, (self.folder / "log").read_text()
                time.sleep(0.1)

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
