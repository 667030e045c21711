"""What changed between two versions of a record, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

from tocsin.model.noun import Noun

DEEPEST: Final = 8
"""Objects within objects are looked into so far; below that they are one value."""
MOST_FIELDS: Final = 100
LONGEST: Final = 300

Sign = Literal["added", "removed", "changed"]


class Difference(Noun, frozen=True, kw_only=True):
    """A field that differs: its names from the outside in, and its JSON before and after (empty where it is not there)."""

    field: str
    sign: Sign
    before: str
    after: str


class Differences(Noun, frozen=True, kw_only=True):
    """The fields that differ; `more` is how many are not here, `same` how many are the same."""

    fields: tuple[Difference, ...]
    more: int
    same: int


def differences(before: object, after: object) -> Differences:
    """Between two JSON objects, in the order of the names in them: those of the later one first."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    names = [*new, *(name for name in old if name not in new)]
    found = [
        Difference(
            field=name,
            sign="added" if name not in old else "removed" if name not in new else "changed",
            before=_text(old[name]) if name in old else "",
            after=_text(new[name]) if name in new else "",
        )
        for name in names
        if name not in old or name not in new or not _is_same(old[name], new[name])
    ]
    return Differences(
        fields=tuple(found[:MOST_FIELDS]), more=max(len(found) - MOST_FIELDS, 0), same=len(names) - len(found)
    )


def _leaves(value: object, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    """The values of an object by their names, joined by dots; an empty object is a value."""
    if isinstance(value, Mapping) and depth < DEEPEST and (value or not prefix):
        for name, inner in value.items():
            yield from _leaves(inner, f"{prefix}.{name}" if prefix else str(name), depth + 1)
    elif prefix or value is not None:
        yield prefix or "(all)", value


def _is_same(one: object, other: object) -> bool:
    """Equal as JSON: `true` is not `1`, however Python sees it."""
    return type(one) is type(other) and one == other and _text(one) == _text(other)


def _text(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
