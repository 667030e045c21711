"""The live tail: what was just committed, handed to whoever watches. Nobody waits for a watcher.

The loops of the server hand over whole commit groups, and only while somebody watches (`is_watched`, and of attempts
`wants_attempts`). What is handed over is looked through in slices of the event loop; what a watcher has no room for is lost to it,
and counted. Where several processes share a store, `shared` reads events from the log and hears of attempts elsewhere.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import Final, Protocol

from tocsin.errors import TooManyWatchers
from tocsin.model.attempt import Settlement
from tocsin.model.batch import BatchSettlement
from tocsin.model.delivery import TRANSITIONS, Claim, DeliveryState
from tocsin.model.event import Event
from tocsin.model.ids import EndpointId
from tocsin.model.watch import AttemptMade, Watch
from tocsin.operations.watchers import Seen, Watcher
from tocsin.rules.watching import shows

WATCHERS: Final = 128
WATCHERS_OF_ONE: Final = 32
"""Watchers with keys of one tenant, or of the operators, at the same time."""
WAITING: Final = 8192
WAITING_BYTES: Final = 16 * 1024 * 1024
"""What waits to be looked through, at most."""
SLICE_SECONDS: Final = 0.0005
RETRY_AFTER_SECONDS: Final = 10
_OVERHEAD_BYTES: Final = 512


class Shared(Protocol):
    """What feeds the tails where several processes share a store."""

    async def begin(self) -> int:
        """From now on; events up to this position were there before."""

    def committed(self) -> None:
        """Events were accepted here, or attempts written down."""

    def settled(self, names: Sequence[tuple[int, int]]) -> None:
        """Attempts were written down here: delivery and number; a batch is named by its number below zero."""

    def let_go(self, tenant: str) -> None:
        """Others are to keep nothing of a tenant either."""


class Tails:
    """All watchers of this process. `id_of` gives the id of an endpoint by its number, None when it was deleted."""

    def __init__(self, id_of: Callable[[int], EndpointId | None]) -> None:
        self._id_of = id_of
        self._watchers: dict[str | None, list[Watcher]] = {}
        self._waiting: deque[Seen] = deque()
        self._later: list[Seen] = []
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._is_over = False
        self.is_watched = False
        self.shared: Shared | None = None
        self.is_watched_elsewhere: Callable[[], bool] | None = None
        """Whether other processes want to hear of attempts."""

    @property
    def wants_attempts(self) -> bool:
        """Whether somebody watches, here or elsewhere."""
        return self.is_watched or (self.is_watched_elsewhere is not None and self.is_watched_elsewhere())

    def watch(self, watch: Watch, group: str | None) -> Watcher:
        """A new watcher, from now on. `group` is the tenant of its key, None for an operator's. Raises TooManyWatchers."""
        everybody = list(self.watchers())
        of_one = sum(watcher.group == group for watcher in everybody)
        if len(everybody) >= WATCHERS or of_one >= WATCHERS_OF_ONE:
            raise TooManyWatchers(retry_after_seconds=RETRY_AFTER_SECONDS)
        watcher = Watcher(watch, group)
        if self._is_over:
            watcher.end("stopping")
        self._watchers.setdefault(watch.tenant, []).append(watcher)
        self.is_watched = True
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """It watches no more; to leave twice does nothing."""
        tenant = watcher.watch.tenant
        left = [one for one in self._watchers.get(tenant, ()) if one is not watcher]
        if left:
            self._watchers[tenant] = left
        else:
            self._watchers.pop(tenant, None)
        self.is_watched = bool(self._watchers)

    def watchers(self) -> Iterable[Watcher]:
        """Everybody who watches."""
        return (watcher for some in self._watchers.values() for watcher in some)

    def end(self) -> None:
        """The server stops: every tail ends at once."""
        self._is_over = True
        for watcher in self.watchers():
            watcher.end("stopping")

    def let_go(self, tenant: str) -> None:
        """Keep nothing of a tenant that nobody has taken yet, here or elsewhere: something of it is being erased."""
        self.let_go_here(tenant)
        if self.shared is not None:
            self.shared.let_go(tenant)

    def let_go_here(self, tenant: str | None) -> None:
        """Keep nothing of it in this process; None: of no tenant."""
        lost = [seen for seen in self._waiting if tenant in {None, seen.what.tenant}]
        self._waiting = deque(seen for seen in self._waiting if tenant not in {None, seen.what.tenant})
        self._later = [seen for seen in self._later if tenant not in {None, seen.what.tenant}]
        for seen in lost:
            self._bytes -= seen.size
            self._lose(seen)
        for watcher in self.watchers() if tenant is None else self._watching(tenant):
            watcher.let_go()

    def tapped(self, committed: Callable[[Sequence[Event]], None]) -> Callable[[Sequence[Event]], None]:
        """`committed`, and then, if somebody watches, the watchers hear of the events."""

        def told(events: Sequence[Event]) -> None:
            committed(events)
            if self.is_watched:
                if self.shared is None:
                    self.accepted(events)
                else:
                    self.shared.committed()

        return told

    async def begin(self) -> int:
        """Whatever is committed from now on is shown to those who watch; events up to this position were there before."""
        return 0 if self.shared is None else await self.shared.begin()

    def accepted(self, events: Sequence[Event]) -> None:
        """Events are in the log."""
        self._add(Seen(event, len(event.data)) for event in events if self._is_seen(event.tenant))

    def made(self, attempts: Sequence[AttemptMade]) -> None:
        """Attempts were written down by another process."""
        self._add(_seen(made) for made in attempts if made.claims and self._is_seen(made.tenant))

    def lose_some(self) -> None:
        """Attempts of another process are lost, and whose is not known."""
        for watcher in self.watchers():
            if watcher.watch.has_attempts:
                watcher.lose_some()

    def settled(self, settlements: Sequence[Settlement]) -> None:
        """Attempts were written down."""
        if self._is_told:
            self._tell([(settlement.delivery, settlement.attempt.number) for settlement in settlements])
        self._add_attempts(
            _seen(self._made(settlement, settlement.claim))
            for settlement in settlements
            if settlement.claim is not None and self._is_seen(settlement.claim.delivery.tenant)
        )

    def batch_settled(self, settlement: BatchSettlement, members: tuple[Claim, ...]) -> None:
        """The attempt of a batch was written down."""
        batch = settlement.batch
        if self._is_told:
            self._tell([(-batch.number, settlement.attempt.number)])
        if not self._is_seen(batch.tenant):
            return
        made = AttemptMade(
            tenant=batch.tenant,
            endpoint_id=self._id_of(batch.endpoint),
            batch_id=batch.id,
            state=DeliveryState.PENDING if settlement.state == "split" else DeliveryState(settlement.state),
            attempt=settlement.attempt,
            claims=members,
        )
        self._add_attempts((_seen(made),))

    def _add_attempts(self, seen: Iterable[Seen]) -> None:
        """Their events come first: where those are read from the log, attempts wait for them."""
        if self.shared is None:
            self._add(seen)
        elif self.is_watched:
            self._later.extend(seen)
            for lost in self._later[:-WAITING]:
                self._lose(lost)
            del self._later[:-WAITING]
            self.shared.committed()

    def take_later(self) -> list[Seen]:
        """Attempts whose events are in the log."""
        later, self._later = self._later, []
        return later

    def show(self, seen: Sequence[Seen]) -> None:
        """Everything before these was shown."""
        self._add(seen)

    @property
    def _is_told(self) -> bool:
        return self.is_watched_elsewhere is not None and self.is_watched_elsewhere()

    def _tell(self, names: Sequence[tuple[int, int]]) -> None:
        if self.shared is not None:
            self.shared.settled(names)

    def _made(self, settlement: Settlement, claim: Claim) -> AttemptMade:
        return AttemptMade(
            tenant=claim.delivery.tenant,
            endpoint_id=self._id_of(settlement.endpoint),
            batch_id=None,
            state=TRANSITIONS[DeliveryState.PENDING, settlement.step_taken],
            attempt=settlement.attempt,
            claims=(claim,),
        )

    def _is_seen(self, tenant: str) -> bool:
        return tenant in self._watchers or None in self._watchers

    def _watching(self, tenant: str) -> Iterable[Watcher]:
        return (*self._watchers.get(tenant, ()), *self._watchers.get(None, ()))

    def _add(self, seen: Iterable[Seen]) -> None:
        for one in seen:
            self._waiting.append(one)
            self._bytes += one.size
        while len(self._waiting) > WAITING or self._bytes > WAITING_BYTES:
            lost = self._waiting.popleft()
            self._bytes -= lost.size
            self._lose(lost)
        if self._waiting and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="tails")

    def _lose(self, seen: Seen) -> None:
        """It was not looked at: it counts for all who may have been shown it."""
        for watcher in self._watching(seen.what.tenant):
            watcher.lose(1)

    async def _run(self) -> None:
        """Offer what waits to whom it is shown, a slice at a time."""
        try:
            while self._waiting:
                end = monotonic() + SLICE_SECONDS
                self._offer(self._waiting.popleft())
                while self._waiting and monotonic() < end:
                    self._offer(self._waiting.popleft())
                await asyncio.sleep(0)
        finally:
            self._task = None

    def _offer(self, seen: Seen) -> None:
        self._bytes -= seen.size
        for watcher in self._watching(seen.what.tenant):
            if shows(watcher.watch, seen.what):
                watcher.offer(seen)


def _seen(made: AttemptMade) -> Seen:
    attempt = made.attempt
    answered = 0 if attempt.response is None else len(attempt.response.body)
    events = sum(len(claim.event.data) for claim in made.claims)
    return Seen(made, len(attempt.request_body) + answered + events + _OVERHEAD_BYTES)
