"""Finds every secret in a setting, wherever it stands, so that none can be forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from types import NoneType
from typing import Final, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

import msgspec

from tocsin.model.secret import Secret

T = TypeVar("T")
_HOLDERS: Final = (Secret, msgspec.Struct, tuple)
_NO_HOLDERS: Final = frozenset({str, int, float, bool, bytes, NoneType})


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
    changed = {
        name: new for name, old in _members(value) if (new := with_secrets(old, change, f"{pointer}/{name}")) is not old
    }
    if not changed:
        return value
    if isinstance(value, tuple):
        inners = cast("tuple[object, ...]", value)
        return cast("T", tuple(changed.get(str(index), inner) for index, inner in enumerate(inners)))
    return cast("T", msgspec.structs.replace(cast("msgspec.Struct", value), **changed))


def _members(value: object) -> Iterator[tuple[str, object]]:
    """What a setting has inside, as far as there may be a secret in it: most of it is text and numbers."""
    if isinstance(value, msgspec.Struct):
        for name in _fields(type(value)):
            inner = getattr(value, name)
            if isinstance(inner, _HOLDERS):
                yield name, inner
    elif isinstance(value, tuple):
        for index, inner in enumerate(cast("tuple[object, ...]", value)):
            if isinstance(inner, _HOLDERS):
                yield str(index), inner


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields in which there may be a secret, by their types; found out once for each kind of setting."""
    hints = get_type_hints(kind)
    return tuple(name for name in kind.__struct_fields__ if _may_hold(hints[name]))


def _may_hold(hint: object) -> bool:
    if hint in _NO_HOLDERS or hint is Ellipsis or get_origin(hint) is Literal:
        return False
    if inner := get_args(hint):
        return any(_may_hold(each) for each in inner)
    return not (isinstance(hint, type) and issubclass(hint, msgspec.Struct)) or bool(_fields(hint))
