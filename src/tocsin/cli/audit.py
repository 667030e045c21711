"""`audit`: who changed what."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rich.text import Text

from tocsin.cli.connection import HERE, Connection
from tocsin.cli.lists import Document, items, part, text
from tocsin.cli.output import print_json, print_table, visible


def audit(
    *,
    target: str | None = None,
    actor: str | None = None,
    action: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: int = 50,
    connection: Connection = HERE,
) -> int:
    """Show who changed what, newest first. `--output json` has each thing whole, before and after.

    :param target: Id of what was changed: an endpoint, an API key, a delivery, a replay.
    :param actor: Id of the API key that was used.
    :param action: Only this, like `endpoint.changed`.
    :param since: Changed at this time (RFC 3339) or later.
    :param until: Changed before this time.
    :param limit: How many at most.
    """
    query = {"target": target, "actor": actor, "action": action, "since": since, "until": until}
    found = items(connection, "/v1/audit", query, limit)
    if connection.is_json:
        print_json({"items": found})
        return 0
    rows = [
        (text(e, "at"), text(e, "action"), text(e, "target"), _who(part(e, "actor")), text(e, "tenant"), _what(e))
        for e in found
    ]
    print_table(("AT", "ACTION", "TARGET", "BY", "TENANT", "CHANGE"), rows, empty="Nothing was changed.")
    return 0


def _who(actor: Document) -> str:
    """The name of the key and its role, or the server."""
    return f"{text(actor, 'key_name')} ({text(actor, 'role')})" if actor.get("key_id") else "the server"


def _what(entry: Document) -> Text:
    """Each field that differs, before and after; of something new or gone, its name."""
    before, after = part(entry, "before"), part(entry, "after")
    if before and after:
        return Text(visible("; ".join(differences(before, after))))
    return Text(visible(text(after or before, "name")))


def differences(before: Document, after: Document, path: str = "") -> Iterator[str]:
    """`field: before -> after` for each field that differs, fields inside objects by their path."""
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            yield from differences(old, new, f"{path}{name}.")
        else:
            yield f"{path}{name}: {_short(old)} -> {_short(new)}"


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
