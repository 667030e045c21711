"""`stats` and `endpoints stats`: numbers of now and of a range."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from cyclopts import Parameter

from tocsin.cli.connection import HERE, Connection
from tocsin.cli.lists import Document, one, part, parts, text
from tocsin.cli.output import console, print_json, print_listing, print_table

RangeName = Literal["1h", "24h", "7d", "30d"]


def stats(
    *,
    range_: Annotated[RangeName | None, Parameter(name="--range")] = None,
    since: str | None = None,
    until: str | None = None,
    connection: Connection = HERE,
) -> int:
    """Show what is pending and dead, what was delivered in a range and how fast, which endpoints fail, and which need somebody.

    :param range_: Until now; an hour, when nothing else is said.
    :param since: Or from this time (RFC 3339) on.
    :param until: Or before this time.
    """
    return show(connection, "/v1/stats", range_, since, until)


def show(connection: Connection, path: str, name: str | None, since: str | None, until: str | None) -> int:
    """Ask for numbers and print them."""
    query = {"range": name, "since": since, "until": until}
    numbers = one(connection.request("GET", path, query={key: value for key, value in query.items() if value}))
    if connection.is_json:
        print_json(numbers)
        return 0
    print_listing(_lines(numbers))
    failing = parts(numbers, "failing")
    if failing:
        console().print()
        names = ("endpoint_id", "name", "attempts", "failures", "pending_deliveries", "dead_deliveries")
        print_table(
            ("FAILING", "NAME", "ATTEMPTS", "FAILURES", "PENDING", "DEAD"),
            [tuple(text(endpoint, field) for field in names) for endpoint in failing],
        )
    troubled = parts(numbers, "troubled")
    if troubled:
        console().print()
        names = ("endpoint_id", "name", "state", "reason", "since", "paused_until")
        print_table(
            ("NEEDS SOMEBODY", "NAME", "STATE", "WHY", "SINCE", "PAUSED UNTIL"),
            [tuple(text(endpoint, field) for field in names) for endpoint in troubled],
        )
    return 0


def _lines(numbers: Document) -> Iterator[tuple[str, object]]:
    for name in ("pending_deliveries", "dead_deliveries", "oldest_pending_at", "in_flight", "since", "until", "events"):
        yield name.replace("_", " "), numbers.get(name)
    for name in ("deliveries", "attempts", "errors"):
        counts = part(numbers, name)
        yield name, ", ".join(f"{count} {kind}" for kind, count in counts.items()) or None
    rate = numbers.get("success_rate")
    yield "success rate", f"{rate:.2%}" if isinstance(rate, (int, float)) else "no attempts"
    for name, meaning in (("attempt_ms", "attempts took"), ("delivered_ms", "accept to delivered")):
        found = part(numbers, name)
        shown = [f"{share} {value:g} ms" for share, value in found.items() if isinstance(value, (int, float))]
        yield meaning, ", ".join(shown) or None
