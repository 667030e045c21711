"""What people do to endpoints: create, change, enable, disable, rotate the secret, delete."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from tocsin.errors import Conflict, InvalidRequest, NotFound
from tocsin.model.audit import Action, Actor, AuditEntry
from tocsin.model.endpoint import Endpoint, EndpointConfig, Standing
from tocsin.model.ids import EndpointId, IdMint
from tocsin.model.noun import Noun
from tocsin.operations.auditing import audit_entry
from tocsin.operations.documents import endpoint_shown
from tocsin.operations.endpoint_checks import check_config
from tocsin.operations.endpoint_codec import EndpointCodec, with_fields
from tocsin.operations.merge_patch import merge_patched
from tocsin.operations.signing_secrets import SigningSecrets
from tocsin.operations.template_checks import check_programs
from tocsin.ports import Directory, StoredEndpoint, Templates
from tocsin.signing import default_signing

TRIES = 5
"""How often a change is tried again when somebody else changed the endpoint in between."""
_CHANGED_BY_OTHERS = "The endpoint is being changed by others at the same time."


class Changed(Noun, frozen=True, kw_only=True):
    """An endpoint as it is now, or would be after a change that was only tried. `generated` is a signing secret that was made
    for it, to be shown once."""

    endpoint: Endpoint
    generated: str | None = None


class Endpoints:
    """Changes of endpoints, each in the audit log as made `by` somebody. `on_change` is awaited after each one is stored and
    before it is answered, so that fan-out and delivery have seen it. `standing` is asked by endpoint number; `entropy` gives n
    random bytes."""

    __slots__ = (
        "_allow_http",
        "_allow_proxy",
        "_codec",
        "_directory",
        "_mint",
        "_now_ms",
        "_on_change",
        "_secrets",
        "_sends_mail",
        "_standing",
        "_templates",
    )

    def __init__(  # noqa: PLR0913 (its parts, by name)
        self,
        directory: Directory,
        *,
        codec: EndpointCodec,
        mint: IdMint,
        now_ms: Callable[[], int],
        entropy: Callable[[int], bytes],
        allow_http: bool,
        allow_proxy: bool,
        standing: Callable[[int], Standing | None],
        templates: Templates,
        sends_mail: bool = False,
        on_change: Callable[[Endpoint], Awaitable[None]],
    ) -> None:
        self._directory = directory
        self._codec = codec
        self._mint = mint
        self._now_ms = now_ms
        self._secrets = SigningSecrets(entropy, codec.named)
        self._allow_http = allow_http
        self._allow_proxy = allow_proxy
        self._sends_mail = sends_mail
        self._standing = standing
        self._templates = templates
        self._on_change = on_change

    def shown(self, endpoint: Endpoint) -> dict[str, object]:
        """An endpoint as people see it."""
        return endpoint_shown(self._codec, endpoint, self._standing(endpoint.number), self._now_ms())

    async def create(
        self, tenant: str, document: Mapping[str, object], *, by: Actor, is_trial: bool = False
    ) -> Changed:
        """A new endpoint from its wire form; of a trial nothing is kept, its id is nobody's. Raises InvalidRequest."""
        config, generated = self._complete(self._codec.from_wire(document))
        self._check(config)
        await check_programs(config, self._templates)
        endpoint_id = self._mint.endpoint()
        new = StoredEndpoint(
            number=0,
            id=endpoint_id,
            tenant=tenant,
            revision=1,
            active_from=0,
            created_at=self._now_ms(),
            config=self._codec.encode(config, endpoint_id),
        )
        if is_trial:
            return Changed(endpoint=self._codec.endpoint_of(new), generated=generated)
        entry = self._entry(by, "endpoint.created", None, self._codec.endpoint_of(new))
        return await self._told(await self._directory.add_endpoint(new, entry), generated)

    async def draft(self, tenant: str, document: Mapping[str, object], present: Endpoint | None) -> Endpoint:
        """One from its wire form that is checked and not stored; `present` is the endpoint whose place it would take, with the
        secrets that it may keep. Raises InvalidRequest."""
        config, _ = self._complete(self._codec.from_wire(document, None if present is None else present.config))
        self._check(config)
        await check_programs(config, self._templates)
        return Endpoint(
            number=0,
            id=self._mint.endpoint(),
            tenant=tenant,
            revision=0,
            active_from=0,
            created_at=self._now_ms(),
            config=config,
        )

    async def get(self, endpoint_id: EndpointId, tenant: str | None) -> Endpoint:
        """One, seen by a tenant (None: the operator). Raises NotFound."""
        return self._codec.endpoint_of(await self._stored(endpoint_id, tenant))

    async def patch(
        self,
        endpoint_id: EndpointId,
        tenant: str | None,
        patch: Mapping[str, object],
        *,
        by: Actor,
        is_trial: bool = False,
    ) -> Changed:
        """Change it by a merge patch (RFC 7396) over its wire form. Raises NotFound, InvalidRequest, Conflict."""

        def patched(config: EndpointConfig) -> EndpointConfig:
            return self._codec.from_wire(merge_patched(self._codec.to_wire(config), patch), config)

        return await self._change(endpoint_id, tenant, patched, by, is_trial=is_trial)

    async def replace(
        self,
        endpoint_id: EndpointId,
        tenant: str | None,
        document: Mapping[str, object],
        *,
        by: Actor,
        is_trial: bool = False,
    ) -> Changed:
        """Give it exactly these settings: what is not named has its default. Three things stay that are not named: whether it is
        enabled, the secret that signs, and the one before it. Raises NotFound, InvalidRequest, Conflict."""

        def replaced(config: EndpointConfig) -> EndpointConfig:
            written = self._codec.from_wire(document, config)
            signing = written.signing or default_signing(written.format)
            return with_fields(
                written,
                enabled=written.enabled if "enabled" in document else config.enabled,
                signing=self._secrets.carried(signing, config.signing, self._now_ms()),
            )

        return await self._change(endpoint_id, tenant, replaced, by, is_trial=is_trial)

    async def switch(self, endpoint_id: EndpointId, tenant: str | None, *, enabled: bool, by: Actor) -> Changed:
        """Enable or disable. Raises NotFound, Conflict."""
        return await self._change(endpoint_id, tenant, lambda config: with_fields(config, enabled=enabled), by)

    async def rotate(
        self,
        endpoint_id: EndpointId,
        tenant: str | None,
        *,
        secret: str | None,
        overlap_seconds: float | None,
        by: Actor,
    ) -> Changed:
        """Replace the secret that signs, by a generated one if none is given; the old one signs as well for the overlap (None:
        as set). Raises NotFound, Conflict, InvalidRequest."""

        def rotated(config: EndpointConfig) -> EndpointConfig:
            signing = self._secrets.rotated(config.signing, secret, overlap_seconds, self._now_ms())
            return with_fields(config, signing=signing)

        return await self._change(endpoint_id, tenant, rotated, by, "endpoint.secret_rotated")

    async def delete(self, endpoint_id: EndpointId, tenant: str | None, *, by: Actor) -> None:
        """Delete it: its secrets are erased, what is pending for it is cancelled. Raises NotFound, Conflict."""
        for _ in range(TRIES):
            stored = await self._stored(endpoint_id, tenant)
            endpoint = self._codec.endpoint_of(stored)
            if await self._directory.remove_endpoint(stored, self._entry(by, "endpoint.deleted", endpoint, None)):
                await self._on_change(with_fields(endpoint, is_deleted=True, revision=endpoint.revision + 1))
                return
        raise Conflict(_CHANGED_BY_OTHERS)

    async def _change(
        self,
        endpoint_id: EndpointId,
        tenant: str | None,
        change: Callable[[EndpointConfig], EndpointConfig],
        by: Actor,
        action: Action | None = None,
        *,
        is_trial: bool = False,
    ) -> Changed:
        for _ in range(TRIES):
            stored = await self._stored(endpoint_id, tenant)
            before = self._codec.endpoint_of(stored)
            config, generated = self._complete(change(before.config))
            if config == before.config:
                return Changed(endpoint=before)
            if with_fields(before.config, enabled=False) != config:  # what is no longer allowed can still be disabled
                self._check(config)
            if config.format != before.config.format:
                await check_programs(config, self._templates)
            after = with_fields(before, config=config, revision=stored.revision + 1)
            if is_trial:
                return Changed(endpoint=after, generated=generated)
            changed = await self._directory.change_endpoint(
                with_fields(stored, config=self._codec.encode(config, stored.id), revision=after.revision),
                self._entry(by, action or _action(before.config, config), before, after),
                at_revision=stored.revision,
                to_head=config.enabled and not before.config.enabled,
            )
            if changed:
                return await self._told(changed, generated)
        raise Conflict(_CHANGED_BY_OTHERS)

    def _entry(self, by: Actor, action: Action, before: Endpoint | None, after: Endpoint | None) -> AuditEntry:
        endpoint = after or before
        assert endpoint is not None
        return audit_entry(
            self._mint,
            self._now_ms(),
            by,
            action,
            endpoint.id,
            tenant=endpoint.tenant,
            before=before and self.shown(before),
            after=after and self.shown(after),
        )

    async def _stored(self, endpoint_id: EndpointId, tenant: str | None) -> StoredEndpoint:
        stored = await self._directory.endpoint(endpoint_id, tenant)
        if stored is None or stored.is_deleted:
            raise NotFound
        return stored

    async def _told(self, stored: StoredEndpoint, generated: str | None) -> Changed:
        endpoint = self._codec.endpoint_of(stored)
        await self._on_change(endpoint)
        return Changed(endpoint=endpoint, generated=generated)

    def _complete(self, config: EndpointConfig) -> tuple[EndpointConfig, str | None]:
        """With its signing filled in. Gives the secret that had to be generated for it."""
        signing, generated = self._secrets.completed(config.signing or default_signing(config.format), self._now_ms())
        return with_fields(config, signing=signing), generated

    def _check(self, config: EndpointConfig) -> None:
        check_config(config, allow_http=self._allow_http, allow_proxy=self._allow_proxy, sends_mail=self._sends_mail)


def _action(before: EndpointConfig, after: EndpointConfig) -> Action:
    if with_fields(before, enabled=after.enabled) != after:
        return "endpoint.changed"
    return "endpoint.enabled" if after.enabled else "endpoint.disabled"


READ_ONLY = (
    "id",
    "tenant",
    "created_at",
    "state",
    "state_reason",
    "paused_until",
    "failing_since",
    "circuit_state",
    "consent",
)


def without_read_only(patch: Mapping[str, object], shown: Mapping[str, object]) -> dict[str, object]:
    """A patch without the read-only fields, which may be sent back as they were read. Raises InvalidRequest when one would
    change."""
    for name in READ_ONLY:
        if name in patch and patch[name] != shown.get(name):
            raise InvalidRequest.at(f"/{name}", "This field is read-only.")
    return {name: value for name, value in patch.items() if name not in READ_ONLY}
