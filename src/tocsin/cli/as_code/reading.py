"""Reads a file of endpoints, YAML or JSON, and remembers where in it everything stands, so that a problem can name its line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import yaml

from tocsin.cli.inputs import Usage
from tocsin.operations.pointers import escaped
from tocsin.operations.yaml_text import plain_value

MAX_NODES: Final = 500_000
"""Aliases can make a small file mean a huge one."""
STDIN: Final = "-"
_TOP: Final = {"tenant", "endpoints"}


@dataclass(frozen=True)
class Source:
    """What was read: `value`, and where the value of each JSON pointer stands (none for JSON). References to files are
    relative to `folder`."""

    name: str
    value: object
    folder: Path
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def at(self, pointer: str) -> str:
        """The place of a pointer for people, or of what it stands in: `endpoints.yaml:12:5 /endpoints/0/url`."""
        inner = pointer
        while inner and inner not in self.places:
            inner = inner.rpartition("/")[0]
        line, column = self.places.get(inner, (0, 0))
        where = f"{self.name}:{line}:{column}" if line else self.name
        return f"{where} {pointer}".rstrip()


@dataclass(frozen=True)
class Entry:
    """An endpoint in a file; `tenant` None: that of whoever applies it."""

    pointer: str
    tenant: str | None
    name: str
    settings: Mapping[str, object]


def read_source(path: str) -> Source:
    """The file, or standard input for `-`. Raises Usage with the place of what cannot be read."""
    name, folder = ("standard input", Path()) if path == STDIN else (path, Path(path).parent)
    try:
        raw = sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise Usage(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Usage(f"{path} is not text in UTF-8") from None
    if text.lstrip().startswith("{"):
        return Source(name, _json(text, name), folder)
    return _yaml(text, name, folder)


def entries(source: Source, tenant: str | None) -> list[Entry]:
    """The endpoints in it; `tenant` is for those for which it names none. Raises Usage."""
    top = source.value
    if not isinstance(top, dict) or not isinstance(top.get("endpoints"), list):
        raise Usage(f"{source.at('')}: there must be a list called endpoints")
    for name in top:
        if name not in _TOP:
            raise Usage(
                f"{source.at(f'/{escaped(str(name))}')}: there is no such field; there are tenant and endpoints"
            )
    common = _tenant(source, "/tenant", cast("object", top.get("tenant"))) or tenant
    found = list(_entries(source, common))
    seen: dict[tuple[str | None, str], Entry] = {}
    for entry in found:
        other = seen.setdefault((entry.tenant, entry.name), entry)
        if other is not entry:
            raise Usage(f"{source.at(f'{entry.pointer}/name')}: {source.at(other.pointer)} has that name already")
    return found


def _entries(source: Source, tenant: str | None) -> Iterator[Entry]:
    endpoints = cast("dict[str, list[object]]", source.value)["endpoints"]
    for index, item in enumerate(endpoints):
        pointer = f"/endpoints/{index}"
        if not isinstance(item, dict):
            raise Usage(f"{source.at(pointer)}: an endpoint must be a mapping")
        settings = cast("dict[str, object]", dict(item))
        own = _tenant(source, f"{pointer}/tenant", settings.pop("tenant", None))
        name = settings.get("name")
        if not isinstance(name, str) or not name:
            raise Usage(f"{source.at(f'{pointer}/name')}: an endpoint needs a name, which is a text")
        yield Entry(pointer, own or tenant, name, settings)


def _tenant(source: Source, pointer: str, value: object) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    raise Usage(f"{source.at(pointer)}: a tenant is a text")


def _json(text: str, name: str) -> object:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in pairs:
            if key in found:
                raise Usage(f"{name}: {key} stands twice in one object")
            found[key] = value
        return found

    try:
        return cast("object", json.loads(text, object_pairs_hook=unique))
    except json.JSONDecodeError as error:
        raise Usage(f"{name}:{error.lineno}:{error.colno}: {error.msg}") from None
    except RecursionError:
        raise Usage(f"{name} is nested too deeply") from None


def _yaml(text: str, name: str, folder: Path) -> Source:
    try:
        root = cast("yaml.Node | None", yaml.compose(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:  # its own text quotes the file, in which there may be a secret
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise Usage(f"{where}: {error.problem or error.context}") from None
    except yaml.YAMLError:
        raise Usage(f"{name}: there is a character in it that YAML does not allow") from None
    except RecursionError:
        raise Usage(f"{name} is nested too deeply") from None
    builder = _Builder(name)
    value = None if root is None else builder.value(root, "")
    return Source(name, value, folder, builder.places)


class _Builder:
    """Builtin values of a tree of nodes."""

    def __init__(self, name: str) -> None:
        self.places: dict[str, tuple[int, int]] = {}
        self._name = name
        self._open: set[int] = set()
        self._count = 0

    def value(self, node: yaml.Node, pointer: str) -> object:
        mark = node.start_mark
        self.places[pointer] = (mark.line + 1, mark.column + 1)
        self._count += 1
        if self._count > MAX_NODES or id(node) in self._open:
            raise Usage(f"{self._at(node)}: this means too much")
        if not str(node.tag).startswith("tag:yaml.org,2002:"):
            raise Usage(f"{self._at(node)}: tags like {node.tag} are not understood here")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, pointer)
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, f"{pointer}/{index}") for index, item in enumerate(node.value)]
            text = str(node.value)
            return plain_value(text) if node.style is None else text
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, pointer: str) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, member in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise Usage(f"{self._at(key)}: a name must be a text")
            name = str(key.value)
            if name in found:
                raise Usage(f"{self._at(key)}: {name} stands here twice")
            found[name] = self.value(member, f"{pointer}/{escaped(name)}")
        return found

    def _at(self, node: yaml.Node) -> str:
        return f"{self._name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
