"""Endpoints, API keys, deliveries, replays and erasures as people see them: in the answers of the API, and before and after a change in the
audit log."""

from __future__ import annotations

from typing import Literal

import msgspec

from tocsin.model.access import ApiKey, Role
from tocsin.model.attempt import Outcome
from tocsin.model.delivery import DeliveryState
from tocsin.model.endpoint import Endpoint, Standing
from tocsin.model.erasure import Erasure, ErasureReport
from tocsin.model.exchange import ErrorKind
from tocsin.model.filter import Filter
from tocsin.model.ids import Millis
from tocsin.model.noun import Noun
from tocsin.model.replay import Only, Replay
from tocsin.model.times import to_text
from tocsin.operations.consent import consent_shown
from tocsin.operations.endpoint_codec import EndpointCodec
from tocsin.ports import DeliveryView, LastAttempt
from tocsin.rules.circuit import state_of
from tocsin.rules.health import endpoint_state, paused_until


class LastAttemptShown(Noun, frozen=True, kw_only=True):
    """How the newest attempt of a delivery went: `status` is what was answered, `error` the kind of error, if there was one."""

    started_at: str
    outcome: Outcome
    status: int | None
    error: ErrorKind | None
    total_ms: float


class DeliveryShown(Noun, frozen=True, kw_only=True):
    """A delivery. `in_flight` is true while a request is out, null when another node knows and was not asked (in lists) or
    did not answer in time; `waits_for_order` while an earlier one of its subject is
    unsettled. `accepted_at` is when its event was accepted (`event_erased`: only its place in the log is left; `endpoint_name` null: the endpoint was deleted), `created_at` when it was found to be for the endpoint."""

    id: str
    tenant: str
    endpoint_id: str
    endpoint_name: str | None
    event_id: str
    event_type: str
    subject_type: str
    subject_id: str
    state: DeliveryState
    in_flight: bool | None
    waits_for_order: bool
    reason: str | None
    attempt_count: int
    last_attempt: LastAttemptShown | None
    accepted_at: str
    event_erased: bool
    created_at: str
    next_attempt_at: str | None
    settled_at: str | None
    resend_of: str | None
    batch_id: str | None
    replay_id: str | None


class PendingCancelled(Noun, frozen=True, kw_only=True):
    """How many deliveries were cancelled. Not `complete`: there are more; ask again."""

    cancelled: int
    complete: bool


class ReplayShown(Noun, frozen=True, kw_only=True):
    """A replay. `total`: how many events it takes; `done` were delivered, `failed` given up on; `left` are to come.
    `settled_per_second` is how fast it goes, and `remaining_seconds` what that makes of the rest; null while that is not known.
    `dead_reason`: with `only` dead, only what was given up for this reason."""

    id: str
    tenant: str
    endpoint_id: str
    state: Literal["running", "paused", "finished", "cancelled", "failed"]
    reason: str | None
    since: str | None
    until: str | None
    filters: tuple[Filter, ...]
    only: Only
    dead_reason: str | None
    rate_per_second: float | None
    new_webhook_ids: bool
    total: int
    done: int
    failed: int
    left: int
    settled_per_second: float | None
    remaining_seconds: float | None
    created_at: str
    finished_at: str | None


class CircuitShown(Noun, frozen=True, kw_only=True):
    """The circuit of an endpoint. `failures`: how many there were since the last success; `openings`: how often it opened since
    then. While it is `open` nothing is sent before `probe_at`; then it is `half_open`, and the next request decides."""

    state: Literal["closed", "open", "half_open"]
    failures: int
    opened_at: str | None
    probe_at: str | None
    openings: int


class ErasureShown(Noun, frozen=True, kw_only=True):
    """An erasure. `reason` is why it failed; `report` is what it has found and erased so far, by kind of place."""

    id: str
    tenant: str
    state: Literal["running", "finished", "failed"]
    reason: str | None
    subject_type: str
    subject_id: str
    report: ErasureReport
    created_at: str
    finished_at: str | None


class KeyShown(Noun, frozen=True, kw_only=True):
    """An API key, never its value."""

    id: str
    name: str
    role: Role
    tenant: str | None
    created_at: str
    expires_at: str | None
    last_used_at: str | None


def time_or_none(millis: Millis | None) -> str | None:
    """A time that may be absent, as text."""
    return None if millis is None else to_text(millis)


