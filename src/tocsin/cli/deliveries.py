"""`deliveries ...`: list, show, resend, cancel."""

from __future__ import annotations

from cyclopts import App

from tocsin.cli.attempts import print_attempt
from tocsin.cli.connection import HERE, Connection
from tocsin.cli.lists import Document, items, one, part, parts, text
from tocsin.cli.many_deliveries import ALL, Filters, add_to
from tocsin.cli.output import console, print_json, print_listing, print_table

app = App(name="deliveries", help="Which event was brought where, and how it went.")
add_to(app)


@app.command(name="list")
def list_(*, filters: Filters = ALL, limit: int = 50, connection: Connection = HERE) -> int:
    """List deliveries, newest first.

    :param limit: How many at most.
    """
    query: dict[str, str | None] = {**filters.given()}
    found = items(connection, "/v1/deliveries", query, limit)
    if connection.is_json:
        print_json({"items": found})
        return 0
    rows = [
        (
            text(d, "id"),
            _state(d),
            text(d, "attempt_count"),
            text(part(d, "last_attempt"), "status") or text(part(d, "last_attempt"), "error"),
            text(d, "event_type"),
            text(d, "subject_id"),
            text(d, "endpoint_name") or text(d, "endpoint_id"),
            text(d, "created_at"),
            text(d, "reason"),
        )
        for d in found
    ]
    columns = ("ID", "STATE", "ATTEMPTS", "LAST", "EVENT TYPE", "SUBJECT", "ENDPOINT", "CREATED", "REASON")
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
