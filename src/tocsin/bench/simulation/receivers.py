"""The endpoints of a simulation: what waits for each, how much may be out, and what its answers do to that."""

from __future__ import annotations

import heapq
from collections import deque
from random import Random
from typing import Final, Literal

from tocsin.bench.simulation.load import Plan
from tocsin.rules.allowance import FIRST, LONGEST_REST_MS
from tocsin.rules.backoff import wait_after
from tocsin.rules.circuit import CLOSED, after_failure

Kind = Literal["healthy", "failing", "hanging", "slow"]
_AT_ONCE_MS: Final = 2.0
"""How long an answer takes that says 500."""


class Target:
    """An endpoint, with what waits for it in groups that came together: (when, how many, step of the schedule).

    A step of time is a whole: so many go out as fit into it. `room` says how many those are, `sent` sends them. Answers that
    are good let the allowance grow up to its ceiling; one that fails has one request out at a time, and between them it
    rests. Circuit and schedule are Tocsin's own rules.
    """

    __slots__ = (
        "_circuit",
        "_credit",
        "_limit",
        "_number",
        "_plan",
        "_retries",
        "_rng",
        "answer_ms",
        "dead",
        "delivered",
        "kind",
        "queue",
        "rate",
        "tenant",
        "waiting",
    )  # fmt: skip

    def __init__(self, plan: Plan, kind: Kind, tenant: int, rate: float, rng: Random) -> None:
        self._plan = plan
        self._rng = rng
        self._limit = float(min(FIRST, plan.max_in_flight))
        self._credit = 0.0
        self._circuit = CLOSED
        self._number = 0
        self._retries: list[tuple[float, int, float]] = []
        self.kind = kind
        self.tenant = tenant
        self.rate = rate
        self.queue: deque[tuple[float, float, int]] = deque()
        self.waiting = 0.0
        self.delivered = 0.0
        self.dead = 0.0
        answers = {"healthy": plan.answer_ms, "failing": _AT_ONCE_MS, "hanging": plan.timeout_ms, "slow": plan.slow_ms}
        self.answer_ms = answers[kind]

    @property
    def is_well(self) -> bool:
        return self.kind in {"healthy", "slow"}

    @property
    def backlog(self) -> float:
        """What is not settled: ready, or waiting for its next attempt."""
        return self.waiting + sum(count for _, _, count in self._retries)

    def came(self, now: float, count: float) -> None:
        """Deliveries were created."""
        if count > 0:
            self.queue.append((now, count, 0))
            self.waiting += count

    def fall_due(self, now: float) -> None:
        """What waited for its next attempt is ready again."""
        while self._retries and self._retries[0][0] <= now:
            due_at, step, count = heapq.heappop(self._retries)
            self.queue.append((due_at, count, step))
            self.waiting += count

    def room(self, now: float, more: float) -> float:
        """How many of those that wait, and of `more` that just come, can go out in this step of time."""
        waiting = self.waiting + more
        if waiting <= 0:
            return 0.0
        step_ms = self._plan.step_seconds * 1000
        if self.is_well:
            # The allowance grows by one with each good answer: within a step it doubles with every answer time.
            grown = min(self._plan.max_in_flight, self._limit * 2 ** min(step_ms / self.answer_ms, 10))
            return min(waiting, grown * step_ms / self.answer_ms)
        probe_at = self._circuit.probe_at
        if probe_at is not None:
            return min(1.0, waiting) if now * 1000 >= probe_at else 0.0
        each_ms = self.answer_ms if self.kind == "hanging" else self.answer_ms + LONGEST_REST_MS
        self._credit = min(self._credit + self._limit * step_ms / each_ms, max(self._limit, 1.0) + step_ms / each_ms)
        return min(float(int(self._credit)), float(int(waiting)))

    def sent(self, now: float, count: float) -> list[tuple[float, float]]:
        """So many go out. Gives those that were delivered: when they came, and how many."""
        taken: list[tuple[float, float]] = []
        left = min(count, self.waiting)
        while left > 1e-9 and self.queue:
            came, there, step = self.queue[0]
            part = min(left, there)
            left -= part
            self.waiting -= part
            if part >= there - 1e-9:
                self.queue.popleft()
            else:
                self.queue[0] = (came, there - part, step)
            if self.is_well:
                self.delivered += part
                taken.append((came, part))
            else:
                self._failed(now, part, step)
        if self.is_well:
            self._limit = min(self._plan.max_in_flight, self._limit + count)
        return taken

    def _failed(self, now: float, count: float, step: int) -> None:
        self._limit = 1.0
        self._credit = max(0.0, self._credit - count)
        answered = now + self.answer_ms / 1000
        for _ in range(max(1, round(count))):
            self._number += 1
            self._circuit = after_failure(
                self._circuit, self._plan.circuit, self._number, round(now * 1000), round(answered * 1000)
            )
        wait = wait_after(step, self._plan.retry, self._rng.random())
        if wait is None:
            self.dead += count
        else:
            heapq.heappush(self._retries, (answered + wait, step + 1, count))
