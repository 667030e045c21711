"""What the list and show commands share: asking for pages, and reading answers whose fields may be missing."""

from __future__ import annotations

from collections.abc import Mapping

from tocsin.cli.connection import Connection
from tocsin.client import Problem

Document = Mapping[str, object]
_PAGE = 500


def items(connection: Connection, path: str, query: Mapping[str, str | None], limit: int) -> list[Document]:
    """The newest `limit` of a list, page after page."""
    found: list[Document] = []
    cursor: str | None = None
    with connection.client() as client:
        while len(found) < limit:
            size = str(min(limit - len(found), _PAGE))
            page = one(client.request("GET", path, query={**query, "limit": size, "cursor": cursor}))
            rows, cursor = parts(page, "items"), text(page, "next_cursor")
            found.extend(rows)
            if not cursor:
                break
    return found


def one(answer: object) -> Document:
    """The answer as an object."""
    if not isinstance(answer, dict):
        raise Problem(502, {"title": "The answer is not an object: is this a Tocsin server?"})
    return answer


def part(document: Document, name: str) -> Document:
    """An object inside; empty when it is not there."""
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def parts(document: Document, name: str) -> list[Document]:
    """The objects of a list inside."""
    value = document.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(document: Document, name: str) -> str:
    """A text inside, or the text of a number; empty when there is none."""
    value = document.get(name)
    return "" if value is None else str(value)
