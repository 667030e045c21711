"""The filters of lists of deliveries and events: in the page's own address, as the API takes them, and on the command line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode

from tocsin.model.ids import Millis
from tocsin.model.noun import Noun
from tocsin.model.times import to_text

NAMES: Final = (
    "state",
    "endpoint",
    "event_type",
    "subject_type",
    "subject_id",
    "job",
    "event",
    "batch",
    "replay",
    "reason",
)
"""Filters of deliveries that an address and the API spell alike."""
EVENT_NAMES: Final = ("type", "subject_type", "subject_id")
TIMES: Final = ("last", "since", "until")
LAST: Final = {"15m": 15, "1h": 60, "6h": 360, "24h": 1440, "7d": 10_080, "30d": 43_200}
"""Ranges that end now, in minutes."""
LAST_WORDS: Final = (
    ("15m", "15 minutes"),
    ("1h", "hour"),
    ("6h", "6 hours"),
    ("24h", "24 hours"),
    ("7d", "7 days"),
    ("30d", "30 days"),
)
_FLAGS: Final = {"type": "--event-type", "subject_id": "--subject-id", "event_type": "--event-type"}
_FROM_BROWSER: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?")


class Choice(Noun, frozen=True, kw_only=True):
    """An endpoint to choose from."""

    id: str
    name: str
    state: str = ""
    paused_until: str | None = None


class Choices(Noun, frozen=True, kw_only=True):
    """Endpoints to choose from; `next_cursor`: there are more than can be offered."""

    items: tuple[Choice, ...] = ()
    next_cursor: str | None = None

    def pairs(self) -> list[tuple[str, str]]:
        """Ids and names."""
        return [(one.id, one.name) for one in self.items]


def asked(query: Mapping[str, str], now: Millis, names: Iterable[str] = NAMES) -> dict[str, str | int | None]:
    """The filters of an address as the API takes them."""
    given: dict[str, str | int | None] = {name: query[name].strip() for name in names if query.get(name, "").strip()}
    minutes = LAST.get(query.get("last", ""))
    if minutes is not None:
        return {**given, "since": to_text(now - minutes * 60_000)}
    return {**given, **{name: moment(query[name]) for name in ("since", "until") if query.get(name, "").strip()}}


def moment(text: str) -> str:
    """A time as the API takes it: what a browser's field gives has no offset, and means UTC."""
    text = text.strip()
    if not _FROM_BROWSER.fullmatch(text):
        return text
    return f"{text}:00Z" if len(text) == 16 else f"{text}Z"


def kept(query: Mapping[str, str], names: Iterable[str] = NAMES) -> str:
    """The filters of an address, to be carried along in a form."""
    wanted = (*names, *TIMES, "tenant")
    return urlencode({name: query[name] for name in wanted if query.get(name)})


def restored(text: str) -> dict[str, str]:
    """What `kept` carried."""
    return dict(parse_qsl(text))


def flags(given: Mapping[str, str | int | None]) -> str:
    """The filters as flags of the command line."""
    return "".join(
        f" {_FLAGS.get(name, '--' + name.replace('_', '-'))} {shlex.quote(str(value))}" for name, value in given.items()
    )
