"""What an exchange means for the delivery."""

from __future__ import annotations

import pytest

from tocsin.model.attempt import AttemptError
from tocsin.model.delivery import Delivery, Step
from tocsin.model.endpoint import EndpointConfig, Retry
from tocsin.model.exchange import (
    ErrorKind,
    Exchange,
    HeaderPairs,
    OutboundRequest,
    Response,
    Target,
    Timings,
    TransportFailure,
)
from tocsin.model.ids import AttemptId, DeliveryId
from tocsin.rules.outcome import Settled, settlement_of, verdict_of

NOW = 1_795_000_000_000
TIMINGS = Timings(total=1.5)
TARGET = Target(scheme="https", host="a.example", port=443, authority="a.example", path="/hook", pool="end_1/1")


def answered(status: int, *headers: tuple[str, str]) -> Exchange:
    response = Response(status=status, headers=headers, body=b"", body_bytes=0)
    return Exchange(response=response, failure=None, timings=TIMINGS, address="192.0.2.1")


def failed(kind: ErrorKind, message: str = "It broke.", *, is_stale: bool = False) -> Exchange:
    failure = TransportFailure(kind=kind, message=message, is_stale_connection=is_stale)
    return Exchange(response=None, failure=failure, timings=TIMINGS, address=None)


def request(body: bytes = b"{}") -> OutboundRequest:
    return OutboundRequest(
        target=TARGET, url="https://a.example/hook", head=b"", body=body, shown=(("a", "***"),), timeout_seconds=15
    )


def delivery(*, step: int = 0, attempts: int = 0, at_once: int = 0, created_at: int = NOW - 1000) -> Delivery:
    return Delivery(
        number=11, id=DeliveryId("dlv_1"), tenant="acme", endpoint=3, lane=2, created_at=created_at, step=step,
        attempts=attempts, at_once=at_once,
    )  # fmt: skip


def settled(exchange: Exchange, of: Delivery | None = None, body: bytes = b"{}", retry: Retry | None = None) -> Settled:
    config = EndpointConfig(name="a", url="https://a.example/hook", retry=retry or Retry())
    return settlement_of(of or delivery(), config, exchange, request(body), NOW - 20, NOW, 0.5, AttemptId("att_1"))


RETRY_AFTER: HeaderPairs = (("Retry-After", "30"),)


@pytest.mark.parametrize(
    ("status", "headers", "outcome", "effect"),
    [
        (200, (), "delivered", "none"),
        (202, (), "delivered", "none"),
        (204, RETRY_AFTER, "delivered", "none"),
        (299, (), "delivered", "none"),
        (301, (), "retry", "none"),
        (304, (), "retry", "none"),
        (400, (), "retry", "none"),
        (401, (), "retry", "none"),
        (404, RETRY_AFTER, "retry", "none"),
        (408, (), "retry", "none"),
        (410, (), "retry", "gone"),
        (413, RETRY_AFTER, "rejected", "none"),
        (415, (), "rejected", "none"),
        (429, (), "retry", "none"),
        (429, RETRY_AFTER, "retry", "pause"),
        (429, (("Retry-After", "soon"),), "retry", "none"),
        (500, RETRY_AFTER, "retry", "none"),
        (503, (), "retry", "none"),
        (503, RETRY_AFTER, "retry", "pause"),
        (599, (), "retry", "none"),
        (600, (), "retry", "none"),
    ],
)
def test_statuses(status: int, headers: HeaderPairs, outcome: str, effect: str) -> None:
    verdict = verdict_of(answered(status, *headers))
    assert (verdict.outcome, verdict.effect, verdict.at_once) == (outcome, effect, False)
    if outcome == "delivered":
        assert verdict.error is None
    else:
        text = f"The receiver answered {status}." + (" Redirects are not followed." if status < 400 else "")
        assert verdict.error == AttemptError(kind=ErrorKind.STATUS, message=text)


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_failures_are_tried_again_and_a_refused_address_tells_nothing(kind: ErrorKind) -> None:
    verdict = verdict_of(failed(kind, "10.0.0.7 is private."))
    told = "The address is not allowed." if kind is ErrorKind.BLOCKED else "10.0.0.7 is private."
    assert (verdict.outcome, verdict.effect, verdict.at_once) == ("retry", "none", False)
    assert verdict.error == AttemptError(kind=kind, message=told)


@pytest.mark.parametrize(
    ("status", "outcome", "kind"), [(200, "delivered", None), (500, "retry", "status"), (0, "retry", "too_large")]
)
def test_a_status_that_was_read_decides_although_the_rest_was_too_large(
    status: int, outcome: str, kind: str | None
) -> None:
    response = answered(status).response
    failure = TransportFailure(kind=ErrorKind.TOO_LARGE, message="The answer is larger than 9 bytes.")
    verdict = verdict_of(Exchange(response=response, failure=failure, timings=TIMINGS, address="192.0.2.1"))
    assert (verdict.outcome, verdict.error.kind if verdict.error else None) == (outcome, kind)


@pytest.mark.parametrize(
    ("status", "may_refresh", "at_once", "expected"),
    [
        (401, True, 0, (1, 3, NOW)),
        (401, True, 1, (0, 4, NOW + 600_000)),
        (401, False, 0, (0, 4, NOW + 600_000)),
        (403, True, 0, (0, 4, NOW + 600_000)),
        (500, True, 0, (0, 4, NOW + 600_000)),
    ],
)
def test_a_401_to_an_access_token_is_tried_again_at_once_and_uses_no_step(
    status: int, may_refresh: bool, at_once: int, expected: tuple[int, int, int]
) -> None:
    config = EndpointConfig(name="a", url="https://a.example/hook")
    of, exchange = delivery(step=3, attempts=4, at_once=at_once), answered(status)
    attempt_id = AttemptId("att_1")
    found = settlement_of(of, config, exchange, request(), NOW, NOW, 0.5, attempt_id, may_refresh=may_refresh)
    settlement = found.settlement
    assert (settlement.at_once, settlement.schedule_step, settlement.due_at) == expected
    assert (settlement.step_taken, found.effect) == (Step.RETRY, "none")


