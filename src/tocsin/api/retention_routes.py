"""Retention over HTTP: what is kept how long, and other times for a tenant."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.api.auth import ADMINS, READERS, TenantName, checked_tenant
from tocsin.api.decoding import decoded
from tocsin.api.paging import TENANT
from tocsin.api.routing import Reply, Request, Route
from tocsin.api.text_checks import check_json_bytes, check_text
from tocsin.model.noun import Noun
from tocsin.model.retention import RetentionRule
from tocsin.operations.retention import RetentionShown, TenantRetention


class RetentionRequest(Noun, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules of a tenant, instead of those it has; none: as the operator's defaults say. For each time the first rule counts
    that matches the event type and names it. Seconds; 0 for ever, null: not named."""

    rules: tuple[RetentionRule, ...]
    tenant: TenantName | None = None


_decode: Final = msgspec.json.Decoder(RetentionRequest).decode


async def _show(request: Request) -> Reply:
    return Reply(body=msgspec.json.encode(await request.services.retention.show(request.tenant_read())))


async def _replace(request: Request) -> Reply:
    check_json_bytes(request.body)
    check_text(request.body)
    asked = decoded(_decode, request.body)
    if asked.tenant is not None:
        checked_tenant(asked.tenant, "/tenant")
    tenant = request.tenant_written(asked.tenant)
    done = await request.services.retention.replace(tenant, asked.rules, by=request.actor())
    return Reply(body=msgspec.json.encode(done))


RETENTION_ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/retention",
        name="get_retention",
        summary="What is kept how long; for operators also how far the removing is.",
        answer=_show,
        roles=READERS,
        parameters=(TENANT,),
        gives=RetentionShown,
    ),
    Route(
        method="PUT",
        path="/v1/retention",
        name="replace_retention",
        summary="Give a tenant times of its own, by event type.",
        answer=_replace,
        roles=ADMINS,
        parameters=(TENANT,),
        takes=RetentionRequest,
        gives=TenantRetention,
    ),
)
