"""A plan as people read it, and as programs do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final, cast

from rich.text import Text

from tocsin.cli.as_code.planning import MADE, NOTHING, Change, FieldChange, Plan, is_secret
from tocsin.cli.output import console, visible

_MARKS: Final = {"create": ("+", "green"), "change": ("~", "yellow"), "remove": ("-", "red")}
_LONG: Final = 160


def print_plan(plan: Plan) -> None:
    """Every change with its fields, then how many there are."""
    screen = console()
    for change in plan.changes:
        for line in _lines(change):
            screen.print(line, soft_wrap=True)
    screen.print(summary(plan), style="bold", soft_wrap=True)


def summary(plan: Plan) -> str:
    """How many of each, in a sentence."""
    counts = {action: sum(change.action == action for change in plan.changes) for action in _MARKS}
    said = [f"{count} to {action}" for action, count in counts.items() if count]
    return f"{', '.join(said) or 'Nothing to change'}; {plan.unchanged} as in the file."


def plan_document(plan: Plan) -> dict[str, object]:
    """The plan for programs. A value of null before a creation and after a removal is one that is not there."""
    return {"changes": [_change_document(change) for change in plan.changes], "unchanged": plan.unchanged}


def _change_document(change: Change) -> dict[str, object]:
    fields = [{"field": f.path, "before": _plain(f.before), "after": _plain(f.after)} for f in change.fields]
    document: dict[str, object] = {"action": change.action, "tenant": change.tenant, "name": change.name}
    return document | {"id": change.id, "fields": fields, "pending_deliveries": change.pending}


def _plain(value: object) -> object:
    return None if value is NOTHING else {"set": True, "fingerprint": None} if value is MADE else value


def _lines(change: Change) -> Iterator[Text]:
    mark, colour = _MARKS[change.action]
    head = Text(f"{mark} {change.action} ", colour).append(visible(f"{change.tenant}/{change.name}"), "bold")
    if change.id is not None:
        head.append(f"  {visible(change.id)}", "dim")
    if change.pending:
        head.append(f"  {change.pending} pending deliveries are cancelled", "red")
    yield head
    for changed in change.fields:
        yield _line(changed)


def _line(changed: FieldChange) -> Text:
    line = Text(f"    {visible(changed.path)}: ")
    if changed.before is not NOTHING:
        line.append(_shown(changed.before), "red").append(" -> ")
    return line.append(_shown(changed.after), "green")


def _shown(value: object) -> str:
    if value is NOTHING:
        return "none"
    if value is MADE:
        return "made by the server"
    if is_secret(value):
        return f"secret {visible(str(cast('Mapping[str, object]', value)['fingerprint']))}"
    text = visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    text = text.replace("\n", "\\n")
    return text if len(text) <= _LONG else f"{text[:_LONG]}... ({len(text)} characters)"
