"""The states of a customer's job: which may follow which.

The current state again is no transition: it is not in the table, and `accepting` judges it first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.model.job import JobState

_ALL = frozenset(JobState)
_UNDER_WAY = _ALL - {JobState.PENDING}
_ENDS = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.STOPPED})

NEXT_STATES: Final[Mapping[JobState, frozenset[JobState]]] = {
    JobState.PENDING: _ALL - {JobState.PENDING},
    JobState.RESCHEDULED: _ALL - {JobState.RESCHEDULED},
    JobState.PREPARING: _UNDER_WAY - {JobState.PREPARING},
    JobState.RUNNING: _UNDER_WAY - {JobState.RUNNING},
    JobState.WAITING: _UNDER_WAY - {JobState.WAITING},
    JobState.STOPPING: _ENDS,
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.STOPPED: frozenset(),
}
"""What may follow each state. A new job may begin in any."""

RESTART_STATES: Final = frozenset({JobState.PENDING, JobState.PREPARING, JobState.RUNNING})
"""What may follow a final state when the report says `restart`."""

FINAL_STATES: Final = frozenset(state for state, following in NEXT_STATES.items() if not following)

ERROR_STATES: Final = frozenset({JobState.FAILED, JobState.STOPPED, JobState.RESCHEDULED})
"""The states that may carry an error."""


def may_enter(current: JobState | None, new: JobState, *, restart: bool) -> bool:
    """Whether a job in `current` (None: a new job) may go to `new`, another state."""
    if current is None:
        return True
    return new in NEXT_STATES[current] or (restart and current in FINAL_STATES and new in RESTART_STATES)
