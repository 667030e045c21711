"""`deliveries ...`: list, show, resend, cancel."""

from __future__ import annotations

from typing import Literal

from cyclopts import App

from tocsin.cli.attempts import print_attempt
from tocsin.cli.connection import HERE, Connection
from tocsin.cli.lists import Document, items, one, parts, text
from tocsin.cli.output import console, print_json, print_listing, print_table
from tocsin.client import Problem

app = App(name="deliveries", help="Which event was brought where, and how it went.")


@app.command(name="list")
def list_(
    *,
    endpoint: str | None = None,
    event: str | None = None,
    job: str | None = None,
    state: Literal["pending", "delivered", "dead", "cancelled"] | None = None,
    event_type: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: int = 50,
    connection: Connection = HERE,
) -> int:
    """List deliveries, newest first.

    :param endpoint: Id of the endpoint.
    :param event: Id of the event.
    :param job: Id of the job that the event is about.
    :param state: Only those in this state.
    :param event_type: Only those of events of this type.
    :param since: Accepted at this time (RFC 3339) or later.
    :param until: Accepted before this time.
    :param limit: How many at most.
    """
    query = {
        "endpoint": endpoint,
        "event": event,
        "job": job,
        "state": state,
        "event_type": event_type,
        "since": since,
        "until": until,
    }
    found = items(connection, "/v1/deliveries", query, limit)
    if connection.is_json:
        print_json({"items": found})
        return 0
    names = _endpoint_names(connection)
    rows = [
        (
            text(d, "id"),
            _state(d),
            text(d, "attempt_count"),
            text(d, "event_type"),
            text(d, "subject_id"),
            names.get(text(d, "endpoint_id"), text(d, "endpoint_id")),
            text(d, "created_at"),
            text(d, "reason"),
        )
        for d in found
    ]
    columns = ("ID", "STATE", "ATTEMPTS", "EVENT TYPE", "SUBJECT", "ENDPOINT", "CREATED", "REASON")
    print_table(columns, rows, empty="No such deliveries.")
    return 0


@app.command
def show(delivery_id: str, /, *, connection: Connection = HERE) -> int:
    """Show a delivery with every attempt: what was sent and what came back."""
    return _show(connection, one(connection.request("GET", f"/v1/deliveries/{delivery_id}")))


@app.command
def resend(delivery_id: str, /, *, connection: Connection = HERE) -> int:
    """Deliver the event of a delivery once more: a new delivery, with the same webhook-id."""
    return _show(connection, one(connection.request("POST", f"/v1/deliveries/{delivery_id}/resend")))


@app.command
def cancel(delivery_id: str, /, *, connection: Connection = HERE) -> int:
    """Give a pending delivery up."""
    return _show(connection, one(connection.request("POST", f"/v1/deliveries/{delivery_id}/cancel")))


def _endpoint_names(connection: Connection) -> dict[str, str]:
    """Names by id; without them, for whoever may not read endpoints, the ids are shown."""
    try:
        return {text(e, "id"): text(e, "name") for e in items(connection, "/v1/endpoints", {}, 500)}
    except Problem:
        return {}


def _state(delivery: Document) -> str:
    return "in flight" if delivery.get("in_flight") else text(delivery, "state")


def _show(connection: Connection, delivery: Document) -> int:
    if connection.is_json:
        print_json(delivery)
        return 0
    print_listing(
        (name, value) for name, value in delivery.items() if name != "attempts" or not isinstance(value, list)
    )
    for attempt in parts(delivery, "attempts"):
        console().print()
        print_attempt(attempt)
    return 0
