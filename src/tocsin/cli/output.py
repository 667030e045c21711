"""What commands print: tables and listings for people, JSON for programs, and text that cannot harm a terminal."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

from rich.console import Console
from rich.text import Text

Mode = Literal["text", "json"]
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_NARROWEST: Final = 10
_PLAIN_WIDTH: Final = 100_000
_STYLES: Final[Mapping[str, str]] = {
    "delivered": "green",
    "succeeded": "green",
    "healthy": "green",
    "changed": "green",
    "accepted": "green",
    "verified": "green",
    "pending": "yellow",
    "retry": "yellow",
    "failing": "yellow",
    "paused": "yellow",
    "stopped": "yellow",
    "running": "cyan",
    "dead": "red",
    "failed": "red",
    "rejected": "red",
    "refused": "red",
    "cancelled": "dim",
    "disabled": "dim",
    "unchanged": "dim",
    "duplicate": "dim",
}


def console(*, stderr: bool = False) -> Console:
    """A console that neither colours nor cuts when nobody is looking at it."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PLAIN_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def print_json(document: object, *, line: bool = False) -> None:
    """One JSON document on standard output, on one line when it is one of many."""
    text = json.dumps(document, ensure_ascii=False, indent=None if line else 2)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_error(text: str) -> None:
    """A line on standard error."""
    console(stderr=True).print(Text.assemble(("tocsin: ", "bold red"), visible(text)), soft_wrap=True)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "", screen: Console | None = None
) -> None:
    """Columns of text; a cell that is a state gets its colour. In a terminal wide cells are cut to make the table fit
    (the first column, which names the row, never), empty columns are left out and times are local."""
    screen = screen or console()
    cells = [[word(cell) for cell in row] for row in rows]
    if not cells:
        screen.print(empty, style="dim", soft_wrap=True)
        return
    shown = list(range(len(columns)))
    if screen.is_terminal:
        shown = [number for number in shown if not columns[number] or any(row[number].plain for row in cells)]
        cells = [[_local(cell) for cell in row] for row in cells]
    table = [[Text(columns[number], "bold") for number in shown], *([row[number] for number in shown] for row in cells)]
    widths = [max(len(row[place]) for row in table) for place in range(len(shown))]
    if screen.is_terminal:
        _narrow(widths, screen.width)
    for row in table:
        screen.print(_line(row, widths), soft_wrap=True)


def _line(row: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text()
    for cell, width in zip(row, widths, strict=True):
        text = cell.plain.replace("\n", " ")
        line.append(text if len(text) <= width else text[: width - 1] + "\u2026", cell.style)
        line.append(" " * (width - min(len(text), width) + 2))
    line.rstrip()
    return line


def _narrow(widths: list[int], available: int) -> None:
    """Take from the widest column but the first until the table fits, or none is wide."""
    while sum(widths) + 2 * (len(widths) - 1) > available:
        widest = max(range(1, len(widths)), key=widths.__getitem__, default=0)
        if widest == 0 or widths[widest] <= _NARROWEST:
            return
        widths[widest] -= 1


def _local(cell: Text) -> Text:
    """A time as it is read here, to the second."""
    if _TIME.fullmatch(cell.plain) is None:
        return cell
    moment = datetime.fromisoformat(cell.plain).astimezone()
    return Text(moment.strftime("%Y-%m-%d %H:%M:%S"), style=cell.style)


def print_listing(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values, one pair a line; None is left out."""
    kept = [(name, word(value)) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in kept), default=0)
    screen = console()
    for name, value in kept:
        screen.print(Text.assemble((name.ljust(width + 2), "bold"), value), soft_wrap=True)


def word(cell: object) -> Text:
    """A value as text, in the colour of the state that it names."""
    if isinstance(cell, Text):
        return cell
    text = "" if cell is None else "yes" if cell is True else "no" if cell is False else visible(str(cell))
    return Text(text, style=_STYLES.get(text, ""))


def visible(text: str) -> str:
    """Control characters as escapes, so that what came from outside cannot steer the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def pretty(document: object) -> str:
    """Indented JSON, safe to print."""
    return visible(json.dumps(document, ensure_ascii=False, indent=2))
