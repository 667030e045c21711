"""An attempt as people read it: what was sent, what came back, how long it took."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rich.text import Text

from tocsin.cli.lists import Document, part, text
from tocsin.cli.output import console, pretty, visible, word


def print_attempt(attempt: Document) -> None:
    """The request, the response and the verdict."""
    screen = console()
    request, response, error = part(attempt, "request"), part(attempt, "response"), part(attempt, "error")
    head = Text.assemble(
        (f"attempt {text(attempt, 'number')}  ", "bold"),
        word(text(attempt, "outcome")),
        f"  {text(attempt, 'started_at')}",
    )
    screen.print(head, soft_wrap=True)
    if error:
        screen.print(
            Text.assemble("  ", (text(error, "kind"), "red"), ": ", visible(text(error, "message"))), soft_wrap=True
        )
    screen.print(Text(f"  POST {visible(text(request, 'url'))}"), soft_wrap=True)
    _print_headers(request)
    _print_body(text(request, "body"))
    if attempt.get("bodies_removed"):
        screen.print(Text("    the bodies are not kept any more", style="dim"), soft_wrap=True)
    if response:
        screen.print(Text.assemble("  ", ("answer ", "bold"), f"{text(response, 'status')}"), soft_wrap=True)
        _print_headers(response)
        _print_body(text(response, "body"))
    timings = ", ".join(
        f"{name} {value} ms" for name, value in part(attempt, "timings_ms").items() if value is not None
    )
    address = text(attempt, "address")
    screen.print(
        Text("  " + "; ".join(filter(None, (address and f"to {address}", timings))), style="dim"), soft_wrap=True
    )
    if following := text(attempt, "next_attempt_at"):
        screen.print(Text(f"  next attempt at {following}", style="yellow"), soft_wrap=True)


def _print_headers(message: Document) -> None:
    headers = message.get("headers")
    rows = headers.items() if isinstance(headers, Mapping) else headers if isinstance(headers, list) else ()
    for row in rows:
        if isinstance(row, (list, tuple)) and len(row) == 2:
            console().print(Text(visible(f"    {row[0]}: {row[1]}"), style="dim"), soft_wrap=True)


def _print_body(body: str) -> None:
    if not body:
        return
    try:
        shown = pretty(json.loads(body))
    except (ValueError, RecursionError):
        shown = visible(body)
    console().print(Text("    " + shown.replace("\n", "\n    ")), soft_wrap=True)
