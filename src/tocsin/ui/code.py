"""JSON and other text as it is shown: indented, and cut into tokens that the templates colour."""

from __future__ import annotations

import json
import re
from typing import Final

from tocsin.model.noun import Noun

MAX_COLOURED: Final = 64 * 1024
"""Beyond this a text is shown without colours: each token costs time."""
MAX_INDENTED: Final = 256 * 1024
"""Beyond this, before or after it is indented, a text is left alone: what is nested deeply grows by its depth for each line."""
_TOKEN: Final = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*"(?=\s*:))|(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>-?\d[\d.eE+-]*)|(?P<word>true|false|null)'
)


class Token(Noun, frozen=True, kw_only=True):
    """A piece of text; `kind` is empty for what has no colour."""

    text: str
    kind: str = ""


def pretty(text: str | bytes) -> str:
    """JSON indented; numbers, repeated names and their order stay as they are. Other text is left alone."""
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    if len(shown) > MAX_INDENTED:
        return shown
    try:
        json.loads(shown)
    except (ValueError, RecursionError):
        return shown
    return _indented(shown) or shown


def tokens(text: str) -> list[Token]:
    """A text as pieces, in order; joined they are the text."""
    if len(text) > MAX_COLOURED:
        return [Token(text=text)]
    pieces: list[Token] = []
    at = 0
    for match in _TOKEN.finditer(text):
        if match.start() > at:
            pieces.append(Token(text=text[at : match.start()]))
        pieces.append(Token(text=match.group(), kind=match.lastgroup or ""))
        at = match.end()
    return [*pieces, Token(text=text[at:])] if at < len(text) else pieces


def _indented(text: str) -> str:
    """Of a text that is JSON: only the space between its tokens is changed, so that no number loses a digit. Nothing when that
    is too much."""
    out: list[str] = []
    depth = size = 0
    pieces = [piece for piece in re.findall(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', text) if piece]
    for index, piece in enumerate(pieces):
        if piece in "{[":
            depth += 1
            is_empty = pieces[index + 1] in "}]"
            out.append(piece if is_empty else piece + "\n" + "  " * depth)
        elif piece in "}]":
            depth -= 1
            out.append(piece if pieces[index - 1] in "{[" else "\n" + "  " * depth + piece)
        elif piece == ",":
            out.append(",\n" + "  " * depth)
        else:
            out.append(": " if piece == ":" else piece)
        size += len(out[-1])
        if size > MAX_INDENTED:
            return ""
    return "".join(out)
