"""What the demo prints: who takes part, what arrives, one whole example of each format, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from tocsin.cli.arrivals import arrival_line, print_arrival
from tocsin.cli.demo.cast import Part
from tocsin.cli.demo.expectations import Tally, name_of
from tocsin.cli.demo.server import ServerProcess
from tocsin.cli.output import print_table
from tocsin.receiver import Arrival, Receiver


def rule(screen: Console, title: str) -> None:
    """A heading."""
    screen.print()
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
    screen.print(
        Text.assemble("See it ", (server.sign_in_link, "bold"), "   good once, within 15 minutes"), soft_wrap=True
    )
    rows = [(part.name, part.story, _secured(part.settings), receiver.url) for part, receiver in cast]
    print_table(("ENDPOINT", "GETS", "SECURED BY", "RECEIVER"), rows, screen=screen)


def show_arrival(screen: Console, part: Part, arrival: Arrival) -> None:
    """One line."""
    screen.print(arrival_line(arrival, where=part.name), soft_wrap=True)


def show_examples(screen: Console, cast: Sequence[tuple[Part, Receiver]]) -> None:
    """A whole request of each format."""
    rule(screen, "One request of each format, whole")
    for part, receiver in cast:
        wanted = [arrival for arrival in receiver.arrivals if name_of(arrival) == part.example and arrival.status < 300]
        if wanted:
            screen.print()
            print_arrival(screen, wanted[-1], where=part.name)


def show_summary(screen: Console, tallies: Mapping[str, Tally]) -> None:
    """Expected and arrived, and what is wrong if anything is."""
    rule(screen, "What was expected, and what arrived")
    rows = [
        (
            name,
            *(tally.expected, tally.arrived, tally.verified, tally.requests, tally.retried),
            "-" if tally.order is None else tally.order,
            Text("right", "green") if tally.is_right else Text("WRONG", "bold red"),
        )
        for name, tally in tallies.items()
    ]
    columns = ("ENDPOINT", "EXPECTED", "ARRIVED", "VERIFIED", "REQUESTS", "RETRIES", "IN ORDER", "")
    print_table(columns, rows, screen=screen)
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
