"""Endpoints: all of them, how each stands and how it did in the last day."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from tocsin.formats import KINDS
from tocsin.model.noun import Noun
from tocsin.ui.answers import Answer
from tocsin.ui.asking import UiRequest
from tocsin.ui.drawing import Bands, cells
from tocsin.ui.pages import endpoint, endpoint_actions, endpoint_form
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute

PATH: Final = "/ui/endpoints"
STATES: Final = ("healthy", "failing", "paused", "disabled")
FORMATS: Final = (*KINDS, "template")


class Format(Noun, frozen=True, kw_only=True):
    """The kind of a format."""

    kind: str


class Listed(Noun, frozen=True, kw_only=True):
    """An endpoint in the list."""

    id: str
    name: str
    url: str
    tenant: str
    format: Format
    state: str
    state_reason: str | None
    paused_until: str | None


class ListedPage(Noun, frozen=True, kw_only=True):
    """A page of them."""

    items: tuple[Listed, ...]
    next_cursor: str | None


class Hour(Noun, frozen=True, kw_only=True):
    """Attempts in one hour."""

    at: str
    delivered: int
    failed: int


class LastDay(Noun, frozen=True, kw_only=True):
    """How an endpoint did in the last 24 hours."""

    endpoint_id: str
    hours: tuple[Hour, ...]
    success_rate: float | None
    attempt_p99_ms: float | None
    pending_deliveries: int
    dead_deliveries: int


class LastDays(Noun, frozen=True, kw_only=True):
    """Of the endpoints of a page."""

    items: tuple[LastDay, ...]


class Row(Noun, frozen=True, kw_only=True):
    """A row: `day` None: the endpoint was made a moment ago. `told` says what `cells` show."""

    endpoint: Listed
    day: LastDay | None
    cells: Bands | None
    told: str = ""


class Sorting(Noun, frozen=True, kw_only=True):
    """The list by something else than age, where one page shows all that was found; for numbers the worst comes first."""

    direction: str
    key: Callable[[Row], tuple[float, str]]


ORDERS: Final[Mapping[str, Sorting]] = {
    "name": Sorting(direction="ascending", key=lambda row: (0, row.endpoint.name.casefold())),
    "state": Sorting(direction="descending", key=lambda row: (-STATES.index(row.endpoint.state), "")),
    "success": Sorting(direction="ascending", key=lambda row: (_success(row), "")),
    "p99": Sorting(direction="descending", key=lambda row: (-((row.day and row.day.attempt_p99_ms) or 0), "")),
    "backlog": Sorting(direction="descending", key=lambda row: (-(row.day.pending_deliveries if row.day else 0), "")),
    "dead": Sorting(direction="descending", key=lambda row: (-(row.day.dead_deliveries if row.day else 0), "")),
}


async def _list(request: UiRequest) -> Answer:
    asked = {name: request.query.get(name) for name in ("state", "format", "search", "cursor")}
    found, days = await asyncio.gather(
        request.api.read("/v1/endpoints", ListedPage, asked), request.api.read("/v1/endpoints/stats", LastDays, asked)
    )
    by_id = {day.endpoint_id: day for day in days.items}
    rows = [_row(one, by_id.get(one.id)) for one in found.items]
    is_whole = found.next_cursor is None and not asked["cursor"]
    order = ORDERS.get(request.query.get("sort", ""))
    if is_whole and order is not None:
        rows.sort(key=order.key)
    return await asyncio.to_thread(
        page,
        request,
        "endpoints.html",
        title="Endpoints",
        command="tocsin endpoints list",
        rows=rows,
        next_cursor=found.next_cursor,
        is_whole=is_whole,
        is_filtered=any(asked.values()),
        states=STATES,
        formats=FORMATS,
        head=partial(_head, request, order, is_whole=is_whole),
    )


def _head(
    request: UiRequest, now: Sorting | None, text: str, sort: str, kind: str = "", *, is_whole: bool
) -> tuple[str, ...]:
    """The head of a column that the list can be sorted by; once more, and it is by age again."""
    if not is_whole:
        return text, kind
    is_now = now is ORDERS[sort]
    return text, kind, request.here(sort=None if is_now else sort), ORDERS[sort].direction if is_now else ""


def _row(one: Listed, day: LastDay | None) -> Row:
    if day is None:
        return Row(endpoint=one, day=None, cells=None)
    kinds = [_kind(hour) for hour in day.hours]
    counts = Counter(kinds)
    return Row(
        endpoint=one,
        day=day,
        cells=cells(kinds),
        told=f"{len(kinds)} hours, the oldest first: {counts['good']} without a failure, {counts['warn']} with some, {counts['bad']} "
        f"with nothing else, {counts['none']} without attempts",
    )


def _success(row: Row) -> float:
    return 2 if row.day is None or row.day.success_rate is None else row.day.success_rate


def _kind(hour: Hour) -> str:
    if not hour.failed:
        return "good" if hour.delivered else "none"
    return "warn" if hour.delivered else "bad"


ROUTES: Final[tuple[UiRoute, ...]] = (
    UiRoute(method="GET", path=PATH, page=_list),
    *endpoint_form.ROUTES,
    *endpoint.ROUTES,
    *endpoint_actions.ROUTES,
)
