"""What was given up on, by endpoint and cause, with the button that sends a group again."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from tocsin.model.noun import Noun
from tocsin.ui.answers import Answer
from tocsin.ui.asking import UiRequest
from tocsin.ui.delivery_words import meaning_of
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute

PATH: Final = "/ui/deliveries/dead"


class Reason(Noun, frozen=True, kw_only=True):
    """How many deliveries were given up for one reason."""

    reason: str
    count: int
    first_at: str
    last_at: str

    @property
    def meaning(self) -> str:
        """What it says of the receiver, as far as is known."""
        return meaning_of(self.reason)


class Group(Noun, frozen=True, kw_only=True):
    """What is dead of an endpoint; the reasons are of the `looked_at` newest."""

    endpoint_id: str
    endpoint_name: str
    tenant: str
    enabled: bool
    dead: int
    looked_at: int
    reasons: tuple[Reason, ...]

    @property
    def is_whole(self) -> bool:
        return self.looked_at >= self.dead

    def filter(self, reason: str | None = None) -> dict[str, str]:
        """The list of what is in it, as a query."""
        query = {"state": "dead", "endpoint": self.endpoint_id}
        return query if reason is None else query | {"reason": reason}

    def carried(self, reason: str | None = None) -> str:
        """The same as a form carries it."""
        return urlencode(self.filter(reason))


class Groups(Noun, frozen=True, kw_only=True):
    """By endpoint, those with most first."""

    items: tuple[Group, ...]


async def _show(request: UiRequest) -> Answer:
    endpoint = request.query.get("endpoint", "").strip()
    groups = await request.api.read("/v1/deliveries/dead", Groups, {"endpoint": endpoint})
    flag = f" --endpoint {endpoint}" if endpoint else ""
    return page(
        request,
        "dead.html",
        title="Dead deliveries",
        command=f"tocsin deliveries dead{flag}",
        groups=groups.items,
    )


ROUTES: Final = (UiRoute(method="GET", path=PATH, page=_show),)
