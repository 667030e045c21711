"""What is to be told: kept with what it tells of until it is an event, and what was given up on gathered by minute."""

from __future__ import annotations

from tests.contracts.given import NOTHING, Clock, delivery, new_event, settlement, submission
from tests.contracts.test_queue import fan, prepared
from tests.kit.stores import Store

from tocsin.model.delivery import Step
from tocsin.model.endpoint import Standing
from tocsin.model.ids import IdMint
from tocsin.model.notice import GivenUp, Notice, Notices
from tocsin.model.submission import Accepted, Facts, Submission, Verdict
from tocsin.ports import Cursor
from tocsin.rules.accepting import Deciding
from tocsin.rules.needs import needs_of
from tocsin.rules.notices import dead_notice

MINUTE_MS = 60_000
PAUSED = Notice(type="endpoint.paused", tenant="acme", about="end_1", time=5, data=b'{"a":1}', once="paused 1")


def told(given_up: GivenUp) -> Notice:
    return dead_notice(given_up, "n", 7)


async def gathered(store: Store, now: int) -> list[GivenUp]:
    """What was given up on in minutes that are over at `now`; it is struck out by that."""
    found: list[GivenUp] = []

    def note(given_up: GivenUp) -> Notice:
        found.append(given_up)
        return told(given_up)

    await store.notices.gather(now, note)
    return found


async def test_a_notice_is_kept_with_its_standing_until_it_was_told(store: Store) -> None:
    holder = await store.holding.join("one")
    await store.directory.save(holder, Standing(endpoint=1, failures=3), PAUSED)
    await store.directory.save(holder, Standing(endpoint=2))
    ((number, kept),) = await store.notices.waiting(10)
    assert kept == PAUSED
    assert len(await store.directory.load()) == 2
    assert await store.notices.waiting(0) == []
    await store.notices.told([number])
    assert await store.notices.waiting(10) == []


async def test_one_that_is_told_again_after_a_crash_is_the_same_event(store: Store, mint: IdMint) -> None:
    submitted = Submission(tenant="acme", received_at=1, body=Notices(items=(PAUSED,)))
    events = 0
    for _ in range(2):
        (answer,) = await store.log.accept([(submitted, needs_of(submitted))], Deciding(mint))
        assert isinstance(answer, Accepted)
        events += len(answer.events)
    assert events == 1


async def test_what_was_given_up_on_is_gathered_once_its_minute_is_over(
    store: Store, mint: IdMint, clock: Clock
) -> None:
    clock.now = 10 * MINUTE_MS + 5
    holder, cursor, revision = await prepared(store, mint)
    made = [delivery(mint, endpoint, 1) for endpoint in (1, 1, 1, 2, 1, 1)]
    await fan(store, holder, cursor, Cursor(position=1), revision, *made)
    give_up, retry, succeed = Step.GIVE_UP, Step.RETRY, Step.SUCCEED
    await store.queue.cancel(holder, [3], frozenset(), "by hand", 1)
    await store.queue.settle(
        holder,
        [
            settlement(mint, 1, step=give_up, reason="spent"),
            settlement(mint, 2, step=succeed),
            settlement(mint, 3, step=give_up, reason="spent"),
            settlement(mint, 4, endpoint_number=2, step=give_up, reason="old"),
            settlement(mint, 5, step=retry),
        ],
    )
    clock.now = 11 * MINUTE_MS - 1
    await store.queue.settle(holder, [settlement(mint, 5, attempt=2, step=give_up, reason="spent")])
    assert await gathered(store, clock.now) == []
    clock.now = 11 * MINUTE_MS
    await store.queue.give_up(holder, 6, "the template failed: no such key", clock.now)
    await store.queue.give_up(holder, 6, "the template failed: no such key", clock.now)
    first, second = sorted(await gathered(store, clock.now), key=lambda g: g.endpoint)
    assert (first.endpoint, first.minute, first.count, first.reasons) == (1, 10, 2, {"spent": 2})
    assert first.delivery_ids == [made[0].id, made[4].id]
    assert (second.endpoint, second.reasons, second.delivery_ids) == (2, {"old": 1}, [made[3].id])
    assert first.endpoint_id != second.endpoint_id
    assert await gathered(store, clock.now) == []
    assert [notice.type for _, notice in await store.notices.waiting(10)] == ["delivery.dead"] * 2
    (third,) = await gathered(store, 12 * MINUTE_MS)
    assert (third.minute, third.count, third.reasons) == (11, 1, {"the template failed": 1})


async def test_many_are_counted_and_the_first_are_named(store: Store, mint: IdMint) -> None:
    holder, cursor, revision = await prepared(store, mint)
    made = [delivery(mint, 1, 1) for _ in range(50)]
    await fan(store, holder, cursor, Cursor(position=1), revision, *made)
    for chunk in (range(1, 31), range(31, 51)):
        reason = "old" if chunk.start == 1 else "spent"
        await store.queue.settle(holder, [settlement(mint, n, step=Step.GIVE_UP, reason=reason) for n in chunk])
    (all_of_them,) = await gathered(store, 2**52)
    assert (all_of_them.count, all_of_them.reasons) == (50, {"old": 30, "spent": 20})
    assert len(set(all_of_them.delivery_ids)) == 20
    assert set(all_of_them.delivery_ids) <= {one.id for one in made}


async def test_deliveries_of_operational_events_are_not_counted(store: Store, mint: IdMint) -> None:
    def decide(submitted: Submission, facts: Facts) -> Verdict:
        return Verdict(status=202, body=b"", events=(new_event(mint, event_type="endpoint.paused"),))

    await store.log.accept([(submission(), NOTHING)], decide)
    holder, cursor, revision = await prepared(store, mint)
    await fan(store, holder, cursor, Cursor(position=1), revision, delivery(mint, 1, 1))
    await store.queue.settle(holder, [settlement(mint, 1, step=Step.GIVE_UP)])
    assert await gathered(store, 2**52) == []
