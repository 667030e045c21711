"""The endpoints as the workers see them: made ready once for each revision, followed one by one when the directory moved."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from tocsin.errors import Misconfigured
from tocsin.formats import Expressing
from tocsin.model.consent import Consent
from tocsin.model.endpoint import Endpoint, Standing
from tocsin.model.ids import EndpointId
from tocsin.model.mail import MailFrom
from tocsin.model.notice import Notice
from tocsin.operations.endpoint_codec import EndpointCodec
from tocsin.pipeline.mailing import preparation_of
from tocsin.pipeline.prepare import Preparation
from tocsin.ports import Directory, Holder, StandingStore, StoredEndpoint
from tocsin.rules.interests import Interests
from tocsin.telemetry import log

YIELD_AFTER_SECONDS: Final = 0.001
"""How long the event loop is kept from others while many changed endpoints are made ready."""


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
        self.unlock: Callable[[], Awaitable[None]] | None = None
        """Read data keys that others made: something does not open."""
        self.kept: Callable[[], None] | None = None
        """Told when it was stored how an endpoint stands."""

    async def load(self) -> None:
        """At start: everything, and how each endpoint stood."""
        self.standings = {standing.endpoint: standing for standing in await self._standings.load()}
        await self.reload()

    async def reload(self) -> None:
        """Follow the directory: only what changed is read, made ready and indexed anew. Until all of it is, the revision is the
        one before, so that fan-out, which names it, changes nothing in the meantime."""
        async with self._reloading:
            revision, changed = await self._directory.endpoints(self.revision)
            began = time.monotonic()
            for row in changed:
                try:
                    self._follow(row)
                except Misconfigured:
                    if self.unlock is None:
                        raise
                    await self.unlock()
                    self._follow(row)
                if time.monotonic() - began > YIELD_AFTER_SECONDS:
                    await asyncio.sleep(0)
                    began = time.monotonic()
            self.revision = revision

    def _follow(self, row: StoredEndpoint) -> None:
        number = row.number
        prepared = None if row.is_deleted else self._prepare(self._codec.endpoint_of(row))
        before = self.prepared.pop(number, None)
        if row.is_deleted:
            self.standings.pop(number, None)
        if prepared is None:
            self.renderers.pop(number, None)
            self.interests.remove(number)
        else:
            self.prepared[number] = prepared
            self.renderers[number] = prepared.renderer
            self.interests.put(prepared.endpoint)
        for follower in self.followers:
            follower(number, before)

    def _prepare(self, endpoint: Endpoint) -> Preparation | None:
        try:
            return preparation_of(endpoint, self._origin, self._mail_from)
        except ValueError as error:
            # Settings are checked before they are stored; these were stored by a version that checked less.
            log.error("endpoint.unusable", endpoint=endpoint.id, problem=str(error))
            return None

    def standing(self, number: int) -> Standing | None:
        return self.standings.get(number)

    async def standings_of(self, tenant: str | None) -> list[tuple[Endpoint, Standing]]:
        """Those endpoints of a tenant (None: of all) that ever failed, paused or were asked for consent, and how they stand."""
        found: list[tuple[Endpoint, Standing]] = []
        began = time.monotonic()
        for number, standing in tuple(self.standings.items()):
            preparation = self.prepared.get(number)
            if preparation is not None and tenant in {None, preparation.endpoint.tenant}:
                found.append((preparation.endpoint, standing))
            if time.monotonic() - began > YIELD_AFTER_SECONDS:
                await asyncio.sleep(0)
                began = time.monotonic()
        return found

    def stood(self, standings: Sequence[Standing], is_ours: Callable[[str], bool], *, is_whole: bool) -> None:
        """How other processes left endpoints standing; `is_ours` tells by its tenant of what endpoint memory knows better. `is_whole`:
        those that are not among them have nothing but the consent that they wait for."""
        theirs = {
            standing.endpoint: standing for standing in standings if not self._is_known(standing.endpoint, is_ours)
        }
        if is_whole:
            for number in self.standings.keys() - theirs.keys():
                if self._is_known(number, is_ours):
                    continue
                if (consent := self.standings.pop(number).consent) is not None:
                    self.standings[number] = Standing(endpoint=number, consent=consent)
        self.standings.update(theirs)

    def _is_known(self, number: int, is_ours: Callable[[str], bool]) -> bool:
        prepared = self.prepared.get(number)
        return prepared is not None and is_ours(prepared.endpoint.tenant)

    def consent(self, number: int, consent: Consent | None) -> Standing:
        """Set what the receiver of an endpoint said to deliveries."""
        present = self.standings.get(number) or Standing(endpoint=number)
        changed = self.standings[number] = msgspec.structs.replace(present, consent=consent)
        return changed

    def name_of(self, number: int) -> str:
        """The name of an endpoint; none once it was deleted."""
        preparation = self.prepared.get(number)
        return "" if preparation is None else preparation.endpoint.config.name

    def id_of(self, number: int) -> EndpointId | None:
        """The id of an endpoint; None once it was deleted."""
        preparation = self.prepared.get(number)
        return None if preparation is None else preparation.endpoint.id

    async def keep(self, holder: Holder, standing: Standing, notice: Notice | None = None) -> None:
        """Store how an endpoint stands, as it is known when this begins, and what is told of it. Raises Fenced when the holder was."""
        await self._standings.save(holder, self.standings.get(standing.endpoint, standing), notice)
        if self.kept is not None:
            self.kept()
