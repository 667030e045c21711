"""The demo's server: the installed program as a process of its own, on a free port, in a temporary directory."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

START_SECONDS: Final = 20.0
STOP_SECONDS: Final = 10.0


class NotStarted(Exception):
    """The server did not come up; the text holds what it said."""


class ServerProcess:
    """`tocsin serve` on a free port of this machine, allowed to reach this machine. Use it as `async with`."""

    def __init__(self, directory: Path) -> None:
        self.url = ""
        self.sign_in_link = ""
        self.api_key = "demo_" + secrets.token_urlsafe(18)
        self.log = directory / "server.log"
        self._directory = directory
        self._process: asyncio.subprocess.Process | None = None

    @property
    def environment(self) -> dict[str, str]:
        """For commands that talk to this server."""
        return _without_tocsin() | {"TOCSIN_URL": self.url, "TOCSIN_API_KEY": self.api_key}

    async def ended(self) -> None:
        """Wait until it ends by itself."""
        if self._process is not None:
            await self._process.wait()

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace").strip()[-4000:]

    async def __aenter__(self) -> Self:
        settings = {
            "TOCSIN_DATABASE": f"sqlite:///{self._directory / 'tocsin.db'}",
            "TOCSIN_LISTEN": "127.0.0.1:0",
            "TOCSIN_ALLOW_HTTP": "true",
            "TOCSIN_ALLOW_NETWORKS": "127.0.0.0/8",
            "TOCSIN_BOOTSTRAP_KEY": self.api_key,
            "TOCSIN_LOG_LEVEL": "warning",
        }
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *program("serve", "--output", "json"),
                cwd=self._directory,
                env=_without_tocsin() | settings,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        try:
            assert self._process.stdout is not None
            line = await asyncio.wait_for(self._process.stdout.readline(), START_SECONDS)
            said = json.loads(line)
            self.url, self.sign_in_link = said["url"], said["sign_in_link"]
        except (TimeoutError, ValueError, KeyError):
            await self._stop()
            raise NotStarted(f"the server did not start:\n{self.said()}") from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def program(*arguments: str) -> list[str]:
    """The command line of the installed program."""
    return [sys.executable, "-m", "tocsin", *arguments]


def _without_tocsin() -> dict[str, str]:
    """The environment without settings that are meant for another server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
