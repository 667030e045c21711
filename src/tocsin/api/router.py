"""From a path to its route: by its raw, undecoded segments, so that an id may hold any character, a slash included."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote

from tocsin.api.routing import Route
from tocsin.model.noun import Noun

TAKES_SLASHES: Final = frozenset({"job_id", "record_id"})
"""Names that producers choose: in a path they may also be written with their slashes as they are."""

_NAME: Final = re.compile(r"\{(\w+)\}")


class Found(Noun, frozen=True, kw_only=True):
    """The routes of an address by method, and the decoded names in its path."""

    routes: Mapping[str, Route]
    parts: Mapping[str, str]


class Router:
    """The table of routes, made ready for looking up."""

    __slots__ = ("_fixed", "_patterns")

    def __init__(self, routes: Iterable[Route]) -> None:
        by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            by_path.setdefault(route.path, {})[route.method] = route
        self._fixed = {path: methods for path, methods in by_path.items() if "{" not in path}
        patterns = [(path, methods) for path, methods in by_path.items() if "{" in path]
        self._patterns = [(re.compile(_pattern(path)), methods) for path, methods in patterns]

    def find(self, raw_path: str) -> Found | None:
        """What the address is, if there is such a one; `raw_path` is as it was sent, percent-encoded."""
        fixed = self._fixed.get(raw_path)
        if fixed is not None:
            return Found(routes=fixed, parts={})
        for pattern, methods in self._patterns:
            match = pattern.fullmatch(raw_path)
            if match:
                parts = {name: unquote(part) for name, part in match.groupdict().items()}
                return Found(routes=methods, parts=parts)
        return None


def _pattern(path: str) -> str:
    """A regular expression for a path like `/v1/jobs/{job_id}`."""
    return "".join(_piece(piece, is_name=bool(index % 2)) for index, piece in enumerate(_NAME.split(path)))


def _piece(piece: str, *, is_name: bool) -> str:
    if not is_name:
        return re.escape(piece)
    return f"(?P<{piece}>{'.+' if piece in TAKES_SLASHES else '[^/]+'})"
