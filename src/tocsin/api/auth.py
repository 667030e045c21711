"""Who is asking, what they may do, and for which tenant."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Annotated, Final

from msgspec import Meta

from tocsin.errors import Forbidden, InvalidRequest, StoreUnavailable, Unauthenticated
from tocsin.model.access import Caller, Role
from tocsin.operations.api_keys import ApiKeys

DEFAULT_TENANT: Final = "default"
TENANT_PATTERN: Final = "^[A-Za-z0-9._-]{1,128}$"
TENANT_NAME: Final = re.compile(TENANT_PATTERN.strip("^$"), re.ASCII)
TenantName = Annotated[str, Meta(extra_json_schema={"pattern": TENANT_PATTERN})]
"""A tenant in a request's body. The pattern is documentation here: `checked_tenant` says it in words."""

POSTERS: Final = frozenset({Role.OPERATOR, Role.ADMIN, Role.PRODUCER})
ADMINS: Final = frozenset({Role.OPERATOR, Role.ADMIN})
READERS: Final = frozenset({Role.OPERATOR, Role.ADMIN, Role.VIEWER})
OPERATORS: Final = frozenset({Role.OPERATOR})
EVERYBODY: Final = frozenset(Role)


def authenticated(keys: ApiKeys, authorization: bytes | None) -> Caller:
    """The caller behind an Authorization header. Raises Unauthenticated."""
    return caller_with(keys, key_hash_of(authorization))


def key_hash_of(authorization: bytes | None) -> bytes:
    """The hash of the key in an Authorization header. Raises Unauthenticated."""
    if authorization is None:
        raise Unauthenticated("Send `Authorization: Bearer <api key>`.")
    scheme, _, value = authorization.partition(b" ")
    if scheme.lower() != b"bearer":
        raise Unauthenticated("The authorization scheme must be Bearer.")
    return sha256(value.strip()).digest()


def caller_with(keys: ApiKeys, key_hash: bytes) -> Caller:
    """The caller who holds the key with this hash. Raises Unauthenticated, StoreUnavailable when nobody can tell."""
    caller = keys.caller_by_hash(key_hash)
    if caller is None:
        if keys.may_exist(key_hash):
            raise StoreUnavailable("The API key is not known here, and cannot be looked up.", retry_after_seconds=5)
        raise Unauthenticated("The API key is unknown, expired or revoked.")
    return caller


def allow(caller: Caller, roles: frozenset[Role]) -> None:
    """Raises Forbidden unless the caller has one of the roles."""
    if caller.role not in roles:
        raise Forbidden(f"The role {caller.role.value} may not do this.")


def checked_tenant(name: str, pointer: str) -> str:
    """A tenant's name. Raises InvalidRequest at `pointer`."""
    if TENANT_NAME.fullmatch(name) is None:
        raise InvalidRequest.at(pointer, "A tenant's name has 1 to 128 letters, digits, dots, underscores or hyphens.")
    return name


def tenant_to_write(caller: Caller, in_body: str | None, in_query: str | None) -> str:
    """The tenant that a request writes to. Raises Forbidden when a tenant's key names another one, InvalidRequest when body
    and query do not agree."""
    if in_query is not None:
        checked_tenant(in_query, "tenant")
        if in_body is not None and in_body != in_query:
            raise InvalidRequest.at("/tenant", "The body names another tenant than the query.")
    named = in_body or in_query
    if caller.tenant is None:
        return named or DEFAULT_TENANT
    if named is not None and named != caller.tenant:
        raise Forbidden("This API key belongs to another tenant.")
    return caller.tenant


def tenant_to_read(caller: Caller, in_query: str | None) -> str | None:
    """The tenant that a request may see; None is all of them. Raises Forbidden."""
    if in_query is not None:
        checked_tenant(in_query, "tenant")
        if caller.tenant is not None and in_query != caller.tenant:
            raise Forbidden("This API key belongs to another tenant.")
    return caller.tenant or in_query
