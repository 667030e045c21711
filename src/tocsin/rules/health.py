"""The health of an endpoint: what an attempt does to its standing, and the state that people see."""

from __future__ import annotations

from typing import Literal

from tocsin.model.endpoint import Standing
from tocsin.model.ids import Millis
from tocsin.rules.outcome import Settled

EndpointState = Literal["healthy", "failing", "paused", "disabled"]

GONE = "gone"


def standing_after(standing: Standing, settled: Settled, now: Millis) -> Standing:
    """The standing after an attempt; the same object when nothing about it changed, so that nothing needs to be kept.

    `gone` stays through a late success of another request that was under way: only enabling the endpoint ends it, by
    beginning with a new standing.
    """
    attempt = settled.settlement.attempt
    paused_until = standing.paused_until if standing.paused_until is not None and standing.paused_until > now else None
    if attempt.outcome == "delivered":
        if standing.failures == 0 and standing.failing_since is None and paused_until == standing.paused_until:
            return standing
        return Standing(
            endpoint=standing.endpoint,
            paused_until=paused_until,
            reason=standing.reason if paused_until is not None or standing.gone else None,
            gone=standing.gone,
        )
    if settled.settlement.at_once:
        return standing
    reason = attempt.error.message if attempt.error is not None else None
    failures, failing_since = standing.failures, standing.failing_since
    gone = standing.gone or settled.effect == "gone"
    if settled.effect == "pause":
        paused_until = max(paused_until or 0, settled.resume_at or 0)
    else:
        failures += 1
        failing_since = now if failing_since is None else failing_since
    return Standing(
        endpoint=standing.endpoint,
        paused_until=paused_until,
        failing_since=failing_since,
        failures=failures,
        reason=GONE if gone else reason,
        gone=gone,
    )


def endpoint_state(enabled: bool, standing: Standing, now: Millis) -> tuple[EndpointState, str | None]:  # noqa: FBT001 (what the state is made of, in the order of precedence)
    """The state that people see, and why it is not `healthy`."""
    if not enabled:
        return "disabled", GONE if standing.gone else None
    if standing.paused_until is not None and standing.paused_until > now:
        return "paused", standing.reason
    if standing.failing_since is not None:
        return "failing", standing.reason
    return "healthy", None
