"""What people do about retention: give a tenant times of its own, and see what is kept how long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, Protocol, TypeVar

from tocsin.config import Settings
from tocsin.errors import FieldError, InvalidRequest, Misconfigured
from tocsin.model.audit import Actor
from tocsin.model.ids import IdMint, Millis
from tocsin.model.noun import Noun
from tocsin.model.retention import KINDS, RetentionRule
from tocsin.model.times import to_text
from tocsin.operations.auditing import audit_entry
from tocsin.operations.pointers import said
from tocsin.ports import RetentionStore
from tocsin.rules.retention import (
    Limits,
    Policy,
    Times,
    checked_seconds,
    parse_size,
    parse_time,
    parse_times,
    seconds_of,
)

T = TypeVar("T")
MAX_RULES: Final = 32
MAX_PATTERNS: Final = 32
MAX_PATTERN: Final = 255


class RetentionTime(Noun, frozen=True, kw_only=True):
    """How long what is kept of the event types that a glob matches; 0 for ever."""

    event_types: str
    seconds: int


class RetentionDefaults(Noun, frozen=True, kw_only=True):
    """The operator's times, for what no rule of a tenant speaks of: in each list the first that matches counts, and what none
    matches is kept for ever. `audit`, `dedupe` and `pending` are for everybody. Seconds; 0 for ever."""

    bodies: list[RetentionTime]
    attempts: list[RetentionTime]
    rows: list[RetentionTime]
    audit_seconds: int
    dedupe_seconds: int
    pending_seconds: int


class TenantRetention(Noun, frozen=True, kw_only=True):
    """A tenant's own rules; the first that matches and speaks of a time counts. In seconds, 0 for ever."""

    tenant: str
    rules: tuple[RetentionRule, ...]


class RetentionPass(Noun, frozen=True, kw_only=True):
    """A pass over everything that is kept equally long: up to which position (deliveries: number) it has looked, and for how long
    what comes next could have gone already. `tenant` null: all that have no rules of their own."""

    what: str
    tenant: str | None
    keep_seconds: int
    position: int
    behind_seconds: float


class RetentionProgress(Noun, frozen=True, kw_only=True):
    """What the server removed since it started, by name; where its passes are (none where another node removes); the time by which it judges ages; the size of the
    database file, and how much of that is free to be used again."""

    removed: dict[str, int]
    passes: list[RetentionPass]
    judged_at: str | None
    file_bytes: int
    unused_bytes: int


class OldestEvent(Noun, frozen=True, kw_only=True):
    """The oldest event that is kept."""

    position: int
    accepted_at: str


class RetentionShown(Noun, frozen=True, kw_only=True):
    """What is kept how long. `progress` is for operators, null for others."""

    defaults: RetentionDefaults
    tenants: list[TenantRetention]
    oldest_event: OldestEvent | None
    progress: RetentionProgress | None


class Loop(Protocol):
    """The loop that removes, in this process."""

    @property
    def policy(self) -> Policy: ...

    def changed(self, rules: Mapping[str, tuple[RetentionRule, ...]]) -> None:
        """The rules are others now."""

    async def progress(self) -> RetentionProgress: ...


def limits_of(settings: Settings) -> Limits:
    """The operator's times. Raises Misconfigured, which names the setting."""
    return Limits(
        times={
            "bodies": _read("keep_bodies", settings.keep_bodies, parse_times),
            "attempts": _read("keep_attempts", settings.keep_attempts, parse_times),
            "rows": _read("keep_rows", settings.keep_rows, parse_times),
        },
        audit=_read("keep_audit", settings.keep_audit, parse_time),
        seen=_read("keep_dedupe", settings.keep_dedupe, parse_time),
        pending=_read("keep_pending", settings.keep_pending, parse_time),
    )


def reserve_of(settings: Settings) -> int:
    """The bytes of the disk that belong to settling and retention. Raises Misconfigured."""
    return _read("disk_reserve", settings.disk_reserve, parse_size)


