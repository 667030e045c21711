"""Shows the state machines as Mermaid and Markdown, made from their tables; the reference pages hold what this gives."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tocsin.model.delivery import TRANSITIONS, DeliveryState
from tocsin.model.job import JobState
from tocsin.rules.job_states import FINAL_STATES, NEXT_STATES, RESTART_STATES


def job_state_diagram() -> str:
    """Every transition of a job's states, restarts included. A new job may begin in any state: shown once."""
    steps = [("[*]", JobState.PENDING.value, "any state may be the first")]
    steps += [
        (state.value, following.value, "")
        for state in JobState
        for following in JobState
        if following in NEXT_STATES[state]
    ]
    steps += [
        (state.value, following.value, "restart")
        for state in JobState
        if state in FINAL_STATES
        for following in JobState
        if following in RESTART_STATES
    ]
    return _diagram(steps)


def job_state_table() -> str:
    """The transitions of a job's states as a Markdown table."""
    rows = [
        f"| `{state}` | {_listed(NEXT_STATES[state])} | {_listed(RESTART_STATES) if state in FINAL_STATES else ''} |"
        for state in JobState
    ]
    return "\n".join(["| state | may become | with `restart` |", "|---|---|---|", *rows]) + "\n"


def _listed(states: Collection[JobState]) -> str:
    return ", ".join(f"`{state}`" for state in JobState if state in states)


def delivery_state_diagram() -> str:
    """Every step of a delivery."""
    steps = [("[*]", DeliveryState.PENDING.value, "fan-out")]
    steps += [(state.value, after.value, step.value) for (state, step), after in TRANSITIONS.items()]
    return _diagram(steps)


def _diagram(steps: Iterable[tuple[str, str, str]]) -> str:
    lines = [f"    {before} --> {after}{f': {label}' if label else ''}" for before, after, label in steps]
    return "\n".join(["stateDiagram-v2", *lines]) + "\n"
