"""The `where` of a filter: a CEL expression over `type`, `subject`, `data` and `attributes` of an event.

CEL holds the interpreter while it runs and has no limit of its own, so the cost is bounded by what an expression may say:
its length, no comprehension inside another, nothing that builds lists, and by the size of the data it is asked about.
Source: the Common Expression Language specification; what costs what was measured.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import ModuleType
from typing import Final, cast

import msgspec

from tocsin.model.event import Event
from tocsin.model.event_view import EventView

# The library's package imports its own command line, which nobody calls here: a third of the time that a server takes to start.
sys.modules.setdefault("cel.cli", ModuleType("cel.cli"))
import cel  # noqa: E402  # after the line above

MAX_LENGTH: Final = 2048
MAX_DATA_BYTES: Final = 65536
"""An event with more data than this matches no `where` that asks about its data."""

VARIABLES: Final = frozenset({"type", "subject", "data", "attributes"})
COMPREHENSIONS: Final = frozenset({"all", "exists", "exists_one", "filter"})
_REFUSED_MACROS: Final = frozenset({"map", "bind", "transformList", "transformMap", "reduce", "sortBy"})
_FUNCTIONS: Final = frozenset(
    {
        "_&&_", "_||_", "!_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_?_:_", "@in", "_[_]", "@not_strictly_false",
        "_+_", "_-_", "_*_", "_/_", "_%_", "-_",
        "size", "contains", "startsWith", "endsWith", "matches", "int", "uint", "double", "string", "bool", "bytes", "dyn",
        "timestamp", "duration", "getFullYear", "getMonth", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getDate",
        "getHours", "getMinutes", "getSeconds", "getMilliseconds", "min", "max",
    }
)  # fmt: skip
_TOKEN: Final = re.compile(
    r"""(?P<text>[rRbB]{0,2}(?:\"{3}.*?(?<!\\)\"{3}|'{3}.*?(?<!\\)'{3}|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'))"""
    r"""|(?P<note>//[^\n]*)|(?P<name>[A-Za-z_]\w*)|(?P<mark>[^\sA-Za-z_])""",
    re.DOTALL,
)
Condition = Callable[[EventView], bool]


def check_where(text: str) -> None:
    """ValueError, with a text for people, for an expression that cannot be a filter."""
    condition_of(text)


@lru_cache(maxsize=16384)
def condition_of(text: str) -> Condition:
    """The expression made ready. A missing key, a wrong type or any other fault in it is no match; so is anything but true.
    Raises ValueError."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"An expression has at most {MAX_LENGTH} characters.")
    names = frozenset(_comprehension_variables(text))
    try:
        program = cel.compile(text)
    except ValueError as error:
        raise ValueError(f"Not a CEL expression: {_first_line(error)}") from None
    used = cast("Mapping[str, list[str]]", program.references())
    if unknown := sorted(set(used["variables"]) - VARIABLES - names):
        raise ValueError(f"There is no variable {unknown[0]}; there are: {', '.join(sorted(VARIABLES))}.")
    if unknown := sorted(set(used["functions"]) - _FUNCTIONS):
        raise ValueError(f"The function {unknown[0]} is not supported.")
    asks_data = "data" in used["variables"]

    def holds(view: EventView) -> bool:
        if asks_data and len(view.event.data) > MAX_DATA_BYTES:
            return False
        if view.where_context is None:
            view.where_context = cel.Context(variables_of(view))
        try:
            return program.execute(cast("cel.Context", view.where_context)) is True
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001  # the library raises many kinds, and a panic of it is not an Exception
            return False

    return holds


def variables_of(view: EventView) -> dict[str, object]:
    """What an expression sees. `attributes` are those that a CloudEvent carries, with a job's own attributes among them, or a
    record change's table, id, action and version."""
    event = view.event
    attributes: dict[str, object] = {
        "id": event.id,
        "tenant": event.tenant,
        "subject_type": event.subject_type,
        "verb": event.verb,
    }
    data: object = None
    if len(event.data) <= MAX_DATA_BYTES:
        data = _decoded(event)
    if event.cloud is not None:
        attributes |= {"id": event.cloud.id, "source": event.cloud.source, **event.cloud.extensions}
    if view.job is not None:
        attributes |= view.job.attributes
    elif (record := view.record) is not None:
        attributes |= {
            "table": record.table,
            "record_id": record.record_id,
            "action": record.action,
            "version_id": record.version_id,
        }
    return {"type": event.type, "subject": event.subject_id, "data": data, "attributes": attributes}


def _decoded(event: Event) -> object:
    if event.cloud is not None and (not event.cloud.has_data or event.cloud.is_base64):
        return None
    try:
        return cast("object", msgspec.json.decode(event.data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return event.data.decode(errors="replace")


def _comprehension_variables(text: str) -> Iterator[str]:
    """The variables that comprehensions bring in. ValueError for a comprehension inside another, which would cost the
    product of their lengths, and for macros that build something."""
    opened: list[bool] = []
    before: list[str] = []
    for token in _TOKEN.finditer(text):
        word = token.group()
        match token.lastgroup:
            case "name" if len(before) >= 2 and before[-1] == "(" and before[-2] in COMPREHENSIONS and opened[-1]:
                yield word
            case "mark" if word in "([{":
                is_comprehension = word == "(" and before[-1:] != [] and before[-1] in COMPREHENSIONS
                if word == "(" and before[-1:] and before[-1] in _REFUSED_MACROS:
                    raise ValueError(f"{before[-1]} is not supported in a filter.")
                if is_comprehension and any(opened):
                    raise ValueError("A comprehension inside another is not supported.")
                opened.append(is_comprehension)
            case "mark" if word in ")]}":
                if opened:
                    opened.pop()
            case _:
                pass
        if token.lastgroup != "note":
            before = [*before[-1:], word]


def _first_line(error: ValueError) -> str:
    return str(error).partition("ERROR: <input>:")[2].partition("\n")[0][:200] or "it cannot be parsed."
