"""How long what is kept: times by event type and tenant, and the time by which ages are judged."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec

from tocsin.model.ids import Millis
from tocsin.model.noun import Noun
from tocsin.model.retention import FOR_EVER, KINDS, Kind, RetentionRule
from tocsin.rules.matching import glob

Times = tuple[tuple[str, Millis], ...]
"""Globs of event types, each with how long: the first that matches counts. What none matches is kept for ever."""
SHORTEST_SECONDS: Final = 3600
"""Long enough for every request that was out when its delivery ended to be over."""
LONGEST_SECONDS: Final = 100 * 366 * 86400
CATCH_UP: Final = 24
"""How many times faster than real time ages may grow: after a stop of a month, a day an hour."""
_UNITS: Final[Mapping[str, int]] = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_TIME: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)([smhd]?)", re.ASCII)
_SIZE: Final = re.compile(r"(\d{1,18})\s*([KMGT]i?B|B)?", re.ASCII)
_SIZES: Final[Mapping[str, int]] = {
    "": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
_CACHED: Final = 4096


def parse_time(text: str) -> Millis:
    """A time like `7d`, `12h`, `90m` or `3600` (seconds); 0 for ever. ValueError for what is none, or too short."""
    if text == "never":
        return FOR_EVER
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a time like 7d, 12h, 3600 (seconds) or never")
    return checked_seconds(float(match[1]) * _UNITS[match[2]]) * 1000


def checked_seconds(seconds: float) -> int:
    """Seconds that may be a time to keep: 0 for ever. ValueError."""
    if seconds != FOR_EVER and not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise ValueError(f"must be 0 (for ever), or from {SHORTEST_SECONDS} seconds to a hundred years")
    return math.ceil(seconds)


def parse_times(text: str) -> Times:
    """Times like `record.*=7d, *=30d`, or one for everything. ValueError, which names the part that is wrong."""
    times: list[tuple[str, Millis]] = []
    for part in text.replace(",", " ").split():
        pattern, equals, time = part.rpartition("=")
        if equals and not pattern:
            raise ValueError(f"{part!r} is not an event type and a time, like job.*=30d")
        times.append((pattern or "*", parse_time(time)))
    return tuple(times)


def parse_size(text: str) -> int:
    """Bytes of a size like `64MiB` or `1000000`. ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size like 64MiB")
    return int(match[1]) * _SIZES[match[2] or ""]


class Limits(Noun, frozen=True, kw_only=True):
    """The operator's times: by kind and event type, of the audit log, of what a CloudEvent is recognised by, and after which a
    pending delivery expires. In ms, 0 for ever."""

    times: Mapping[Kind, Times] = {}
    audit: Millis = FOR_EVER
    seen: Millis = FOR_EVER
    pending: Millis = FOR_EVER


class Policy:
    """The operator's limits and the rules of tenants: a tenant's rules go first, one after the other, then the operator's."""

    __slots__ = ("_cached", "limits", "rules")

    def __init__(self, limits: Limits, rules: Mapping[str, tuple[RetentionRule, ...]]) -> None:
        self.limits = limits
        self.rules = {tenant: given for tenant, given in rules.items() if given}
        self._cached: dict[tuple[Kind, str, str], Millis] = {}

    def scope_of(self, tenant: str) -> str:
        """The tenant if it has rules of its own, else the empty text, which stands for all that have none."""
        return tenant if tenant in self.rules else ""

    def scopes(self) -> tuple[str, ...]:
        return ("", *self.rules)

    def keep(self, kind: Kind, tenant: str, event_type: str) -> Millis:
        """How long, in ms; 0 for ever."""
        scope = self.scope_of(tenant)
        key = (kind, scope, event_type)
        known = self._cached.get(key)
        if known is None:
            known = next((ms for pattern, ms in self._times(kind, scope) if glob(pattern).match(event_type)), FOR_EVER)
            if len(self._cached) >= _CACHED:
                self._cached.clear()
            self._cached[key] = known
        return known

    def classes(self, kind: Kind, scope: str) -> list[Millis]:
        """Every time that some event type may have, for ever left out; the shortest first."""
        return sorted({ms for _, ms in self._times(kind, scope)} - {FOR_EVER})

    def longest(self, kind: Kind, tenant: str) -> Millis:
        """The longest time that any event type of a tenant may have, 0 for ever."""
        times = self._times(kind, self.scope_of(tenant))
        covered = [ms for _, ms in times]
        is_bounded = any(pattern == "*" for pattern, _ in times) and FOR_EVER not in covered
        return max(covered) if is_bounded else FOR_EVER

    def longest_of_all(self, kind: Kind) -> Millis:
        """The longest time that anything of anybody may have, 0 for ever."""
        times = [self.longest(kind, scope) for scope in self.scopes()]
        return FOR_EVER if FOR_EVER in times else max(times)

    def fingerprint(self, scope: str) -> str:
        """Changes with whatever a pass over this scope depends on; for all tenants without rules also with which these are."""
        what: object = {kind: self._times(kind, scope) for kind in KINDS}
        others = () if scope else sorted(self.rules)
        return sha256(msgspec.json.encode((what, others))).hexdigest()[:16]

    def _times(self, kind: Kind, scope: str) -> Times:
        own = [
            (pattern, seconds * 1000)
            for rule in self.rules.get(scope, ())
            for pattern in rule.event_types
            if (seconds := seconds_of(rule, kind)) is not None
        ]
        return (*own, *self.limits.times.get(kind, ()))


def seconds_of(rule: RetentionRule, kind: Kind) -> int | None:
    """What a rule says of a kind."""
    match kind:
        case "bodies":
            return rule.bodies_seconds
        case "attempts":
            return rule.attempts_seconds
        case "rows":
            return rule.rows_seconds


class Ages(Noun, frozen=True, kw_only=True):
    """What is old by a policy, judged at a time."""

    policy: Policy
    now: Millis

    def is_old(self, kind: Kind, tenant: str, event_type: str | None, at: Millis) -> bool:
        """Whether what happened at a time may go. Without an event type: whichever it may be of."""
        policy = self.policy
        keep = policy.longest(kind, tenant) if event_type is None else policy.keep(kind, tenant, event_type)
        return keep != FOR_EVER and at <= self.now - keep

    def audit_before(self) -> Millis | None:
        """Up to when entries of the audit log may go."""
        return _before(self.now, self.policy.limits.audit)

    def seen_before(self) -> Millis | None:
        """Up to when a CloudEvent may be forgotten whose event is gone."""
        return _before(self.now, self.policy.limits.seen)


def _before(now: Millis, keep: Millis) -> Millis | None:
    return None if keep == FOR_EVER else now - keep


def judged_time(last: Millis | None, wall: Millis, elapsed: float) -> Millis:
    """The time by which ages are judged, `elapsed` ms of real time after it was `last`. It is never ahead of the clock and never
    jumps ahead with it: a clock that is wrong by years makes nothing old at once."""
    return wall if last is None else min(wall, last + round(elapsed * CATCH_UP))
