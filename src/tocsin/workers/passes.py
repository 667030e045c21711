"""A pass of retention: one cursor, which goes through everything that may be kept equally long, once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tocsin.model.ids import Millis
from tocsin.model.retention import FOR_EVER, KINDS, RetentionCursor, What
from tocsin.operations.retention import RetentionPass
from tocsin.ports import Aged, Era
from tocsin.rules.retention import Policy

LATE_SHARE: Final = 4
"""What goes as a whole era may be late by this part of its time, at most."""
LOOKS: Final = 32
"""An era that could not go yet is looked at after this part of its time again."""


class Pass:
    """One cursor at work. `next_at` is when what comes next began, as far as that is known. `by_eras`: nothing is kept longer than
    what it removes, so that whole eras go; up to `one_by_one` they do not."""

    __slots__ = ("by_eras", "keep", "next_at", "one_by_one", "policy", "position", "scope", "what")

    def __init__(self, what: What, scope: str, keep: Millis, policy: str, position: int, *, by_eras: bool) -> None:
        self.by_eras = by_eras
        self.one_by_one = 0
        self.what = what
        self.scope = scope
        self.keep = keep
        self.policy = policy
        self.position = position
        self.next_at: Millis | None = None

    def cursor(self, position: int) -> RetentionCursor:
        return RetentionCursor(what=self.what, scope=self.scope, keep=self.keep, policy=self.policy, position=position)

    def takes(self, policy: Policy, aged: Aged) -> bool:
        """Whether something is its to remove."""
        if self.what not in KINDS or aged.event_type is None or policy.scope_of(aged.tenant) != self.scope:
            return False
        return policy.keep(self.what, aged.tenant, aged.event_type) == self.keep

    def may_wait_for(self, era: Era) -> bool:
        """Whether its rows go together: none becomes much too old while it waits for the last."""
        return era.end > self.one_by_one and era.youngest_at - era.oldest_at <= self.keep // LATE_SHARE

    def behind(self, judged: Millis | None) -> Millis:
        """For how long what comes next could have gone already, as ages are judged."""
        return 0 if self.next_at is None or judged is None else max(0, judged - self.keep - self.next_at)

    def shown(self, judged: Millis | None) -> RetentionPass:
        """As people see it."""
        return RetentionPass(
            what=self.what,
            tenant=self.scope or None,
            keep_seconds=self.keep // 1000,
            position=self.position,
            behind_seconds=self.behind(judged) / 1000,
        )


def passes_of(policy: Policy, cursors: Iterable[RetentionCursor]) -> list[Pass]:
    """Those that a policy asks for; each goes on where it was if what it depends on is the same."""
    known = {(one.what, one.scope, one.keep, one.policy): one.position for one in cursors}
    wanted: list[tuple[What, str, Millis]] = []
    if policy.limits.pending != FOR_EVER:
        wanted.append(("expire", "", policy.limits.pending))
    for scope in policy.scopes():
        wanted += [(kind, scope, keep) for kind in KINDS for keep in policy.classes(kind, scope)]
    prints = {scope: policy.fingerprint(scope) for scope in policy.scopes()}
    longest: dict[What, Millis] = {kind: policy.longest_of_all(kind) for kind in KINDS}
    return [
        Pass(
            what,
            scope,
            keep,
            prints[scope],
            known.get((what, scope, keep, prints[scope]), 0),
            by_eras=keep == longest.get(what),
        )
        for what, scope, keep in wanted
    ]
