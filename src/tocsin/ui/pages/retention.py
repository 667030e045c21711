"""Retention: what is kept how long, for everybody and for tenants with rules of their own, which can be changed here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from tocsin.model.noun import Noun
from tocsin.model.retention import RetentionRule
from tocsin.ui.answers import Answer, Reply
from tocsin.ui.asking import UiRequest
from tocsin.ui.rendering import NO_PROBLEMS, Problems, page, problems_of
from tocsin.ui.routing import UiRoute

PATH: Final = "/ui/retention"
WHAT: Final = {"bodies": "Bodies", "attempts": "Attempts", "rows": "Events with their deliveries"}
_UNITS: Final = {"d": 86_400, "h": 3600, "min": 60}
_TIME: Final = re.compile(r"(\d{1,9})\s*(d|h|min|m|s)?")


class RetentionTime(Noun, frozen=True, kw_only=True):
    """How long what is kept of some event types."""

    event_types: str
    seconds: int


class DefaultsRead(Noun, frozen=True, kw_only=True):
    """The operator's times."""

    bodies: tuple[RetentionTime, ...]
    attempts: tuple[RetentionTime, ...]
    rows: tuple[RetentionTime, ...]
    audit_seconds: int
    dedupe_seconds: int
    pending_seconds: int


class TenantRules(Noun, frozen=True, kw_only=True):
    """A tenant's own rules."""

    tenant: str
    rules: tuple[RetentionRule, ...]


class RetentionRead(Noun, frozen=True, kw_only=True):
    """What is shown of `/v1/retention`."""

    defaults: DefaultsRead
    tenants: tuple[TenantRules, ...]


class Kept(Noun, frozen=True, kw_only=True):
    """A line of the table of times."""

    what: str
    event_types: str
    time: str


async def read_retention(request: UiRequest) -> RetentionRead:
    """Of the tenant in view."""
    return await request.api.read("/v1/retention", RetentionRead)


def kept_of(defaults: DefaultsRead) -> tuple[Kept, ...]:
    """The operator's times in words."""
    return (
        *_times("bodies", defaults.bodies),
        *_times("attempts", defaults.attempts),
        *_times("rows", defaults.rows),
        Kept(what="Audit log", event_types="", time=in_words(defaults.audit_seconds)),
        Kept(what="Ids of CloudEvents, to drop duplicates", event_types="", time=in_words(defaults.dedupe_seconds)),
        Kept(what="Pending deliveries", event_types="", time=in_words(defaults.pending_seconds)),
    )


def _times(kind: str, times: tuple[RetentionTime, ...]) -> Iterator[Kept]:
    for time in times:
        yield Kept(what=WHAT[kind], event_types=time.event_types, time=in_words(time.seconds))


def in_words(seconds: int | None) -> str:
    """`7 d`, `90 min`; nothing for what is not named."""
    if seconds is None:
        return ""
    if seconds == 0:
        return "for ever"
    for unit, size in _UNITS.items():
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def seconds_of(text: str) -> int | str | None:
    """What was typed, as seconds; None when nothing was, the text itself where it is no time, for the API to refuse."""
    word = text.strip().lower()
    if not word:
        return None
    if word in {"for ever", "never"}:
        return 0
    match = _TIME.fullmatch(word)
    if match is None:
        return word
    return int(match[1]) * {"m": 60, "s": 1, **_UNITS}.get(match[2] or "s", 1)


async def _list(request: UiRequest) -> Answer:
    return await _shown(request)


async def _shown(request: UiRequest, problems: Problems = NO_PROBLEMS) -> Reply:
    retention = await read_retention(request)
    tenant = request.tenant or request.caller.tenant
    own = next((one.rules for one in retention.tenants if one.tenant == tenant), ())
    rows = [_row(rule) for rule in own]
    if problems:
        form = request.form
        columns = (form.all(name) for name in ("event_types", *WHAT))
        rows = [dict(zip(("event_types", *WHAT), row, strict=False)) for row in zip(*columns, strict=False)]
    rows += [_EMPTY] * max(1, 3 - len(rows))
    return page(
        request,
        "retention.html",
        title="Retention",
        command="tocsin retention show",
        status=422 if problems else 200,
        kept=kept_of(retention.defaults),
        tenants=[(one.tenant, [_row(rule) for rule in one.rules]) for one in retention.tenants if one.rules],
        tenant=tenant,
        rows=rows,
        what=WHAT,
        problems=problems,
    )


_EMPTY: Final = dict.fromkeys(("event_types", *WHAT), "")


def _row(rule: RetentionRule) -> dict[str, str]:
    return {
        "event_types": ", ".join(rule.event_types),
        "bodies": in_words(rule.bodies_seconds),
        "attempts": in_words(rule.attempts_seconds),
        "rows": in_words(rule.rows_seconds),
    }


async def _replace(request: UiRequest) -> Answer:
    form = request.form
    rules: list[dict[str, object]] = []
    for types, *times in zip(*(form.all(name) for name in ("event_types", *WHAT)), strict=False):
        names = [name.strip() for name in types.split(",") if name.strip()]
        if not names and not any(time.strip() for time in times):
            continue
        seconds = {f"{kind}_seconds": seconds_of(time) for kind, time in zip(WHAT, times, strict=True)}
        rules.append({"event_types": names, **{name: value for name, value in seconds.items() if value is not None}})
    answer = await request.api.send("PUT", "/v1/retention", {"rules": rules})
    if not answer.is_ok:
        return await _shown(request, problems_of(answer.problem))
    return request.redirect(PATH, "The rules are in force." if rules else "The operator's times hold.")


RETENTION_ROUTES: Final[tuple[UiRoute, ...]] = (
    UiRoute(method="GET", path=PATH, page=_list),
    UiRoute(method="POST", path=PATH, page=_replace),
)
