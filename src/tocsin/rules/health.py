"""The health of an endpoint: what an attempt does to its standing, and the state that people see."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from tocsin.model.circuit import Circuit
from tocsin.model.endpoint import CircuitSetting, Standing, Stopped
from tocsin.model.ids import Millis
from tocsin.rules.circuit import CLOSED, CircuitState, after_failure, failed_with_several, state_of
from tocsin.rules.consent import must_wait_for, waits_for_consent
from tocsin.rules.outcome import Settled

EndpointState = Literal["healthy", "failing", "paused", "disabled"]


def standing_after(standing: Standing, settled: Settled, setting: CircuitSetting, now: Millis) -> Standing:
    """The standing after an attempt; the same object when nothing about it changed, so that nothing needs to be kept.

    `stopped` stays through a late success of another request that was under way: only enabling the endpoint ends it, by
    beginning with a new standing.
    """
    attempt = settled.settlement.attempt
    paused_until = standing.paused_until if standing.paused_until is not None and standing.paused_until > now else None
    if attempt.outcome == "delivered":
        if standing.failures == 0 and standing.failing_since is None and paused_until == standing.paused_until:
            return standing
        return replace(
            standing,
            paused_until=paused_until,
            failing_since=None,
            failures=0,
            reason=standing.reason if paused_until is not None or standing.stopped else None,
            circuit=CLOSED,
        )
    if settled.settlement.at_once:
        return standing
    reason = attempt.error.message if attempt.error is not None else None
    if settled.effect == "pause":
        return replace(standing, paused_until=max(paused_until or 0, settled.resume_at or 0), reason=reason)
    failing_since = now if standing.failing_since is None else standing.failing_since
    circuit = after_failure(standing.circuit, setting, settled.settlement.delivery, attempt.started_at, now)
    stopped = standing.stopped or _stops(settled, setting, failing_since, circuit, now)
    return replace(
        standing,
        paused_until=paused_until,
        failing_since=failing_since,
        failures=standing.failures + 1,
        reason=stopped or reason,
        stopped=stopped,
        circuit=circuit,
    )


def _stops(
    settled: Settled, setting: CircuitSetting, failing_since: Millis, circuit: Circuit, now: Millis
) -> Stopped | None:
    if settled.effect == "gone":
        return "gone"
    is_long = now - failing_since > setting.disable_after_seconds * 1000
    return "failing" if is_long and failed_with_several(circuit) else None


def began_anew(standing: Standing) -> Standing:
    """The standing of an endpoint that is enabled again: nothing of its past failures counts."""
    return replace(
        standing, paused_until=None, failing_since=None, failures=0, reason=None, stopped=None, circuit=CLOSED
    )


def endpoint_state(enabled: bool, standing: Standing, now: Millis) -> tuple[EndpointState, str | None]:  # noqa: FBT001 (what the state is made of, in the order of precedence)
    """The state that people see, and why it is not `healthy`."""
    if not enabled:
        return "disabled", standing.stopped
    if standing.consent is not None and must_wait_for(standing.consent):
        return "paused", waits_for_consent(standing.consent)
    if standing.paused_until is not None and standing.paused_until > now:
        return "paused", standing.reason
    if state_of(standing.circuit, now) is CircuitState.OPEN:
        return "paused", _open_circuit(standing)
    if standing.failing_since is not None:
        return "failing", standing.reason
    return "healthy", None


def _open_circuit(standing: Standing) -> str:
    last = f" {standing.reason}" if standing.reason else ""
    return f"The circuit is open after {standing.failures} failures in a row.{last}"


def paused_until(standing: Standing, now: Millis) -> Millis | None:
    """Until when nothing is sent because the receiver asked for it or the circuit is open; None when neither is so."""
    until = max(standing.paused_until or 0, standing.circuit.probe_at or 0)
    return until if until > now else None
