"""`retention ...`: what is kept how long, and other times for a tenant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cyclopts import App

from tocsin.cli.connection import HERE, Connection
from tocsin.cli.inputs import Usage
from tocsin.cli.lists import Document, one, part, parts, text
from tocsin.cli.output import console, print_json, print_listing, print_table
from tocsin.model.retention import KINDS
from tocsin.rules.retention import parse_times

app = App(name="retention", help="What is kept how long.")
_DAY = 86400
_HOUR = 3600


@app.command
def show(*, connection: Connection = HERE) -> int:
    """Show what is kept how long, and with an operator key how far the removing is."""
    shown = one(connection.request("GET", "/v1/retention"))
    if connection.is_json:
        print_json(shown)
        return 0
    rows = [row for tenant in parts(shown, "tenants") for row in _rows(tenant)]
    defaults = part(shown, "defaults")
    for kind in KINDS:
        rows += [(kind, "", text(time, "event_types"), _time(time.get("seconds"))) for time in parts(defaults, kind)]
    for name, what in (("audit", "audit log"), ("dedupe", "dedupe keys"), ("pending", "pending deliveries")):
        rows.append((what, "", "", _time(defaults.get(f"{name}_seconds"))))
    print_table(("WHAT", "TENANT", "EVENT TYPES", "KEPT"), rows)
    oldest, progress = part(shown, "oldest_event"), part(shown, "progress")
    facts: dict[str, object] = {"oldest event": text(oldest, "accepted_at") or "none"}
    if progress:
        behind = max((_number(one_pass.get("behind_seconds")) for one_pass in parts(progress, "passes")), default=0)
        facts["behind"] = f"{behind:.0f} s"
        facts |= {f"removed: {name}": count for name, count in sorted(part(progress, "removed").items())}
        facts["file"] = f"{text(progress, 'file_bytes')} bytes, {text(progress, 'unused_bytes')} of them unused"
    console().print()
    print_listing(facts.items())
    return 0


@app.command(name="set")
def set_(
    *, bodies: str = "", attempts: str = "", rows: str = "", nothing: bool = False, connection: Connection = HERE
) -> int:
    """Give a tenant times of its own, instead of those it has: `--rows 'record.*=7d, *=30d'`. Of several the first that
    matches counts; `never` keeps for ever. What is not named stays as the operator's settings say.

    :param bodies: How long bodies of requests and responses are kept after a delivery ended, by event type.
    :param attempts: How long attempts are kept after their delivery ended.
    :param rows: How long events are kept with their deliveries.
    :param nothing: No times of its own any more.
    """
    try:
        rules = list(_rules((("bodies", bodies), ("attempts", attempts), ("rows", rows))))
    except ValueError as error:
        raise Usage(str(error)) from error
    if bool(rules) == nothing:
        raise Usage("Give --bodies, --attempts or --rows, or else --nothing.")
    done = one(connection.request("PUT", "/v1/retention", {"rules": rules}))
    if connection.is_json:
        print_json(done)
        return 0
    print_table(("WHAT", "TENANT", "EVENT TYPES", "KEPT"), _rows(done), empty="As the operator's settings say.")
    return 0


def _rules(times: Iterable[tuple[str, str]]) -> Iterator[dict[str, object]]:
    for kind, given in times:
        for pattern, ms in parse_times(given):
            yield {"event_types": [pattern], f"{kind}_seconds": ms // 1000}


def _rows(tenant: Document) -> list[tuple[str, str, str, str]]:
    """A row for each time that a rule names."""
    return [
        (kind, text(tenant, "tenant"), _listed(rule.get("event_types")), _time(rule.get(f"{kind}_seconds")))
        for kind in KINDS
        for rule in parts(tenant, "rules")
        if rule.get(f"{kind}_seconds") is not None
    ]


def _listed(value: object) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, list) else ""


def _number(value: object) -> float:
    return value if isinstance(value, (int, float)) else 0.0


def _time(value: object) -> str:
    """Seconds in the largest unit that they are whole in."""
    seconds = int(_number(value))
    if seconds == 0:
        return "for ever"
    for unit, name in ((_DAY, "d"), (_HOUR, "h")):
        if seconds % unit == 0:
            return f"{seconds // unit}{name}"
    return f"{seconds}s"
