"""What the loss of a node does to the endpoints that it held."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.bench.simulation.receivers import Target
from tocsin.model.noun import Noun
from tocsin.workers.rotation import CREDITS


class Loss(Noun, frozen=True, kw_only=True):
    """A node was lost: so many of all deliveries were its, which stood still for so long; the most of them that waited; when
    they had caught up, in seconds after the loss (None: not within the simulation); at most so many go out twice."""

    share: float
    still_seconds: float
    most_waiting: int
    caught_up_after: float | None
    twice_at_most: int


class Lost:
    """A lost node, and what becomes of its endpoints. They stand still until others hold them."""

    def __init__(self, node: int, targets: Sequence[Target], at: float) -> None:
        self.node = node
        self.targets = targets
        self.stands_still = True
        self._at = at
        self._still_seconds = 0.0
        self._most_waiting = 0.0
        self._caught_up_after: float | None = None

    def follow(self, now: float, step_seconds: float) -> None:
        """A step of time is over."""
        healthy = [target for target in self.targets if target.kind == "healthy"]
        waiting = sum(target.waiting for target in healthy)
        self._most_waiting = max(self._most_waiting, waiting)
        if self.stands_still:
            self._still_seconds += step_seconds
        elif self._caught_up_after is None and waiting <= sum(target.rate for target in healthy) * step_seconds:
            self._caught_up_after = now - self._at

    def loss(self, deliveries_per_second: float) -> Loss:
        """What is to be told of it."""
        after = self._caught_up_after
        return Loss(
            share=round(sum(target.rate for target in self.targets) / deliveries_per_second, 3),
            still_seconds=round(self._still_seconds, 1),
            most_waiting=round(self._most_waiting),
            caught_up_after=None if after is None else round(after, 1),
            twice_at_most=CREDITS,
        )
