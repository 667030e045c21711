"""Times as text: RFC 3339, UTC, milliseconds, `Z`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_RFC3339 = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d{2}):(\d{2}))", re.ASCII
)
_COMMON_LENGTH = len("2026-11-22T10:00:00.000Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=64)
def _second_text(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).isoformat()[:19]


def to_text(millis: int) -> str:
    """Milliseconds since the epoch as `2026-11-22T10:00:00.000Z`."""
    second, rest = divmod(millis, 1000)
    return f"{_second_text(second)}.{rest:03d}Z"


def from_text(text: str) -> int:
    """Milliseconds since the epoch of an RFC 3339 time (digits beyond milliseconds are cut). ValueError otherwise."""
    if len(text) == _COMMON_LENGTH and text[5].isdigit() and text[10] + text[19] + text[-1] == "T.Z" and text.isascii():
        try:
            return round(datetime.fromisoformat(text).timestamp() * 1000)
        except ValueError:
            pass  # a leap second, perhaps
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 time with an offset, like 2026-11-22T10:00:00.000Z")
    year, month, day, hour, minute, second, fraction, _, sign, off_hour, off_minute = match.groups()
    leap = second == "60"
    moment = datetime(int(year), int(month), int(day), int(hour), int(minute), 59 if leap else int(second), tzinfo=UTC)
    if sign:
        if int(off_hour) > 23 or int(off_minute) > 59:
            raise ValueError("the offset is out of range")
        offset = timedelta(hours=int(off_hour), minutes=int(off_minute))
        try:
            moment = moment - offset if sign == "+" else moment + offset
        except OverflowError as error:
            raise ValueError("the time is out of range") from error
    millis = 999 if leap else int((fraction or "0").ljust(3, "0")[:3])
    return int((moment - _EPOCH).total_seconds()) * 1000 + millis
