"""Fields that belong together: objects, objects that say their kind, objects that may be missing, rows, pairs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from tocsin.ui.forms.leaves import ABSENT, Form, Shape, as_posted, one


class Group:
    """An object with these members."""

    def __init__(self, **members: Shape) -> None:
        self.members = members

    def fields(self, name: str, value: object) -> Iterator[tuple[str, str]]:
        for member, shape in self.members.items():
            yield from shape.fields(_below(name, member), member_of(value, member))

    def value(self, name: str, form: Form, shown: object) -> object:
        values = {
            member: shape.value(_below(name, member), form, member_of(shown, member))
            for member, shape in self.members.items()
        }
        return {member: value for member, value in values.items() if value is not ABSENT}

    def place(self, name: str, form: Form, steps: Sequence[str]) -> str:
        member = steps[0] if steps and steps[0] in self.members else next(iter(self.members))
        return self.members[member].place(_below(name, member), form, steps[1:])

    def secrets(self, name: str, form: Form) -> Iterator[str]:
        for member, shape in self.members.items():
            yield from shape.secrets(_below(name, member), form)


class Tagged:
    """An object whose member `tag` says which of these it is; their fields have the kind in their names. No kind is null."""

    def __init__(self, tag: str, **variants: Group) -> None:
        self.tag = tag
        self.variants = variants

    def fields(self, name: str, value: object) -> Iterator[tuple[str, str]]:
        kind = member_of(value, self.tag)
        if isinstance(kind, str):
            yield f"{name}.{self.tag}", kind
            yield from self.variants[kind].fields(f"{name}.{kind}", value)

    def value(self, name: str, form: Form, shown: object) -> object:
        kind = one(form, f"{name}.{self.tag}")
        if not kind:
            return None
        if kind not in self.variants:
            return {self.tag: kind}
        shown = shown if member_of(shown, self.tag) == kind else ABSENT
        values = cast("dict[str, object]", self.variants[kind].value(f"{name}.{kind}", form, shown))
        return {self.tag: kind, **values}

    def place(self, name: str, form: Form, steps: Sequence[str]) -> str:
        kind = one(form, f"{name}.{self.tag}")
        if not steps or steps[0] == self.tag or kind not in self.variants or not self.variants[kind].members:
            return f"{name}.{self.tag}"
        return self.variants[kind].place(f"{name}.{kind}", form, steps)

    def secrets(self, name: str, form: Form) -> Iterator[str]:
        for kind, variant in self.variants.items():
            yield from variant.secrets(f"{name}.{kind}", form)


class Optional:
    """An object, or null: when its field `switch` is blank, or without one when all its fields are."""

    def __init__(self, group: Group, switch: str | None = None) -> None:
        self.group = group
        self._switch = switch

    def fields(self, name: str, value: object) -> Iterator[tuple[str, str]]:
        if not isinstance(value, dict):
            return
        if self._switch is None:
            yield f"{name}.given", "on"
        yield from self.group.fields(name, value)

    def value(self, name: str, form: Form, shown: object) -> object:
        is_there = is_filled(form, name) if self._switch is None else one(form, f"{name}.{self._switch}")
        return self.group.value(name, form, shown) if is_there else None

    def place(self, name: str, form: Form, steps: Sequence[str]) -> str:
        return self.group.place(name, form, steps)

    def secrets(self, name: str, form: Form) -> Iterator[str]:
        yield from self.group.secrets(name, form)


class Rows:
    """A list of objects: the fields of each have its number in their names. A number is kept while the form is open, so that a
    row that is taken out does not move the others. Rows without anything in them are none."""

    def __init__(self, group: Group) -> None:
        self.group = group

    def fields(self, name: str, value: object) -> Iterator[tuple[str, str]]:
        for index, row in enumerate(cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()):
            fields = tuple(self.group.fields(f"{name}.{index}", row))
            yield from fields or ((f"{name}.{index}.given", "on"),)

    def value(self, name: str, form: Form, shown: object) -> object:
        rows = cast("Sequence[object]", shown) if isinstance(shown, list | tuple) else ()
        return [
            self.group.value(f"{name}.{number}", form, rows[number] if number < len(rows) else ABSENT)
            for number in row_numbers(form, name)
        ]

    def place(self, name: str, form: Form, steps: Sequence[str]) -> str:
        numbers = row_numbers(form, name)
        index = int(steps[0]) if steps and steps[0].isdecimal() else 0
        number = numbers[index] if index < len(numbers) else 0
        return self.group.place(f"{name}.{number}", form, steps[1:])

    def secrets(self, name: str, form: Form) -> Iterator[str]:
        for number in row_numbers(form, name):
            yield from self.group.secrets(f"{name}.{number}", form)


class Pairs:
    """A mapping, as rows of a name and a text."""

    def __init__(self, text: Shape) -> None:
        self._text = text

    def fields(self, name: str, value: object) -> Iterator[tuple[str, str]]:
        pairs = cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
        for index, (key, text) in enumerate(pairs.items()):
            yield f"{name}.{index}.name", key
            if not key:
                yield f"{name}.{index}.given", "on"
            yield from self._text.fields(f"{name}.{index}.value", text)

    def value(self, name: str, form: Form, shown: object) -> object:
        pairs = list(cast("Mapping[str, object]", shown).items()) if isinstance(shown, dict) else []
        found: dict[str, object] = {}
        for number in row_numbers(form, name):
            key, text = pairs[number] if number < len(pairs) else ("", ABSENT)
            typed = one(form, f"{name}.{number}.name")
            entered = self._text.value(f"{name}.{number}.value", form, text)
            found[key if typed == as_posted(key).replace("\n", "") else typed] = "" if entered is ABSENT else entered
        return found

    def place(self, name: str, form: Form, steps: Sequence[str]) -> str:
        numbers = row_numbers(form, name)
        named = (number for number in numbers if steps and one(form, f"{name}.{number}.name") == steps[0])
        number = next(named, numbers[0] if numbers else 0)
        return f"{name}.{number}.value"

    def secrets(self, name: str, form: Form) -> Iterator[str]:  # noqa: ARG002 (nothing secret here)
        yield from ()


class UrlOrObject:
    """An object that is written as its `url` alone where it has nothing else, or null."""

    def __init__(self, group: Group) -> None:
        self.group = group

    def fields(self, name: str, value: object) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict):
            yield f"{name}.given", "on"
            yield from self.group.fields(name, value)
        elif isinstance(value, str):
            yield f"{name}.url", value

    def value(self, name: str, form: Form, shown: object) -> object:
        if not is_filled(form, name):
            return None
        begun = {"url": shown} if isinstance(shown, str) else shown
        entered = cast("dict[str, object]", self.group.value(name, form, begun))
        is_alone = all(value in (None, "") for key, value in entered.items() if key != "url")
        return entered.get("url", "") if is_alone and not one(form, f"{name}.given") else entered

    def place(self, name: str, form: Form, steps: Sequence[str]) -> str:
        return self.group.place(name, form, steps)

    def secrets(self, name: str, form: Form) -> Iterator[str]:
        yield from self.group.secrets(name, form)


def member_of(value: object, member: str) -> object:
    """A member of an object; ABSENT when there is none."""
    return cast("dict[str, object]", value).get(member, ABSENT) if isinstance(value, dict) else ABSENT


def is_filled(form: Form, name: str) -> bool:
    """Whether anything was entered in the fields whose names begin so."""
    begin = f"{name}."
    return any(key.startswith(begin) and any(values) for key, values in form.items())


def row_numbers(form: Form, name: str) -> list[int]:
    """The numbers of the rows that have something in them, in order; without those that are to be taken out (`.out`)."""
    pattern = re.compile(re.escape(name) + r"\.([0-9]{1,4})\.(.+)")
    found: set[int] = set()
    for key, values in form.items():
        match = pattern.match(key)
        if match is not None and any(values) and match[2] != "sensitive":
            found.add(int(match[1]))
    return sorted(number for number in found if not one(form, f"{name}.{number}.out"))


def _below(name: str, member: str) -> str:
    return f"{name}.{member}" if name else member
