"""How fast connections may be opened, so that those who have one, or report something, do not feel it.

To dial costs a process several times what a request over an open connection does, and most of that in its event loop. So there is a
rate of it, which follows how much the process has to do: it falls while that is a lot, and grows while it is not and somebody waits.
"""

from __future__ import annotations

from typing import Final

FEWEST: Final = 500.0
"""Connections per second that may be opened however much there is to do."""
_FIRST: Final = 1000.0
_MOST: Final = 20_000.0
BUSY: Final = 0.5
"""Of one core: above it the process has a lot to do."""
_LOOK_SECONDS: Final = 0.01
_REST_SECONDS: Final = 0.1
_BREATH_SECONDS: Final = 0.004
_LEAST_BURST: Final = 8.0
_SLOWER: Final = 0.85
_FASTER: Final = 1.2


class DialRate:
    """A bucket of dials. `now` is any steady clock, `worked` the CPU time of the process, both in seconds."""

    __slots__ = ("_has_waited", "_left", "_looked_at", "_refilled_at", "_worked", "per_second")

    def __init__(self, now: float, worked: float) -> None:
        self.per_second = _FIRST
        self._left = _LEAST_BURST
        self._looked_at = self._refilled_at = now
        self._worked = worked
        self._has_waited = False

    def may_dial(self, now: float, worked: float) -> bool:
        """Whether one more may be opened now."""
        passed = now - self._looked_at
        if passed >= _LOOK_SECONDS:
            self._look(passed, worked)
            self._looked_at, self._worked, self._has_waited = now, worked, False
        burst = max(_LEAST_BURST, self.per_second * _BREATH_SECONDS)
        self._left = min(burst, self._left + (now - self._refilled_at) * self.per_second)
        self._refilled_at = now
        if self._left >= 1:
            return True
        self._has_waited = True
        return False

    def dialled(self) -> None:
        """One was begun."""
        self._left -= 1

    def _look(self, passed: float, worked: float) -> None:
        if passed > _REST_SECONDS:
            self.per_second = min(self.per_second, _FIRST)
        elif worked - self._worked > BUSY * passed:
            self.per_second = max(FEWEST, self.per_second * _SLOWER)
        elif self._has_waited:
            self.per_second = min(_MOST, self.per_second * _FASTER)
