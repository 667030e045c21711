"""References to what does not stand in the file: `{env: NAME}` and `{file: PATH}`, wherever the API takes a text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from tocsin.cli.as_code.reading import Entry, Source
from tocsin.errors import InvalidRequest
from tocsin.operations.endpoint_codec import written_config
from tocsin.operations.pointers import escaped
from tocsin.rules.secret_fields import secrets_in

FREE: Final = re.compile(r"/authorization/parameters|/format/headers|/filters/\d+/labels")
"""Mappings whose names people choose: `env` and `file` mean nothing there."""


@dataclass(frozen=True)
class Resolved:
    """The settings of an endpoint with its references followed, and where these stood. Not to be printed."""

    settings: dict[str, object] = field(repr=False)
    references: frozenset[str]


class Unresolved(Exception):
    """A reference leads to nothing; `pointer` is inside of the endpoint."""

    def __init__(self, pointer: str, text: str) -> None:
        super().__init__(text)
        self.pointer = pointer


def resolve(settings: Mapping[str, object], folder: Path, environment: Mapping[str, str]) -> Resolved:
    """Follow every reference. Raises Unresolved."""
    found: set[str] = set()

    def followed(value: object, pointer: str) -> object:
        if isinstance(value, list):
            items = cast("list[object]", value)
            return [followed(item, f"{pointer}/{index}") for index, item in enumerate(items)]
        if not isinstance(value, dict):
            return value
        members = cast("dict[str, object]", value)
        if len(members) == 1 and not FREE.fullmatch(pointer):
            ((kind, name),) = members.items()
            if kind in {"env", "file"} and isinstance(name, str):
                found.add(pointer)
                return _variable(name, pointer, environment) if kind == "env" else _file(name, pointer, folder)
        return {name: followed(member, f"{pointer}/{escaped(name)}") for name, member in members.items()}

    resolved = {name: followed(value, f"/{escaped(name)}") for name, value in settings.items()}
    return Resolved(resolved, frozenset(found))


def in_plain_text(resolved: Resolved) -> Iterator[str]:
    """Pointers to secrets that stand in the file themselves."""
    try:
        config = written_config(resolved.settings)
    except InvalidRequest:  # the server says what is wrong with it
        return
    for pointer, secret in secrets_in(config):
        if not secret.is_kept and pointer not in resolved.references:
            yield pointer


def by_name(settings: Mapping[str, object], name: str) -> tuple[dict[str, object], list[str]]:
    """The settings with each fingerprint replaced by a reference to a variable, and the names of these."""
    names: list[str] = []

    def named(value: object, path: str) -> object:
        if isinstance(value, list):
            items = cast("list[object]", value)
            return [named(item, f"{path}_{index}" if len(items) > 1 else path) for index, item in enumerate(items)]
        if not isinstance(value, dict):
            return value
        members = cast("dict[str, object]", value)
        if members.get("set") is True and set(members) == {"set", "fingerprint"}:
            names.append(re.sub(r"[^A-Z0-9]+", "_", path.upper()).strip("_"))
            return {"env": names[-1]}
        return {key: named(member, f"{path}_{key}") for key, member in members.items()}

    return {key: named(value, f"{name}_{key}") for key, value in settings.items()}, names


def _variable(name: str, pointer: str, environment: Mapping[str, str]) -> str:
    text = environment.get(name, "")
    if not text:
        raise Unresolved(pointer, f"the variable {name} is not set")
    return text


def _file(name: str, pointer: str, folder: Path) -> str:
    path = folder / name
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise Unresolved(pointer, f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Unresolved(pointer, f"{path} is not a text") from None
    if not text:
        raise Unresolved(pointer, f"{path} is empty")
    return text


def resolved_entries(
    source: Source, found: list[Entry], environment: Mapping[str, str]
) -> tuple[list[tuple[Entry, Resolved]], list[str]]:
    """Every endpoint with its references followed, and what is wrong with the others."""
    resolved: list[tuple[Entry, Resolved]] = []
    wrong: list[str] = []
    for entry in found:
        try:
            resolved.append((entry, resolve(entry.settings, source.folder, environment)))
        except Unresolved as error:
            wrong.append(f"{source.at(entry.pointer + error.pointer)}: {error}")
    return resolved, wrong
