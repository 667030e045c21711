"""`tocsin serve` as a process of its own on this machine, which can be killed and started again on the same database."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tocsin.client import Client

START_SECONDS = 30
STOP_SECONDS = 15


class Server:
    """Use it as `async with`. `is_up` is set while it runs; after a restart it is at another `url`."""

    def __init__(self, directory: Path) -> None:
        self.url = ""
        self.is_up = asyncio.Event()
        self._key = "example_" + secrets.token_urlsafe(18)
        self._log = directory / "server.log"
        self._process: asyncio.subprocess.Process | None = None
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")} | {
            "TOCSIN_DATABASE": f"sqlite:///{directory / 'tocsin.db'}",
            "TOCSIN_LISTEN": "127.0.0.1:0",
            "TOCSIN_ALLOW_HTTP": "true",
            "TOCSIN_ALLOW_NETWORKS": "127.0.0.0/8",
            "TOCSIN_BOOTSTRAP_KEY": self._key,
            "TOCSIN_LOG_LEVEL": "warning",
        }

    def client(self) -> Client:
        """For the server as it runs now."""
        return Client(self.url, self._key, timeout_seconds=30)

    async def start(self) -> None:
        """Raises RuntimeError with the server's log when it does not start."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tocsin", "serve", "--output", "json",
                env=self._environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), START_SECONDS)
            self.url = json.loads(line)["url"]
        except (TimeoutError, ValueError):
            await self.kill()
            raise RuntimeError(f"the server did not start:\n{self._log.read_text(encoding='utf-8')}") from None
        self.is_up.set()

    async def kill(self) -> None:
        """SIGKILL: it does not get to run another line."""
        self.is_up.clear()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
            except TimeoutError:
                await self.kill()
