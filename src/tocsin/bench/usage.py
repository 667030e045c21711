"""What a process and its children use, read from /proc (Linux)."""

from __future__ import annotations

import os
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
    """The sum over a process, all its threads and all living descendants. Raises OSError when it is gone."""
    return _sum([_one(member) for member in _family(pid)])


def _sum(members: list[Usage]) -> Usage:
    return Usage(
        user=sum(m.user for m in members),
        system=sum(m.system for m in members),
        resident=sum(m.resident for m in members),
        resident_peak=sum(m.resident_peak for m in members),
        written=sum(m.written for m in members),
    )


def _family(pid: int) -> list[int]:
    children = [
        int(child)
        for thread in Path(f"/proc/{pid}/task").iterdir()
        for child in (thread / "children").read_text().split()
    ]
    return [pid, *(member for child in children for member in _family(child))]


def _one(pid: int) -> Usage:
    process = Path(f"/proc/{pid}")
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    lines = ((process / "status").read_text() + (process / "io").read_text()).splitlines()
    values = {name: value for name, _, value in (line.partition(":") for line in lines)}
    return Usage(
        user=int(fields[11]) / TICKS_PER_SECOND,
        system=int(fields[12]) / TICKS_PER_SECOND,
        resident=int(values["VmRSS"].split()[0]) * 1024,
        resident_peak=int(values["VmHWM"].split()[0]) * 1024,
        written=int(values["write_bytes"]),
    )
