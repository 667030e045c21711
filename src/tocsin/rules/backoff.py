"""How long to wait after a failed attempt: the endpoint's schedule, or what the receiver asks for (RFC 9110)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from tocsin.model.endpoint import Retry
from tocsin.model.exchange import HeaderPairs
from tocsin.model.ids import Millis

JITTER_SHARE: Final = 0.2
LONGEST_PAUSE_MS: Final = 24 * 3600 * 1000

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_MONTH = "(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_SHORT_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_HTTP_DATE: Final = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        rf"{_SHORT_DAY}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_CLOCK} GMT",
        rf"{_LONG_DAY}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_CLOCK} GMT",
        rf"{_SHORT_DAY} {_MONTH} (?P<day>[ \d]\d) {_CLOCK} (?P<year>\d{{4}})",
    )
)
"""IMF-fixdate, and the obsolete forms of RFC 850 and asctime: RFC 9110 section 5.6.7 has recipients read all three."""
_SECONDS: Final = re.compile(r"\d+", re.ASCII)


def wait_after(step: int, retry: Retry, jitter: float) -> float | None:
    """Seconds until the next attempt after one that failed at `step` of the schedule (0: the first); None when the
    schedule is used up. `jitter` in [0, 1) moves the wait within +-20 %."""
    schedule = retry.schedule_seconds
    if step >= len(schedule):
        return None
    return schedule[step] * (1 - JITTER_SHARE + 2 * JITTER_SHARE * jitter)


def retry_after_ms(headers: HeaderPairs, now_ms: Millis, longest_ms: int = LONGEST_PAUSE_MS) -> Millis | None:
    """When the receiver wants to be asked again: not before now, not after `now_ms + longest_ms`. None without a readable
    Retry-After (RFC 9110 section 10.2.3); a negative or decimal number is not readable."""
    text = next((value.strip(" \t") for name, value in headers if name.lower() == "retry-after"), None)
    if text is None:
        return None
    if _SECONDS.fullmatch(text):
        # Ten digits are 317 years: beyond them only the limit counts, and int() refuses thousands of digits.
        digits = text.lstrip("0") or "0"
        wait_ms = longest_ms if len(digits) > 10 else int(digits) * 1000
        return now_ms + min(wait_ms, longest_ms)
    at = _http_date_ms(text, now_ms)
    return None if at is None else min(max(at, now_ms), now_ms + longest_ms)


def _http_date_ms(text: str, now_ms: Millis) -> Millis | None:
    match = next((found for form in _HTTP_DATE if (found := form.fullmatch(text))), None)
    if match is None:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        year = _full_year(year, datetime.fromtimestamp(now_ms / 1000, UTC).year)
    try:
        moment = datetime(
            year,
            _MONTHS[match["month"]],
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            min(int(match["second"]), 59) if match["second"] == "60" else int(match["second"]),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    return int(moment.timestamp()) * 1000


def _full_year(two_digits: int, this_year: int) -> int:
    """A year that would be more than 50 years ahead is the one in the past with the same last digits."""
    year = this_year - this_year % 100 + two_digits
    return year - 100 if year > this_year + 50 else year
