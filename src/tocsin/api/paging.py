"""Lists: at most `limit` rows, newest first, and an opaque cursor to the next ones."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypedDict, TypeVar

import msgspec

from tocsin.api.auth import TENANT_PATTERN
from tocsin.api.routing import Parameter, Reply
from tocsin.errors import InvalidRequest, MalformedRequest
from tocsin.model.times import from_text
from tocsin.ports import Rows

T = TypeVar("T")
DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500

TENANT: Final = Parameter(
    name="tenant",
    meaning="For operators: the tenant that is meant. A tenant's own key implies its tenant.",
    pattern=TENANT_PATTERN,
)
PAGE: Final = (
    Parameter(name="limit", meaning=f"Rows in a page, 1 to {MAX_LIMIT}; {DEFAULT_LIMIT} by default.", kind="integer"),
    Parameter(name="cursor", meaning="`next_cursor` of the page before."),
)
LIST: Final = (*PAGE, TENANT)
RANGE: Final = (
    Parameter(name="since", meaning="Accepted at this time or later (RFC 3339).", kind="time"),
    Parameter(name="until", meaning="Accepted before this time (RFC 3339).", kind="time"),
)
_PREFIX: Final = b"before:"


class PageFields(TypedDict):
    """What every query of a list has; one row more than a page is asked for, to know whether there is a next one."""

    limit: int
    before: int | None
    since: int | None
    until: int | None


def page_fields(query: Mapping[str, str]) -> PageFields:
    """From the query parameters. Raises InvalidRequest, and MalformedRequest for a cursor that is none."""
    return PageFields(
        limit=page_limit(query) + 1,
        before=_before(query.get("cursor")),
        since=_time(query, "since"),
        until=_time(query, "until"),
    )


def page_reply(rows: Sequence[T], asked: PageFields, place: Callable[[T], int], shown: Callable[[T], object]) -> Reply:
    """A page of rows. `place` is a row's number or position. A page that ended before it was full, because enough rows had been
    looked at, has a cursor too."""
    limit = asked["limit"] - 1
    page = rows[:limit]
    below = place(page[-1]) if len(rows) > limit else rows.rest if isinstance(rows, Rows) else None
    cursor = None if below is None else base64.urlsafe_b64encode(_PREFIX + b"%d" % below).decode()
    return Reply(body=msgspec.json.encode({"items": [shown(row) for row in page], "next_cursor": cursor}))


def page_limit(query: Mapping[str, str]) -> int:
    """How many rows a page has. Raises InvalidRequest."""
    text = query.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_LIMIT):
        raise InvalidRequest.at("limit", f"It must be a number from 1 to {MAX_LIMIT}.")
    return int(text)


def _before(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        plain = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
    except ValueError:
        plain = b""
    number = plain.removeprefix(_PREFIX)
    if plain == number or not number.isdigit() or len(number) > 18:
        raise MalformedRequest("The cursor is not one that a list of this server gave.")
    return int(number)


def _time(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        return from_text(text)
    except ValueError as error:
        raise InvalidRequest.at(name, f"Not a time: {error}.") from error
