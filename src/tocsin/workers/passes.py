"""A pass of retention: one cursor, which goes through everything that may be kept equally long, once."""

from __future__ import annotations

from tocsin.model.ids import Millis
from tocsin.model.retention import RetentionCursor, What
from tocsin.operations.retention import RetentionPass


class Pass:
    """One cursor at work. `next_at` is when what comes next began, as far as that is known."""

    __slots__ = ("keep", "next_at", "policy", "position", "scope", "what")

    def __init__(self, what: What, scope: str, keep: Millis, policy: str, position: int) -> None:
        self.what = what
        self.scope = scope
        self.keep = keep
        self.policy = policy
        self.position = position
        self.next_at: Millis | None = None

    def cursor(self, position: int) -> RetentionCursor:
        return RetentionCursor(what=self.what, scope=self.scope, keep=self.keep, policy=self.policy, position=position)

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
