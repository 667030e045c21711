"""The audit log: who changed what, and how it was before and after."""

from __future__ import annotations

from typing import Final, Literal

from tocsin.model.access import Caller, Role
from tocsin.model.ids import AuditId, Millis
from tocsin.model.noun import Noun

Action = Literal[
    "endpoint.created",
    "endpoint.changed",
    "endpoint.enabled",
    "endpoint.disabled",
    "endpoint.secret_rotated",
    "endpoint.pending_cancelled",
    "endpoint.deleted",
    "endpoint.draft_tested",
    "endpoint.resumed",
    "api_key.created",
    "api_key.revoked",
    "delivery.resent",
    "delivery.cancelled",
    "replay.created",
    "replay.paused",
    "replay.resumed",
    "replay.cancelled",
    "master_key.rewrapped",
    "retention.changed",
    "erasure.created",
    "backup.taken",
    "intake.renewed",
]


class Actor(Noun, frozen=True, kw_only=True):
    """Who changed something: the API key that was used, or the server itself (`key_id` None)."""

    key_id: str | None
    key_name: str | None
    role: Role | None


SERVER: Final = Actor(key_id=None, key_name=None, role=None)
"""The server itself: it disables an endpoint that answered 410."""


def actor_of(caller: Caller) -> Actor:
    """Whoever made a request."""
    return Actor(key_id=caller.key_id, key_name=caller.key_name, role=caller.role)


class AuditEntry(Noun, frozen=True, kw_only=True):
    """One change. `target` is the id of what was changed; `before` and `after` are JSON as the API shows it, so without
    secrets, None where there was nothing. `tenant` None: of no tenant."""

    id: AuditId
    at: Millis
    tenant: str | None
    actor: Actor
    action: Action
    target: str
    before: bytes | None = None
    after: bytes | None = None
