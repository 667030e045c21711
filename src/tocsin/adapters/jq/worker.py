"""The process that evaluates: it reads requests from its standard input, answers on its standard output, and ends when
the input does. `python -m tocsin.adapters.jq.worker CPU_SECONDS MEMORY_BYTES OUTPUT_BYTES NICENESS`.

The kernel ends it: by SIGPROF when an evaluation uses more processor time than it may, also while nobody watches any
more; by SIGABRT, out of jq's allocator, when memory is short. It can open no file, and its environment is empty.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import sys
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol, cast

import jq

from tocsin.adapters.jq.frames import Gave, packed, read_frame, unpacked

KEPT: Final = 128
"""Compiled programs that are kept; each is some 20 KiB."""
MESSAGE_CHARACTERS: Final = 400

_ABSENT: Final = ("input", "inputs", "input_line_number", "modulemeta", "halt", "halt_error", "halt_error($code)")
_BEFORE: Final = (
    "".join(f'def {name}: error("{name.partition("(")[0]} is not available here");' for name in _ABSENT)
    + "def env: {}; def input_filename: null; def get_search_list: []; {} as $ENV | ("
)
_AFTER: Final = ") | tojson"
_PLACE: Final = re.compile(r" at <top-level>, line (\d+), column (\d+)[\s\S]*")


class Compiled(Protocol):
    """A program, as jq's binding has it."""

    def input_text(self, text: str) -> Iterable[str]:
        """What it gives for a JSON document; ValueError while it is read when evaluating fails."""


class NotCompiled(Exception):
    """What jq says of a program that it cannot compile."""


class Programs:
    """Compiled programs, those used last.

    A program is compiled between definitions that hide what reaches out of it, and `tojson`, which keeps numbers as they
    were written. Standing there it can import nothing: jq takes `import` and `include` at the beginning only.
    """

    def __init__(self) -> None:
        self._compiled: OrderedDict[str, Compiled] = OrderedDict()

    def results(self, program: str, document: str) -> Iterator[str]:
        """What it gives, each as JSON text. Raises NotCompiled, and ValueError when evaluating fails."""
        compiled = self._compiled.get(program)
        if compiled is None:
            compiled = self._compiled[program] = _compile(program)
            if len(self._compiled) > KEPT:
                self._compiled.popitem(last=False)
        else:
            self._compiled.move_to_end(program)
        return iter(compiled.input_text(document))


def _compile(program: str) -> Compiled:
    try:
        return cast("Compiled", jq.compile(f"{_BEFORE}\n{program}\n{_AFTER}"))
    except ValueError as error:
        raise NotCompiled(_explained(str(error), program.count("\n") + 1)) from error


def _explained(said: str, lines: int) -> str:
    """The first thing that jq says, with places in the program as it was written."""

    def place(match: re.Match[str]) -> str:
        line = int(match[1]) - 1
        return f" at line {line}, column {match[2]}" if line <= lines else " at its end"

    return _PLACE.sub(place, said.removeprefix("jq: error: "))


def answer(programs: Programs, request: Sequence[bytes], most_bytes: int) -> list[bytes]:
    """What each program of a request gives, up to the first that gives no value; all values have `most_bytes` together."""
    document = request[-1].decode()
    parts: list[bytes] = []
    for program in request[:-1]:
        gave, text = _outcome(programs, program.decode(), document)
        most_bytes -= len(text)
        if gave is Gave.VALUE and most_bytes < 0:
            gave, text = Gave.TOO_LARGE, b""
        parts.append(bytes((gave,)) + text)
        if gave is not Gave.VALUE:
            break
    return parts


def _outcome(programs: Programs, program: str, document: str) -> tuple[Gave, bytes]:
    try:
        results = programs.results(program, document)
        first = next(results, None)
        if first is None:
            return Gave.NOTHING, b""
        if next(results, None) is not None:
            return Gave.SEVERAL, b""
        return Gave.VALUE, first.encode()
    except NotCompiled as error:
        return Gave.NOT_COMPILED, _cut(error)
    except ValueError as error:
        return Gave.FAILURE, _cut(error)


def _cut(error: Exception) -> bytes:
    text = " ".join(str(error).split())
    return (text if len(text) <= MESSAGE_CHARACTERS else f"{text[:MESSAGE_CHARACTERS]}...").encode(errors="replace")


def _confine(memory_bytes: int) -> None:
    """From here on: so much more memory (where the kernel tells how much there is now, as Linux does), no core file, no file
    beside the three pipes, no process. When the machine is short of memory, this process is the first to go."""
    os.closerange(3, 65536)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for limit, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 3),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(limit, (most, most))


def main(cpu_seconds: float, memory_bytes: int, output_bytes: int, niceness: int) -> None:
    """Answer until the input ends."""
    os.nice(niceness)
    _confine(memory_bytes)
    programs = Programs()
    while (body := read_frame(lambda size: os.read(0, size))) is not None:
        began = time.process_time_ns()
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        try:
            parts = answer(programs, unpacked(body), output_bytes)
        except MemoryError:
            os.abort()
        signal.setitimer(signal.ITIMER_PROF, 0)
        spent = (time.process_time_ns() - began) // 1000
        sys.stdout.buffer.write(packed((str(spent).encode(), *parts)))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        main(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
