"""How fast requests to an endpoint may follow one another: token buckets, so that no window of a limit sees more than it allows.

Nine tenths of a limit flow evenly, the last tenth may come in a burst after a silence: together they never exceed the limit in
any window of its length. What is left over in a steady flow absorbs what the network does to the distances on the way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from tocsin.model.endpoint import RateLimit
from tocsin.model.ids import Millis

_EVEN_SHARE: Final = 0.9
_BURST_MS: Final = 1000
"""A burst is at most what flows in this time, so that a limit per hour does not come in one go."""
_BREATH_MS: Final = 10
"""A fast flow is let out in pieces of this length: a timer of its own for each request would cost more than the request."""


class Pace:
    """The limits of one endpoint; a request may go when all of them have room. It begins without any, as nobody knows what was
    sent before a restart. Times in ms of the wall clock, which may step."""

    __slots__ = ("_buckets", "limits")

    def __init__(self, limits: Sequence[RateLimit], now: Millis) -> None:
        self.limits = tuple(limits)
        self._buckets = tuple(_Bucket(limit, now) for limit in limits)

    def wait_ms(self, now: Millis) -> int:
        """0 when a request may go now, else how long to wait before asking again."""
        return max(bucket.wait_ms(now) for bucket in self._buckets)

    def sent(self) -> None:
        """A request goes out; `wait_ms` has just given 0."""
        for bucket in self._buckets:
            bucket.tokens -= 1


class _Bucket:
    __slots__ = ("_at", "_per_ms", "capacity", "tokens")

    def __init__(self, limit: RateLimit, now: Millis) -> None:
        self._per_ms = _EVEN_SHARE * limit.requests / (limit.per_seconds * 1000)
        self.capacity = max(1.0, min((1 - _EVEN_SHARE) * limit.requests, self._per_ms * _BURST_MS))
        self.tokens = 0.0
        self._at = now

    def wait_ms(self, now: Millis) -> int:
        self.tokens = min(self.capacity, self.tokens + max(0, now - self._at) * self._per_ms)
        self._at = now
        if self.tokens >= 1:
            return 0
        wanted = min(self.capacity, max(1.0, self._per_ms * _BREATH_MS))
        return max(1, math.ceil((wanted - self.tokens) / self._per_ms))
