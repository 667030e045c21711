"""`erase ...`: everything about a subject goes, for good; and how far that is."""

from __future__ import annotations

import sys
import threading
from typing import Annotated, Final

from cyclopts import App, Parameter
from rich.progress import Progress, SpinnerColumn, TextColumn

from tocsin.cli.connection import HERE, Connection
from tocsin.cli.inputs import Usage
from tocsin.cli.lists import Document, items, one, part, text
from tocsin.cli.output import console, print_json, print_listing, print_table

app = App(name="erase", help="Erase everything about a subject, for good.")

_LOOK_SECONDS: Final = 0.3


@app.command
def start(
    subject_type: str,
    subject_id: str,
    /,
    *,
    yes: Annotated[bool, Parameter(negative=())] = False,
    detach: Annotated[bool, Parameter(negative=())] = False,
    connection: Connection = HERE,
) -> int:
    """Erase a subject, and follow it until nothing of it is left. It cannot be undone. Ctrl-C leaves it running.

    :param subject_type: What it is: `record`, `job`, or what a producer's events are about.
    :param subject_id: Which one: `<table>/<record id>`, a job id, the subject of a CloudEvent.
    :param yes: Yes, erase it. Without this nothing is done.
    :param detach: Do not follow it.
    """
    if not yes:
        raise Usage(
            f"This erases everything about the {subject_type} {subject_id}, and cannot be undone. Say --yes to do it."
        )
    wanted = {"subject_type": subject_type, "subject_id": subject_id}
    erasure = one(connection.request("POST", "/v1/erasures", wanted))
    return _show(connection, erasure) if detach else _follow(connection, erasure)


@app.command
def follow(erasure_id: str, /, *, connection: Connection = HERE) -> int:
    """Follow an erasure until it is over. Ctrl-C leaves it running."""
    return _follow(connection, _get(connection, erasure_id))


@app.command
def show(erasure_id: str, /, *, connection: Connection = HERE) -> int:
    """Show an erasure and what it has found."""
    return _show(connection, _get(connection, erasure_id))


@app.command(name="list")
def list_(*, limit: int = 50, connection: Connection = HERE) -> int:
    """List erasures, newest first.

    :param limit: How many at most.
    """
    found = items(connection, "/v1/erasures", {}, limit)
    if connection.is_json:
        print_json({"items": found})
        return 0
    names = ("id", "state", "subject_type", "subject_id", "created_at", "finished_at")
    print_table(
        ("ID", "STATE", "TYPE", "SUBJECT", "CREATED", "FINISHED"),
        [tuple(text(erasure, name) for name in names) for erasure in found],
        empty="No erasures.",
    )
    return 0


def _get(connection: Connection, erasure_id: str) -> Document:
    return one(connection.request("GET", f"/v1/erasures/{erasure_id}"))


def _show(connection: Connection, erasure: Document) -> int:
    if connection.is_json:
        print_json(erasure)
    else:
        print_listing((name, value) for name, value in erasure.items() if name != "report" and value is not None)
        print_listing((name, _named(value)) for name, value in part(erasure, "report").items())
    return 1 if text(erasure, "state") == "failed" else 0


def _named(value: object) -> object:
    """Ids that a report names, on one line."""
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else value


def _follow(connection: Connection, erasure: Document) -> int:
    """Until it is over. The exit code is 1 when it failed."""
    identifier = text(erasure, "id")
    screen = console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    try:
        with Progress(*columns, console=screen, disable=not sys.stderr.isatty(), transient=True) as progress:
            line = progress.add_task(identifier, total=None)
            while text(erasure, "state") == "running":
                threading.Event().wait(_LOOK_SECONDS)
                erasure = _get(connection, identifier)
                found = part(erasure, "report")
                counts = (f"{text(found, name)} {name}" for name in ("events", "deliveries", "attempts"))
                progress.update(line, description=f"erased {', '.join(counts)}")
    except KeyboardInterrupt:
        screen.print(f"The erasure goes on without you: tocsin erase follow {identifier}")
    return _show(connection, erasure)
