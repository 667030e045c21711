"""Turns what msgspec says about a bad value into a JSON pointer (RFC 6901) and a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from tocsin.errors import FieldError, InvalidRequest

_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_NAMED_FIELD = re.compile(r"Object (?:contains unknown|missing required) field `(.*)`", re.DOTALL)


def invalid_field(error: msgspec.ValidationError, prefix: str = "") -> InvalidRequest:
    """The problem that a failed decoding is; its pointer stands below `prefix`. msgspec finds one bad field at a time."""
    found = field_error(str(error), prefix)
    return InvalidRequest(found.detail, errors=(found,))


def field_error(message: str, prefix: str = "") -> FieldError:
    """Where a msgspec message such as ``Expected `int`, got `str` - at `$.a[1].b` `` points: at `/a/1/b`. A message about
    an unknown or a missing field points at that field."""
    text, separator, path = message.rpartition(" - at `$")
    if not separator or not path.endswith("`"):
        text, path = message, "`"
    pointer = prefix + "".join(f"/{escaped(name or index)}" for name, index in _steps(path[:-1]))
    named = _NAMED_FIELD.fullmatch(text)
    if named:
        pointer += f"/{escaped(named[1])}"
    return FieldError(pointer, text)


def said(check: Callable[[], object], pointer: str) -> Iterator[FieldError]:
    """What a check that raises ValueError says about a field."""
    try:
        check()
    except ValueError as error:
        yield FieldError(pointer, str(error))


def escaped(name: str) -> str:
    """A name as one step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def _steps(path: str) -> list[tuple[str, str]]:
    """The known part of a path: keys of a map are not told (`[...]`), so the pointer ends at the map."""
    known = path.partition("[...]")[0]
    return [(match[1] or "", match[2] or "") for match in _STEP.finditer(known)]
