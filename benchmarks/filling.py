"""Fills an embedded store with a day of events and deliveries, through its own ports: what it counts and indexes, it does itself."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tocsin.adapters.sqlite.store import SqliteStore
from tocsin.api.change_decoding import decode_changes
from tocsin.api.cloudevents import decode_cloudevents
from tocsin.api.decoding import decode_reports
from tocsin.model.attempt import Attempt, AttemptError, Settlement
from tocsin.model.delivery import NewDelivery, Step
from tocsin.model.exchange import ErrorKind, Response, Timings
from tocsin.model.ids import IdMint
from tocsin.model.submission import Accepted, Submission
from tocsin.ports import Cursor, Holder, Move
from tocsin.rules.accepting import Deciding
from tocsin.rules.needs import needs_of

TENANT: Final = "acme"
MINUTES: Final = 24 * 60
MINUTE_MS: Final = 60_000
SETTLED_MS: Final = 80
"""So long after it was accepted an event is settled."""
GROUP: Final = 500
REASON: Final = "schedule exhausted (status 503)"
RECORDS: Final = 200
CHILDREN: Final = 60
"""So many jobs have one parent."""
HEADERS: Final = (
    ("Host", "receiver.example"), ("User-Agent", "Tocsin"), ("Content-Type", "application/cloudevents+json"),
    ("webhook-id", "evt_019aab00-1111-7222-8333-444455556666"), ("webhook-timestamp", "1800000000"), ("webhook-attempt", "1"),
    ("webhook-signature", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
)  # fmt: skip


class Out(NamedTuple):
    """A delivery that is not settled yet."""

    number: int
    endpoint: int
    attempt: int
    accepted_at: int
    data: bytes


class _Clock:
    """Of the day that is made up: it goes on as it is told."""

    def __init__(self, minutes: int) -> None:
        self.now = time.time_ns() // 1_000_000 - minutes * MINUTE_MS

    def __call__(self) -> int:
        return self.now


class Day:
    """A day, or so many minutes, at a store that has endpoints: each event goes to all of them. The last endpoint fails, so that what it gets waits
    or is dead; others fail once in a while."""

    def __init__(self, file: Path, minutes: int = MINUTES) -> None:
        self._minutes = minutes
        self._clock = _Clock(minutes)
        self._mint = IdMint(self._clock, os.urandom)
        self._decide = Deciding(self._mint)
        self._store = SqliteStore(file, self._clock, time.monotonic)
        self._chance = random.Random(7)  # noqa: S311 (of events that are made up, the same each time)
        self._retries: list[Out] = []
        self._cursor = Cursor(position=0)
        self._jobs = 0

    async def fill(self, deliveries: int) -> int:
        """At least so many, evenly over the day. Gives how many there are."""
        revision, endpoints = await self._store.directory.endpoints()
        numbers = [one.number for one in endpoints if one.tenant == TENANT]
        holder = await self._store.holding.join("filling")
        taken = await self._store.holding.take(holder, self._store.holding.partitions)
        self._cursor = taken[0].cursor
        events = -(-deliveries // (len(numbers) * self._minutes))
        made = 0
        for _ in range(self._minutes):
            made += await self._minute(holder, numbers, events, revision)
        self._store.close()
        return made

    async def _minute(self, holder: Holder, endpoints: Sequence[int], events: int, revision: int) -> int:
        submissions = [self._submission(body) for body in self._bodies(events)]
        answers = await self._store.log.accept([(one, needs_of(one)) for one in submissions], self._decide)
        accepted = [event for one in answers if isinstance(one, Accepted) for event in one.events]
        new = [
            NewDelivery(id=self._mint.delivery(), tenant=TENANT, endpoint=endpoint, position=event.position, created_at=self._clock.now)
            for event in accepted
            for endpoint in endpoints
        ]  # fmt: skip
        cursor = Cursor(position=accepted[-1].position)
        moves = [Move(partition=0, old=self._cursor, new=cursor)]
        fanned = await self._store.queue.fan(holder, moves, new, directory_revision=revision)
        assert fanned is not None
        self._cursor = cursor
        data = {event.position: event.data for event in accepted}
        out = [
            Out(placed.number, one.endpoint, 1, self._clock.now, data[one.position])
            for placed, one in zip(fanned, new, strict=True)
        ]
        self._clock.now += SETTLED_MS
        out, self._retries = [*self._retries, *out], []
        for first in range(0, len(out), GROUP):
            group = [self._settled(one, endpoints[-1]) for one in out[first : first + GROUP]]
            await self._store.queue.settle(holder, group)
        self._clock.now += MINUTE_MS - SETTLED_MS
        return len(new)

    def _submission(self, body: bytes) -> Submission:
        document = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        if "specversion" in document:
            return Submission(
                tenant=TENANT,
                received_at=self._clock.now,
                body=decode_cloudevents(body, "application/cloudevents+json", {}),
            )
        _, read = decode_reports(body) if "job_id" in document else decode_changes(body)
        return Submission(tenant=TENANT, received_at=self._clock.now, body=read)

    def _bodies(self, events: int) -> Iterator[bytes]:
        """Orders, changes of records and jobs, a third of each; a new job makes two events."""
        count = 0
        while count < events:
            chance = self._chance.random()
            if chance < 0.2:
                count += 3
                yield from self._job()
            elif chance < 0.5:
                count += 1
                yield _json(_change(self._chance))
            else:
                count += 1
                yield _json(_order(self._chance))

    def _job(self) -> Iterator[bytes]:
        night, child = divmod(self._jobs, CHILDREN)
        self._jobs += 1
        parent = f"nightly-{night}"
        if child == 0:
            yield _json({"job_id": parent, "job_type": "nightly", "name": f"Night {night}", "state": "running"})
        report: dict[str, object] = {
            "job_id": f"load-{self._jobs}",
            "job_type": "load_source",
            "name": f"Load of source {self._jobs % 40}",
        }
        yield _json(report | {"state": "running", "parent_job_id": parent, "details": "Step 1 of 3"})
        end: dict[str, object] = {"state": "succeeded"}
        if self._chance.random() < 0.02:
            end = {"state": "failed", "error": {"reason": "LOAD_FAILED", "message": "The source went away."}}
        yield _json(report | end)

    def _settled(self, out: Out, failing: int) -> Settlement:
        """What came of an attempt."""
        step = Step.SUCCEED
        if out.endpoint == failing or self._chance.random() < 0.005:
            is_dead = out.attempt > 1 and (out.endpoint != failing or self._chance.random() < 0.5)
            step = Step.GIVE_UP if is_dead else Step.RETRY
        later = self._clock.now + 12 * 60 * MINUTE_MS
        if step is Step.RETRY and out.attempt == 1:
            self._retries.append(out._replace(attempt=2))
        return Settlement(
            delivery=out.number,
            endpoint=out.endpoint,
            lane=0,
            step_taken=step,
            reason=REASON if step is Step.GIVE_UP else None,
            due_at=later if step is Step.RETRY else 0,
            schedule_step=out.attempt,
            at_once=0,
            attempt=self._attempt(out, step, later if step is Step.RETRY else None),
            settled_at=self._clock.now,
            ends=step is not Step.RETRY,
            accepted_at=out.accepted_at,
        )

    def _attempt(self, out: Out, step: Step, later: int | None) -> Attempt:
        millis = self._chance.uniform(4, 60)
        is_good = step is Step.SUCCEED
        body = b"" if is_good else b"try again later"
        return Attempt(
            id=self._mint.attempt(),
            number=out.attempt,
            started_at=self._clock.now,
            outcome="delivered" if is_good else "retry",
            error=None if is_good else AttemptError(kind=ErrorKind.STATUS, message="The receiver answered 503."),
            url="https://receiver.example/hooks",
            request_headers=HEADERS,
            request_body=out.data,
            request_body_bytes=len(out.data),
            response=Response(
                status=204 if is_good else 503, headers=(("Server", "example"),), body=body, body_bytes=len(body)
            ),
            timings=Timings(resolve=1.0, connect=2.0, first_byte=millis, total=millis + 0.5),
            address="198.51.100.7",
            next_attempt_at=later,
        )


def _order(chance: random.Random) -> dict[str, object]:
    number = chance.getrandbits(40)
    lines = [{"article": f"a-{n}", "count": n, "price": "12.90"} for n in range(chance.randrange(1, 12))]
    return {
        "specversion": "1.0", "id": f"A-{number}", "source": "https://shop.example/orders", "subject": f"order-{number % 5000}",
        "type": chance.choice(("order.created", "order.paid", "order.shipped")), "data": {"lines": lines},
    }  # fmt: skip


def _change(chance: random.Random) -> dict[str, object]:
    """Of one of the records; the first of them changes most."""
    number = min(chance.randrange(RECORDS), chance.randrange(RECORDS))
    data = {
        "name": f"Customer {number}",
        "city": chance.choice(("Bonn", "Oslo", "Lyon")),
        "rating": chance.randrange(100),
    }
    return {"action": "update", "table": "customers", "record": {"id": f"c-{number}", "data": data}}


def _json(document: dict[str, object]) -> bytes:
    return msgspec.json.encode(document)
