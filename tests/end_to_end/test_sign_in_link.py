"""The link into the web interface: printed where somebody looks, and in no log."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

LINK = re.compile(rb"http://127\.0\.0\.1:\d+/ui/sign-in\?link=[\w-]{43}")
SECONDS = 30


def serve(folder: Path, out: int) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return subprocess.Popen(
        [sys.executable, "-m", "tocsin", "serve", "--listen", "127.0.0.1:0", "--log-level", "debug"],
        cwd=folder,
        env=kept | {"PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.PIPE,
    )


def stopped(process: subprocess.Popen[bytes]) -> bytes:
    process.send_signal(signal.SIGTERM)
    return process.communicate(timeout=SECONDS)[1]


def test_on_a_terminal_the_link_is_printed(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = serve(tmp_path, theirs)
    os.close(theirs)
    guard = threading.Timer(SECONDS, process.kill)
    guard.start()
    said = b""
    try:
        while not LINK.search(said):
            said += os.read(ours, 4096)
    finally:
        guard.cancel()
        log = stopped(process)
        os.close(ours)
    assert b"for 15 minutes and once" in said
    assert b"link=" not in log


def test_elsewhere_it_is_not(tmp_path: Path) -> None:
    process = serve(tmp_path, subprocess.PIPE)
    assert process.stdout is not None
    lines: list[bytes] = []
    guard = threading.Timer(SECONDS, process.kill)
    guard.start()
    while not lines or b"TOCSIN_API_KEY" not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], "it ended"
    guard.cancel()
    log = stopped(process)
    assert b"Web interface: http://127.0.0.1:" in b"".join(lines)
    assert b"link=" not in b"".join(lines) + log
