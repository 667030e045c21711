"""Arrivals at a receiver as people and programs read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from tocsin.cli.output import visible
from tocsin.receiver import Arrival


def arrival_line(arrival: Arrival, *, where: str = "") -> Text:
    """When, where, what, about what, which attempt, verified or not, and the answer; on one line."""
    reading = arrival.reading
    line = Text.assemble((_clock(arrival.at), "dim"), "  ")
    if where:
        line.append(f"{where:<19} ", "magenta")
    line.append(f"{visible(reading.name or arrival.method):<22} ", "bold cyan")
    line.append(f"{visible(reading.subject):<16} ")
    if arrival.attempt > 1:
        line.append(f"attempt {arrival.attempt} ", "yellow")
    if arrival.is_duplicate:
        line.append("duplicate ", "yellow")
    if arrival.verified:
        line.append("verified ", "green")
    elif arrival.verified is False:
        line.append(f"not verified: {visible(arrival.problem or '')} ", "red")
    else:
        line.append("unverified ", "dim")
    line.append(f"-> {arrival.status}", "green" if 200 <= arrival.status < 300 else "red")
    return line


def print_arrival(screen: Console, arrival: Arrival, *, where: str = "", with_body: bool = True) -> None:
    """The line, and below it the webhook id and the body."""
    screen.print(arrival_line(arrival, where=where), soft_wrap=True)
    if not with_body:
        return
    identity = f"webhook-id {arrival.webhook_id or '(none)'}"
    content_type = arrival.headers.get("content-type", "(no content type)")
    screen.print(Text(visible(f"  {arrival.method} {arrival.path}  {identity}  {content_type}"), "dim"), soft_wrap=True)
    print_body(screen, arrival.headers, arrival.body)


def print_body(screen: Console, headers: Mapping[str, str], body: bytes) -> None:
    """The body, indented when it is JSON; attributes of a CloudEvent in binary mode before it."""
    for name, value in headers.items():
        if name.startswith("ce-"):
            screen.print(Text(visible(f"  {name}: {value}"), "dim"), soft_wrap=True)
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "backslashreplace")
    shown = "\n".join("  " + line for line in visible(text).split("\n"))
    if screen.is_terminal and not screen.no_color:
        screen.print(Syntax(shown, "json", theme="ansi_dark", background_color="default", word_wrap=True))
    else:
        screen.print(shown, soft_wrap=True)


def arrival_document(arrival: Arrival) -> dict[str, object]:
    """All of it, for programs. `body` is the decoded JSON, else text."""
    try:
        body: object = json.loads(arrival.body)
    except (ValueError, RecursionError):
        body = arrival.body.decode("utf-8", "backslashreplace")
    reading = arrival.reading
    return {
        "number": arrival.number,
        "at": datetime.fromtimestamp(arrival.at).astimezone().isoformat(timespec="milliseconds"),
        "format": reading.format,
        "event": reading.name,
        "subject": reading.subject,
        "webhook_id": arrival.webhook_id,
        "attempt": arrival.attempt,
        "status": arrival.status,
        "verified": arrival.verified,
        "problem": arrival.problem,
        "is_duplicate": arrival.is_duplicate,
        "path": arrival.path,
        "headers": dict(arrival.headers),
        "body": body,
    }


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S.%f")[:-3]
