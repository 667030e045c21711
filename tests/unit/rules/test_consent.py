"""What receivers' answers to the question for consent mean, when they are asked again, and what may be sent meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tocsin.model.consent import Consent
from tocsin.model.endpoint import EndpointConfig, RateLimit
from tocsin.model.exchange import ErrorKind, Exchange, Response, Timings, TransportFailure
from tocsin.rules.consent import (
    UNASKED_RATE,
    Asking,
    asked_anew,
    consent_after,
    consent_by_callback,
    consent_for,
    holds_back,
    rates_for,
    requested_rate,
)

NOW = 1_800_000_000_000
MINUTE = 60_000
URL = "https://receiver.example/hook"
ORIGIN = "Tocsin.example"
NEW = Consent(url=URL, origin=ORIGIN, is_required=True)
ASKING = Asking(origin=ORIGIN, rate=120, callback=None)
WITH_CALLBACK = Asking(origin=ORIGIN, rate=120, callback="https://tocsin.example/v1/consent/x")
LIMIT = RateLimit(requests=2, per_seconds=1)


def answer(status: int = 200, *headers: tuple[str, str]) -> Exchange:
    response = Response(status=status, headers=headers, body=b"", body_bytes=0)
    return Exchange(response=response, failure=None, timings=Timings(total=1), address="127.0.0.1")


def silence() -> Exchange:
    failure = TransportFailure(kind=ErrorKind.TIMEOUT, message="Too slow.")
    return Exchange(response=None, failure=failure, timings=Timings(total=1), address=None)


def allowed(origin: str, *rates: str, status: int = 200) -> Exchange:
    return answer(status, ("webhook-allowed-origin", origin), *(("WebHook-Allowed-Rate", rate) for rate in rates))


def config(**fields: Any) -> EndpointConfig:
    return EndpointConfig(**({"name": "n", "url": URL, "validation": "required"} | fields))


GRANTED = consent_after(NEW, ASKING, allowed("*", "120"), NOW - 1)


@pytest.mark.parametrize("status", [200, 204, 404, 405, 500])
@pytest.mark.parametrize("origin", ["*", "tocsin.example", " TOCSIN.EXAMPLE "])
def test_the_header_is_the_consent_whatever_the_status_is(origin: str, status: int) -> None:
    consent = consent_after(NEW, ASKING, allowed(origin, "60", status=status), NOW)
    assert consent == Consent(
        url=URL, origin=ORIGIN, is_required=True, state="granted", requested_rate=120, allowed_rate=60,
        asked_at=NOW, granted_at=NOW, next_at=None,
    )  # fmt: skip
    assert not holds_back(consent)


@pytest.mark.parametrize("before", [NEW, GRANTED])
@pytest.mark.parametrize(
    ("exchange", "reason"),
    [
        (answer(200), "The receiver answered 200 without WebHook-Allowed-Origin."),
        (answer(405), "The receiver answered 405 without WebHook-Allowed-Origin."),
        (answer(200, ("WebHook-Allowed-Rate", "*")), "The receiver answered 200 without WebHook-Allowed-Origin."),
        (allowed("other.example", "*"), "The receiver allows deliveries from another origin."),
        (allowed("sub.tocsin.example"), "The receiver allows deliveries from another origin."),
        (allowed(""), "The receiver allows deliveries from another origin."),
        *(
            (allowed("*", rate), "The receiver's WebHook-Allowed-Rate is neither a positive number nor *.")
            for rate in ("0", "-1", "1.5", "", "many", "+5", "1 000")
        ),
    ],
)
def test_a_status_is_no_consent_and_a_rate_that_cannot_be_kept_neither(
    before: Consent, exchange: Exchange, reason: str
) -> None:
    consent = consent_after(before, ASKING, exchange, NOW)
    assert (consent.state, consent.reason, consent.next_at) == ("refused", reason, NOW + MINUTE)
    assert (consent.allowed_rate, consent.granted_at) == (None, None)
    assert holds_back(consent)


@pytest.mark.parametrize(
    ("rates", "rate"),
    [((), 120), (("*",), None), (("1",), 1), (("0060",), 60), (("9" * 7,), 9_999_999), (("9" * 400,), None)],
)
def test_the_allowed_rate(rates: tuple[str, ...], rate: int | None) -> None:
    consent = consent_after(NEW, ASKING, allowed("*", *rates), NOW)
    assert (consent.state, consent.allowed_rate) == ("granted", rate)


def test_without_an_answer_it_is_asked_again_after_growing_waits() -> None:
    consent, waits = NEW, []
    for _ in range(5):
        consent = consent_after(consent, ASKING, silence(), NOW)
        assert consent.next_at is not None
        waits.append((consent.next_at - NOW) // MINUTE)
        assert (consent.state, consent.reason) == ("asked", "The receiver could not be asked: Too slow.")
        assert holds_back(consent)
    assert waits == [1, 5, 15, 60, 60]
    assert (asked_anew(consent).next_at, asked_anew(consent).asks) == (0, 0)


def test_retry_after_of_the_answer_is_waited_for() -> None:
    consent = consent_after(NEW, ASKING, answer(503, ("Retry-After", "600")), NOW)
    assert (consent.state, consent.next_at) == ("asked", NOW + 600_000)
    assert consent_after(NEW, ASKING, answer(429, ("Retry-After", "1")), NOW).next_at == NOW + MINUTE


@pytest.mark.parametrize("exchange", [silence(), answer(503), answer(429)])
def test_consent_stays_when_the_receiver_cannot_be_asked_again(exchange: Exchange) -> None:
    consent = consent_after(GRANTED, ASKING, exchange, NOW)
    assert (consent.state, consent.allowed_rate, consent.reason) == ("granted", 120, None)
    assert consent.next_at == NOW + MINUTE


def test_with_a_callback_a_missing_header_may_still_become_consent() -> None:
    waiting = consent_after(NEW, WITH_CALLBACK, answer(200), NOW)
    assert (waiting.state, waiting.next_at) == ("asked", NOW + MINUTE)
    assert holds_back(waiting)
    consent = consent_by_callback(waiting, None, LIMIT, NOW + 5)
    assert consent is not None
    assert (consent.state, consent.allowed_rate, consent.granted_at, consent.next_at) == ("granted", 120, NOW + 5, None)
    assert consent_after(consent, WITH_CALLBACK, answer(200), NOW + 6).state == "granted"


@pytest.mark.parametrize(
    ("given", "limit", "rate"), [(None, None, None), (None, LIMIT, 120), ("7", LIMIT, 7), (" * ", LIMIT, None)]
)
def test_the_rate_of_a_callback(given: str | None, limit: RateLimit | None, rate: int | None) -> None:
    consent = consent_by_callback(NEW, given, limit, NOW)
    assert consent is not None
    assert consent.allowed_rate == rate


def test_a_callback_with_a_rate_that_is_none_changes_nothing() -> None:
    assert consent_by_callback(NEW, "0", LIMIT, NOW) is None


def test_optional_consent_is_asked_for_first_and_then_daily() -> None:
    new = replace(NEW, is_required=False)
    assert holds_back(new)
    refused = consent_after(new, ASKING, answer(404), NOW)
    assert (holds_back(refused), refused.next_at) == (False, NOW + 24 * 60 * MINUTE)
    unreachable = consent_after(new, ASKING, silence(), NOW)
    assert (holds_back(unreachable), unreachable.next_at) == (False, NOW + MINUTE)


def test_the_rates_that_are_kept() -> None:
    optional = consent_after(replace(NEW, is_required=False), ASKING, answer(404), NOW)
    assert rates_for(None, None) == ()
    assert rates_for(LIMIT, None) == (LIMIT,)
    assert rates_for(LIMIT, optional) == (LIMIT, UNASKED_RATE)
    assert rates_for(LIMIT, GRANTED) == (LIMIT, RateLimit(requests=120, per_seconds=60))
    assert rates_for(None, replace(GRANTED, allowed_rate=None)) == ()


def test_consent_is_void_for_another_url_and_another_origin() -> None:
    same = config(rate_limit=LIMIT)
    assert consent_for(same, ORIGIN, GRANTED) is GRANTED
    assert consent_for(same, "other.example", GRANTED) == replace(NEW, origin="other.example")
    moved = config(url="https://elsewhere.example/hook", rate_limit=LIMIT)
    assert consent_for(moved, ORIGIN, GRANTED) == replace(NEW, url=moved.url)
    assert consent_for(config(validation="off"), ORIGIN, GRANTED) is None
    assert consent_for(config(), ORIGIN, None) == NEW
    assert consent_for(config(validation="optional", rate_limit=LIMIT), ORIGIN, GRANTED) == replace(
        GRANTED, is_required=False
    )


def test_for_another_rate_the_receiver_is_asked_while_its_consent_holds() -> None:
    consent = consent_for(config(rate_limit=RateLimit(requests=1)), ORIGIN, GRANTED)
    assert consent == replace(GRANTED, next_at=0)
    assert asked_anew(GRANTED) is GRANTED


@pytest.mark.parametrize(
    ("requests", "per_seconds", "rate"), [(2, 1, 120), (1, 7, 8), (1, 3600, 1), (5, 0.5, 600), (100, 60, 100)]
)
def test_the_rate_that_is_asked_for(requests: int, per_seconds: float, rate: int) -> None:
    assert requested_rate(RateLimit(requests=requests, per_seconds=per_seconds)) == rate


def test_the_headers_of_the_question() -> None:
    assert WITH_CALLBACK.headers() == (
        ("WebHook-Request-Origin", ORIGIN),
        ("WebHook-Request-Rate", "120"),
        ("WebHook-Request-Callback", "https://tocsin.example/v1/consent/x"),
    )
    assert Asking(origin=ORIGIN, rate=None, callback=None).headers() == (("WebHook-Request-Origin", ORIGIN),)
