"""What applying a file would change. The server says it: each endpoint is tried there, and shown as it would be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from tocsin.cli.as_code.reading import Entry, Source
from tocsin.cli.as_code.references import Resolved
from tocsin.cli.inputs import Usage
from tocsin.cli.lists import Document, one, part, parts, text
from tocsin.client import Client, Problem
from tocsin.operations.as_code import settings_as_code, settings_of

Action = Literal["create", "change", "remove"]
UNSAID: Final = ("signing.public_key", "signing.previous")
"""What the server makes by itself: no reason to change an endpoint."""
NOTHING: Final = object()
MADE: Final = object()
"""A secret that the server makes when the change is made."""
_PAGE: Final = "500"


@dataclass(frozen=True)
class FieldChange:
    """One setting before and after, as the API shows it: so a secret is a fingerprint. NOTHING where there is none."""

    path: str
    before: object
    after: object


@dataclass(frozen=True)
class Change:
    """What is to be done to one endpoint. `settings` are sent; they have secrets in them."""

    action: Action
    tenant: str
    name: str
    id: str | None
    fields: tuple[FieldChange, ...] = ()
    pending: int = 0
    settings: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Plan:
    """All changes, creations first and removals last, how many endpoints stay as they are, and what the server refuses."""

    changes: tuple[Change, ...]
    unchanged: int
    refusals: tuple[str, ...] = ()


class Planner:
    """Compares with one server."""

    def __init__(self, client: Client, source: Source) -> None:
        self._client = client
        self._source = source
        self._home: str | None = None
        self._has_home = False

    def plan(self, wanted: Sequence[tuple[Entry, Resolved]], tenants: Sequence[str | None], *, prune: bool) -> Plan:
        """Raises Problem, Unreachable, and Usage for a name that several endpoints have. With `prune`, endpoints of the
        `tenants` that are not wanted go."""
        named = {self._tenant(tenant) for tenant in (*tenants, *(entry.tenant for entry, _ in wanted))}
        present = {tenant: self._present(tenant) for tenant in named}
        changes: list[Change] = []
        refusals: list[str] = []
        unchanged = 0
        kept: set[str] = set()
        for entry, resolved in wanted:
            tenant = self._tenant(entry.tenant)
            known = self._known(entry, present[tenant])
            kept.update(text(endpoint, "id") for endpoint in known)
            try:
                change = self._change(entry, resolved, tenant, known[0] if known else None)
            except Problem as problem:
                refusals += self._refusals(entry, problem)
                continue
            if change is None:
                unchanged += 1
            else:
                changes.append(change)
        if prune:
            of_all = (endpoint for tenant in present for endpoint in present[tenant])
            changes += [self._removal(endpoint) for endpoint in of_all if text(endpoint, "id") not in kept]
        order = {"create": 0, "change": 1, "remove": 2}
        changes.sort(key=lambda change: order[change.action])
        return Plan(tuple(changes), unchanged, tuple(refusals))

    def _tenant(self, tenant: str | None) -> str | None:
        """The tenant as it is asked for: an operator's own is `default`, None is that of any other key."""
        if tenant is not None:
            return tenant
        if not self._has_home:
            try:
                self._client.request("GET", "/v1/endpoints", query={"tenant": "default", "limit": "1"})
                self._home = "default"
            except Problem as problem:
                if problem.status != 403:
                    raise
            self._has_home = True
        return self._home

    def _present(self, tenant: str | None) -> list[Document]:
        found: list[Document] = []
        cursor: str | None = None
        while True:
            query = {"tenant": tenant, "limit": _PAGE, "cursor": cursor}
            page = one(self._client.request("GET", "/v1/endpoints", query=query))
            found += parts(page, "items")
            cursor = text(page, "next_cursor") or None
            if cursor is None:
                return found

    def _known(self, entry: Entry, present: Sequence[Document]) -> list[Document]:
        known = [endpoint for endpoint in present if endpoint.get("name") == entry.name]
        if len(known) > 1:
            ids = ", ".join(text(endpoint, "id") for endpoint in known)
            where = self._source.at(f"{entry.pointer}/name")
            raise Usage(f"{where}: there are {len(known)} endpoints called {entry.name} ({ids}): rename all but one")
        return known

    def _change(self, entry: Entry, resolved: Resolved, tenant: str | None, known: Document | None) -> Change | None:
        settings = resolved.settings
        query = {"tenant": tenant, "dry_run": "true"}
        if known is None:
            after = one(self._client.request("POST", "/v1/endpoints", settings, query=query))
            fields = tuple(FieldChange(path, NOTHING, value) for path, value in _leaves(_created(after)))
            return Change("create", text(after, "tenant"), entry.name, None, fields, settings=settings)
        endpoint_id = text(known, "id")
        after = one(self._client.request("PUT", f"/v1/endpoints/{endpoint_id}", settings, query=query))
        fields = tuple(_differences(settings_of(known), settings_of(after)))
        if all(change.path.startswith(UNSAID) for change in fields):
            return None
        return Change("change", text(known, "tenant"), entry.name, endpoint_id, fields, settings=settings)

    def _removal(self, endpoint: Document) -> Change:
        endpoint_id = text(endpoint, "id")
        stats = one(self._client.request("GET", f"/v1/endpoints/{endpoint_id}/stats", query={"tenant": None}))
        pending = int(text(stats, "pending_deliveries") or 0)
        return Change("remove", text(endpoint, "tenant"), text(endpoint, "name"), endpoint_id, pending=pending)

    def _refusals(self, entry: Entry, problem: Problem) -> Iterator[str]:
        """Each bad field with its place in the file."""
        if problem.status in {401, 403}:
            raise problem
        errors = parts(problem.document, "errors")
        if not errors:
            yield f"{self._source.at(entry.pointer)}: {problem}"
        for error in errors:
            yield f"{self._source.at(entry.pointer + text(error, 'pointer'))}: {text(error, 'detail')}"


def _created(after: Document) -> dict[str, object]:
    """What differs from the defaults, and the secret that will be made."""
    settings = settings_as_code(after)
    signing = part(after, "signing")
    secret = "key" if signing.get("kind") == "hmac" else "secret"
    if secret in signing and signing[secret] is None:
        named = cast("dict[str, object]", settings.get("signing", {}))
        settings["signing"] = {**named, secret: MADE}
    return settings


def _differences(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[FieldChange]:
    old, new = dict(_leaves(before)), dict(_leaves(after))
    for path in (*new, *(path for path in old if path not in new)):
        one_side, other_side = old.get(path, NOTHING), new.get(path, NOTHING)
        if one_side != other_side:
            is_secret = path in {"signing.secret", "signing.key"}
            yield FieldChange(path, one_side, MADE if is_secret and other_side is None else other_side)


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every setting that has no settings inside, with its path; a secret is one, and a list of plain values."""
    if isinstance(value, Mapping) and value and not is_secret(value):
        for name, member in cast("Mapping[str, object]", value).items():
            yield from _leaves(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in cast("list[object]", value)):
        for index, item in enumerate(cast("list[object]", value)):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def is_secret(value: object) -> bool:
    """Whether this is how the API shows a secret."""
    return isinstance(value, Mapping) and set(value) == {"set", "fingerprint"}
