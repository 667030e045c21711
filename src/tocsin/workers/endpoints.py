"""The endpoints as the workers see them: made ready once for each revision, replaced as a whole when the directory moved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from tocsin.formats import Expressing
from tocsin.model.consent import Consent
from tocsin.model.endpoint import Endpoint, Standing
from tocsin.model.mail import MailFrom
from tocsin.operations.endpoint_codec import EndpointCodec
from tocsin.pipeline.mailing import preparation_of
from tocsin.pipeline.prepare import Preparation
from tocsin.ports import Directory, StandingStore
from tocsin.rules.matching import Interests
from tocsin.telemetry import log


class Endpoints:
    """Endpoints by number, the index of their filters, and how each stands. `followers` hear of each endpoint that is new,
    changed or removed by a reload, and what it was before. `origin` is the name under which receivers know this system, `mail_from`
    the one that mail comes from."""

    def __init__(
        self,
        directory: Directory,
        standings: StandingStore,
        codec: EndpointCodec,
        *,
        origin: str,
        mail_from: MailFrom | None = None,
    ) -> None:
        self._directory = directory
        self._standings = standings
        self._codec = codec
        self._origin = origin
        self._mail_from = mail_from
        self._reloading = asyncio.Lock()
        self.revision = 0
        self.interests = Interests.of(())
        self.prepared: dict[int, Preparation] = {}
        self.renderers: dict[int, Expressing] = {}
        self.standings: dict[int, Standing] = {}
        self.followers: list[Callable[[int, Preparation | None], None]] = []

    async def load(self) -> None:
        """At start: everything, and how each endpoint stood."""
        self.standings = {standing.endpoint: standing for standing in await self._standings.load()}
        await self.reload()

    async def reload(self) -> None:
        """Follow the directory: only what changed is read and made ready, only the tenants it belongs to are indexed anew."""
        async with self._reloading:
            revision, changed = await self._directory.endpoints(self.revision)
            before = {row.number: self.prepared.pop(row.number, None) for row in changed}
            for row in changed:
                prepared = None if row.is_deleted else self._prepare(self._codec.endpoint_of(row))
                if prepared is not None:
                    self.prepared[row.number] = prepared
                    self.renderers[row.number] = prepared.renderer
                else:
                    self.renderers.pop(row.number, None)
            tenants = {row.tenant for row in changed}
            theirs = (p.endpoint for p in self.prepared.values() if p.endpoint.tenant in tenants)
            self.interests = self.interests.replacing(tenants, theirs)
            self.revision = revision
        for number, was in before.items():
            for follower in self.followers:
                follower(number, was)

    def _prepare(self, endpoint: Endpoint) -> Preparation | None:
        try:
            return preparation_of(endpoint, self._origin, self._mail_from)
        except ValueError as error:
            # Settings are checked before they are stored; these were stored by a version that checked less.
            log.error("endpoint.unusable", endpoint=endpoint.id, problem=str(error))
            return None

    def standing(self, number: int) -> Standing | None:
        return self.standings.get(number)

    def consent(self, number: int, consent: Consent | None) -> Standing:
        """Set what the receiver of an endpoint said to deliveries."""
        present = self.standings.get(number) or Standing(endpoint=number)
        changed = self.standings[number] = msgspec.structs.replace(present, consent=consent)
        return changed

    async def keep(self, standing: Standing) -> None:
        """Store how an endpoint stands."""
        await self._standings.save(standing)