def test_a_success_ends_the_delivery() -> None:
    settlement = settled(answered(204), delivery(step=3, attempts=4)).settlement
    assert (settlement.delivery, settlement.endpoint, settlement.lane) == (11, 3, 2)
    assert (settlement.step_taken, settlement.reason, settlement.ends) == (Step.SUCCEED, None, True)
    assert (settlement.schedule_step, settlement.settled_at) == (3, NOW)
    attempt = settlement.attempt
    assert (attempt.id, attempt.number, attempt.started_at, attempt.outcome) == ("att_1", 5, NOW - 20, "delivered")
    assert (attempt.error, attempt.next_attempt_at, attempt.address) == (None, None, "192.0.2.1")
    assert (attempt.url, attempt.request_headers) == ("https://a.example/hook", (("a", "***"),))
    assert attempt.timings == TIMINGS
    assert attempt.response == answered(204).response


def test_a_failure_waits_as_the_schedule_says() -> None:
    found = settled(answered(500), delivery(step=1, attempts=1, at_once=1))
    settlement = found.settlement
    assert (found.effect, found.resume_at) == ("none", None)
    assert (settlement.step_taken, settlement.ends, settlement.schedule_step) == (Step.RETRY, False, 2)
    assert (settlement.due_at, settlement.attempt.next_attempt_at) == (NOW + 30_000, NOW + 30_000)
    assert (settlement.at_once, settlement.attempt.outcome) == (0, "retry")


def test_the_last_step_and_the_end_of_the_schedule() -> None:
    retry = Retry(schedule_seconds=(0.25,))
    assert settled(answered(500), retry=retry).settlement.due_at == NOW + 250
    end = settled(answered(500), delivery(step=1), retry=retry).settlement
    assert (end.step_taken, end.reason, end.ends) == (Step.GIVE_UP, "schedule exhausted (status 500)", True)
    assert (end.attempt.next_attempt_at, end.attempt.outcome) == (None, "retry")


@pytest.mark.parametrize(("age_ms", "step_taken"), [(60_000, Step.RETRY), (60_001, Step.GIVE_UP)])
def test_the_age_is_judged_when_an_attempt_fails(age_ms: int, step_taken: Step) -> None:
    old = delivery(created_at=NOW - age_ms)
    retry = Retry(max_age_seconds=60)
    settlement = settled(failed(ErrorKind.TIMEOUT), old, retry=retry).settlement
    assert settlement.step_taken is step_taken
    assert settlement.reason == ("too old (timeout)" if step_taken is Step.GIVE_UP else None)
    assert settled(answered(200), old, retry=retry).settlement.step_taken is Step.SUCCEED


@pytest.mark.parametrize("status", [413, 415])
def test_a_rejected_delivery_is_given_up(status: int) -> None:
    settlement = settled(answered(status)).settlement
    assert (settlement.step_taken, settlement.reason) == (Step.GIVE_UP, f"rejected with status {status}")
    assert (settlement.attempt.outcome, settlement.attempt.next_attempt_at, settlement.ends) == ("rejected", None, True)


@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_uses_no_step_and_looks_at_no_age(status: int) -> None:
    found = settled(answered(status, *RETRY_AFTER), delivery(step=8, created_at=0))
    settlement = found.settlement
    assert (found.effect, found.resume_at) == ("pause", NOW + 30_000)
    assert (settlement.step_taken, settlement.schedule_step, settlement.due_at) == (Step.RETRY, 8, NOW + 30_000)
    assert settlement.attempt.next_attempt_at == NOW + 30_000


@pytest.mark.parametrize("text", ["0", "Sun, 06 Nov 1994 08:49:37 GMT"])
def test_a_pause_that_is_over_already_leaves_it_to_the_schedule(text: str) -> None:
    found = settled(answered(429, ("Retry-After", text)))
    assert (found.effect, found.resume_at) == ("none", None)
    assert (found.settlement.schedule_step, found.settlement.due_at) == (1, NOW + 5000)


def test_after_a_410_the_delivery_is_held() -> None:
    found = settled(answered(410), delivery(step=8, created_at=0))
    assert (found.effect, found.resume_at) == ("gone", None)
    assert (found.settlement.step_taken, found.settlement.ends) == (Step.RETRY, False)
    assert (found.settlement.schedule_step, found.settlement.due_at) == (8, NOW)
    assert found.settlement.attempt.next_attempt_at is None


def test_a_stale_connection_is_repeated_at_once_but_only_once_in_a_row() -> None:
    stale = failed(ErrorKind.RESET, is_stale=True)
    first = settled(stale, delivery(step=2, created_at=0)).settlement
    assert (first.step_taken, first.at_once, first.schedule_step, first.due_at) == (Step.RETRY, 1, 2, NOW)
    second = settled(stale, delivery(step=2, at_once=1)).settlement
    assert (second.step_taken, second.at_once, second.schedule_step, second.due_at) == (Step.RETRY, 0, 3, NOW + 120_000)


@pytest.mark.parametrize(("sent", "kept"), [(65536, 65536), (65537, 65536), (0, 0)])
def test_the_request_body_is_kept_up_to_64_kib(sent: int, kept: int) -> None:
    attempt = settled(answered(200), body=b"x" * sent).settlement.attempt
    assert (len(attempt.request_body), attempt.request_body_bytes) == (kept, sent)
