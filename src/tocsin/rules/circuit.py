"""The circuit of an endpoint: after many failures over several deliveries nothing is sent for a while, then one request
asks whether the endpoint is back.

A lone bad event must not open it: the failures have to be of several deliveries, with no success between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal

import msgspec

from tocsin.model.circuit import Circuit
from tocsin.model.endpoint import CircuitSetting
from tocsin.model.ids import Millis

SEVERAL: Final = 2
"""Failures of fewer deliveries may be the fault of an event: they do not count against the endpoint for good."""
LONGEST_TIMES: Final = 12
"""Each failed probe doubles the wait, up to so many times the cool-down."""
CLOSED: Final = Circuit()


class CircuitState(StrEnum):
    """`closed`: requests go out; `open`: none do; `half_open`: one may, to find out."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


Happening = Literal["success", "failure", "failures over the limit", "cool-down over"]

TRANSITIONS: Final[Mapping[tuple[CircuitState, Happening], CircuitState]] = {
    (CircuitState.CLOSED, "success"): CircuitState.CLOSED,
    (CircuitState.CLOSED, "failure"): CircuitState.CLOSED,
    (CircuitState.CLOSED, "failures over the limit"): CircuitState.OPEN,
    (CircuitState.OPEN, "cool-down over"): CircuitState.HALF_OPEN,
    (CircuitState.HALF_OPEN, "success"): CircuitState.CLOSED,
    (CircuitState.HALF_OPEN, "failure"): CircuitState.OPEN,
}


def state_of(circuit: Circuit, now: Millis) -> CircuitState:
    """The state that people see."""
    if circuit.probe_at is None:
        return CircuitState.CLOSED
    return CircuitState.OPEN if now < circuit.probe_at else CircuitState.HALF_OPEN


def failed_with_several(circuit: Circuit) -> bool:
    """Whether there were failures of several deliveries with no success between them."""
    return len(circuit.deliveries) >= SEVERAL


def after_failure(circuit: Circuit, setting: CircuitSetting, delivery: int, started_at: Millis, now: Millis) -> Circuit:
    """The circuit after a failed attempt of a delivery (its number) that began at `started_at`. Attempts that were out when
    it opened say nothing new."""
    deliveries = circuit.deliveries
    if delivery not in deliveries and len(deliveries) < max(setting.deliveries, SEVERAL):
        deliveries = (*deliveries, delivery)
    opened_at = circuit.opened_at
    if opened_at is not None:
        if deliveries is not circuit.deliveries:
            circuit = msgspec.structs.replace(circuit, deliveries=deliveries)
        return circuit if started_at < opened_at else _opened(circuit, setting, circuit.openings + 1, now)
    counted = msgspec.structs.replace(circuit, failures=circuit.failures + 1, deliveries=deliveries)
    if counted.failures < setting.failures or len(deliveries) < setting.deliveries:
        return counted
    return _opened(counted, setting, 1, now)


def _opened(circuit: Circuit, setting: CircuitSetting, openings: int, now: Millis) -> Circuit:
    times = min(2 ** min(openings - 1, 10), LONGEST_TIMES)
    return msgspec.structs.replace(
        circuit,
        opened_at=now,
        probe_at=now + round(setting.cool_down_seconds * 1000 * times),
        openings=openings,
    )
