"""The count itself fails where it has to: on made-up arrivals, each with one thing wrong."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.kit.counting import Account, Arrival, Sent, Silence, Target, count, silences

SENT = [Sent("acme", subject, number) for number in range(4) for subject in ("s0", "s1")]
ORDERED = Target("/acme/ordered", "acme", is_ordered=True)
LOOSE = Target("/acme/loose", "acme")
BATCHES = Target("/acme/batches", "acme", is_ordered=True, is_batch=True)
EVEN = Target("/acme/even", "acme", is_ordered=True, wants=lambda sent: sent.number % 2 == 0)


def one(text: str, *, taken: bool = True, target: Target = ORDERED, webhook_id: str = "") -> Arrival:
    """`s0/2`, to an endpoint."""
    sent = Sent.of(f"acme/{text}")
    return Arrival(target.path, (sent,), webhook_id or sent.id, taken)


def counted(*arrivals: Arrival, target: Target = ORDERED) -> Account:
    return count(SENT, [target], arrivals)


def all_of(target: Target) -> list[Arrival]:
    return [Arrival(target.path, (sent,), sent.id) for sent in SENT if target.wants(sent)]


@pytest.mark.parametrize("target", [ORDERED, LOOSE, EVEN, BATCHES])
def test_nothing_is_wrong_with_what_is_right(target: Target) -> None:
    assert count(SENT, [target], all_of(target)) == Account([], [], [], [], Counter())


def test_a_failed_attempt_is_nothing_wrong() -> None:
    account = counted(one("s0/0", taken=False), *all_of(ORDERED))
    assert account == Account([], [], [], [], Counter())


def test_one_that_never_came_is_lost() -> None:
    arrivals = [a for a in all_of(LOOSE) if a.webhook_id != "acme/s1/2"]
    assert counted(*arrivals, target=LOOSE).lost == ["/acme/loose: acme/s1/2"]


def test_one_that_was_refused_each_time_is_lost() -> None:
    arrivals = [a._replace(is_taken=a.webhook_id != "acme/s1/3") for a in all_of(ORDERED)]
    assert counted(*arrivals).lost == ["/acme/ordered: acme/s1/3"]


def test_an_endpoint_that_got_nothing_lost_everything() -> None:
    assert len(count(SENT, [LOOSE, EVEN], all_of(LOOSE)).lost) == 4


def test_two_that_were_swapped_are_out_of_order() -> None:
    arrivals = all_of(ORDERED)
    arrivals[2], arrivals[4] = arrivals[4], arrivals[2]
    account = counted(*arrivals)
    assert account.early == ["/acme/ordered: acme/s0/2, 1 before it were not taken"]
    assert account.stale == ["/acme/ordered: acme/s0/1, 1 after it were taken"]
    assert (account.lost, account.repeats.total()) == ([], 0)
    assert counted(*(a._replace(path=LOOSE.path) for a in arrivals), target=LOOSE).early == []


def test_one_that_came_while_an_earlier_one_had_failed_is_out_of_order() -> None:
    account = counted(one("s0/0", taken=False), one("s0/1"), *all_of(ORDERED))
    assert account.early == ["/acme/ordered: acme/s0/1, 1 before it were not taken"]


def test_even_a_refused_one_may_not_come_early() -> None:
    assert len(counted(one("s0/1", taken=False), *all_of(ORDERED)).early) == 1


def test_order_is_that_of_what_the_endpoint_wants() -> None:
    assert counted(*all_of(EVEN), target=EVEN).early == []
    swapped = [one("s0/2", target=EVEN), *all_of(EVEN)]
    assert counted(*swapped, target=EVEN).early == ["/acme/even: acme/s0/2, 1 before it were not taken"]


def test_a_repeat_is_counted_and_is_stale_after_a_later_one() -> None:
    arrivals = all_of(ORDERED)
    at_once = counted(arrivals[0], *arrivals)
    assert (at_once.repeats, at_once.stale) == (Counter({"/acme/ordered": 1}), [])
    late = counted(*arrivals, arrivals[0])
    assert (late.repeats, late.stale) == (
        Counter({"/acme/ordered": 1}),
        ["/acme/ordered: acme/s0/0, 3 after it were taken"],
    )
    assert late.repeated([ORDERED]) == 1
    assert late.repeated([LOOSE]) == 0


def test_a_batch_is_taken_whole() -> None:
    s0 = tuple(sent for sent in SENT if sent.subject == "s0")
    good = Arrival(BATCHES.path, s0[:2], "bat_1", is_taken=False)
    rest = [Arrival(BATCHES.path, (sent,), sent.id) for sent in SENT if sent not in s0[:2]]
    assert counted(good, good._replace(is_taken=True), *rest, target=BATCHES) == Account([], [], [], [], Counter())
    assert len(counted(good, *rest, target=BATCHES).early) == 1
    again = counted(good._replace(is_taken=True), good._replace(is_taken=True), *rest, target=BATCHES)
    assert (again.stale, again.repeats.total()) == ([], 2)
    late = counted(good._replace(is_taken=True), *rest, good, target=BATCHES)
    assert late.stale == ["/acme/batches: acme/s0/1, 2 after it were taken"]
    swapped = good._replace(events=(s0[1], s0[0]), is_taken=True)
    assert len(counted(swapped, *rest, target=BATCHES).early) == 1
    changed = good._replace(events=s0[:1])
    assert counted(good, changed, good._replace(is_taken=True), *rest, target=BATCHES).strange == [
        "/acme/batches: bat_1 has other events than before"
    ]


def test_what_nobody_sent_and_what_nobody_wants_is_strange() -> None:
    strange = counted(
        one("s0/9"), one("s0/1", target=EVEN), one("s0/0", webhook_id="other"), *all_of(ORDERED), target=ORDERED
    ).strange
    assert strange == [
        "/acme/ordered: acme/s0/9 is not for it",
        "/acme/even is nobody's",
        "/acme/ordered: acme/s0/0 under two webhook ids",
    ]
    assert counted(one("s0/1", target=EVEN), *all_of(EVEN), target=EVEN).strange == [
        "/acme/even: acme/s0/1 is not for it"
    ]


def test_the_longest_silence_that_a_fault_touches() -> None:
    times = [1.0, 1.5, 4.5, 5.0, 9.0]
    arrivals = [Arrival("/p", (), "x", at=at) for at in times]
    arrivals.append(Arrival("/p", (), "x", is_taken=False, at=3.0))
    assert silences(arrivals, since=1.2, until=4.0) == {"/p": Silence(3.0, 4.5, "/p")}
    assert silences(arrivals, since=1.2, until=6.0) == {"/p": Silence(4.0, 9.0, "/p")}
