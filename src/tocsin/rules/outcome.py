"""What an exchange means: for the delivery (its next step and due time) and for the endpoint (a pause, the end)."""

from __future__ import annotations

from typing import Final, Literal

from tocsin.model.attempt import Attempt, AttemptError, Outcome, Settlement
from tocsin.model.delivery import Claim, Delivery, Step
from tocsin.model.endpoint import EndpointConfig
from tocsin.model.exchange import ErrorKind, Exchange, Outbound, Response, TransportFailure
from tocsin.model.ids import AttemptId, Millis
from tocsin.model.noun import Noun
from tocsin.rules.backoff import LONGEST_PAUSE_MS, retry_after_ms, wait_after
from tocsin.rules.redaction import without

REQUEST_BODY_KEPT: Final = 64 * 1024

Effect = Literal["none", "pause", "gone"]
"""What an exchange does to its endpoint: `pause` until the receiver's Retry-After, `gone` after a 410."""


class ExchangeVerdict(Noun, frozen=True, kw_only=True):
    """What an exchange means. `at_once`: one more attempt right away is fair."""

    outcome: Outcome
    error: AttemptError | None = None
    effect: Effect = "none"
    at_once: bool = False


class Settled(Noun, frozen=True, kw_only=True):
    """What is to be written, and what the endpoint's health makes of it. `resume_at` is set with a pause."""

    settlement: Settlement
    effect: Effect
    resume_at: Millis | None


EXHAUSTED: Final = "schedule exhausted"
"""How the reason begins where the schedule is used up; its cause follows."""
_DELIVERED: Final = ExchangeVerdict(outcome="delivered")
_BLOCKED: Final = "The address is not allowed."
"""The same for every refused address: anything more would map the network for whoever configures endpoints."""

_JUDGED_STATUS: Final[dict[int, tuple[Outcome, Effect]]] = {
    410: ("retry", "gone"),
    413: ("rejected", "none"),
    415: ("rejected", "none"),
}
_PAUSING: Final = frozenset({429, 503})


def verdict_of(exchange: Exchange, *, may_refresh: bool = False) -> ExchangeVerdict:
    """A status that was read decides, even if the rest of the answer was too large to read; else the failure does. After a
    401 to an access token that `may_refresh`, one more attempt with a new one is fair."""
    response, failure = exchange.response, exchange.failure
    if response is not None and response.status >= 200:
        if response.status < 300:
            return _DELIVERED
        return _refusal(response, may_refresh=may_refresh) if exchange.protocol == "http" else _mail_refusal(response)
    assert failure is not None
    return _failed(failure)


def _refusal(response: Response, *, may_refresh: bool) -> ExchangeVerdict:
    status = response.status
    outcome, effect = _JUDGED_STATUS.get(status, ("retry", "none"))
    if status in _PAUSING and retry_after_ms(response.headers, 0) is not None:
        effect = "pause"
    message = f"The receiver answered {status}."
    if status < 400:
        message += " Redirects are not followed."
    return ExchangeVerdict(
        outcome=outcome,
        error=AttemptError(kind=ErrorKind.STATUS, message=message),
        effect=effect,
        at_once=status == 401 and may_refresh,
    )


def _mail_refusal(response: Response) -> ExchangeVerdict:
    """RFC 5321 section 4.2.1: what was refused with 5yz will be refused again."""
    return ExchangeVerdict(
        outcome="rejected" if response.status >= 500 else "retry",
        error=AttemptError(kind=ErrorKind.STATUS, message=f"The mail server answered {response.status}."),
    )


def _failed(failure: TransportFailure) -> ExchangeVerdict:
    message = _BLOCKED if failure.kind is ErrorKind.BLOCKED else failure.message
    return ExchangeVerdict(
        outcome="retry",
        error=AttemptError(kind=failure.kind, message=message, reason=failure.reason),
        at_once=failure.is_stale_connection,
    )


def shows_trouble(attempt: Attempt) -> bool:
    """Whether a failed attempt says that the receiver has too much to do, or is not there: 5xx, or no answer at all."""
    return attempt.response is None or attempt.response.status >= 500


