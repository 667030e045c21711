"""What is told of endpoints, replays and what was given up on: the words of operational events."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.errors import TocsinError
from tocsin.model.endpoint import Endpoint, Standing
from tocsin.model.ids import Millis
from tocsin.model.intake import Taking
from tocsin.model.notice import (
    DeadNotice,
    EndpointNotice,
    GivenUp,
    Notice,
    NoticeType,
    RefusalNotice,
    RefusedItem,
    ReplayNotice,
)
from tocsin.model.noun import Noun
from tocsin.model.replay import Replay
from tocsin.model.times import to_text
from tocsin.rules.health import endpoint_state, paused_until

_encode = msgspec.json.Encoder().encode
_REFUSED: Final = b'"outcome":"refused"'


class _Result(Noun, frozen=True, kw_only=True):
    outcome: str = ""
    problem: dict[str, object] = {}


class _Results(Noun, frozen=True, kw_only=True):
    results: list[_Result] = []


_decode_results = msgspec.json.Decoder(_Results).decode


def endpoint_notice(
    kind: NoticeType, endpoint: Endpoint, now: Millis, reason: str | None = None, standing: Standing | None = None
) -> Notice:
    """An endpoint was disabled, was paused, or gets deliveries again."""
    until = since = None
    if standing is not None:
        until, since = paused_until(standing, now), standing.failing_since
    data = EndpointNotice(
        endpoint_id=endpoint.id,
        name=endpoint.config.name,
        url=endpoint.config.url,
        reason=reason,
        paused_until=None if until is None else to_text(until),
        failing_since=None if since is None else to_text(since),
    )
    return Notice(
        type=kind,
        tenant=endpoint.tenant,
        about=endpoint.id,
        time=now,
        data=_encode(data),
        once=f"{kind} {endpoint.id} {endpoint.revision} {now}",
    )


def change_told(endpoint: Endpoint, before: Standing, after: Standing, now: Millis) -> Notice | None:
    """What is told of a change of an endpoint's standing by an attempt, if anything."""
    if after.stopped and not before.stopped:
        return endpoint_notice("endpoint.disabled", endpoint, now, after.stopped, after)
    if (after.circuit.opened_at is not None and before.circuit.opened_at is None) or (
        after.paused_until is not None and before.paused_until is None
    ):
        _, reason = endpoint_state(True, after, now)  # noqa: FBT003 (an endpoint that requests go to is enabled)
        return endpoint_notice("endpoint.paused", endpoint, now, reason, after)
    was_held = before.paused_until is not None or before.circuit.opened_at is not None or before.circuit.openings
    if after.failing_since is None and not after.reason and was_held:
        return endpoint_notice("endpoint.recovered", endpoint, now)
    return None


def dead_notice(given_up: GivenUp, name: str, now: Millis) -> Notice:
    """What was given up on for an endpoint, which has this name, within a minute."""
    data = DeadNotice(
        endpoint_id=given_up.endpoint_id,
        name=name,
        count=given_up.count,
        reasons=given_up.reasons,
        delivery_ids=given_up.delivery_ids,
    )
    return Notice(
        type="delivery.dead",
        tenant=given_up.tenant,
        about=given_up.endpoint_id,
        time=now,
        data=_encode(data),
        once=f"delivery.dead {given_up.endpoint_id} {given_up.minute}",
    )


def replay_notice(replay: Replay, now: Millis) -> Notice:
    """A replay is over; it has its final numbers."""
    data = ReplayNotice(
        replay_id=replay.id,
        endpoint_id=replay.endpoint_id,
        state=replay.state.value,
        reason=replay.reason,
        total=replay.total,
        done=replay.done,
        failed=replay.failed,
    )
    return Notice(
        type="replay.finished",
        tenant=replay.tenant,
        about=replay.id,
        time=now,
        data=_encode(data),
        once=f"replay.finished {replay.id}",
    )


def refusal_notice(taking: Taking, outcome: bytes | TocsinError, now: Millis) -> Notice | None:
    """What is told of a submission whose producer has heard nothing but `queued`: that it was refused, or some of it (the body of
    its answer says so)."""
    refused: list[RefusedItem] = []
    if not isinstance(outcome, TocsinError):
        if _REFUSED not in outcome:
            return None
        results = _decode_results(outcome).results
        refused = [
            RefusedItem(index=n, problem=one.problem) for n, one in enumerate(results) if one.outcome == "refused"
        ]
    data = RefusalNotice(
        receipt_id=taking.receipt,
        route=taking.route,
        received_at=to_text(taking.received_at),
        problem=outcome.problem() if isinstance(outcome, TocsinError) else None,
        refused=refused,
    )
    return Notice(
        type="report.refused",
        tenant=taking.tenant,
        about=taking.receipt,
        time=now,
        data=_encode(data),
        once=f"report.refused {taking.receipt}",
    )
