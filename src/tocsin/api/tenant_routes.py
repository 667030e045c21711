"""Tenants over HTTP: for operators, who they are."""

from __future__ import annotations

import base64
from typing import Final

import msgspec

from tocsin.api.auth import OPERATORS
from tocsin.api.paging import PAGE, page_limit
from tocsin.api.routing import Reply, Request, Route
from tocsin.errors import MalformedRequest
from tocsin.model.noun import Noun

_PREFIX: Final = "after:"


class TenantShown(Noun, frozen=True, kw_only=True):
    """A tenant, by its name."""

    tenant: str


async def _list(request: Request) -> Reply:
    limit, after = page_limit(request.query), _after(request.query.get("cursor"))
    names = await request.services.views.tenants(after, limit + 1)
    page = names[:limit]
    cursor = base64.urlsafe_b64encode(f"{_PREFIX}{page[-1]}".encode()).decode() if len(names) > limit else None
    return Reply(
        body=msgspec.json.encode({"items": [TenantShown(tenant=name) for name in page], "next_cursor": cursor})
    )


def _after(text: str | None) -> str:
    if text is None:
        return ""
    try:
        plain = base64.b64decode(text.encode(), altchars=b"-_", validate=True).decode()
    except ValueError:
        plain = ""
    if not plain.startswith(_PREFIX):
        raise MalformedRequest("The cursor is not one that a list of this server gave.")
    return plain.removeprefix(_PREFIX)


TENANT_ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/tenants",
        name="list_tenants",
        summary="Tenants that have events or deliveries, by name.",
        answer=_list,
        roles=OPERATORS,
        parameters=PAGE,
        gives=list[TenantShown],
    ),
)
