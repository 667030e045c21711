"""Times, spans, sizes and ids as people read them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Final

from tocsin.model.ids import Millis
from tocsin.model.times import from_text, to_text

_UNITS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"))
_REASONS: Final = {"gone": "The receiver answered 410: it wants nothing more.", "failing": "It failed for too long."}
NOTHING: Final = "\u2013"
"""What stands where there is no value."""


def millis_of(time: str | Millis) -> Millis:
    """A time of the API as milliseconds."""
    return from_text(time) if isinstance(time, str) else time


def utc(time: str | Millis) -> str:
    """To the millisecond: `2026-11-22 10:00:04.120 UTC`."""
    return to_text(millis_of(time)).replace("T", " ").removesuffix("Z") + " UTC"


def clock(time: str | Millis) -> str:
    """Of the day: `10:00:04`, UTC."""
    return to_text(millis_of(time))[11:19]


def ago(time: str | Millis, now: Millis) -> str:
    """`4 s ago`, `in 4 min`."""
    apart = millis_of(time) - now
    text = duration(max(abs(apart) // 1000, 0) * 1000)
    return f"in {text}" if apart > 999 else f"{text} ago" if apart < -999 else "now"


def due(time: str | Millis, now: Millis) -> str:
    """When something is to happen: `in 4 min`; `now` for as long as it is late."""
    return ago(max(millis_of(time), now), now)


def duration(millis: float | None) -> str:
    """In the largest useful unit: `212 ms`, `4.2 s`, `3 min`, `5 h`, `12 d`."""
    if millis is None:
        return NOTHING
    if 0 < millis < 0.05:
        return "<0.1 ms"
    if millis < 1000:
        return f"{millis:.0f} ms" if millis >= 10 or millis == int(millis) else f"{millis:.1f} ms"
    for size, unit in _UNITS:
        if millis >= size:
            count = millis / size
            if count >= 10 or unit == "min":
                return f"{int(count)} {unit}"
            return f"{int(count * 10) / 10:g} {unit}"
    raise AssertionError(millis)


def size(count: int | None) -> str:
    """Bytes: `120 B`, `1.2 KiB`, `10 MiB`, `72 GiB`."""
    if count is None:
        return NOTHING
    if count < 1024:
        return f"{count} B"
    amount, unit = count / 1024, "KiB"
    if amount >= 1024:
        amount, unit = amount / 1024, "MiB"
    if amount >= 1024:
        amount, unit = amount / 1024, "GiB"
    return f"{amount:.1f}".removesuffix(".0") + f" {unit}" if amount < 10 else f"{amount:.0f} {unit}"


def number(value: float | None, digits: int = 0) -> str:
    """With a thin space between thousands: `1 284`."""
    if value is None:
        return NOTHING
    return f"{value:,.{digits}f}".replace(",", "\u202f")


def percent(share: float | None) -> str:
    """Of a share from 0 to 1: `99.9 %`; never rounded up to all of it."""
    if share is None:
        return NOTHING
    if share in {0, 1}:
        return f"{share * 100:.0f} %"
    return f"{min(max(share * 100, 0.1), 99.9):.1f} %"


def short(name: str) -> str:
    """An id shortened in the middle: `dlv_019c…8f3a`. Other names stay as they are."""
    prefix, _, rest = name.partition("_")
    if len(prefix) != 3 or len(rest) != 36:
        return name
    return f"{prefix}_{rest[:4]}…{rest[-4:]}"


def command(base: str, options: Mapping[str, str | None]) -> str:
    """A command line with those options that have a value, to be pasted into a shell."""
    given = [f"{name} {shlex.quote(value)}" for name, value in options.items() if value]
    return " ".join([base, *given])


def reason(text: str | None) -> str:
    """Why an endpoint is as it is: the two for which the server disabled it have only a word."""
    return _REASONS.get(text or "", text or "")


def cut(text: str, length: int = 60) -> str:
    """A long text, cut at its end."""
    return text if len(text) <= length else text[: length - 1] + "…"
