"""The body of a live tail: server-sent events, written as fast as they are taken and no faster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Final

import msgspec

from tocsin.api.shapes import AttemptShown, EventShown, attempt_shown, event_shown
from tocsin.model.delivery import DeliveryState
from tocsin.model.event import Event
from tocsin.model.noun import Noun
from tocsin.model.watch import AttemptMade, Watch
from tocsin.operations.tails import Tails
from tocsin.operations.watchers import End, Seen, Watcher
from tocsin.ports import EventQuery, Rows, Views
from tocsin.rules.watching import shows_event

HEARTBEAT_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 1.0
"""How often it is looked whether the key still opens, when nothing is to be written. Before anything is written it is too."""
RETRY_MS: Final = 2000
"""When a browser is to come back after the connection was lost."""
CHUNK_BYTES: Final = 64 * 1024
CHUNK_SIGHTS: Final = 32
MISSED: Final = 1000
"""Events that are shown to one who comes back, at most."""
MISSED_BYTES: Final = 8 * 1024 * 1024
"""The same, for their data; a single one may be larger."""
_PAGE: Final = 250
_PAGES: Final = 20


class WatchingShown(Noun, frozen=True, kw_only=True):
    """The tail has begun: whatever is committed from now on is shown. `tenant` null: those of all."""

    tenant: str | None


class DroppedShown(Noun, frozen=True, kw_only=True):
    """So many entries were lost, because they were taken too slowly; null: nobody knows how many, because more were missed than are
    shown afterwards, or more were settled by another node than it tells. `total` is what
    was lost since the tail began."""

    count: int | None
    total: int


class EndShown(Noun, frozen=True, kw_only=True):
    """Why the tail ends: the server stops, or the key was revoked or has expired."""

    reason: End


class DeliverySeen(Noun, frozen=True, kw_only=True):
    """A delivery that an attempt was made for. `state` is what the attempt makes of it; one that was cancelled meanwhile stays so."""

    id: str
    state: DeliveryState
    event_id: str
    event_type: str
    subject_type: str
    subject_id: str


class AttemptSeen(Noun, frozen=True, kw_only=True):
    """An attempt, and the deliveries it was made for: one, or those of a batch. `endpoint_id` null: it was deleted meanwhile."""

    tenant: str
    endpoint_id: str | None
    batch_id: str | None
    deliveries: list[DeliverySeen]
    attempt: AttemptShown


class Tail:
    """A tail for one watcher. `still` is whether it may go on. `after`: events behind this position, which are in the log already,
    come first."""

    def __init__(
        self,
        tails: Tails,
        watcher: Watcher,
        views: Views,
        still: Callable[[], bool],
        *,
        after: int | None,
        bodies: bool,
    ) -> None:
        self._tails = tails
        self._watcher = watcher
        self._views = views
        self._still = still
        self._after = after
        self._bodies = bodies
        self._shown_upto = 0
        self._dropped = 0
        self._is_closed = False

    def close(self) -> None:
        """Nobody takes it any more."""
        self._is_closed = True
        self._tails.leave(self._watcher)
        self._watcher.lose(0)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Until the client is gone, the server stops, or the key does not open any more."""
        watcher = self._watcher
        begun = _message(b"watching", WatchingShown(tenant=watcher.watch.tenant))
        self._shown_upto = await self._tails.begin()
        place = b"id: %d\n" % await self._newest() if self._after is None else b""
        yield b"retry: %d\n%b%b" % (RETRY_MS, place, begun)
        if self._after is not None and watcher.watch.has_events:
            async for chunk in self._missed(self._after):
                yield chunk
        written_at = time.monotonic()
        while not self._is_closed:
            is_news = await watcher.wait(LOOK_SECONDS)
            if (end := self._end()) is not None:
                yield self._told_dropped() + _message(b"end", EndShown(reason=end))
                return
            chunk = self._told_dropped() + self._next() if is_news else b""
            if chunk:
                yield chunk
                await asyncio.sleep(0)
            elif time.monotonic() - written_at < HEARTBEAT_SECONDS:
                continue
            else:
                yield b": heartbeat\n\n"
            written_at = time.monotonic()

    def _end(self) -> End | None:
        if self._watcher.ended is not None:
            return self._watcher.ended
        return None if self._still() else "key"

    def _told_dropped(self) -> bytes:
        missed = b""
        if self._watcher.take_missed():
            missed = _message(b"dropped", DroppedShown(count=None, total=self._dropped))
        if not (count := self._watcher.take_dropped()):
            return missed
        self._dropped += count
        return missed + _message(b"dropped", DroppedShown(count=count, total=self._dropped))

    def _next(self) -> bytes:
        """What waits, as much of it as goes into one piece."""
        parts: list[bytes] = []
        size = 0
        while len(parts) < CHUNK_SIGHTS and size < CHUNK_BYTES and (seen := self._watcher.take()) is not None:
            if isinstance(seen.what, Event) and seen.what.position <= self._shown_upto:
                continue
            text = seen.texts.get(self._bodies)
            if text is None:
                text = seen.texts[self._bodies] = written(seen, bodies=self._bodies)
            parts.append(text)
            size += len(text)
        return b"".join(parts)

    async def _newest(self) -> int:
        """Where the log ends at the moment, as far as this watcher sees it: whoever is lost before there is an event comes back to
        here."""
        newest = await self._views.events(EventQuery(tenant=self._watcher.watch.tenant, limit=1))
        return newest[0].position if newest else 0

    async def _missed(self, after: int) -> AsyncGenerator[bytes, None]:
        """Events of the log behind a position, oldest first. What is committed meanwhile waits with the watcher, and may be among
        them. When something was erased since they were read, the rest of them is read anew."""
        while True:
            forgotten = self._watcher.forgotten
            found, is_all = await self._behind(after)
            if not is_all:
                yield _message(b"dropped", DroppedShown(count=None, total=self._dropped))
            for event in reversed(found):
                if self._is_closed or self._end() is not None:
                    return
                if self._watcher.forgotten != forgotten:
                    break
                yield written(Seen(event, 0), bodies=self._bodies)
                after = event.position
                await asyncio.sleep(0)
            else:
                return

    async def _behind(self, after: int) -> tuple[list[Event], bool]:
        """Those that are shown, newest first; False when there may be more of them."""
        watch = self._watcher.watch
        found: list[Event] = []
        size = 0
        before: int | None = None
        for _ in range(_PAGES):
            rows = await self._views.events(_query(watch, before))
            if rows and before is None:
                self._shown_upto = rows[0].position
            newer = [event for event in rows if event.position > after]
            for event in newer:
                if not shows_event(watch, event):
                    continue
                size += len(event.data)
                if len(found) == MISSED or (found and size > MISSED_BYTES):
                    return found, False
                found.append(event)
            if len(newer) < len(rows) or (before := _rest(rows)) is None or before <= after:
                return found, True
        return found, False


