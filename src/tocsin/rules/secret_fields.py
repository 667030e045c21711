"""Finds every secret in a setting, wherever it stands, so that none can be forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar, cast

import msgspec

from tocsin.model.secret import Secret

T = TypeVar("T")


def secrets_in(value: object, pointer: str = "") -> Iterator[tuple[str, Secret]]:
    """Every secret of a setting with the JSON pointer to it; values that are public after all are left out."""
    if isinstance(value, Secret):
        if not value.is_public:
            yield pointer, value
        return
    for name, inner in _members(value):
        yield from secrets_in(inner, f"{pointer}/{name}")


def with_secrets(value: T, change: Callable[[str, Secret], Secret], pointer: str = "") -> T:
    """The same setting with each secret that `secrets_in` finds replaced by what `change` makes of it."""
    if isinstance(value, Secret):
        return value if value.is_public else cast("T", change(pointer, value))
    members = [(name, inner, with_secrets(inner, change, f"{pointer}/{name}")) for name, inner in _members(value)]
    changed = {name: new for name, old, new in members if new is not old}
    if not changed:
        return value
    if isinstance(value, tuple):
        return cast("T", tuple(new for _, _, new in members))
    return cast("T", msgspec.structs.replace(cast("msgspec.Struct", value), **changed))


def _members(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield name, getattr(value, name)
    elif isinstance(value, tuple):
        for index, inner in enumerate(cast("tuple[object, ...]", value)):
            yield str(index), inner
