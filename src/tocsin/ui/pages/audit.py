"""The audit log: who changed what, when, and which fields."""

from __future__ import annotations

from typing import Final, get_args

import msgspec

from tocsin.model.audit import Action
from tocsin.model.noun import Noun
from tocsin.ui.answers import Answer
from tocsin.ui.asking import UiRequest
from tocsin.ui.calls import segment
from tocsin.ui.differences import Difference, differences
from tocsin.ui.navigation import PLACES
from tocsin.ui.pages.delivery_filters import LAST_WORDS, asked, flags
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute

PATH: Final = "/ui/audit"
FILTERS: Final = ("action", "target", "actor")
MANY: Final = 4
"""So many changed fields are told of in the list; the rest is in the documents."""


class Actor(Noun, frozen=True, kw_only=True):
    """The API key that was used; none where the server itself acted."""

    key_id: str | None
    key_name: str | None


class Entry(Noun, frozen=True, kw_only=True):
    """An entry of the log, as the API gives it."""

    id: str
    at: str
    tenant: str | None
    actor: Actor
    action: str
    target: str
    before: msgspec.Raw
    after: msgspec.Raw


class EntryPage(Noun, frozen=True, kw_only=True):
    """A page of the log."""

    items: tuple[Entry, ...]
    next_cursor: str | None


class Change(Noun, frozen=True, kw_only=True):
    """An entry as it is shown: `fields` are some of those that changed, `more` how many others did."""

    entry: Entry
    place: str
    fields: tuple[Difference, ...]
    more: int
    before: str
    after: str


async def _list(request: UiRequest) -> Answer:
    given = asked(request.query, request.now, FILTERS)
    entries = await request.api.read("/v1/audit", EntryPage, {**given, "cursor": request.query.get("cursor")})
    return page(
        request,
        "audit.html",
        title="Audit log",
        command=f"tocsin audit{flags(given)}",
        changes=[change_of(entry) for entry in entries.items],
        next_cursor=entries.next_cursor,
        actions=get_args(Action),
        last_words=LAST_WORDS,
        given=given,
    )


def change_of(entry: Entry) -> Change:
    """An entry with what changed in it; what was made or removed is not told field by field."""
    before, after = _bytes(entry.before), _bytes(entry.after)
    is_change = bool(before and after)
    found = differences(msgspec.json.decode(before), msgspec.json.decode(after)) if is_change else []
    place = PLACES.get(entry.target[:4])
    return Change(
        entry=entry,
        place=place + segment(entry.target) if place else "",
        fields=tuple(found[:MANY]),
        more=max(len(found) - MANY, 0),
        before=before.decode(),
        after=after.decode(),
    )


def _bytes(raw: msgspec.Raw) -> bytes:
    return b"" if bytes(raw) == b"null" else bytes(raw)


ROUTES: Final[tuple[UiRoute, ...]] = (UiRoute(method="GET", path=PATH, page=_list),)
