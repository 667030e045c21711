"""`run`: any command as a reported job. It runs as it would without us: same terminal, same signals, same exit code."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from types import FrameType
from typing import Annotated, Final

from cyclopts import Parameter

from tocsin.cli.connection import HERE, Connection
from tocsin.cli.inputs import pairs, resources
from tocsin.cli.output import print_error
from tocsin.cli.reporting import Many
from tocsin.client import Reporter
from tocsin.client.fields import ErrorFields, ReportFields, ordered_uuid

_Handler = Callable[[int, FrameType | None], object] | int | None
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class _Child:
    """The command, and which signals were passed on to it."""

    reporter: Reporter
    job_id: str
    process: subprocess.Popen[bytes] | None = None
    signals: list[int] = field(default_factory=list)

    def forward(self, number: int, _frame: FrameType | None) -> None:
        """Pass a signal on. Ctrl-C in a terminal reaches the command by itself, because it is in our group."""
        if not self.signals:
            self.reporter.report(self.job_id, state="stopping")
        self.signals.append(number)
        if self.process is not None and not (number == signal.SIGINT and _is_in_foreground()):
            self.process.send_signal(number)


class _Loud(logging.Handler):
    """What the reporter has to say goes to standard error, in our words."""

    def emit(self, record: logging.LogRecord) -> None:
        print_error(record.getMessage())


def run(
    command: Annotated[list[str], Parameter(allow_leading_hyphen=True)],
    /,
    *,
    type: Annotated[str, Parameter(name="--type")] = "command",  # noqa: A002 (the option's name)
    name: str | None = None,
    job_id: str | None = None,
    parent: Annotated[str | None, Parameter(env_var="TOCSIN_JOB_ID")] = None,
    resource: Many = None,
    label: Many = None,
    overdue_after: float | None = None,
    report_seconds: float = 5.0,
    connection: Connection = HERE,
) -> int:
    """Run a command as a reported job: running, then succeeded, failed or stopped.

    `tocsin run --type load_source -- ./load.sh customers`. The exit code is the command's. The command runs whether the
    server is there or not. It finds its job id in TOCSIN_JOB_ID; jobs that it starts with `tocsin run` are its children.

    :param command: The command and its arguments, after `--`.
    :param type: What kind of job it is.
    :param name: A name for people; the program's, when not given.
    :param job_id: The job's id; made, when not given.
    :param parent: Id of the job it is part of.
    :param resource: What it works on, as kind:id or kind:id:name; may be repeated.
    :param label: key=value; may be repeated.
    :param overdue_after: Seconds after which it counts as overdue.
    :param report_seconds: How long to go on reporting once the command has ended, while the server cannot be reached.
    """
    identifier = job_id or f"{type}-{ordered_uuid()}"
    first: ReportFields = {"state": "running", "job_type": type, "name": name or PurePath(command[0]).name}
    if parent:
        first["parent_job_id"] = parent
    if label:
        first["labels"] = pairs(label, "--label")
    if resource:
        first["resources"] = resources(resource)
    if overdue_after is not None:
        first["overdue_after_seconds"] = overdue_after
    logging.getLogger("tocsin.client").addHandler(_Loud(logging.WARNING))
    reporter = Reporter(connection.client())
    child = _Child(reporter, identifier)
    before = _take_signals(child, lambda: reporter.report(identifier, **first))
    try:
        code, error = _run(command, child, _environment(connection, identifier))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if error is None:
        reporter.report(identifier, state="stopped" if child.signals else "succeeded")
    elif child.signals:
        reporter.report(identifier, state="stopped")
    else:
        reporter.report(identifier, state="failed", error=error)
    if not reporter.close(report_seconds):
        print_error(f"job {identifier} could not be reported: {connection.url} cannot be reached")
    return code


def _take_signals(child: _Child, begin: Callable[[], None]) -> dict[signal.Signals, _Handler]:
    """Pass signals on from now on, and begin; one that comes meanwhile waits. Ignored ones (nohup) stay ignored."""
    caught = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    signal.pthread_sigmask(signal.SIG_BLOCK, caught)
    before: dict[signal.Signals, _Handler] = {number: signal.signal(number, child.forward) for number in caught}
    begin()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, caught)
    return before


def _run(command: list[str], child: _Child, environment: Mapping[str, str]) -> tuple[int, ErrorFields | None]:
    """The exit code for the shell, and the error if there was one."""
    try:
        child.process = subprocess.Popen(command, env=environment)  # noqa: S603 (what the user asked for)
    except OSError as error:
        print_error(f"{command[0]}: {error.strerror}")
        if isinstance(error, FileNotFoundError):
            return 127, {"reason": "COMMAND_NOT_FOUND", "message": f"{command[0]}: {error.strerror}"}
        return 126, {"reason": "COMMAND_NOT_EXECUTABLE", "message": f"{command[0]}: {error.strerror}"}
    for number in tuple(child.signals):
        child.process.send_signal(number)
    code = child.process.wait()
    if code == 0:
        return 0, None
    if code < 0:
        killer = signal.Signals(-code).name if -code in set(signal.Signals) else f"SIGNAL_{-code}"
        return 128 - code, {"reason": f"KILLED_BY_{killer}", "message": f"The command was ended by {killer}."}
    return code, {"reason": f"EXIT_CODE_{code}", "message": f"The command ended with exit code {code}."}


def _environment(connection: Connection, job_id: str) -> dict[str, str]:
    return os.environ | {"TOCSIN_JOB_ID": job_id, "TOCSIN_URL": connection.url}


def _is_in_foreground() -> bool:
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False
