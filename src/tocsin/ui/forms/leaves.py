"""Single fields of a form: a text, a number, a choice, a list of lines, a secret.

What cannot be read as the field's kind is handed on as the text that was typed: the API says what is wrong with it. A field that
was not changed gives back the value that it showed, so that nothing is lost which a form cannot write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Final, Literal, Protocol, cast

Form = Mapping[str, tuple[str, ...]]
"""Values by field name; a name may be there several times (checkboxes)."""


class Absent:
    """Of a document: there is no such member."""


ABSENT: Final = Absent()
Blank = Literal["absent", "null", "empty"]
"""What a blank field means: the default of the API, null, or an empty text."""


class Shape(Protocol):
    """A part of a document and the fields it has in a form; `name` is the name of its field, or what theirs begin with."""

    def fields(self, name: str, value: object) -> Iterator[tuple[str, str]]:
        """The fields that show a value."""

    def value(self, name: str, form: Form, shown: object) -> object:
        """The value that was entered, ABSENT for none; `shown` is the one that the form began with."""

    def place(self, name: str, form: Form, steps: Sequence[str]) -> str:
        """The name of the field where a JSON pointer with these steps points, or of the nearest one."""

    def secrets(self, name: str, form: Form) -> Iterator[str]:
        """The names of fields with a secret that was typed in."""


def one(form: Form, name: str) -> str:
    """The text of a field; none when it is not there."""
    values = form.get(name, ())
    return values[0] if values else ""


def as_posted(text: str) -> str:
    """A text after its way through a browser: line ends are LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


class Leaf:
    """What single fields share."""

    is_long: ClassVar[bool] = False

    def fields(self, name: str, value: object) -> Iterator[tuple[str, str]]:
        text = self.text_of(value)
        if text:
            yield name, text

    def value(self, name: str, form: Form, shown: object) -> object:
        if shown is not ABSENT and self._is_as_shown(name, form, shown):
            return shown
        return self.read(one(form, name))

    def place(self, name: str, form: Form, steps: Sequence[str]) -> str:  # noqa: ARG002 (a leaf is its own place)
        return name

    def secrets(self, name: str, form: Form) -> Iterator[str]:  # noqa: ARG002 (nothing secret here)
        yield from ()

    def text_of(self, value: object) -> str:
        """The value as it is shown."""
        return "" if value is None or value is ABSENT else str(value)

    def read(self, text: str) -> object:
        """The value that a text means."""
        raise NotImplementedError

    def _is_as_shown(self, name: str, form: Form, shown: object) -> bool:
        text = as_posted(self.text_of(shown))
        return one(form, name) == (text if self.is_long else text.replace("\n", ""))


class Text(Leaf):
    """A text in one line, or in several; what it is when blank is `blank`."""

    def __init__(self, blank: Blank = "absent", *, is_long: bool = False) -> None:
        self.blank = blank
        self.is_long = is_long  # type: ignore[misc]  # of this field, not of all

    def read(self, text: str) -> object:
        return text or _blank(self.blank)


class Number(Leaf):
    """A number. Blank: the default."""

    def text_of(self, value: object) -> str:
        return number_text(value) if isinstance(value, int | float) else super().text_of(value)

    def read(self, text: str) -> object:
        return number_of(text.strip()) if text.strip() else ABSENT


_UNITS: Final = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([dhms]?)", re.ASCII)


class Duration(Leaf):
    """A duration in seconds, written like 30s, 5m, 12h or 7d."""

    def text_of(self, value: object) -> str:
        return duration_text(value) if isinstance(value, int | float) else super().text_of(value)

    def read(self, text: str) -> object:
        return duration_of(text.strip()) if text.strip() else ABSENT


class Durations(Leaf):
    """A list of durations in one line. Blank: none of them."""

    def text_of(self, value: object) -> str:
        return ", ".join(duration_text(one) for one in cast("Sequence[float]", value)) if value else ""

    def read(self, text: str) -> object:
        return [duration_of(part) for part in re.split(r"[,;\s]+", text.strip()) if part]


class Choice(Leaf):
    """One of some values."""

    def __init__(self, *choices: str, blank: Blank = "absent") -> None:
        self.choices = choices
        self.blank = blank

    def read(self, text: str) -> object:
        return text or _blank(self.blank)