def _read(name: str, text: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise Misconfigured(f"TOCSIN_{name.upper()}: {error}.") from error


class Retention:
    """The rules of tenants; a change of them is in the audit log as made `by` somebody, and `announce` is called after it."""

    __slots__ = ("_announce", "_lock", "_loop", "_mint", "_now_ms", "_store")

    def __init__(
        self,
        store: RetentionStore,
        loop: Loop,
        mint: IdMint,
        now_ms: Callable[[], Millis],
        announce: Callable[[], None],
    ) -> None:
        self._announce = announce
        self._store = store
        self._loop = loop
        self._mint = mint
        self._now_ms = now_ms
        self._lock = asyncio.Lock()

    async def show(self, tenant: str | None) -> RetentionShown:
        """What a tenant may see; None: the operator, who sees all."""
        limits = self._loop.policy.limits
        stored = (await self._store.load()).rules
        rules = stored if tenant is None else {tenant: stored.get(tenant, ())}
        oldest = await self._store.oldest(tenant)
        return RetentionShown(
            defaults=RetentionDefaults(
                bodies=_times(limits.times.get("bodies", ())),
                attempts=_times(limits.times.get("attempts", ())),
                rows=_times(limits.times.get("rows", ())),
                audit_seconds=limits.audit // 1000,
                dedupe_seconds=limits.seen // 1000,
                pending_seconds=limits.pending // 1000,
            ),
            tenants=[TenantRetention(tenant=name, rules=own) for name, own in sorted(rules.items())],
            oldest_event=None
            if oldest is None
            else OldestEvent(position=oldest.position, accepted_at=to_text(oldest.accepted_at)),
            progress=await self._loop.progress() if tenant is None else None,
        )

    async def replace(self, tenant: str, rules: Sequence[RetentionRule], *, by: Actor) -> TenantRetention:
        """Give a tenant these rules instead of those it has. Raises InvalidRequest."""
        errors = list(_faults(rules))
        if errors:
            raise InvalidRequest(errors[0].detail, errors=tuple(errors))
        after = TenantRetention(tenant=tenant, rules=tuple(rules))
        async with self._lock:
            known = (await self._store.load()).rules
            before = TenantRetention(tenant=tenant, rules=known.get(tenant, ()))
            if before == after:
                return after
            entry = audit_entry(
                self._mint,
                self._now_ms(),
                by,
                "retention.changed",
                tenant,
                tenant=tenant,
                before=before,
                after=after,
            )
            await self._store.save_rules(tenant, after.rules, entry)
            self._loop.changed({**known, tenant: after.rules})
            self._announce()
        return after


def _times(times: Times) -> list[RetentionTime]:
    return [RetentionTime(event_types=pattern, seconds=ms // 1000) for pattern, ms in times]


def _faults(rules: Sequence[RetentionRule]) -> list[FieldError]:
    found: list[FieldError] = []
    if len(rules) > MAX_RULES:
        found.append(FieldError("/rules", f"There may be {MAX_RULES} rules."))
    for number, rule in enumerate(rules[:MAX_RULES]):
        here = f"/rules/{number}"
        if not 1 <= len(rule.event_types) <= MAX_PATTERNS:
            found.append(FieldError(f"{here}/event_types", f"It must have 1 to {MAX_PATTERNS} event types."))
        for place, pattern in enumerate(rule.event_types):
            if not 1 <= len(pattern) <= MAX_PATTERN:
                found.append(FieldError(f"{here}/event_types/{place}", f"It must have 1 to {MAX_PATTERN} characters."))
        named = [(kind, seconds) for kind in KINDS if (seconds := seconds_of(rule, kind)) is not None]
        if not named:
            found.append(FieldError(here, "It must name a time: bodies_seconds, attempts_seconds or rows_seconds."))
        for kind, seconds in named:
            found.extend(said(partial(checked_seconds, seconds), f"{here}/{kind}_seconds"))
    return found
