"""Deliveries: one list over all endpoints, what is done to those that are ticked, and to all that match."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from tocsin.model.noun import Noun
from tocsin.ui import texts
from tocsin.ui.answers import Answer, Reply
from tocsin.ui.asking import UiRequest
from tocsin.ui.calls import Query, segment
from tocsin.ui.delivery_words import DeliveryRow, EndpointSeen, Told, told
from tocsin.ui.pages import dead, delivery
from tocsin.ui.pages.delivery_filters import LAST_WORDS, NAMES, Choices, asked, flags, kept, restored
from tocsin.ui.pages.problem import confirmation
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute

PATH: Final = "/ui/deliveries"
STATES: Final = ("pending", "delivered", "dead", "cancelled")
ROWS: Final = 50
CHOICES: Final = 100
"""Endpoints that the filter offers by name."""
NAMED: Final = 8
"""Endpoints that a question names."""
_OF_DEAD: Final = frozenset({"endpoint", "job", "reason", "event_type", "subject_type", "subject_id", "since", "until"})
_OF_PENDING: Final = _OF_DEAD - {"reason"} | {"event", "batch", "replay"}


class DeliveryPage(Noun, frozen=True, kw_only=True):
    """A page of deliveries."""

    items: tuple[DeliveryRow, ...]
    next_cursor: str | None


class Counted(Noun, frozen=True, kw_only=True):
    """How many match; not `complete`: at least so many."""

    count: int
    complete: bool

    @property
    def words(self) -> str:
        return texts.number(self.count) + ("" if self.complete else "+")


class Cancelled(Noun, frozen=True, kw_only=True):
    """How many were given up; not `complete`: there are more."""

    cancelled: int
    complete: bool


class Begun(Noun, frozen=True, kw_only=True):
    """A replay that began."""

    id: str


class EndpointTotal(Noun, frozen=True, kw_only=True):
    """How much an endpoint is sent again."""

    endpoint_id: str
    total: int


class Resent(Noun, frozen=True, kw_only=True):
    """What is sent again, or would be."""

    total: int
    disabled_endpoint_ids: tuple[str, ...]
    complete: bool
    replays: tuple[Begun, ...] = ()
    endpoints: tuple[EndpointTotal, ...] = ()


class Shown(Noun, frozen=True, kw_only=True):
    """A row with its state in words."""

    row: DeliveryRow
    told: Told


async def _list(request: UiRequest) -> Answer:
    given = asked(request.query, request.now)
    query: Query = {"limit": ROWS, "cursor": request.query.get("cursor"), **given}
    found, choices, count = await asyncio.gather(
        request.api.read("/v1/deliveries", DeliveryPage, query),
        endpoint_choices(request),
        _count(request, given),
    )
    return page(
        request,
        "deliveries.html",
        title="Deliveries",
        command=f"tocsin deliveries list{flags(given)}",
        found=[Shown(row=row, told=told(row, seen(choices, row))) for row in found.items],
        next_cursor=found.next_cursor,
        choices=choices,
        count=count,
        states=STATES,
        last_words=LAST_WORDS,
        given=given,
        kept=kept(request.query),
        may_resend=given.get("state") in {None, "dead"} and given.keys() <= _OF_DEAD | {"state"},
        may_cancel=given.get("state") in {None, "pending"} and given.keys() <= _OF_PENDING | {"state"},
        replay_query=replay_query(given),
    )


async def endpoint_choices(request: UiRequest) -> Choices:
    """Endpoints to choose from, with their states; none when this caller may not read them."""
    answer = await request.api.get("/v1/endpoints", {"limit": CHOICES})
    return answer.read(Choices) if answer.is_ok else Choices()


def seen(choices: Choices, row: DeliveryRow) -> EndpointSeen | None:
    """The endpoint of a delivery, if it is among those that can be chosen."""
    for one in choices.items:
        if one.id == row.endpoint_id:
            return EndpointSeen(state=one.state, paused_until=one.paused_until)
    return None


async def _count(request: UiRequest, given: Mapping[str, str | int | None]) -> Counted | None:
    return await request.api.read("/v1/deliveries/count", Counted, given) if given else None


def replay_query(given: Mapping[str, str | int | None]) -> dict[str, str]:
    """What a replay of the same would be asked for."""
    names = {"endpoint", "event_type", "subject_type", "subject_id", "since", "until", "reason"}
    query = {name: str(value) for name, value in given.items() if name in names}
    if "job" in given:
        query |= {"subject_type": "job", "subject_id": str(given["job"])}
    return query | ({"only": "dead"} if given.get("state") == "dead" else {})


async def _act(request: UiRequest) -> Answer:
    form = request.form
    if one := form.get("one"):
        return await delivery.resend(request, one)
    act = {
        "resend": _resend_ticked,
        "cancel": _cancel_ticked,
        "resend-all": _resend_all,
        "cancel-all": _cancel_all,
    }.get(form.get("act"))
    return await act(request) if act is not None else request.redirect(PATH)


def _list_address(request: UiRequest) -> str:
    return f"{PATH}?{urlencode(restored(request.form.get('filter')))}"


async def _resend_ticked(request: UiRequest) -> Answer:
    ids = request.form.all("id")
    if len(ids) > 1 and not request.is_confirmed:
        return confirmation(
            request,
            question=f"Resend {len(ids)} deliveries?",
            detail=f"{len(ids)} new deliveries are made, each with the webhook-id of its event: receivers that drop "
            "what they know will drop what they have.",
            button=f"Resend {len(ids)}",
            back=_list_address(request),
        )
    return await _each(request, ids, "resent", lambda one: f"/v1/deliveries/{segment(one)}/resend")


async def _cancel_ticked(request: UiRequest) -> Answer:
    ids = request.form.all("id")
    if ids and not request.is_confirmed:
        return confirmation(
            request,
            question=f"Cancel {_deliveries(len(ids))}?",
            detail=f"{_deliveries(len(ids))} will not be sent any more; a request that is out may still succeed.",
            button=f"Cancel {len(ids)}",
            back=_list_address(request),
        )
    return await _each(request, ids, "cancelled", lambda one: f"/v1/deliveries/{segment(one)}/cancel")


async def _each(request: UiRequest, ids: list[str], done: str, path: Callable[[str], str]) -> Reply:
    """One call for each, in turn; what was refused is told with its reason."""
    refused: dict[str, int] = {}
    for one in ids:
        answer = await request.api.send("POST", path(one))
        if not answer.is_ok:
            text = answer.problem.detail or answer.problem.title
            refused[text] = refused.get(text, 0) + 1
    good = len(ids) - sum(refused.values())
    said = [f"{_deliveries(good)} {done}." if ids else "Nothing is selected."]
    said += [f"{count} not: {text}" for text, count in refused.items()]
    return _told(request, " ".join(said))


async def _resend_all(request: UiRequest) -> Answer:
    document = _document(request, _OF_DEAD)
    if not request.is_confirmed:
        counted = (await request.api.change("POST", "/v1/deliveries/resend", document, {"dry_run": "true"})).read(
            Resent
        )
        disabled = len(counted.disabled_endpoint_ids)
        left_out = f" {disabled} disabled endpoints with dead deliveries are left out." if disabled else ""
        if not counted.total:
            return _told(request, f"There is nothing dead to be sent again.{left_out}")
        events, endpoints = _many(counted.total, "event"), _many(len(counted.endpoints), "endpoint")
        return confirmation(
            request,
            question=f"Send {events} again?",
            detail=f"{events} that were given up go to {endpoints} again ({await _totals(request, counted.endpoints)}), by a "
            f"replay for each, which goes on when this page is closed. What was delivered meanwhile is not sent.{left_out}",
            button=f"Send {texts.number(counted.total)} again",
            back=_list_address(request),
        )
    resent = (await request.api.change("POST", "/v1/deliveries/resend", document)).read(Resent)
    said = f"{_many(resent.total, 'event')} are sent again."
    if len(resent.replays) == 1:
        return request.redirect(f"/ui/replays/{resent.replays[0].id}", said)
    return request.redirect("/ui/replays", said)


async def _totals(request: UiRequest, endpoints: Sequence[EndpointTotal]) -> str:
    """Which endpoints, and how much each; those with most first."""
    names = dict((await endpoint_choices(request)).pairs())
    most = sorted(endpoints, key=lambda one: -one.total)
    said = [f"{names.get(one.endpoint_id, one.endpoint_id)}: {texts.number(one.total)}" for one in most[:NAMED]]
    return ", ".join(said) + (f" and {len(most) - NAMED} more" if len(most) > NAMED else "")


async def _cancel_all(request: UiRequest) -> Answer:
    document = _document(request, _OF_PENDING)
    if not request.is_confirmed:
        query = {name: str(value) for name, value in document.items()} | {"state": "pending"}
        counted = await request.api.read("/v1/deliveries/count", Counted, query)
        if not counted.count:
            return _told(request, "There is nothing pending to be cancelled.")
        return confirmation(
            request,
            question=f"Cancel {counted.words} deliveries?",
            detail=f"{counted.words} pending deliveries match the filter, over all pages. None of them will be sent "
            "any more; a request that is out may still succeed.",
            button=f"Cancel {counted.words}",
            back=_list_address(request),
        )
    done = (await request.api.change("POST", "/v1/deliveries/cancel", document)).read(Cancelled)
    more = "" if done.complete else " There are more: press it again."
    return _told(request, f"{_deliveries(done.cancelled)} cancelled.{more}")


def _document(request: UiRequest, names: frozenset[str]) -> dict[str, object]:
    """The filter that the form carries, as a body of the API."""
    given = asked(restored(request.form.get("filter")), request.now, NAMES)
    return {name: value for name, value in given.items() if name in names}


def _told(request: UiRequest, text: str) -> Reply:
    return request.redirect(PATH, text, restored(request.form.get("filter")))


def _deliveries(count: int) -> str:
    return f"{texts.number(count)} {'delivery' if count == 1 else 'deliveries'}"


def _many(count: int, word: str) -> str:
    return f"{texts.number(count)} {word}{'' if count == 1 else 's'}"


ROUTES: Final[tuple[UiRoute, ...]] = (
    UiRoute(method="GET", path=PATH, page=_list),
    UiRoute(method="POST", path=PATH, page=_act),
    *dead.ROUTES,
    *delivery.ROUTES,
)
