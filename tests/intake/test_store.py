"""What the store keeps of the intake: cursors that move with the accept or not at all, and receipts."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from tocsin.adapters.postgres.store import PostgresStore
from tocsin.errors import InvalidRequest, TocsinError, VersionConflict
from tocsin.model.ids import IdMint
from tocsin.model.intake import IntakeCursor, Taking
from tocsin.model.job import JobState, Report
from tocsin.model.submission import Accepted, Needs, Reports, Submission
from tocsin.ports import Fenced, Holder, Neighbour
from tocsin.rules.accepting import Deciding
from tocsin.rules.intake import receipt_id
from tocsin.rules.needs import needs_of

NODE = "0123456789ab"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


DECIDE = Deciding(IdMint(now_ms, os.urandom))


@pytest.fixture
async def store(database: str) -> AsyncIterator[PostgresStore]:
    opened = await PostgresStore.open(database, now_ms, time.monotonic)
    await opened.intake.adopt("first", 4)
    yield opened
    await opened.close()


def taking(
    number: int, *, late: bool = False, problem: TocsinError | None = None, job: str = "job"
) -> tuple[Taking, Needs]:
    body = Reports(items=(Report(job_id=f"{job}-{number}", job_type="load", state=JobState.RUNNING),), single=True)
    submission = Submission(tenant="acme", received_at=now_ms(), body=body)
    made = Taking(
        partition=1,
        sequence=10 + number,
        node=NODE,
        number=number,
        tenant="acme",
        receipt=receipt_id(NODE, number, 1, "acme"),
        route="/v1/jobs/reports",
        received_at=submission.received_at,
        submission=problem or submission,
        is_late=late,
    )
    return made, needs_of(submission)


def cursor(number: int) -> IntakeCursor:
    return IntakeCursor(sequence=10 + number, numbers={NODE: number})


BEGIN = IntakeCursor(sequence=0)


async def positions(store: PostgresStore) -> tuple[int, int]:
    """How many events there are, and where the cursor is."""
    return await store.log.head(), (await store.intake.cursors())[1][1].sequence


async def test_the_cursor_moves_with_the_accept(store: PostgresStore) -> None:
    holder = await store.holding.join("a")
    answers = await store.intake.accept(holder, "first", [taking(1), taking(2)], {1: (BEGIN, cursor(2))}, DECIDE)
    assert answers is not None
    assert [type(answer) for answer in answers] == [Accepted, Accepted]
    assert await positions(store) == (4, 12)
    assert (await store.intake.cursors())[0] == "first"
    assert (await store.intake.cursors())[1][1].numbers == {NODE: 2}


async def test_what_was_read_before_is_not_accepted_again(store: PostgresStore) -> None:
    holder = await store.holding.join("a")
    move = {1: (BEGIN, cursor(1))}
    assert await store.intake.accept(holder, "first", [taking(1)], move, DECIDE) is not None
    assert await store.intake.accept(holder, "first", [taking(1, job="other")], move, DECIDE) is None
    assert await positions(store) == (2, 11)


async def test_another_incarnation_moves_nothing(store: PostgresStore) -> None:
    holder = await store.holding.join("a")
    assert await store.intake.accept(holder, "second", [taking(1)], {1: (BEGIN, cursor(1))}, DECIDE) is None
    assert await positions(store) == (0, 0)
    await store.intake.adopt("second", 4)
    assert (await store.intake.cursors())[0] == "first"


async def test_one_that_was_fenced_moves_nothing(store: PostgresStore) -> None:
    holder = await store.holding.join("a")
    other = await store.holding.join("b")
    assert await store.holding.fence(other, Neighbour(epoch=holder.epoch, name="a", beats=0))
    with pytest.raises(Fenced):
        await store.intake.accept(holder, "first", [taking(1)], {1: (BEGIN, cursor(1))}, DECIDE)
    assert await positions(store) == (0, 0)
    with pytest.raises(Fenced):
        await store.intake.accept(Holder(epoch=99), "first", [], {1: (BEGIN, cursor(1))}, DECIDE)
    assert await store.intake.accept(other, "first", [taking(1)], {1: (BEGIN, cursor(1))}, DECIDE) is not None
    assert await positions(store) == (2, 11)


async def test_one_that_the_store_cannot_take_is_refused_alone(store: PostgresStore) -> None:
    holder = await store.holding.join("a")
    bad, needs = taking(2, late=True)
    assert isinstance(bad.submission, Submission)
    poisoned = msgspec.structs.replace(bad, submission=msgspec.structs.replace(bad.submission, tenant="a\0b"))
    answers = await store.intake.accept(
        holder, "first", [taking(1), (poisoned, needs), taking(3)], {1: (BEGIN, cursor(3))}, DECIDE
    )
    assert answers is not None
    assert [type(answer) for answer in answers] == [Accepted, InvalidRequest, Accepted]
    assert await positions(store) == (4, 13)
    receipt = await store.intake.receipt(bad.receipt, "acme")
    assert receipt is not None
    assert receipt.status == 422
    assert [notice.type for _, notice in await store.notices.waiting(10)] == ["report.refused"]


async def test_receipts_are_written_for_what_was_late_or_refused(store: PostgresStore) -> None:
    holder = await store.holding.join("a")
    takings = [
        taking(1),
        taking(2, late=True),
        taking(3, problem=VersionConflict("No.")),
        taking(4, late=True, job="job"),
    ]
    assert await store.intake.accept(holder, "first", takings, {1: (BEGIN, cursor(4))}, DECIDE) is not None
    kept = [await store.intake.receipt(one.receipt, "acme") for one, _ in takings]
    assert [None if one is None else one.status for one in kept] == [None, 202, 409, 202]
    assert await store.intake.receipt(takings[1][0].receipt, "bolt") is None
    assert await store.intake.receipt(takings[1][0].receipt, None) == kept[1]
    assert await store.notices.waiting(10) == []  # its producer has heard of the refusal
    assert await store.intake.remove_receipts(now_ms() + 1, 2) == 2
    assert await store.intake.remove_receipts(now_ms() + 1, 2) == 1
