"""JSON merge patch (RFC 7396), with one addition for objects that say what kind they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast


def merge_patched(target: Mapping[str, object], patch: Mapping[str, object]) -> dict[str, object]:
    """`target` after `patch`: null removes, objects merge, everything else replaces. An object that names another `kind` than
    the present one replaces it: the settings of one kind mean nothing to another."""
    merged = dict(target)
    for name, value in patch.items():
        present = merged.get(name)
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            given = cast("Mapping[str, object]", value)
            base = cast("Mapping[str, object]", present) if isinstance(present, Mapping) else {}
            merged[name] = merge_patched({} if _is_another_kind(base, given) else base, given)
        else:
            merged[name] = value
    return merged


def _is_another_kind(present: Mapping[str, object], given: Mapping[str, object]) -> bool:
    """Objects say what they are by `kind`; where there is none, by `mode`."""
    tag = "kind" if "kind" in present or "kind" in given else "mode"
    return tag in given and given[tag] != present.get(tag)
