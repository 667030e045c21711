"""Retention: how long what is kept, and what is removed when its time is over."""

from __future__ import annotations

from typing import Final, Literal

from tocsin.model.noun import Noun

Kind = Literal["bodies", "attempts", "rows"]
"""What has a time of its own for each event type: the bodies of requests and responses, whole attempts, events with their
deliveries."""
KINDS: Final[tuple[Kind, ...]] = ("bodies", "attempts", "rows")
What = Literal["bodies", "attempts", "rows", "expire", "remains"]
"""What retention goes through: also what is pending for too long, and the deliveries of events that are gone already."""
Table = Literal["seen", "version", "streak", "job", "replay", "batch", "answer", "audit"]
"""What stands beside events and deliveries, and is looked through from time to time."""
TABLES: Final[tuple[Table, ...]] = ("answer", "audit", "seen", "version", "streak", "batch", "replay", "job")
FOR_EVER: Final = 0


class RetentionRule(Noun, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times to keep, in seconds, for the event types that one of the globs matches. 0: for ever; None: as the next rule says."""

    event_types: tuple[str, ...]
    bodies_seconds: int | None = None
    attempts_seconds: int | None = None
    rows_seconds: int | None = None


class RetentionCursor(Noun, frozen=True, kw_only=True):
    """How far one pass over everything has looked. `scope` is a tenant, empty: all that have no rules of their own. `keep` in
    ms; `policy` tells whether the rules are those it began with."""

    what: What
    scope: str
    keep: int
    policy: str
    position: int = 0
