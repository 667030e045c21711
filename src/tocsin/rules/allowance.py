"""How many requests may be out to one endpoint at once: more while it answers well, fewer when it fails or slows down, and less
than one when it only fails.
"""

from __future__ import annotations

from typing import Final

from tocsin.model.ids import Millis

FIRST: Final = 2
"""Where every endpoint begins."""
SLOW_MS: Final = 1000
"""An endpoint whose median answer takes longer is slow: the slow ones share a part of all slots."""
_SLOWER_TIMES: Final = 4
_SLOWER_MS: Final = 250
_STEP: Final = 0.05
_FIRST_REST_MS: Final = 5
LONGEST_REST_MS: Final = 100


class Allowance:
    """The adaptive limit of one endpoint, 1 to `ceiling`.

    It grows by one with each good answer, so it doubles with each round of requests; it is halved by a failure, once
    for all requests that were out together; and an answer that takes several times the usual time takes one off.
    When a lone request fails as well, the next one waits for `rest_ms`, each time twice as long, at most a tenth of a second: an endpoint that fails at once must not take the time of those that do not.
    """

    __slots__ = ("_median_ms", "_rest_ms", "_rests_until", "_shrunk_at", "ceiling", "limit")

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.limit = min(FIRST, ceiling)
        self._median_ms = 0.0
        self._shrunk_at: Millis = -1
        self._rest_ms = 0
        self._rests_until: Millis = 0

    @property
    def is_slow(self) -> bool:
        return self._median_ms > SLOW_MS

    def succeeded(self, took_ms: float) -> None:
        """An answer came that says the endpoint is well."""
        is_slower = self._median_ms > 0 and took_ms > max(_SLOWER_TIMES * self._median_ms, self._median_ms + _SLOWER_MS)
        self._took(took_ms)
        self._rest_ms = self._rests_until = 0
        if is_slower:
            self.limit = max(1, self.limit - 1)
        elif self.limit < self.ceiling:
            self.limit += 1

    def failed(self, started_at: Millis, now: Millis, took_ms: float) -> None:
        """A request that began at `started_at` showed that the endpoint is in trouble (5xx, no connection, no answer in
        time). Times in ms."""
        self._took(took_ms)
        if started_at > self._shrunk_at:
            if self.limit == 1:
                self._rest_ms = min(max(2 * self._rest_ms, _FIRST_REST_MS), LONGEST_REST_MS)
                self._rests_until = now + self._rest_ms
            self.limit = max(1, self.limit // 2)
            self._shrunk_at = now

    @property
    def rests(self) -> bool:
        """Whether it may be that the next request has to wait."""
        return self._rests_until != 0

    def rest_ms(self, now: Millis) -> int:
        """How long the next request has to wait."""
        rest = self._rests_until - now
        return rest if 0 < rest <= LONGEST_REST_MS else 0  # beyond that, the clock went back

    def restart(self) -> None:
        """After a pause it begins with one again."""
        self.limit = 1

    def bounded(self, ceiling: int) -> None:
        """The setting was changed."""
        self.ceiling = ceiling
        self.limit = min(self.limit, ceiling)

    def _took(self, took_ms: float) -> None:
        """A running estimate of the median: it moves by a twentieth towards each sample."""
        if not self._median_ms:
            self._median_ms = max(took_ms, 0.1)
        elif took_ms > self._median_ms:
            self._median_ms = min(self._median_ms * (1 + _STEP), took_ms)
        else:
            self._median_ms = max(self._median_ms * (1 - _STEP), took_ms, 0.1)
