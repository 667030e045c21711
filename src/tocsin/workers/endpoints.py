"""The endpoints as the workers see them: made ready once for each revision, replaced as a whole when the directory moved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tocsin.formats import Renderer
from tocsin.model.endpoint import Endpoint, Standing
from tocsin.operations.endpoint_codec import EndpointCodec
from tocsin.pipeline.prepare import Preparation
from tocsin.ports import Directory, StandingStore
from tocsin.rules.matching import Interests
from tocsin.telemetry import log


class Endpoints:
    """Endpoints by number, the index of their filters, and how each stands. `changed` hears of each endpoint that is new,
    changed or removed by a reload, and what it was before."""

    def __init__(self, directory: Directory, standings: StandingStore, codec: EndpointCodec) -> None:
        self._directory = directory
        self._standings = standings
        self._codec = codec
        self._reloading = asyncio.Lock()
        self.revision = 0
        self.interests = Interests.of(())
        self.prepared: dict[int, Preparation] = {}
        self.renderers: dict[int, Renderer] = {}
        self.standings: dict[int, Standing] = {}
        self.changed: Callable[[int, Preparation | None], None] = lambda _, __: None

    async def load(self) -> None:
        """At start: everything, and how each endpoint stood."""
        self.standings = {standing.endpoint: standing for standing in await self._standings.load()}
        await self.reload()

    async def reload(self) -> None:
        """Follow the directory. Endpoints that did not change keep what was made for them."""
        async with self._reloading:
            revision, stored = await self._directory.endpoints()
            if revision == self.revision:
                return
            before = self.prepared
            prepared: dict[int, Preparation] = {}
            for row in stored:
                known = before.get(row.number)
                if known is None or known.endpoint.revision != row.revision:
                    known = self._prepare(self._codec.endpoint_of(row)) or known
                if known is not None:
                    prepared[row.number] = known
            self.prepared = prepared
            self.renderers = {number: preparation.renderer for number, preparation in prepared.items()}
            self.interests = Interests.of(preparation.endpoint for preparation in prepared.values())
            self.revision = revision
        for number in before.keys() | prepared.keys():
            if before.get(number) is not prepared.get(number):
                self.changed(number, before.get(number))

    @staticmethod
    def _prepare(endpoint: Endpoint) -> Preparation | None:
        try:
            return Preparation(endpoint)
        except ValueError as error:
            # Settings are checked before they are stored; these were stored by a version that checked less.
            log.error("endpoint.unusable", endpoint=endpoint.id, problem=str(error))
            return None

    def standing(self, number: int) -> Standing | None:
        return self.standings.get(number)

    async def keep(self, standing: Standing) -> None:
        """Store how an endpoint stands."""
        await self._standings.save(standing)