def settlement_of(  # noqa: PLR0913, PLR0917 (what is judged, then the circumstances, in the order of time)
    delivery: Delivery,
    config: EndpointConfig,
    exchange: Exchange,
    request: Outbound,
    started_at: Millis,
    now: Millis,
    jitter: float,
    attempt_id: AttemptId,
    *,
    may_refresh: bool = False,
    longest_pause_ms: Millis = LONGEST_PAUSE_MS,
    claim: Claim | None = None,
) -> Settled:
    """The settlement of an attempt that ended `now`; `jitter` in [0, 1). What uses no step of the schedule (a pause, a 410,
    one repetition at once) does not look at the delivery's age either: nothing dies of its endpoint's pause."""
    verdict = verdict_of(exchange, may_refresh=may_refresh)
    step_taken, reason, schedule_step, at_once = Step.RETRY, None, delivery.step, 0
    due_at, effect, resume_at = now, verdict.effect, None
    if verdict.outcome == "delivered":
        step_taken = Step.SUCCEED
    elif verdict.outcome == "rejected":
        assert exchange.response is not None
        step_taken, reason = Step.GIVE_UP, f"rejected with status {exchange.response.status}"
    elif effect == "gone":
        pass
    elif verdict.at_once and delivery.at_once == 0:
        at_once = 1
    elif effect == "pause" and (resume_at := _resume_at(exchange, now, longest_pause_ms)) is not None:
        due_at = resume_at
    else:
        effect = "none"
        step_taken, reason, due_at = _next_step(delivery, config, exchange, now, jitter)
        schedule_step += 1
    pending = step_taken is Step.RETRY
    body = request.body
    return Settled(
        settlement=Settlement(
            delivery=delivery.number,
            endpoint=delivery.endpoint,
            lane=delivery.lane,
            step_taken=step_taken,
            reason=reason,
            due_at=due_at,
            schedule_step=schedule_step,
            at_once=at_once,
            attempt=Attempt(
                id=attempt_id,
                number=delivery.attempts + 1,
                started_at=started_at,
                outcome=verdict.outcome,
                error=verdict.error,
                url=request.url,
                request_headers=request.shown,
                request_body=body if len(body) <= REQUEST_BODY_KEPT else body[:REQUEST_BODY_KEPT],
                request_body_bytes=len(body),
                response=_kept(exchange, request),
                timings=exchange.timings,
                address=exchange.address,
                next_attempt_at=due_at if pending and effect != "gone" else None,
            ),
            settled_at=now,
            ends=not pending,
            accepted_at=delivery.accepted_at,
            claim=claim,
        ),
        effect=effect,
        resume_at=resume_at,
    )


def _kept(exchange: Exchange, request: Outbound) -> Response | None:
    """The response without what the receiver repeated of the request's secrets."""
    response = exchange.response
    return response if response is None or not request.hidden else without(request.hidden, response)


def _resume_at(exchange: Exchange, now: Millis, longest_ms: Millis) -> Millis | None:
    """When the receiver wants to be asked again; None when that is now, for then there is nothing to pause for, and an
    endpoint that always says so must not be asked in a circle."""
    assert exchange.response is not None
    at = retry_after_ms(exchange.response.headers, now, longest_ms)
    return at if at is not None and at > now else None


def _cause(exchange: Exchange) -> str:
    """What the last attempt failed of, in few words, so that what was given up on can be told apart by it."""
    response, failure = exchange.response, exchange.failure
    if response is not None and response.status >= 200:
        return f"status {response.status}"
    assert failure is not None
    return failure.kind.value


def _next_step(
    delivery: Delivery, config: EndpointConfig, exchange: Exchange, now: Millis, jitter: float
) -> tuple[Step, str | None, Millis]:
    if now - delivery.created_at > config.retry.max_age_seconds * 1000:
        return Step.GIVE_UP, f"too old ({_cause(exchange)})", now
    wait = wait_after(delivery.step, config.retry, jitter)
    if wait is None:
        return Step.GIVE_UP, f"{EXHAUSTED} ({_cause(exchange)})", now
    return Step.RETRY, None, now + round(wait * 1000)
