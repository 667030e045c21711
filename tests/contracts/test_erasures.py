"""Erasures as every store keeps them: by steps, each with its progress, and safe against what comes in between."""

from __future__ import annotations

import msgspec
from tests.contracts.given import (
    NOTHING,
    Clock,
    deciding,
    delivery,
    endpoint,
    entry,
    noting,
    settlement,
    submission,
)
from tests.kit.stores import Place, Store, held, moves

from tocsin.model.erasure import Erasure, ErasureState, Progress, Subject
from tocsin.model.ids import IdMint
from tocsin.model.job import JobState, Report
from tocsin.model.replay import Replay, ReplayState
from tocsin.model.submission import Reports, Submission
from tocsin.ports import Cursor, ErasureQuery, Fanned, Holder
from tocsin.rules.accepting import Deciding
from tocsin.rules.needs import needs_of
from tocsin.rules.streaks import streak_hash

SUBJECT = Subject(tenant="acme", type="order", id="s")
NOW = 5
JOBS = {"j1": None, "j2": "nightly"}


async def given_events(store: Store, mint: IdMint, count: int, subject: str = "s") -> None:
    await store.log.accept([(submission(), NOTHING)], deciding(mint, count, subject=subject))


async def given_deliveries(store: Store, mint: IdMint, *positions: int) -> tuple[Holder, list[Fanned], int]:
    number = (await store.directory.add_endpoint(endpoint(mint), entry(mint))).number
    holder, cursor = await held(store)
    made = [delivery(mint, number, position) for position in positions]
    revision, _ = await store.directory.endpoints()
    fanned = await store.queue.fan(
        holder, moves(store, cursor, Cursor(position=max(positions))), made, directory_revision=revision
    )
    assert fanned is not None
    return holder, fanned, number


def new(mint: IdMint, subject: Subject = SUBJECT) -> Erasure:
    return Erasure(
        number=0,
        id=mint.erasure(),
        subject=subject,
        state=ErasureState.RUNNING,
        reason=None,
        last=0,
        progress=Progress(),
        created_at=NOW,
        finished_at=None,
    )


async def added(store: Store, mint: IdMint, subject: Subject = SUBJECT) -> Erasure:
    return await store.erasures.add(new(mint, subject), entry(mint, action="erasure.created"))


async def test_it_is_about_what_was_there_when_it_was_asked_for(store: Store, mint: IdMint) -> None:
    await given_events(store, mint, 2)
    await given_events(store, mint, 1, subject="other")
    erasure = await added(store, mint)
    assert erasure.last == 3
    await given_events(store, mint, 1)
    page = await store.erasures.page(erasure)
    assert ([event.position for event in page.events], page.deliveries, page.is_all) == ([1, 2], (), True)
    erasure = await store.erasures.erase_events(erasure, page.events, page.head)
    assert erasure.progress.report.events == 2
    assert (await store.erasures.page(erasure)).events == ()
    left = await store.log.read(0, 10)
    assert [(event.position, event.subject_id, event.is_erased) for event in left] == [
        (1, "", True),
        (2, "", True),
        (3, "other", False),
        (4, "s", False),
    ]


async def test_other_tenants_have_the_same_subject(store: Store, mint: IdMint) -> None:
    await given_events(store, mint, 1)
    erasure = await added(store, mint, msgspec.structs.replace(SUBJECT, tenant="other"))
    assert (await store.erasures.page(erasure)).events == ()
    assert await store.erasures.erasure(erasure.id, "acme") is None
    assert await store.erasures.erasures(ErasureQuery(tenant="acme", limit=9)) == []
    assert await store.erasures.erasures(ErasureQuery(tenant="other", limit=9)) == [erasure]


async def test_progress_and_end_are_kept(store: Store, mint: IdMint) -> None:
    first, second = await added(store, mint), await added(store, mint)
    assert await store.erasures.running() == [first, second]
    moved = await store.erasures.move(first, msgspec.structs.replace(first.progress, phase="audit", position=7))
    assert await store.erasures.erasure(first.id, "acme") == moved
    await store.erasures.end(first, ErasureState.FINISHED, None, 9)
    await store.erasures.end(first, ErasureState.FAILED, "too late", 10)
    assert await store.erasures.running() == [second]
    ended = await store.erasures.erasure(first.id, None)
    assert ended is not None
    assert (ended.state, ended.reason, ended.finished_at) == (ErasureState.FINISHED, None, 9)