class Choices(Leaf):
    """Any of some values, each a checkbox. None of them: absent."""

    def __init__(self, *choices: str) -> None:
        self.choices = choices

    def fields(self, name: str, value: object) -> Iterator[tuple[str, str]]:
        for text in cast("Sequence[str]", value) if isinstance(value, list | tuple) else ():
            yield name, text

    def value(self, name: str, form: Form, shown: object) -> object:
        chosen = form.get(name, ())
        if isinstance(shown, list) and set(cast("list[str]", shown)) == set(chosen):
            return cast("object", shown)
        return list(chosen) or ABSENT


class Flag(Leaf):
    """A checkbox."""

    def text_of(self, value: object) -> str:
        return "on" if value is True else ""

    def read(self, text: str) -> object:
        return bool(text)


class Lines(Leaf):
    """A list of texts, one a line. None: absent."""

    is_long = True

    def text_of(self, value: object) -> str:
        return "\n".join(cast("Sequence[str]", value)) if isinstance(value, list | tuple) else ""

    def read(self, text: str) -> object:
        return [line.strip() for line in as_posted(text).split("\n") if line.strip()] or ABSENT


class PairLines(Leaf):
    """Pairs, one a line: `key=value` for a mapping, or the members of objects with a space between."""

    is_long = True

    def __init__(self, *members: str) -> None:
        self._members = members

    def text_of(self, value: object) -> str:
        if isinstance(value, dict):
            return "\n".join(f"{key}={text}" for key, text in cast("dict[str, str]", value).items())
        if not isinstance(value, list | tuple):
            return ""
        rows = cast("Sequence[Mapping[str, str]]", value)
        return "\n".join(" ".join(row[member] for member in self._members) for row in rows)

    def read(self, text: str) -> object:
        lines = [line.strip() for line in as_posted(text).split("\n") if line.strip()]
        if not lines:
            return ABSENT
        if not self._members:
            return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
        first, second = self._members
        return [{first: kind, second: id_.strip()} for kind, _, id_ in (line.partition(" ") for line in lines)]


class Secret(Leaf):
    """A text that is typed in and never shown. `.kept` is the fingerprint of the one that is set, and `.remove` takes it away. Blank
    and none set: `blank`. `shown_unless`: the neighbour that says whether it is secret at all (a header row's `sensitive`)."""

    is_long = True

    def __init__(self, blank: Blank = "absent", *, shown_unless: str = "") -> None:
        self.blank = blank
        self._shown_unless = shown_unless

    def fields(self, name: str, value: object) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict):
            yield f"{name}.kept", str(cast("dict[str, object]", value).get("fingerprint", ""))
        else:
            yield from super().fields(name, value)

    def value(self, name: str, form: Form, shown: object) -> object:
        if isinstance(shown, str) and self._is_as_shown(name, form, shown):
            return shown
        if typed := one(form, name):
            return typed
        if one(form, f"{name}.remove") or not (kept := one(form, f"{name}.kept")):
            return _blank(self.blank)
        return {"set": True, "fingerprint": kept}

    def secrets(self, name: str, form: Form) -> Iterator[str]:
        neighbour = f"{name.rpartition('.')[0]}.{self._shown_unless}"
        if one(form, name) and (not self._shown_unless or one(form, neighbour)):
            yield name


class Kept(Leaf):
    """What is not for people to change: a hidden field with its JSON."""

    is_long = True

    def text_of(self, value: object) -> str:
        return "" if value is None or value is ABSENT else json.dumps(value)

    def read(self, text: str) -> object:
        try:
            return cast("object", json.loads(text)) if text else None
        except ValueError:
            return text


def number_text(value: float) -> str:
    """A number as people write it."""
    return str(int(value)) if value == int(value) else repr(value)


def number_of(text: str) -> float | str:
    """A number, or the text that is none."""
    try:
        return int(text) if re.fullmatch(r"-?[0-9]{1,15}", text) else float(text)
    except ValueError:
        return text


def duration_text(seconds: float) -> str:
    """Seconds in the largest unit that gives a whole number."""
    for unit, length in _UNITS.items():
        if seconds >= length and seconds % length == 0:
            return f"{number_text(seconds / length)}{unit}"
    return f"{number_text(seconds)}s"


def duration_of(text: str) -> float | str:
    """Seconds, or the text that is no duration."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return number_of(text)
    number = number_of(match[1])
    return number * _UNITS[match[2] or "s"] if isinstance(number, int | float) else text


def _blank(blank: Blank) -> object:
    return {"absent": ABSENT, "null": None, "empty": ""}[blank]
