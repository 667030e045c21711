"""An endpoint that is paused is sent to again at once: somebody knows that its receiver is well."""

from __future__ import annotations

from collections.abc import Callable

from tocsin.errors import Conflict
from tocsin.model.audit import Actor
from tocsin.model.endpoint import Endpoint, Standing
from tocsin.model.ids import EndpointId, IdMint, Millis
from tocsin.operations.auditing import audit_entry
from tocsin.operations.documents import endpoint_shown
from tocsin.operations.endpoint_codec import EndpointCodec
from tocsin.operations.endpoints import Endpoints
from tocsin.ports import Directory, Elsewhere, Wish
from tocsin.rules.health import began_anew


class Resuming:
    """`standing` is asked by endpoint number, and `resume` told it: nothing that failed before counts any more. Where another process
    may hold the endpoint, `elsewhere` has it done there."""

    __slots__ = ("_codec", "_directory", "_elsewhere", "_endpoints", "_mint", "_now_ms", "_resume", "_standing")

    def __init__(
        self,
        endpoints: Endpoints,
        directory: Directory,
        codec: EndpointCodec,
        *,
        standing: Callable[[int], Standing | None],
        resume: Callable[[int], None],
        elsewhere: Elsewhere | None = None,
        mint: IdMint,
        now_ms: Callable[[], Millis],
    ) -> None:
        self._endpoints = endpoints
        self._directory = directory
        self._codec = codec
        self._standing = standing
        self._resume = resume
        self._elsewhere = elsewhere
        self._mint = mint
        self._now_ms = now_ms

    async def resume(self, endpoint_id: EndpointId, tenant: str | None, *, by: Actor) -> Endpoint:
        """End its pauses: the one that its receiver asked for, and that of an open circuit. Consent that is missing it still waits
        for, and a delivery that was answered with a time keeps that. Raises NotFound; Conflict when it is disabled."""
        endpoint = await self._endpoints.get(endpoint_id, tenant)
        if not endpoint.config.enabled:
            raise Conflict("The endpoint is disabled: enable it.")
        is_elsewhere = self._elsewhere is not None and not self._elsewhere.holds(endpoint)
        if self._elsewhere is not None and is_elsewhere:
            await self._elsewhere.refresh()
        standing = self._standing(endpoint.number)
        if standing is None or (fresh := began_anew(standing)) == standing:
            return endpoint
        now = self._now_ms()
        before, after = (endpoint_shown(self._codec, endpoint, one, now) for one in (standing, fresh))
        entry = audit_entry(
            self._mint, now, by, "endpoint.resumed", endpoint.id, tenant=endpoint.tenant, before=before, after=after
        )
        if self._elsewhere is not None and is_elsewhere:
            await self._elsewhere.wish(Wish(endpoint=endpoint.number), fresh, entry)
        else:
            await self._directory.note(entry)
            self._resume(endpoint.number)
        return endpoint
