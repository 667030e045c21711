"""The tenants, for operators: to look at one of them."""

from __future__ import annotations

from typing import Final

from tocsin.model.noun import Noun
from tocsin.ui.answers import Answer
from tocsin.ui.asking import UiRequest
from tocsin.ui.navigation import HOME
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute


class TenantRow(Noun, frozen=True, kw_only=True):
    """A tenant."""

    tenant: str


class TenantPage(Noun, frozen=True, kw_only=True):
    """A page of tenants."""

    items: tuple[TenantRow, ...]
    next_cursor: str | None


async def _list(request: UiRequest) -> Answer:
    query = {"tenant": None, "limit": 500, "cursor": request.query.get("cursor")}
    found = await request.api.read("/v1/tenants", TenantPage, query)
    return page(
        request,
        "tenants.html",
        title="Tenants",
        command="tocsin tenants",
        names=[row.tenant for row in found.items],
        next_cursor=found.next_cursor,
        home=HOME,
    )


ROUTES: Final[tuple[UiRoute, ...]] = (UiRoute(method="GET", path="/ui/tenants", page=_list),)
