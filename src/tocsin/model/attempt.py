"""An attempt: one HTTP request made for a delivery, kept; and what it means for the delivery."""

from __future__ import annotations

from typing import Literal

from tocsin.model.delivery import Claim, Step
from tocsin.model.exchange import ErrorKind, HeaderPairs, Response, Timings
from tocsin.model.ids import AttemptId
from tocsin.model.noun import Noun

Outcome = Literal["delivered", "retry", "rejected"]


class AttemptError(Noun, frozen=True, kw_only=True):
    """Why an attempt was no success. `reason` names the cause more closely than `kind`, where there is more to say."""

    kind: ErrorKind
    message: str
    reason: str | None = None


class Attempt(Noun, frozen=True, kw_only=True, omit_defaults=True):
    """What was sent and what came back. `request_body` is cut after 64 KiB, `request_body_bytes` is its true length. With
    `bodies_removed` neither body is kept any more, only their lengths."""

    id: AttemptId
    number: int
    started_at: int
    outcome: Outcome
    error: AttemptError | None
    url: str
    request_headers: HeaderPairs
    request_body: bytes
    request_body_bytes: int
    response: Response | None
    timings: Timings
    address: str | None
    next_attempt_at: int | None
    bodies_removed: bool = False


class Settlement(Noun, frozen=True, kw_only=True):
    """What the store is to write after an exchange: the attempt, the step of the delivery and its new counters.

    `ends` is true when the delivery will see no further attempt, so that its order keys are released. `accepted_at` as of the
    delivery. `claim` is what the attempt was for, for whoever watches; not of a batch.
    """

    delivery: int
    endpoint: int
    lane: int
    step_taken: Step
    reason: str | None
    due_at: int
    schedule_step: int
    at_once: int
    attempt: Attempt
    settled_at: int
    ends: bool
    accepted_at: int | None = None
    claim: Claim | None = None