def _query(watch: Watch, before: int | None) -> EventQuery:
    return EventQuery(
        tenant=watch.tenant, limit=_PAGE, before=before, subject_type=watch.subject_type, subject_id=watch.subject_id
    )


def _rest(rows: Rows[Event]) -> int | None:
    return rows[-1].position if len(rows) == _PAGE else rows.rest


def written(seen: Seen, *, bodies: bool) -> bytes:
    """Something to see as a message of the stream. An event carries its position as the id, by which a client comes back."""
    what = seen.what
    if isinstance(what, AttemptMade):
        return _message(b"attempt", _attempt_seen(what, bodies=bodies))
    shown = event_shown(what)
    if not bodies:
        shown = msgspec.structs.replace(shown, data=msgspec.UNSET, data_base64=msgspec.UNSET)
    return b"id: %d\n%b" % (what.position, _message(b"event", shown))


def _message(name: bytes, data: EventShown | AttemptSeen | WatchingShown | DroppedShown | EndShown) -> bytes:
    text = msgspec.json.encode(data)
    if b"\n" in text or b"\r" in text:
        # Between the tokens of data that is shown as it was accepted; in strings they are escaped.
        text = b"\ndata: ".join(text.splitlines())
    return b"event: %b\ndata: %b\n\n" % (name, text)


def _attempt_seen(made: AttemptMade, *, bodies: bool) -> AttemptSeen:
    attempt = attempt_shown(made.attempt)
    if not bodies:
        answer = attempt.response and msgspec.structs.replace(attempt.response, body=None)
        attempt = msgspec.structs.replace(
            attempt, request=msgspec.structs.replace(attempt.request, body=None), response=answer
        )
    return AttemptSeen(
        tenant=made.tenant,
        endpoint_id=made.endpoint_id,
        batch_id=made.batch_id,
        deliveries=[
            DeliverySeen(
                id=claim.delivery.id,
                state=made.state,
                event_id=claim.event.id,
                event_type=claim.event.type,
                subject_type=claim.event.subject_type,
                subject_id=claim.event.subject_id,
            )
            for claim in made.claims
        ],
        attempt=attempt,
    )
