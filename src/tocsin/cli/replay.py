"""`replay ...`: send past events to an endpoint again, and follow how far that is."""

from __future__ import annotations

import sys
import threading
from typing import Annotated, Final, Literal

from cyclopts import App, Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tocsin.cli.connection import HERE, Connection
from tocsin.cli.lists import Document, items, one, text
from tocsin.cli.output import console, print_json, print_listing, print_table

app = App(name="replay", help="Send past events to an endpoint again.")

_LOOK_SECONDS: Final = 0.3
_ENDS: Final = frozenset({"finished", "cancelled", "failed"})


@app.command
def start(  # noqa: PLR0913 (each is a flag)
    endpoint: str,
    /,
    *,
    since: str | None = None,
    until: str | None = None,
    only: Literal["all", "dead", "missing"] = "all",
    reason: str | None = None,
    where: str | None = None,
    event_type: Annotated[list[str] | None, Parameter(negative=())] = None,
    subject_type: str | None = None,
    subject_id: str | None = None,
    rate: float | None = None,
    new_webhook_ids: Annotated[bool, Parameter(negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    detach: Annotated[bool, Parameter(negative=())] = False,
    connection: Connection = HERE,
) -> int:
    """Replay to an endpoint, and follow it. Ctrl-C leaves it running; press it twice to cancel it.

    :param endpoint: Id of the endpoint.
    :param since: Accepted at this time (RFC 3339) or later.
    :param until: Accepted before this time.
    :param only: All that the endpoint wants, only what was given up on, or only what it never had.
    :param reason: With --only dead: what was given up for this reason alone, as `deliveries dead` tells it.
    :param where: Only events for which this CEL expression holds.
    :param event_type: Only events of these types; globs.
    :param subject_type: Only events about this type of subject.
    :param subject_id: Only events about this subject.
    :param rate: Deliveries per second, at most.
    :param new_webhook_ids: Give each a new webhook-id, so that receivers which drop known ones take it.
    :param dry_run: Only count the events.
    :param detach: Do not follow it.
    """
    condition: dict[str, object] = {"where": where} if where else {}
    if event_type:
        condition["event_types"] = event_type
    if subject_type:
        condition["subject_types"] = [subject_type]
    if subject_id:
        condition["subject_ids"] = [subject_id]
    wanted: dict[str, object] = {
        "endpoint_id": endpoint,
        "since": since,
        "until": until,
        "only": only,
        "rate_per_second": rate,
        "new_webhook_ids": new_webhook_ids,
        "filters": [condition] if condition else [],
    }
    if reason is not None:
        wanted["dead_reason"] = reason
    if dry_run:
        counted = one(connection.request("POST", "/v1/replays", wanted, query={"dry_run": "true"}))
        if connection.is_json:
            print_json(counted)
        else:
            console().print(f"{text(counted, 'total')} events would be replayed.")
        return 0
    replay = one(connection.request("POST", "/v1/replays", wanted))
    return _show(connection, replay) if detach else _follow(connection, replay)


@app.command
def follow(replay_id: str, /, *, connection: Connection = HERE) -> int:
    """Follow a replay until it is over. Ctrl-C leaves it running; press it twice to cancel it."""
    return _follow(connection, _get(connection, replay_id))


@app.command
def show(replay_id: str, /, *, connection: Connection = HERE) -> int:
    """Show a replay and how far it is."""
    return _show(connection, _get(connection, replay_id))


@app.command(name="list")
def list_(*, endpoint: str | None = None, limit: int = 50, connection: Connection = HERE) -> int:
    """List replays, newest first.

    :param endpoint: Id of the endpoint.
    :param limit: How many at most.
    """
    found = items(connection, "/v1/replays", {"endpoint": endpoint}, limit)
    if connection.is_json:
        print_json({"items": found})
        return 0
    names = ("id", "state", "total", "done", "failed", "only", "endpoint_id", "created_at")
    print_table(
        ("ID", "STATE", "TOTAL", "DONE", "FAILED", "ONLY", "ENDPOINT", "CREATED"),
        [tuple(text(replay, name) for name in names) for replay in found],
        empty="No replays.",
    )
    return 0


@app.command
def pause(replay_id: str, /, *, connection: Connection = HERE) -> int:
    """Hold a replay."""
    return _show(connection, _step(connection, replay_id, "pause"))


@app.command
def resume(replay_id: str, /, *, connection: Connection = HERE) -> int:
    """Go on with a paused replay."""
    return _show(connection, _step(connection, replay_id, "resume"))


@app.command
def cancel(replay_id: str, /, *, connection: Connection = HERE) -> int:
    """End a replay; what was not sent yet is cancelled."""
    return _show(connection, _step(connection, replay_id, "cancel"))


def _get(connection: Connection, replay_id: str) -> Document:
    return one(connection.request("GET", f"/v1/replays/{replay_id}"))


def _step(connection: Connection, replay_id: str, step: str) -> Document:
    return one(connection.request("POST", f"/v1/replays/{replay_id}/{step}"))


def _show(connection: Connection, replay: Document) -> int:
    if connection.is_json:
        print_json(replay)
    else:
        print_listing((name, value) for name, value in replay.items() if name != "filters" or value)
    return 0


def _follow(connection: Connection, replay: Document) -> int:
    """Until it is over. The exit code is 1 when it did not finish, or something of it was given up on."""
    identifier = text(replay, "id")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = console(stderr=True)
    try:
        with Progress(*columns, console=screen, disable=not sys.stderr.isatty(), transient=True) as progress:
            bar = progress.add_task(identifier, total=_number(replay, "total"))
            while text(replay, "state") not in _ENDS:
                threading.Event().wait(_LOOK_SECONDS)
                replay = _get(connection, identifier)
                settled = _number(replay, "done") + _number(replay, "failed")
                progress.update(
                    bar, completed=settled, total=_number(replay, "total"), description=text(replay, "state")
                )
    except KeyboardInterrupt:
        replay = _left(connection, identifier)
    _show(connection, replay)
    is_good = text(replay, "state") == "finished" and not _number(replay, "failed")
    return 0 if is_good or text(replay, "state") == "running" else 1


def _left(connection: Connection, replay_id: str) -> Document:
    """Ctrl-C was pressed: a moment to press it again, which cancels."""
    console(stderr=True).print("The replay goes on without you. Press Ctrl-C again within two seconds to cancel it.")
    try:
        threading.Event().wait(2)
    except KeyboardInterrupt:
        return _step(connection, replay_id, "cancel")
    return _get(connection, replay_id)


def _number(document: Document, name: str) -> int:
    value = document.get(name)
    return value if isinstance(value, int) else 0
