"""Of a document whose shape is wrong the API tells only the first thing. Mended by a stand-in, it can be asked for the next, so that a
form tells all of them at once."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Final, cast

from tocsin.ui.calls import FieldProblem

MISSING: Final = "Object missing required field"
_STAND_IN: Final = "x"


def mended(document: Mapping[str, object], problem: FieldProblem) -> dict[str, object] | None:
    """The document without the value whose type is wrong, or with one where it was missing; None for a problem of another kind."""
    is_missing = problem.detail.startswith(MISSING)
    steps = [step.replace("~1", "/").replace("~0", "~") for step in problem.pointer.split("/")[1:]]
    if not steps or not (is_missing or problem.detail.startswith("Expected `")):
        return None
    *above, last = steps
    whole = copy.deepcopy(dict(document))
    place: object = whole
    for step in above:
        place = _member(place, step)
    if isinstance(place, dict):
        members = cast("dict[str, object]", place)
        if is_missing:
            members[last] = _STAND_IN
        elif members.pop(last, None) is None:
            return None
    elif isinstance(place, list) and not is_missing and last.isdecimal() and int(last) < len(place):
        place.pop(int(last))
    else:
        return None
    return whole


def _member(place: object, step: str) -> object:
    if isinstance(place, dict):
        return cast("dict[str, object]", place).get(step)
    rows = cast("list[object]", place) if isinstance(place, list) else []
    return rows[int(step)] if step.isdecimal() and int(step) < len(rows) else None
