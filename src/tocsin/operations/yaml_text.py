"""Writes YAML that reads back as the very same values: what is plain means what the core schema of YAML 1.2 says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, cast

import yaml

_CONSTANTS: Final[dict[str, object]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,300}")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_TAG: Final = "tag:yaml.org,2002:"
_BREAKS: Final = frozenset("\r\x85\u2028\u2029")
"""What ends a line for some readers of YAML and not for others."""
_SHORT: Final = 72
"""A list or mapping of plain values that fits in so many characters stands on one line."""


def plain_value(text: str) -> object:
    """What an unquoted scalar means (YAML 1.2.2 section 10.3): `no` and `12:30` are texts."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def to_yaml(document: Mapping[str, object]) -> str:
    """Text of builtin values: mappings keep their order, long texts stand in blocks."""
    root = _node(dict(document))
    root.flow_style = False
    return cast("str", yaml.serialize(root, Dumper=yaml.SafeDumper, allow_unicode=True, width=100))


def _node(value: object) -> yaml.Node:
    match value:
        case dict():
            members = cast("dict[str, object]", value)
            pairs = [(_text(name), _node(member)) for name, member in members.items()]
            return yaml.MappingNode(f"{_TAG}map", pairs, flow_style=_is_short(members.values(), len(str(members))))
        case list() | tuple():
            items = cast("list[object]", value)
            return yaml.SequenceNode(
                f"{_TAG}seq", [_node(item) for item in items], flow_style=_is_short(items, len(str(items)))
            )
        case str():
            return _text(value)
        case None:
            return yaml.ScalarNode(f"{_TAG}null", "null")
        case bool():
            return yaml.ScalarNode(f"{_TAG}bool", str(value).lower())
        case float():
            return _number(value)
        case int():
            return yaml.ScalarNode(f"{_TAG}int", str(value))
        case _:
            raise TypeError(type(value))


def _number(number: float) -> yaml.Node:
    """With a point, which the dumper looks for in a number that has an exponent."""
    mantissa, exponent, power = repr(number).partition("e")
    text = f"{mantissa}{'' if '.' in mantissa else '.0'}{exponent}{power}"
    return yaml.ScalarNode(f"{_TAG}float", text)


def _text(text: str) -> yaml.Node:
    style = None
    if not isinstance(plain_value(text), str) or not _BREAKS.isdisjoint(text):
        style = '"'
    elif "\n" in text.rstrip("\n"):
        style = "|"
    return yaml.ScalarNode(f"{_TAG}str", text, style=style)


def _is_short(values: object, length: int) -> bool:
    return length <= _SHORT and not any(
        isinstance(value, dict | list | tuple) for value in cast("list[object]", values)
    )
