"""Endpoints that need somebody: why, since when, and which of them are told of first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from tocsin.model.endpoint import Endpoint, Standing
from tocsin.model.ids import Millis
from tocsin.model.noun import Noun
from tocsin.operations.documents import time_or_none
from tocsin.rules.health import EndpointState, endpoint_state, paused_until

TROUBLED: Final = 10
_FIRST: Final[tuple[EndpointState, ...]] = ("disabled", "paused", "failing", "healthy")
Standings = Callable[[str | None], Awaitable[list[tuple[Endpoint, Standing]]]]
"""The endpoints of a tenant (None: of all) with a standing of their own, and that."""


class Troubled(Noun, frozen=True, kw_only=True):
    """An endpoint that is failing or paused, or that the server disabled (`reason`: `gone`, or `failing` for too long). `since` is
    when its failures began, where it fails."""

    endpoint_id: str
    name: str
    tenant: str
    state: EndpointState
    reason: str | None
    since: str | None
    paused_until: str | None


def troubled(standings: Iterable[tuple[Endpoint, Standing]], now: Millis) -> tuple[Troubled, ...]:
    """At most ten: the disabled ones first, then those that are paused, then those that fail; each kind the oldest first."""
    found = []
    for endpoint, standing in standings:
        state, reason = endpoint_state(endpoint.config.enabled, standing, now)
        if state == "healthy" or (state == "disabled" and standing.stopped is None):
            continue
        found.append((_FIRST.index(state), standing.failing_since or now, endpoint, standing, state, reason))
    found.sort(key=lambda row: row[:2])
    return tuple(
        Troubled(
            endpoint_id=endpoint.id,
            name=endpoint.config.name,
            tenant=endpoint.tenant,
            state=state,
            reason=reason,
            since=time_or_none(standing.failing_since),
            paused_until=time_or_none(paused_until(standing, now)) if state == "paused" else None,
        )
        for _, _, endpoint, standing, state, reason in found[:TROUBLED]
    )
