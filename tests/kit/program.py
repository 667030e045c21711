"""The installed program as a process, which can be killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.kit.server import OPERATOR_KEY, Client


class Program(Client):
    """`tocsin serve` on one database; only what it started itself is ever stopped. What it logs goes to the file `log`, if
    there is one; `launch` starts the process; `settings` are more variables of its environment."""

    def __init__(
        self,
        database: Path,
        *,
        log: Path | None = None,
        launch: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen,
        **settings: str,
    ) -> None:
        super().__init__()
        self._launch = launch
        self._log = log
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")} | {
            "TOCSIN_DATABASE": f"sqlite:///{database}",
            "TOCSIN_LISTEN": "127.0.0.1:0",
            "TOCSIN_ALLOW_NETWORKS": "127.0.0.0/8",
            "TOCSIN_ALLOW_HTTP": "true",
            "TOCSIN_BOOTSTRAP_KEY": OPERATOR_KEY,
            "TOCSIN_LOG_LEVEL": "error",
            "TOCSIN_LEASE_SECONDS": "1",
            **settings,
        }
        self.database = self._environment["TOCSIN_DATABASE"]
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tocsin", "serve", "--output", "json"]
        with contextlib.ExitStack() as opened:
            log = opened.enter_context(self._log.open("ab")) if self._log else None
            self._process = self._launch(command, env=self._environment, stdout=subprocess.PIPE, stderr=log)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the server did not start (exit code {self._process.wait(10)})"
        self.url = json.loads(line)["url"]

    @property
    def is_up(self) -> bool:
        return self._process.poll() is None

    def freeze(self) -> None:
        """SIGSTOP."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL: no line of code runs after it."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self._process.poll() is None:
            self._process.send_signal(number)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self._process.wait(20)
