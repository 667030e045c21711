"""What other processes on the same store have changed is read anew here: data keys, API keys, endpoints, how they stand; and what
was wished elsewhere of endpoints that are held here is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Protocol

from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.model.audit import AuditEntry
from tocsin.model.consent import Consent
from tocsin.model.endpoint import Endpoint, Standing
from tocsin.ports import Fenced, Hint, Revisions, SharedStandings, Taken, Wish
from tocsin.telemetry import log
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.held import Held

_RETRY_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = 5.0
"""How often it is looked whether the master key that was missing is given now."""


class Follows(Protocol):
    """A part that reads anew what others may have changed."""

    async def follow(self) -> None:
        """Raises StoreUnavailable."""


class FollowsDataKeys(Follows, Protocol):
    """The data keys. `problem`: why one that another process made cannot be opened here."""

    @property
    def problem(self) -> str | None: ...


class Announcing:
    """Tells the other processes that something moved. Until `tell` is set there is nobody to be told."""

    __slots__ = ("tell",)

    def __init__(self) -> None:
        self.tell: Callable[[Hint], None] | None = None

    def changed(self) -> None:
        """They should look at the revisions."""
        if self.tell is not None:
            self.tell(Hint(changed=True))


class Following:
    """Hears of revisions that moved, and of what is taken. `resume` and `consented` (None: not yet) are told of wishes for
    endpoints that are held."""

    def __init__(
        self,
        *,
        held: Held,
        endpoints: Endpoints,
        standings: SharedStandings | None,
        api_keys: Follows,
        data_keys: FollowsDataKeys,
        resume: Callable[[int], None],
    ) -> None:
        self._held = held
        self._endpoints = endpoints
        self._standings = standings
        self._resume = resume
        self.consented: Callable[[int, Consent], Awaitable[None]] | None = None
        self._data_keys = data_keys
        self._steps: dict[str, Callable[[], Awaitable[None]]] = {
            "data_keys": data_keys.follow,
            "api_keys": api_keys.follow,
            "endpoints": endpoints.reload,
            "standings": self.follow_standings,
        }
        self._wanted: set[str] = set()
        self._revision = 0
        self._turn = asyncio.Lock()
        self._news = asyncio.Event()
        self._is_stopping = False

    def moved(self, before: Revisions | None, now: Revisions) -> None:
        """Others, or this process itself, changed something since the revisions `before`."""
        self._want(*(what for what in self._steps if before is None or getattr(before, what) != getattr(now, what)))

    async def taken(self, taken: Sequence[Taken]) -> None:
        """How these endpoints stand is what the one that held them has written."""
        await self._endpoints.reload()
        await self.follow_standings(frozenset(one.partition for one in taken))

    async def giving_back(self, partitions: frozenset[int]) -> None:
        """What memory has of them stays, until others write something else."""

    def lost(self) -> None:
        """What memory has may not have been written."""
        self._revision = 0
        self._want("standings")

    def stop(self) -> None:
        self._is_stopping = True
        self._news.set()

    async def run(self) -> None:
        """Until stopped. What cannot be read now is read later; data keys first, since they open the rest."""
        while not self._is_stopping:
            try:
                async with asyncio.timeout(None if self._data_keys.problem is None else _LOOK_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                self._wanted.add("data_keys")
            self._news.clear()
            for what in [what for what in self._steps if what in self._wanted]:
                self._wanted.discard(what)
                try:
                    await self._steps[what]()
                except (StoreUnavailable, StorageFull) as error:
                    log.error("following.waits", what=what, problem=error.slug)
                    asyncio.get_running_loop().call_later(_RETRY_SECONDS, partial(self._want, what))

    async def follow_standings(self, fresh: frozenset[int] = frozenset()) -> None:
        """Read what others wrote of standings. Memory knows better of what is held here, but for `fresh` partitions."""
        if self._standings is None:
            return
        async with self._turn:
            is_whole = not self._revision
            found = await self._standings.since(self._revision)
            ours = (self._held.partitions | self._held.leaving) - fresh
            self._endpoints.stood(found.standings, lambda tenant: self._is_in(tenant, ours), is_whole=is_whole)
            self._revision = found.revision
            done = [number for number, wish in found.wishes if await self._fulfilled(wish)]
            if done:
                await self._standings.fulfil(done)

    async def _fulfilled(self, wish: Wish) -> bool:
        """Whether it is for this process to do, and done."""
        known = self._endpoints.prepared.get(wish.endpoint)
        if known is None or not self._held.holds(known.endpoint.tenant):
            return False
        if wish.consent is not None:
            if self.consented is None:
                return False
            await self.consented(wish.endpoint, wish.consent)
            return True
        holder = self._held.holder
        self._resume(wish.endpoint)
        standing = self._endpoints.standing(wish.endpoint)
        try:
            if standing is not None:
                await self._endpoints.keep(holder, standing)
        except Fenced:
            return False
        return True

    def _is_in(self, tenant: str, partitions: frozenset[int]) -> bool:
        return self._held.partition_of(tenant) in partitions

    def _want(self, *what: str) -> None:
        if what:
            self._wanted.update(what)
            self._news.set()


class OtherHolders:
    """`ports.Elsewhere`: endpoints that another process may hold."""

    def __init__(
        self,
        held: Held,
        endpoints: Endpoints,
        standings: SharedStandings,
        refresh: Callable[[], Awaitable[None]],
        announcing: Announcing,
    ) -> None:
        self._held = held
        self._endpoints = endpoints
        self._standings = standings
        self._refresh = refresh
        self._announcing = announcing

    def holds(self, endpoint: Endpoint) -> bool:
        return self._held.holds(endpoint.tenant)

    async def refresh(self) -> None:
        await self._refresh()

    async def wish(self, wish: Wish, standing: Standing, entry: AuditEntry | None = None) -> None:
        await self._standings.wish(wish, entry)
        self._endpoints.standings[wish.endpoint] = standing
        self._announcing.changed()
