"""What a process and its children use, read from /proc (Linux)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from tocsin.model.noun import Noun

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Usage(Noun, frozen=True, kw_only=True):
    """CPU seconds since the process started, memory in bytes now and at most, bytes it had written to disks."""

    user: float
    system: float
    resident: int
    resident_peak: int
    written: int

    @property
    def cpu(self) -> float:
        return self.user + self.system


def usage_of(pid: int) -> Usage:
    """The sum over a process, all its threads, all living descendants, and the CPU of those that ended. Raises OSError when it is
    gone."""
    return total([used for member in _family(pid) if (used := _one_or_gone(member, pid)) is not None])


def total(members: Sequence[Usage]) -> Usage:
    """What several used together."""
    return Usage(
        user=sum(m.user for m in members),
        system=sum(m.system for m in members),
        resident=sum(m.resident for m in members),
        resident_peak=sum(m.resident_peak for m in members),
        written=sum(m.written for m in members),
    )


def _family(pid: int) -> list[int]:
    children: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            children.extend(map(int, (thread / "children").read_text().split()))
    return [pid, *(member for child in children for member in _family(child))]


def _one_or_gone(pid: int, first: int) -> Usage | None:
    """None: a descendant that ended meanwhile."""
    try:
        return _one(pid)
    except OSError:
        if pid == first:
            raise
        return None


def _one(pid: int) -> Usage:
    process = Path(f"/proc/{pid}")
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    lines = ((process / "status").read_text() + (process / "io").read_text()).splitlines()
    values = {name: value for name, _, value in (line.partition(":") for line in lines)}
    return Usage(
        user=(int(fields[11]) + int(fields[13])) / TICKS_PER_SECOND,
        system=(int(fields[12]) + int(fields[14])) / TICKS_PER_SECOND,
        resident=int(values.get("VmRSS", "0").split()[0]) * 1024,
        resident_peak=int(values.get("VmHWM", "0").split()[0]) * 1024,
        written=int(values["write_bytes"]),
    )
