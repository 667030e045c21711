"""`doctor`: what is wrong with the server, why, and what to do; or with its settings and its file, when it does not run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
from rich.text import Text

from tocsin import __version__
from tocsin.cli.connection import HERE, Connection
from tocsin.cli.lists import Document, one, parts, text
from tocsin.cli.output import console, print_json, visible
from tocsin.cli.reporting import Flag
from tocsin.cli.server import SettingFlags
from tocsin.client import Unreachable
from tocsin.config import Settings
from tocsin.errors import Misconfigured
from tocsin.model.finding import Finding

_NO_FLAGS = SettingFlags()
_WHOLE_FILE_SECONDS: Final = 3600.0
_COLOURS: Final = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def doctor(*, integrity: Flag = False, flags: SettingFlags = _NO_FLAGS, connection: Connection = HERE) -> int:
    """Say what is wrong with the server, why, and what to do. The exit code is 1 for errors and warnings, 0 for notes.

    It asks the running server, as operator. When none runs, it looks at the settings and the database here, and holds the
    database's lock meanwhile; nothing is changed.

    :param integrity: Read the whole database, too, to see whether it is damaged.
    """
    try:
        found = _of_server(connection, integrity=integrity)
    except Unreachable as error:
        found = _of_file(flags, str(error), integrity=integrity)
    findings = parts(found, "findings")
    if connection.is_json:
        print_json(found)
    else:
        _print(findings, found)
    return 0 if all(text(finding, "severity") == "note" for finding in findings) else 1


def _of_server(connection: Connection, *, integrity: bool) -> Document:
    version = text(one(connection.request("GET", "/version", query={"tenant": None})), "version")
    if integrity:
        connection = replace(connection, timeout=max(connection.timeout, _WHOLE_FILE_SECONDS))
    query = {"tenant": None, "integrity": "true" if integrity else None}
    found = one(connection.request("GET", "/v1/doctor", query=query))
    if version == __version__:
        return found
    other = Finding(
        severity="warning",
        code="cli.version",
        what=f"The server has version {version}, this command {__version__}.",
        why="What one of them knows the other may not.",
        remedy="Install the same version here and there, and restart the server after an upgrade.",
    )
    return {**found, "is_well": False, "findings": [msgspec.to_builtins(other), *parts(found, "findings")]}


def _of_file(flags: SettingFlags, said: str, *, integrity: bool) -> Document:
    """Raises Unreachable when there is no database here either, and Misconfigured."""
    from tocsin.operations.doctor import diagnosis_of, setting_facts, store_shown  # noqa: PLC0415 (heavy, as a server is)
    from tocsin.operations.retention import reserve_of  # noqa: PLC0415
    from tocsin.rules.diagnosis import integrity_findings, setting_findings, store_findings  # noqa: PLC0415
    from tocsin.wiring.local import examine  # noqa: PLC0415

    settings = flags.settings()
    if isinstance(settings.database, Path) and not settings.database.exists():
        raise Unreachable(f"{said}; and there is no database at {settings.database}")
    try:
        facts, faults = examine(settings, integrity=integrity)
    except Misconfigured as error:
        raise Unreachable(f"{said}; but {error}") from error
    now, reserve = time.time_ns() // 1_000_000, reserve_of(settings)
    diagnosis = diagnosis_of(
        now,
        findings=(
            integrity_findings(faults),
            _key_file_findings(settings),
            store_findings(facts, reserve, now),
            setting_findings(setting_facts(settings)),
            (_no_server(said),),
        ),
        store=store_shown(facts, reserve),
        process=None,
    )
    return one(msgspec.json.decode(msgspec.json.encode(diagnosis)))


def _key_file_findings(settings: Settings) -> Iterator[Finding]:
    from tocsin.wiring.local import key_file_trouble  # noqa: PLC0415 (as above)

    trouble = key_file_trouble(settings)
    if trouble is not None:
        yield Finding(
            severity="error",
            code="settings.key_file",
            about="TOCSIN_MASTER_KEY",
            what=trouble,
            why="The server does not start so: the file opens every secret in the database.",
            remedy="Put the file back from where it is kept, with mode 0600, or give the key in TOCSIN_MASTER_KEY.",
        )


def _no_server(said: str) -> Finding:
    return Finding(
        severity="note",
        code="server.not_running",
        what="No server runs on this database: only its settings and its file were looked at.",
        why=said,
        remedy="Run doctor again when the server runs, for endpoints, deliveries and keys.",
    )


def _print(findings: list[Document], found: Document) -> None:
    screen = console()
    for finding in findings:
        severity = text(finding, "severity")
        line = Text(severity.ljust(9), _COLOURS.get(severity, "")).append(visible(text(finding, "what")), "bold")
        about = text(finding, "about")
        screen.print(line.append(f"  {visible(about)}", "dim") if about else line, soft_wrap=True)
        screen.print(Text(f"         why: {visible(text(finding, 'why'))}"), soft_wrap=True)
        screen.print(Text(f"         do:  {visible(text(finding, 'remedy'))}"), soft_wrap=True)
    counts = {name: sum(text(finding, "severity") == name for finding in findings) for name in _COLOURS}
    said = ", ".join(f"{count} {name}{'s' if count != 1 else ''}" for name, count in counts.items() if count)
    screen.print(f"Tocsin {text(found, 'version')}: {said or 'nothing to say'}.", style="bold")
