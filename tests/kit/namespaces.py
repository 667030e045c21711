"""Processes in network namespaces of their own, each at the end of a cable that can be pulled: packets are lost then, and nobody is
told. Needs the rights of root and iproute2; `is_allowed` says whether they are there. Addresses are from the range that is set
aside for tests of devices (RFC 2544); everything is gone with the processes and with the `with` block."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

_TOOLS: Final = ("ip", "nsenter", "unshare", "sh")


@cache
def is_allowed() -> bool:
    if not all(map(shutil.which, _TOOLS)):
        return False
    try:
        with Cables():
            return subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


class Cables:
    """This machine is one end of all of them, and has the address `here`."""

    def __init__(self) -> None:
        self._open = ExitStack()

    def __enter__(self) -> Self:
        for number in range(200):
            self._name = f"tcs{number}"
            if _ip("link", "add", self._name, "type", "bridge"):
                break
        else:
            raise OSError("no interface can be made")
        self._open.callback(_ip, "link", "del", self._name)
        self._network = f"198.18.{number}"
        self.here = f"{self._network}.1"
        if not (_ip("addr", "add", f"{self.here}/32", "dev", self._name) and _ip("link", "set", self._name, "up")):
            self._open.close()
            raise OSError("no address can be given")
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def cable(self, number: int) -> Cable:
        """Of the process with that number, from 1 to 60."""
        return Cable(f"{self._name}n{number}", self._network, 4 * number)


class Cable:
    """`launch` starts the process at the other end, where its address is `there`. It may be started again when it has ended."""

    def __init__(self, name: str, network: str, first: int) -> None:
        self._name = name
        self._gate = f"{network}.{first + 1}"
        self.there = f"{network}.{first + 2}"

    def launch(self, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        """As subprocess.Popen; it begins when its end of the cable is there."""
        waiting = ["unshare", "-n", "--", "sh", "-c", 'read -r go; exec "$@" </dev/null', "sh", *command]
        process = subprocess.Popen(waiting, stdin=subprocess.PIPE, **options)
        assert process.stdin is not None
        try:
            self._lay(process.pid)
            process.stdin.write(b"go\n")
        except BaseException:
            process.kill()
            process.wait(20)
            raise
        finally:
            process.stdin.close()
        return process

    def pull(self) -> None:
        """From now on everything is lost, in both directions."""
        _must("link", "set", self._name, "down")

    def plug(self) -> None:
        _must("link", "set", self._name, "up")

    def _lay(self, pid: int) -> None:
        _ip("link", "del", self._name)  # of the last process, if the kernel has not taken it away yet
        inner = f"{self._name}i"
        _must("link", "add", self._name, "type", "veth", "peer", "name", inner)
        _wait_for_namespace(pid)
        _must("link", "set", inner, "netns", str(pid))
        _must("addr", "add", f"{self._gate}/30", "dev", self._name)
        _must("link", "set", self._name, "up")
        within = f"ip addr add {self.there}/30 dev {inner} && ip link set {inner} up && ip link set lo up"
        script = f"{within} && ip route add default via {self._gate}"
        subprocess.run(["nsenter", "-t", str(pid), "-n", "sh", "-c", script], check=True, capture_output=True)


def _wait_for_namespace(pid: int) -> None:
    """Until it has left ours."""
    ours, theirs, end = Path("/proc/self/ns/net"), Path(f"/proc/{pid}/ns/net"), time.monotonic() + 20
    while ours.readlink() == theirs.readlink():
        assert time.monotonic() < end, "the process has no namespace of its own"
        time.sleep(0.002)


def _ip(*arguments: str) -> bool:
    return subprocess.run(["ip", *arguments], capture_output=True, check=False).returncode == 0


def _must(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], capture_output=True, check=True)
