"""A replay: new deliveries of past events to one endpoint, in a lane of their own beside live traffic."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal

from tocsin.model.filter import Filter
from tocsin.model.ids import EndpointId, ReplayId
from tocsin.model.noun import Noun

Only = Literal["all", "dead", "missing"]
"""Which events of the range: all that the endpoint wants, those given up on, or those that it never had a delivery of."""


class ReplayState(StrEnum):
    """Where a replay stands."""

    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"


class ReplayStep(StrEnum):
    """What can happen to a replay."""

    PAUSE = "pause"
    RESUME = "resume"
    FINISH = "finish"
    CANCEL = "cancel"
    FAIL = "fail"


REPLAY_TRANSITIONS: Final[Mapping[tuple[ReplayState, ReplayStep], ReplayState]] = {
    (ReplayState.RUNNING, ReplayStep.PAUSE): ReplayState.PAUSED,
    (ReplayState.PAUSED, ReplayStep.RESUME): ReplayState.RUNNING,
    (ReplayState.RUNNING, ReplayStep.FINISH): ReplayState.FINISHED,
    (ReplayState.RUNNING, ReplayStep.CANCEL): ReplayState.CANCELLED,
    (ReplayState.PAUSED, ReplayStep.CANCEL): ReplayState.CANCELLED,
    (ReplayState.RUNNING, ReplayStep.FAIL): ReplayState.FAILED,
    (ReplayState.PAUSED, ReplayStep.FAIL): ReplayState.FAILED,
}


class Replay(Noun, frozen=True, kw_only=True):
    """`number` is also the number of its lane. It looks at positions up to and including `last`, fixed when it was made, and
    has looked at those up to `position`. `dead_reason` narrows `only` dead to what was given up for that reason. `total` is how many events matched when it was made; `made` how many deliveries there
    are, `done` and `failed` how many of them were delivered or given up. Times in ms."""

    number: int
    id: ReplayId
    tenant: str
    endpoint: int
    endpoint_id: EndpointId
    state: ReplayState
    reason: str | None
    filters: tuple[Filter, ...]
    only: Only
    dead_reason: str | None = None
    rate_per_second: float | None
    new_webhook_ids: bool
    since: int | None
    until: int | None
    position: int
    last: int
    total: int
    made: int
    done: int
    failed: int
    created_at: int
    finished_at: int | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state not in {ReplayState.RUNNING, ReplayState.PAUSED}
