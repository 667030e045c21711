"""What commands print: tables and listings for people, JSON for programs, and text that cannot harm a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

Mode = Literal["text", "json"]
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
    """Columns of text; a cell that is a state gets its colour."""
    cells = [[word(cell) for cell in row] for row in rows]
    screen = screen or console()
    if not cells:
        screen.print(empty, style="dim", soft_wrap=True)
        return
    if not screen.is_terminal:
        _print_plain(screen, columns, cells)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(columns):
        table.add_column(name, overflow="fold", no_wrap=number == 0)
    for row in cells:
        table.add_row(*row)
    screen.print(table)


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


def _print_plain(screen: Console, columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
    texts = [list(columns), *([cell.plain.replace("\n", " ") for cell in row] for row in rows)]
    widths = [max(len(row[number]) for row in texts) for number in range(len(columns))]
    for row in texts:
        line = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        screen.print(line.rstrip(), soft_wrap=True)
