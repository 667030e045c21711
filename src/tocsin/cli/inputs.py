"""Reading what was typed: JSON as text, `@file` or standard input; secrets out of the command line; `key=value`; `kind:id`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from getpass import getpass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

_NUMBERS = {"priority", "overlap_seconds", "ttl_seconds"}
"""Others may be digits and are text all the same: `account_id`."""

JsonText = Annotated[str | None, Parameter(allow_leading_hyphen=True)]
"""An option that takes JSON, @file or -."""


class Usage(Exception):
    """The command line does not make sense; exit code 2."""


def json_argument(text: str, what: str) -> object:
    """JSON as typed, from the file after `@`, or from standard input for `-`."""
    if text == "-":
        source = sys.stdin.buffer.read()
    elif text.startswith("@"):
        try:
            source = Path(text[1:]).read_bytes()
        except OSError as error:
            raise Usage(f"{what}: {text[1:]} cannot be read: {error.strerror}") from None
    else:
        source = text.encode()
    try:
        value: object = json.loads(source)
    except ValueError as error:
        raise Usage(f"{what} is not JSON: {error}") from None
    return value


def secret_argument(text: str, what: str) -> str:
    """A secret as typed, or better where others cannot see it: in the file after `@`, in the environment variable after
    `env:`, or for `-` asked for (a line of standard input where there is no terminal)."""
    if text == "-":
        found = getpass(f"{what}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    elif text.startswith("@"):
        found = text_file(text[1:], what).rstrip("\r\n")
    elif text.startswith("env:"):
        found = os.environ.get(text.removeprefix("env:"), "")
    else:
        return text
    if not found:
        raise Usage(f"{what}: there is nothing in {text}")
    return found


def text_file(path: str, what: str) -> str:
    """What is in a file."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise Usage(f"{what}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Usage(f"{what}: {path} is not a text") from None


def login(text: str, what: str) -> tuple[str, str]:
    """User name and password, of `username:password`; the password as `secret_argument` reads it."""
    username, colon, password = text.partition(":")
    if not colon:
        raise Usage(f"{what} must be written username:password")
    return username, secret_argument(password, what)


def settings(texts: Iterable[str] | None, what: str) -> dict[str, object]:
    """`key=value` each, of a setting whose fields are named on the page about it; those that are numbers are known."""
    return {
        key: int(text) if key in _NUMBERS and text.isascii() and text.isdigit() else text
        for key, text in pairs(texts, what).items()
    }


def json_object(text: str, what: str) -> dict[str, object]:
    """A JSON object, read as `json_argument` does."""
    value = json_argument(text, what)
    if not isinstance(value, dict):
        raise Usage(f"{what} is not a JSON object")
    return value


def pairs(texts: Iterable[str] | None, what: str) -> dict[str, str]:
    """`key=value` each."""
    found: dict[str, str] = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise Usage(f"{what} must be written key=value, not {text}")
        found[key] = value
    return found


def values(texts: Iterable[str] | None, what: str) -> dict[str, object]:
    """`key=value` each; a value that is JSON is taken as that, anything else as text."""
    found: dict[str, object] = {}
    for key, text in pairs(texts, what).items():
        try:
            found[key] = json.loads(text)
        except ValueError:
            found[key] = text
    return found


def resources(texts: Iterable[str] | None) -> list[Mapping[str, str]]:
    """`kind:id` or `kind:id:name` each."""
    found: list[Mapping[str, str]] = []
    for text in texts or ():
        kind, _, rest = text.partition(":")
        identifier, _, name = rest.partition(":")
        if not kind or not identifier:
            raise Usage(f"--resource must be written kind:id or kind:id:name, not {text}")
        found.append({"kind": kind, "id": identifier} | ({"name": name} if name else {}))
    return found


def duration(text: str, what: str) -> float:
    """Seconds, of `2s`, `500ms`, `1m` or a bare number of seconds."""
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("", 1.0)):
        number = text.removesuffix(unit) if unit else text
        if number.replace(".", "", 1).isdecimal() and (not unit or number != text):
            return float(number) * factor
    raise Usage(f"{what} must be written like 2s or 500ms, not {text}")