def circuit_shown(standing: Standing, now: Millis) -> CircuitShown:
    """The circuit of an endpoint as it stands."""
    circuit = standing.circuit
    return CircuitShown(
        state=state_of(circuit, now).value,
        failures=standing.failures,
        opened_at=time_or_none(circuit.opened_at),
        probe_at=time_or_none(circuit.probe_at),
        openings=circuit.openings,
    )


def endpoint_shown(
    codec: EndpointCodec, endpoint: Endpoint, standing: Standing | None, now: Millis
) -> dict[str, object]:
    """Its settings, with secrets as fingerprints, and what is read-only."""
    standing = standing or Standing(endpoint=endpoint.number)
    state, reason = endpoint_state(endpoint.config.enabled, standing, now)
    until = paused_until(standing, now) if state == "paused" else None
    return {
        "id": endpoint.id,
        "tenant": endpoint.tenant,
        "created_at": to_text(endpoint.created_at),
        "state": state,
        "state_reason": reason,
        "paused_until": time_or_none(until),
        "failing_since": time_or_none(standing.failing_since),
        "circuit_state": msgspec.to_builtins(circuit_shown(standing, now)),
        "consent": msgspec.to_builtins(consent_shown(standing.consent)),
        **codec.to_wire(endpoint.config),
    }


def delivery_shown(view: DeliveryView, *, in_flight: bool | None) -> DeliveryShown:
    """A delivery as it stands."""
    is_pending = view.state is DeliveryState.PENDING
    return DeliveryShown(
        id=view.id,
        tenant=view.tenant,
        endpoint_id=view.endpoint_id,
        endpoint_name=view.endpoint_name,
        event_id=view.event_id,
        event_type=view.event_type,
        subject_type=view.subject_type,
        subject_id=view.subject_id,
        state=view.state,
        in_flight=in_flight,
        waits_for_order=is_pending and view.blocked > 0,
        reason=view.reason,
        attempt_count=view.attempts,
        last_attempt=None if view.last is None else _last_attempt_shown(view.last),
        accepted_at=to_text(view.accepted_at),
        event_erased=view.is_erased,
        created_at=to_text(view.created_at),
        next_attempt_at=to_text(view.due_at) if is_pending else None,
        settled_at=time_or_none(view.settled_at),
        resend_of=view.resend_of,
        batch_id=view.batch_id,
        replay_id=view.replay_id,
    )


def _last_attempt_shown(last: LastAttempt) -> LastAttemptShown:
    return LastAttemptShown(
        started_at=to_text(last.started_at),
        outcome=last.outcome,
        status=last.status,
        error=last.error,
        total_ms=last.total_ms,
    )


def key_shown(key: ApiKey) -> KeyShown:
    """A key without its hash."""
    return KeyShown(
        id=key.id,
        name=key.name,
        role=key.role,
        tenant=key.tenant,
        created_at=to_text(key.created_at),
        expires_at=time_or_none(key.expires_at),
        last_used_at=time_or_none(key.last_used_at),
    )


def replay_shown(replay: Replay, rate: float | None = None) -> ReplayShown:
    """A replay as it stands; `rate` is how many deliveries of it are settled a second."""
    left = 0 if replay.is_over else max(0, replay.total - replay.done - replay.failed)
    return ReplayShown(
        id=replay.id,
        tenant=replay.tenant,
        endpoint_id=replay.endpoint_id,
        state=replay.state.value,
        reason=replay.reason,
        since=time_or_none(replay.since),
        until=time_or_none(replay.until),
        filters=replay.filters,
        only=replay.only,
        dead_reason=replay.dead_reason,
        rate_per_second=replay.rate_per_second,
        new_webhook_ids=replay.new_webhook_ids,
        total=replay.total,
        done=replay.done,
        failed=replay.failed,
        left=left,
        settled_per_second=rate,
        remaining_seconds=round(left / rate, 1) if rate else None,
        created_at=to_text(replay.created_at),
        finished_at=time_or_none(replay.finished_at),
    )


def erasure_shown(erasure: Erasure) -> ErasureShown:
    """An erasure as it stands."""
    return ErasureShown(
        id=erasure.id,
        tenant=erasure.subject.tenant,
        state=erasure.state.value,
        reason=erasure.reason,
        subject_type=erasure.subject.type,
        subject_id=erasure.subject.id,
        report=erasure.progress.report,
        created_at=to_text(erasure.created_at),
        finished_at=time_or_none(erasure.finished_at),
    )
