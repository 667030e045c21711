"""Entries of the audit log, made by whatever changes something."""

from __future__ import annotations

import msgspec

from tocsin.model.audit import Action, Actor, AuditEntry
from tocsin.model.ids import IdMint, Millis


def audit_entry(
    mint: IdMint,
    at: Millis,
    by: Actor,
    action: Action,
    target: str,
    *,
    tenant: str | None,
    before: object = None,
    after: object = None,
) -> AuditEntry:
    """To be stored in the transaction of the change. `before` and `after` are what the API shows, so without secrets."""
    return AuditEntry(
        id=mint.audit(),
        at=at,
        tenant=tenant,
        actor=by,
        action=action,
        target=target,
        before=_json(before),
        after=_json(after),
    )


def _json(document: object) -> bytes | None:
    return None if document is None else msgspec.json.encode(document)
