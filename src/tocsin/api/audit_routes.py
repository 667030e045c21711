"""The audit log over HTTP: who changed what, and how it was before and after."""

from __future__ import annotations

from typing import Final, cast, get_args

import msgspec

from tocsin.api.auth import ADMINS
from tocsin.api.paging import LIST, page_fields, page_reply
from tocsin.api.routing import Parameter, Reply, Request, Route
from tocsin.model.audit import Action, Actor, AuditEntry
from tocsin.model.ids import KeyId
from tocsin.model.noun import Noun
from tocsin.model.times import to_text
from tocsin.ports import AuditQuery

ACTIONS: Final[tuple[str, ...]] = get_args(Action)


class AuditEntryShown(Noun, frozen=True, kw_only=True):
    """One change. `actor` is the API key that was used; its fields are null where the server itself acted. `before` and
    `after` are what was changed as its own address shows it, null where there was nothing. `tenant` is null for what
    belongs to none."""

    id: str
    at: str
    tenant: str | None
    actor: Actor
    action: Action
    target: str
    before: msgspec.Raw | None
    after: msgspec.Raw | None


def shown(entry: AuditEntry) -> AuditEntryShown:
    """An entry as the API shows it."""
    return AuditEntryShown(
        id=entry.id,
        at=to_text(entry.at),
        tenant=entry.tenant,
        actor=entry.actor,
        action=entry.action,
        target=entry.target,
        before=None if entry.before is None else msgspec.Raw(entry.before),
        after=None if entry.after is None else msgspec.Raw(entry.after),
    )


async def _list(request: Request) -> Reply:
    query, page = request.query, page_fields(request.query)
    actor = query.get("actor")
    rows = await request.services.views.audit(
        AuditQuery(
            tenant=request.tenant_read(),
            action=cast("Action | None", query.get("action")),
            target=query.get("target"),
            actor=None if actor is None else KeyId(actor),
            **page,
        )
    )
    return page_reply(rows, page, lambda row: row[0], lambda row: shown(row[1]))


AUDIT_ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/audit",
        name="list_audit_entries",
        summary="The audit log: every change of an endpoint, an API key, a delivery or a replay that somebody made, newest first.",
        answer=_list,
        roles=ADMINS,
        parameters=(
            *LIST,
            Parameter(name="since", meaning="Changed at this time or later (RFC 3339).", kind="time"),
            Parameter(name="until", meaning="Changed before this time (RFC 3339).", kind="time"),
            Parameter(name="action", meaning="What was done.", values=ACTIONS),
            Parameter(name="target", meaning="The id of what was changed."),
            Parameter(name="actor", meaning="The id of the API key that was used."),
        ),
        gives=list[AuditEntryShown],
    ),
)
