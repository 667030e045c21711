"""Who may do what: API keys and the caller that one of them makes."""

from __future__ import annotations

from enum import StrEnum

from tocsin.model.ids import KeyId
from tocsin.model.noun import Noun


class Role(StrEnum):
    """`operator` for all tenants; `admin`, `producer` (reports; reads jobs and events) and `viewer` within one."""

    OPERATOR = "operator"
    ADMIN = "admin"
    PRODUCER = "producer"
    VIEWER = "viewer"


class ApiKey(Noun, frozen=True, kw_only=True):
    """A key as stored: never its value, only the SHA-256 of it. `tenant` is None for an operator key; times in ms."""

    id: KeyId
    name: str
    role: Role
    tenant: str | None
    hash: bytes
    created_at: int
    expires_at: int | None = None
    last_used_at: int | None = None


class Caller(Noun, frozen=True, kw_only=True):
    """Whoever makes a request."""

    key_id: KeyId
    key_name: str
    role: Role
    tenant: str | None