async def test_a_delivery_that_is_made_meanwhile_is_not_missed(store: Store, mint: IdMint) -> None:
    await given_events(store, mint, 2)
    holder, (fanned, _), number = await given_deliveries(store, mint, 1, 2)
    erasure = await added(store, mint)
    page = await store.erasures.page(erasure)
    numbers = [one.number for one in page.deliveries]
    erasure, _ = await store.erasures.withdraw(holder, erasure, numbers, frozenset(), NOW)
    done = msgspec.structs.replace(erasure.progress, position=2, number=numbers[-1])
    erasure = await store.erasures.erase_deliveries(erasure, numbers, done)
    resent = await store.queue.resend(fanned.number, delivery(mint, number, 1), noting(mint))
    assert resent is not None
    erasure = await store.erasures.erase_events(erasure, page.events, page.head)
    assert erasure.progress.report.events == 0
    page = await store.erasures.page(erasure)
    assert resent.number in [one.number for one in page.deliveries]
    erasure, _ = await store.erasures.withdraw(holder, erasure, [resent.number], frozenset(), NOW)
    erasure = await store.erasures.erase_events(erasure, page.events, page.head)
    report = erasure.progress.report
    assert (report.events, report.deliveries, report.deliveries_cancelled) == (2, 3, 3)


async def test_nothing_is_made_of_an_erased_event(store: Store, mint: IdMint, clock: Clock) -> None:
    await given_events(store, mint, 1)
    holder, (fanned,), number = await given_deliveries(store, mint, 1)
    planned = Replay(
        number=0,
        id=mint.replay(),
        tenant="acme",
        endpoint=number,
        endpoint_id=mint.endpoint(),
        state=ReplayState.RUNNING,
        reason=None,
        filters=(),
        only="all",
        rate_per_second=None,
        new_webhook_ids=False,
        since=None,
        until=None,
        position=0,
        last=1,
        total=1,
        made=0,
        done=0,
        failed=0,
        created_at=clock(),
        finished_at=None,
    )
    replay = await store.replays.add(planned, entry(mint, action="replay.created"))
    (candidate,) = (await store.replays.candidates(replay, 0, 9)).events
    erasure = await added(store, mint)
    page = await store.erasures.page(erasure)
    await store.erasures.withdraw(holder, erasure, [fanned.number], frozenset(), NOW)
    await store.erasures.erase_events(erasure, page.events, page.head)
    assert await store.queue.resend(fanned.number, delivery(mint, number, 1), noting(mint)) is None
    replayed = delivery(mint, number, candidate.position, lane=replay.number)
    assert await store.replays.move(replay.number, 0, 1, [replayed]) is None
    assert (await store.replays.candidates(replay, 0, 9)).events == ()
    assert await store.replays.move(replay.number, 0, 1, []) == []


async def test_attempts_are_counted_once(store: Store, mint: IdMint) -> None:
    await given_events(store, mint, 1)
    holder, (fanned,), number = await given_deliveries(store, mint, 1)
    await store.queue.settle(holder, [settlement(mint, fanned.number, number, body=b"sent")])
    erasure = await added(store, mint)
    sizes = await store.erasures.attempts([fanned.number], -1)
    assert len(sizes) == 1
    assert sizes[0].size > len(b"sent")
    for _ in range(2):
        erasure = await store.erasures.erase_attempts(erasure, [one.place for one in sizes])
    assert erasure.progress.report.attempts == 1
    (attempt,) = await store.views.attempts(fanned.number, "acme")
    assert (attempt.url, attempt.request_body, attempt.outcome) == ("", b"", "delivered")
    assert await store.erasures.attempts([fanned.number], sizes[0].place) == []


async def test_of_a_job_without_a_name_not_even_its_failures_are_left(store: Store, place: Place, mint: IdMint) -> None:
    """A job with a name shares its streak with others of that name, and that one stays."""
    decide = Deciding(mint)
    reports = [
        Report(job_id=job_id, job_type="load", name=name, state=JobState.FAILED) for job_id, name in JOBS.items()
    ]
    given = Submission(tenant="acme", received_at=NOW, body=Reports(items=tuple(reports), single=False))
    await store.log.accept([(given, needs_of(given))], decide)
    for job_id in JOBS:
        assert (await added(store, mint, Subject(tenant="acme", type="job", id=job_id))).progress.report.jobs == 1
    left = await place.rows("SELECT hash FROM streak")
    assert left == [(streak_hash("load", "nightly", ""),)]
