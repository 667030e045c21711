"""What came of a simulation: rates, the part that saturates first, times, backlog, and what the loss of a node did."""

from __future__ import annotations

import math
from typing import Final

from tocsin.bench.simulation.load import Use
from tocsin.bench.simulation.loss import Loss
from tocsin.model.noun import Noun

_FINE: Final = math.log(1.04)
_LEAST_MS: Final = 0.01
QUANTILES: Final = tuple((index + 0.5) / 40 for index in range(40))
"""A time that is spread exponentially is entered at these points of its distribution, a fortieth of it at each."""
EXPONENTIAL: Final = tuple(-math.log(1 - quantile) for quantile in QUANTILES)


class Times:
    """A distribution of times in ms, in classes four per cent wide."""

    def __init__(self) -> None:
        self._classes: dict[int, float] = {}
        self.count = 0.0

    def add(self, ms: float, count: float) -> None:
        """So many took so long."""
        index = round(math.log(max(ms, _LEAST_MS)) / _FINE)
        self._classes[index] = self._classes.get(index, 0.0) + count
        self.count += count

    def spread(self, least_ms: float, mean_ms: float, count: float) -> None:
        """So many took `least_ms` and beyond it an exponentially distributed time of such a mean."""
        for times in EXPONENTIAL:
            self.add(least_ms + mean_ms * times, count / len(EXPONENTIAL))

    def at(self, share: float) -> float:
        """The time within which this share of all was done; 0 without any."""
        left = share * self.count
        if not self._classes:
            return 0.0
        found = max(self._classes)
        for index in sorted(self._classes):
            left -= self._classes[index]
            if left <= 1e-9 * self.count:
                found = index
                break
        return math.exp(found * _FINE)


class Outcome(Noun, frozen=True, kw_only=True):
    """Rates are per second, over all but the first fifth of the time; times in ms of deliveries to healthy endpoints, from the POST until
    the receiver has it. `refused` is the share of events that were answered 429. `growth` is how many more deliveries to
    healthy endpoints, and to others, wait after each second. `used`: what was worked over what could be, `uses`: what the
    closed forms say."""

    offered: float
    accepted: float
    refused: float
    delivered: float
    p50: float
    p95: float
    p99: float
    longest: float
    waiting_healthy: int
    waiting_others: int
    growth_healthy: float
    growth_others: float
    dead: int
    used_busiest: float
    used_mean: float
    uses: tuple[Use, ...]
    first: Use
    loss: Loss | None = None

    @property
    def skew(self) -> float:
        """The busiest node over the mean of all."""
        return self.used_busiest / self.used_mean if self.used_mean else 1.0
