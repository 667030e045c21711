"""The table of pages: method and path pattern to the function that answers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, Literal
from urllib.parse import unquote

from tocsin.model.noun import Noun
from tocsin.ui.answers import Answer
from tocsin.ui.asking import UiRequest

Method = Literal["GET", "POST"]
Page = Callable[[UiRequest], Awaitable[Answer]]
_NAME: Final = re.compile(r"\{(\w+)\}")


class UiRoute(Noun, frozen=True, kw_only=True):
    """One method of one address of the web interface, like `/ui/deliveries/{delivery_id}`. Not `is_whole`: it answers a stream or a
    piece for a script, no page for people."""

    method: Method
    path: str
    page: Page
    is_whole: bool = True


class FoundPage(Noun, frozen=True, kw_only=True):
    """The pages of an address by method, and the decoded names in its path."""

    pages: Mapping[str, Page]
    parts: Mapping[str, str]


class PageRouter:
    """The table, made ready for looking up; what comes first goes first."""

    __slots__ = ("_patterns", "paths")

    def __init__(self, routes: Iterable[UiRoute]) -> None:
        by_path: dict[str, dict[str, Page]] = {}
        for route in routes:
            by_path.setdefault(route.path, {})[route.method] = route.page
        self.paths = frozenset(by_path)
        ordered = sorted(by_path.items(), key=lambda item: "{" in item[0])
        self._patterns = [(re.compile(_pattern(path)), pages) for path, pages in ordered]

    def find(self, raw_path: str) -> FoundPage | None:
        """What the address is; `raw_path` is as it was sent, percent-encoded, so that a name may hold a slash."""
        for pattern, pages in self._patterns:
            match = pattern.fullmatch(raw_path)
            if match:
                return FoundPage(pages=pages, parts={name: unquote(part) for name, part in match.groupdict().items()})
        return None


def _pattern(path: str) -> str:
    pieces = _NAME.split(path)
    return "".join(f"(?P<{piece}>[^/]+)" if index % 2 else re.escape(piece) for index, piece in enumerate(pieces))
