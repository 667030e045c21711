"""What the demo prints: who takes part, what arrives, one whole example of each format, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from tocsin.cli.arrivals import arrival_line, print_arrival
from tocsin.cli.demo.cast import Part
from tocsin.cli.demo.expectations import Tally
from tocsin.cli.demo.server import ServerProcess
from tocsin.receiver import Arrival, Receiver


def rule(screen: Console, title: str) -> None:
    """A heading."""
    if screen.is_terminal:
        screen.print(Rule(Text(title, "bold"), align="left", style="dim"))
    else:
        screen.print(f"== {title}")


def show_cast(screen: Console, server: ServerProcess, cast: Sequence[tuple[Part, Receiver]]) -> None:
    """Where the server and the receivers are."""
    rule(screen, "Tocsin demo")
    screen.print(
        Text.assemble("Server ", (server.url, "bold"), "   log and database in ", (str(server.log.parent), "dim"))
    )
    table = _table("ENDPOINT", "GETS", "SECURED BY", "RECEIVER")
    for part, receiver in cast:
        table.add_row(part.name, part.story, _secured(part.settings), receiver.url)
    screen.print(table)


def show_arrival(screen: Console, part: Part, arrival: Arrival) -> None:
    """One line."""
    screen.print(arrival_line(arrival, where=part.name), soft_wrap=True)


def show_examples(screen: Console, cast: Sequence[tuple[Part, Receiver]]) -> None:
    """The last whole request of each format."""
    rule(screen, "One request of each format, whole")
    for part, receiver in cast:
        taken = [arrival for arrival in receiver.arrivals if arrival.status < 300]
        if taken:
            screen.print()
            print_arrival(screen, taken[-1], where=part.name)


def show_summary(screen: Console, tallies: Mapping[str, Tally]) -> None:
    """Expected and arrived, and what is wrong if anything is."""
    rule(screen, "What was expected, and what arrived")
    table = _table("ENDPOINT", "EXPECTED", "ARRIVED", "VERIFIED", "REQUESTS", "RETRIES", "IN ORDER", "")
    for name, tally in tallies.items():
        order = "-" if tally.order is None else "yes" if tally.order else "no"
        verdict = Text("right", "green") if tally.is_right else Text("WRONG", "bold red")
        numbers = (tally.expected, tally.arrived, tally.verified, tally.requests, tally.retried)
        table.add_row(name, *map(str, numbers), order, verdict)
    screen.print(table)
    for name, tally in tallies.items():
        for line in (*(f"missing: {missing}" for missing in tally.missing), *tally.complaints):
            screen.print(Text.assemble((f"{name}: ", "bold red"), line), soft_wrap=True)
    if all(tally.is_right for tally in tallies.values()):
        count = sum(tally.arrived for tally in tallies.values())
        screen.print(Text(f"All {count} deliveries arrived, verified, each exactly as expected.", "bold green"))


def show_what_next(screen: Console, server: ServerProcess, *, is_over: bool) -> None:
    """Commands to go on with."""
    rule(screen, "Try next")
    lines: tuple[str, ...]
    if is_over:
        lines = (
            "tocsin demo                # the same, and it stays for you to play with",
            "tocsin serve               # your own server",
        )
    else:
        lines = (
            f"export TOCSIN_URL={server.url} TOCSIN_API_KEY={server.api_key}",
            "tocsin run --type backup -- sleep 2",
            'tocsin change create r9 --table customers --data \'{"name": "Zoe"}\'',
            "tocsin emit order.paid --subject order-7 --data '{\"amount\": 12}'",
            "tocsin endpoints list",
            "tocsin deliveries list --job nightly-load",
        )
    for line in lines:
        screen.print(f"  {line}", soft_wrap=True)
    if not is_over:
        screen.print(Text("Everything stays up, arrivals are shown as they come. Ctrl-C ends it.", "bold"))


def _secured(settings: Mapping[str, object]) -> str:
    authorization, form = settings.get("authorization"), settings.get("format")
    kind = authorization.get("kind") if isinstance(authorization, dict) else None
    signature = "x-visier-signature" if isinstance(form, dict) and form.get("kind") == "visier" else "webhook-signature"
    return signature + (f" + {kind}" if kind else "")


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    return table
