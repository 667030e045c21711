"""`events ...`: the log of events, and one event with its data and its deliveries."""

from __future__ import annotations

import json

from cyclopts import App

from tocsin.cli.connection import HERE, Connection
from tocsin.cli.lists import items, one, part, parts, text
from tocsin.cli.output import console, print_json, print_listing, print_table

app = App(name="events", help="What was reported, and where it went.")


@app.command(name="list")
def list_(
    *,
    event_type: str | None = None,
    subject_type: str | None = None,
    subject_id: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: int = 50,
    connection: Connection = HERE,
) -> int:
    """List events, newest first.

    :param event_type: Only those of this type; a glob.
    :param subject_type: Only those about this type of subject.
    :param subject_id: Only those about this subject.
    :param since: Accepted at this time (RFC 3339) or later.
    :param until: Accepted before this time.
    :param limit: How many at most.
    """
    query = {
        "type": event_type,
        "subject_type": subject_type,
        "subject_id": subject_id,
        "since": since,
        "until": until,
    }
    found = items(connection, "/v1/events", query, limit)
    if connection.is_json:
        print_json({"items": found})
        return 0
    rows = [
        (text(e, "id"), text(e, "type"), text(e, "subject_type"), text(e, "subject_id"), text(e, "accepted_at"))
        for e in found
    ]
    print_table(("ID", "TYPE", "SUBJECT TYPE", "SUBJECT", "ACCEPTED"), rows, empty="No such events.")
    return 0


@app.command
def show(event_id: str, /, *, connection: Connection = HERE) -> int:
    """Show an event with its data, and the deliveries that it became."""
    event = one(connection.request("GET", f"/v1/events/{event_id}"))
    if connection.is_json:
        print_json(event)
        return 0
    print_listing(
        (name, json.dumps(value, ensure_ascii=False)) if isinstance(value, dict | list) else (name, value)
        for name, value in event.items()
        if name != "deliveries"
    )
    console().print()
    rows = [
        (
            text(d, "id"),
            text(d, "state"),
            text(d, "attempt_count"),
            text(part(d, "last_attempt"), "status") or text(part(d, "last_attempt"), "error"),
            text(d, "endpoint_name") or text(d, "endpoint_id"),
            text(d, "reason"),
        )
        for d in parts(event, "deliveries")
    ]
    columns = ("DELIVERY", "STATE", "ATTEMPTS", "LAST", "ENDPOINT", "REASON")
    print_table(columns, rows, empty="No endpoint wanted it.")
    return 0
