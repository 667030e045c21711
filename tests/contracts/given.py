"""Submissions, endpoints and deliveries as the contract suite needs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tocsin.errors import Conflict
from tocsin.model.attempt import Attempt, Settlement
from tocsin.model.audit import SERVER, Action, AuditEntry
from tocsin.model.delivery import NewDelivery, Step
from tocsin.model.event import NewEvent
from tocsin.model.exchange import Response, Timings
from tocsin.model.ids import IdMint
from tocsin.model.submission import (
    CloudEvents,
    Decide,
    Facts,
    IdempotencyKey,
    Needs,
    StoredVersion,
    Submission,
    Verdict,
)
from tocsin.ports import Fanned, StoredEndpoint

NOTHING = Needs()


class Clock:
    """A wall clock that tests set, in milliseconds."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


def submission(tenant: str = "acme", *, key: str | None = None, body: bytes = b"body", at: int = 0) -> Submission:
    idempotency = IdempotencyKey(route="/v1/events", key=key, body_hash=body) if key else None
    return Submission(tenant=tenant, received_at=at, body=CloudEvents(items=()), idempotency=idempotency)


def new_event(
    mint: IdMint, tenant: str = "acme", *, subject: str = "s", data: bytes = b"{}", event_type: str = "order.created"
) -> NewEvent:
    subject_type, _, verb = event_type.rpartition(".")
    return NewEvent(
        id=mint.event(),
        tenant=tenant,
        type=event_type,
        subject_type=subject_type,
        subject_id=subject,
        verb=verb,
        time=7,
        data=data,
    )


def deciding(mint: IdMint, *events: int, data: bytes = b"{}", subject: str = "s") -> Decide:
    """Accepts everything: the nth submission of the group gives so many events (the last number goes on)."""
    numbers = list(events or (1,))

    def decide(submitted: Submission, facts: Facts) -> Verdict:
        count = numbers.pop(0) if len(numbers) > 1 else numbers[0]
        made = tuple(new_event(mint, submitted.tenant, data=data, subject=subject) for _ in range(count))
        return Verdict(status=202, body=b"%d" % count, events=made, keeps_answer=True)

    return decide


def refusing(submitted: Submission, facts: Facts) -> Verdict:
    return Verdict(status=409, body=b"", problem=Conflict("no"))


def versioning(mint: IdMint, version_id: int, counter: int) -> Decide:
    def decide(submitted: Submission, facts: Facts) -> Verdict:
        facts.counter = counter
        event = new_event(mint, submitted.tenant)
        stored = StoredVersion(content_hash=b"hash", event_ids=(event.id,))
        return Verdict(
            status=202, body=b"", events=(event,), versions=((version_id, stored),), seen=((b"h" * 16, event.id),)
        )

    return decide


def endpoint(mint: IdMint, tenant: str = "acme", *, at: int = 0, config: bytes = b"{}") -> StoredEndpoint:
    return StoredEndpoint(
        number=0, id=mint.endpoint(), tenant=tenant, revision=1, active_from=0, created_at=at, config=config
    )


def entry(
    mint: IdMint,
    target: str = "end_x",
    *,
    action: Action = "endpoint.changed",
    tenant: str | None = "acme",
    at: int = 1,
) -> AuditEntry:
    return AuditEntry(id=mint.audit(), at=at, tenant=tenant, actor=SERVER, action=action, target=target)


def noting(mint: IdMint) -> Callable[[Fanned], AuditEntry]:
    return lambda fanned: entry(mint, str(fanned.number), action="delivery.resent")


def delivery(
    mint: IdMint,
    endpoint_number: int,
    position: int,
    *,
    keys: Sequence[str] = (),
    at: int = 0,
    tenant: str = "acme",
    lane: int = 0,
) -> NewDelivery:
    return NewDelivery(
        id=mint.delivery(),
        tenant=tenant,
        endpoint=endpoint_number,
        position=position,
        created_at=at,
        lane=lane,
        keys=tuple(keys),
    )


def settlement(
    mint: IdMint,
    number: int,
    endpoint_number: int = 1,
    *,
    step: Step = Step.SUCCEED,
    attempt: int = 1,
    due_at: int = 0,
    body: bytes = b"sent",
    reason: str | None = None,
    at: int = 0,
    lane: int = 0,
) -> Settlement:
    made = Attempt(
        id=mint.attempt(),
        number=attempt,
        started_at=at,
        outcome="delivered" if step is Step.SUCCEED else "retry",
        error=None,
        url="https://example.com/",
        request_headers=(("webhook-id", "evt_1"),),
        request_body=body,
        request_body_bytes=len(body),
        response=Response(status=200, headers=(("x", "y"),), body=b"\x00\xff", body_bytes=2),
        timings=Timings(total=1.5),
        address="127.0.0.1",
        next_attempt_at=due_at if step is Step.RETRY else None,
    )
    return Settlement(
        delivery=number,
        endpoint=endpoint_number,
        lane=lane,
        step_taken=step,
        reason=reason,
        due_at=due_at,
        schedule_step=attempt,
        at_once=0,
        attempt=made,
        settled_at=at,
        ends=step is not Step.RETRY,
    )
