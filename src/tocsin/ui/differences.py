"""What differs between two JSON documents, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tocsin.model.noun import Noun

_ABSENT = object()


class Difference(Noun, frozen=True, kw_only=True):
    """A field, by its path (`retry.schedule_seconds`), before and after as JSON; None where it was not, or is not any more."""

    field: str
    before: str | None
    after: str | None


def differences(before: object, after: object) -> list[Difference]:
    """Every field that is not the same, in the order of the fields; lists are compared as wholes."""
    return list(_differences("", before, after))


def _differences(path: str, before: object, after: object) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in {**before, **after}:
            yield from _differences(
                f"{path}.{name}" if path else str(name), before.get(name, _ABSENT), after.get(name, _ABSENT)
            )
    elif _text(before, is_sorted=True) != _text(after, is_sorted=True):
        yield Difference(field=path, before=_text(before), after=_text(after))


def _text(value: object, *, is_sorted: bool = False) -> str | None:
    return None if value is _ABSENT else json.dumps(value, ensure_ascii=False, sort_keys=is_sorted)
