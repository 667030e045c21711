"""The consent of a receiver: what to ask, what an answer means, when to ask again, and what may be sent without it.

Source: CloudEvents HTTP 1.1 Web Hooks for Event Delivery 1.0.2, section 4. Its headers decide, never a status: a server that
does not know of this may answer OPTIONS with anything.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec.structs import replace

from tocsin.model.consent import Consent
from tocsin.model.endpoint import EndpointConfig, RateLimit
from tocsin.model.exchange import Exchange, HeaderPairs, Response
from tocsin.model.ids import Millis
from tocsin.model.noun import Noun
from tocsin.rules.backoff import retry_after_ms

UNASKED_RATE: Final = RateLimit(requests=600, per_seconds=60)
"""What an endpoint gets whose receiver has not consented, where consent is optional (section 4: "a very low request rate")."""
_MINUTE: Final = 60_000
_WAITS_MS: Final = (_MINUTE, 5 * _MINUTE, 15 * _MINUTE)
_LAST_WAIT_MS: Final = 60 * _MINUTE
_OPTIONAL_WAIT_MS: Final = 24 * 60 * _MINUTE
_RATE: Final = re.compile(r"0*([1-9][0-9]*)", re.ASCII)
_MAX_RATE: Final = 1_000_000
_MAY_ANSWER_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class Asking(Noun, frozen=True, kw_only=True):
    """A question to a receiver. `rate`: requests per minute, None: no particular one. `callback`: where it may consent
    later."""

    origin: str
    rate: int | None
    callback: str | None

    def headers(self) -> HeaderPairs:
        """As the validation request carries it (section 4.1)."""
        rate = () if self.rate is None else (("WebHook-Request-Rate", str(self.rate)),)
        callback = () if self.callback is None else (("WebHook-Request-Callback", self.callback),)
        return (("WebHook-Request-Origin", self.origin), *rate, *callback)


def requested_rate(limit: RateLimit | None) -> int | None:
    """A limit in whole requests per minute, at least one."""
    return None if limit is None else max(1, int(limit.requests * 60 / limit.per_seconds))


def consent_for(config: EndpointConfig, origin: str, present: Consent | None) -> Consent | None:
    """The consent that an endpoint with these settings has; None when it needs none. A new URL and a new origin have to be asked
    for anew; for a new rate the receiver is asked while the old one holds."""
    if config.validation == "off":
        return None
    is_required = config.validation == "required"
    if present is None or (present.url, present.origin) != (config.url, origin):
        is_told = present is not None and present.is_told
        return Consent(url=config.url, origin=origin, is_required=is_required, is_told=is_told)
    if present.is_required != is_required:
        present = replace(present, is_required=is_required)
    if present.state == "granted" and present.requested_rate != requested_rate(config.rate_limit):
        return replace(present, next_at=0)
    return present


def asked_anew(consent: Consent) -> Consent:
    """To be asked at once, if there is no consent yet."""
    return consent if consent.state == "granted" else replace(consent, next_at=0, asks=0)


def holds_back(consent: Consent) -> bool:
    """Whether nothing may be sent: without a required consent, or before an optional one was asked for."""
    return consent.state != "granted" if consent.is_required else consent.state == "none"


def must_wait_for(consent: Consent) -> bool:
    """Whether nothing at all may be sent without this consent."""
    return consent.is_required and consent.state != "granted"


def waits_for_consent(consent: Consent) -> str:
    """Why nothing is sent."""
    return consent.reason or "The receiver has not been asked for its consent yet."


def hold_told(consent: Consent | None) -> bool:
    """Whether it should have been told that nothing is sent for want of this consent: not before the receiver was asked."""
    return consent is not None and must_wait_for(consent) and (consent.state != "none" or consent.is_told)


def rates_for(limit: RateLimit | None, consent: Consent | None) -> tuple[RateLimit, ...]:
    """All limits that requests to an endpoint keep: its own, and what its receiver granted."""
    own = () if limit is None else (limit,)
    if consent is None:
        return own
    if consent.state != "granted":
        return own if consent.is_required else (*own, UNASKED_RATE)
    return own if consent.allowed_rate is None else (*own, RateLimit(requests=consent.allowed_rate, per_seconds=60))


def consent_after(consent: Consent, asking: Asking, exchange: Exchange, now: Millis) -> Consent:
    """The consent after the receiver was asked."""
    response = exchange.response
    asked = replace(consent, asked_at=now, requested_rate=asking.rate)
    if response is not None and (origins := _values(response.headers, "webhook-allowed-origin")):
        if not any(value in {"*", asking.origin.lower()} for value in origins):
            return _refused(asked, "The receiver allows deliveries from another origin.", now)
        return _answered(asked, _values(response.headers, "webhook-allowed-rate"), now)
    if response is None or response.status in _MAY_ANSWER_LATER:
        why = exchange.failure.message if exchange.failure is not None else _said(response)
        return _not_asked(asked, f"The receiver could not be asked: {why}", response, now)
    if asking.callback is not None:
        if consent.state == "granted":
            return replace(asked, next_at=None, asks=0)
        return _again(replace(asked, state="asked", reason="The receiver has not called back to consent yet."), now)
    return _refused(asked, f"{_said(response)[:-1]} without WebHook-Allowed-Origin.", now)


def consent_by_callback(consent: Consent, rate: str | None, limit: RateLimit | None, now: Millis) -> Consent | None:
    """The consent after the receiver called back, which allows the rate that was asked for if it names none (section 4.1.3).
    None when the rate it names is not one."""
    if rate is None:
        return _granted(consent, requested_rate(limit), now)
    allowed = _rate(rate)
    return None if allowed == 0 else _granted(consent, allowed, now)


def _answered(consent: Consent, rates: list[str], now: Millis) -> Consent:
    """With consent; a rate that cannot be read cannot be kept either."""
    allowed = _rate(rates[0]) if rates else consent.requested_rate
    if allowed == 0:
        return _refused(consent, "The receiver's WebHook-Allowed-Rate is neither a positive number nor *.", now)
    return _granted(consent, allowed, now)


def _granted(consent: Consent, allowed: int | None, now: Millis) -> Consent:
    return replace(consent, state="granted", allowed_rate=allowed, granted_at=now, next_at=None, asks=0, reason=None)


def _refused(consent: Consent, reason: str, now: Millis) -> Consent:
    return _again(replace(consent, state="refused", allowed_rate=None, granted_at=None, reason=reason), now)


def _not_asked(consent: Consent, reason: str, response: Response | None, now: Millis) -> Consent:
    """There was no answer to the question. A consent from before stays."""
    if consent.state != "granted":
        consent = replace(consent, state="asked", reason=reason)
    again = _again(consent, now, is_answered=False)
    later = None if response is None else retry_after_ms(response.headers, now)
    return again if later is None else replace(again, next_at=max(later, again.next_at or 0))


def _again(consent: Consent, now: Millis, *, is_answered: bool = True) -> Consent:
    wait = _WAITS_MS[consent.asks] if consent.asks < len(_WAITS_MS) else _LAST_WAIT_MS
    if is_answered and not consent.is_required:
        wait = _OPTIONAL_WAIT_MS
    return replace(consent, next_at=now + wait, asks=consent.asks + 1)


def _values(headers: HeaderPairs, name: str) -> list[str]:
    return [value.strip(" \t").lower() for key, value in headers if key.lower() == name]


def _said(response: Response | None) -> str:
    return "" if response is None else f"The receiver answered {response.status}."


def _rate(text: str) -> int | None:
    """Requests per minute; None for any number of them, 0 when the text is not a rate."""
    text = text.strip(" \t")
    match = _RATE.fullmatch(text)
    if match is None:
        return None if text == "*" else 0
    return None if len(match[1]) > len(str(_MAX_RATE)) else int(match[1])
