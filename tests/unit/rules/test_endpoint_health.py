"""The standing of an endpoint after attempts, and the state shown for it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.unit.rules.test_outcome import NOW, answered, delivery, failed, settled

from tocsin.model.circuit import Circuit
from tocsin.model.consent import Consent
from tocsin.model.endpoint import CircuitSetting, Standing
from tocsin.model.exchange import ErrorKind, Exchange
from tocsin.rules.health import began_anew, endpoint_state, paused_until, standing_after

NEW = Standing(endpoint=3)
SETTING = CircuitSetting(failures=3, deliveries=1, disable_after_seconds=60)
ONE = Circuit(failures=1, deliveries=(11,))
PAUSE = answered(429, ("Retry-After", "30"))


def after(standing: Standing, *exchanges: Exchange, now: int = NOW) -> Standing:
    for exchange in exchanges:
        standing = standing_after(standing, settled(exchange), SETTING, now)
    return standing


def test_a_success_of_a_healthy_endpoint_changes_nothing() -> None:
    assert after(NEW, answered(200)) is NEW
    assert endpoint_state(True, NEW, NOW) == ("healthy", None)


def test_failures_are_counted_until_a_success() -> None:
    once = after(NEW, answered(500))
    reason = "The receiver answered 500."
    assert once == Standing(endpoint=3, failures=1, failing_since=NOW, reason=reason, circuit=ONE)
    thrice = after(once, answered(415), failed(ErrorKind.TIMEOUT, "Too slow."), now=NOW + 9)
    opened = Circuit(failures=3, deliveries=(11,), opened_at=NOW + 9, probe_at=NOW + 5009, openings=1)
    assert thrice == Standing(endpoint=3, failures=3, failing_since=NOW, reason="Too slow.", circuit=opened)
    paused = "The circuit is open after 3 failures in a row. Too slow."
    assert endpoint_state(True, thrice, NOW + 5008) == ("paused", paused)
    assert paused_until(thrice, NOW + 5008) == NOW + 5009
    assert endpoint_state(True, thrice, NOW + 5009) == ("failing", "Too slow.")
    assert paused_until(thrice, NOW + 5009) is None
    assert after(thrice, answered(200)) == NEW


def test_a_repetition_at_once_is_no_failure() -> None:
    assert after(NEW, failed(ErrorKind.RESET, is_stale=True)) is NEW


def test_a_pause_lasts_until_its_time_and_is_no_failure() -> None:
    paused = after(NEW, PAUSE)
    assert paused == Standing(endpoint=3, paused_until=NOW + 30_000, reason="The receiver answered 429.")
    assert endpoint_state(True, paused, NOW + 29_999) == ("paused", "The receiver answered 429.")
    assert endpoint_state(True, paused, NOW + 30_000) == ("healthy", None)


def test_a_success_that_was_under_way_does_not_end_a_pause() -> None:
    paused = after(NEW, PAUSE)
    assert after(paused, answered(200)) is paused
    assert after(paused, answered(200), now=NOW + 30_000) == NEW


def test_a_shorter_pause_does_not_shorten_a_longer_one() -> None:
    paused = after(NEW, answered(503, ("Retry-After", "100")), PAUSE)
    assert paused.paused_until == NOW + 100_000


def test_failing_shows_again_when_a_pause_is_over() -> None:
    standing = after(NEW, answered(500), PAUSE)
    assert endpoint_state(True, standing, NOW)[0] == "paused"
    assert endpoint_state(True, standing, NOW + 30_000)[0] == "failing"


def test_a_410_stays_the_reason_even_if_another_request_still_succeeds() -> None:
    gone = after(NEW, answered(410))
    assert (gone.stopped, gone.reason) == ("gone", "gone")
    assert endpoint_state(False, after(gone, answered(200)), NOW) == ("disabled", "gone")
    assert endpoint_state(False, after(gone, answered(500)), NOW) == ("disabled", "gone")


@pytest.mark.parametrize("standing", [NEW, after(NEW, answered(500)), after(NEW, PAUSE)])
def test_disabled_is_exactly_not_enabled(standing: Standing) -> None:
    assert endpoint_state(False, standing, NOW) == ("disabled", None)
    assert endpoint_state(True, standing, NOW)[0] != "disabled"
    assert endpoint_state(True, after(standing, answered(410)), NOW)[0] != "disabled"


def test_a_dead_delivery_counts_as_a_failure() -> None:
    given_up = settled(answered(500), delivery(step=8))
    assert standing_after(NEW, given_up, SETTING, NOW).failures == 1


def test_an_endpoint_that_only_fails_for_too_long_is_stopped() -> None:
    failing = after(NEW, answered(500))
    assert again(failing, now=NOW + 60_000).stopped is None
    stopped = again(failing, now=NOW + 60_001)
    assert (stopped.stopped, endpoint_state(False, stopped, NOW)) == ("failing", ("disabled", "failing"))
    between = again(after(failing, answered(200)), now=NOW + 60_001)
    assert between.stopped is None


def test_one_bad_delivery_alone_never_stops_an_endpoint() -> None:
    failing = after(after(NEW, *[answered(500)] * 9), answered(500), now=NOW + 99_000_000)
    assert failing.stopped is None
    assert again(failing, now=NOW + 99_000_001).stopped == "failing"


def again(standing: Standing, now: int) -> Standing:
    """After another delivery failed."""
    return standing_after(standing, settled(answered(500), replace(delivery(), number=12)), SETTING, now)


def test_enabling_begins_anew() -> None:
    stopped = after(NEW, answered(500), PAUSE, answered(410))
    assert began_anew(stopped) == NEW


def test_a_required_consent_that_is_missing_pauses_and_attempts_do_not_touch_it() -> None:
    consent = Consent(url="https://receiver.example", origin="tocsin.example", is_required=True, reason="Not yet.")
    waiting = after(Standing(endpoint=3, consent=consent), answered(500))
    assert endpoint_state(True, waiting, NOW) == ("paused", "Not yet.")
    assert endpoint_state(False, waiting, NOW) == ("disabled", None)
    granted = after(Standing(endpoint=3, consent=replace(consent, state="granted", reason=None)), answered(500), PAUSE)
    assert endpoint_state(True, granted, NOW + 30_000)[0] == "failing"
    for standing in (after(granted, answered(200), now=NOW + 30_000), began_anew(granted)):
        assert standing == Standing(endpoint=3, consent=granted.consent)
    optional = Standing(endpoint=3, consent=replace(consent, is_required=False))
    assert endpoint_state(True, optional, NOW) == ("healthy", None)
