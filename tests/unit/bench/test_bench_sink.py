"""The account of the sink: what is missing, doubled or out of order is seen."""

from __future__ import annotations

import time

import pytest

from tocsin.bench.control import Arrived, Away, Count, Mark, Received, Tell, spread_of
from tocsin.bench.requests import MARK_TEMPLATE
from tocsin.bench.sink import STEP, Sink


def body(number: int, subject: int = 0) -> bytes:
    return b'{"data":"' + MARK_TEMPLATE % (number, subject, time.monotonic_ns()) + b'"}'


async def account(sink: Sink, first: int, beyond: int, endpoints: int = 1) -> Received:
    received = await sink.answer(Tell(first=first, beyond=beyond, endpoints=endpoints))
    assert isinstance(received, Received)
    return received


async def test_everything_once_at_every_endpoint_is_no_fault() -> None:
    sink = Sink()
    for path in (b"/0", b"/1"):
        for number in range(10):
            sink.count(sink.tally(path), body(number, number % 3))
    received = await account(sink, 2, 10, 2)
    assert (received.lost, received.duplicated, received.out_of_order, received.unmarked) == (0, 0, 0, 0)
    assert await sink.answer(Count()) == Arrived(total=20, first_ns=sink.first_ns, last_ns=sink.last_ns)


async def test_an_event_that_one_endpoint_misses_is_lost() -> None:
    sink = Sink()
    for number in range(10):
        sink.count(sink.tally(b"/0"), body(number))
        if number != 7:
            sink.count(sink.tally(b"/1"), body(number))
    assert (await account(sink, 0, 10, 2)).lost == 1
    assert (await account(sink, 0, 7, 2)).lost == 0
    assert (await account(sink, 0, 10, 3)).lost == 11


async def test_events_beyond_all_that_arrived_are_lost() -> None:
    sink = Sink()
    sink.count(sink.tally(b"/0"), body(STEP + 5))
    assert (await account(sink, STEP + 5, 2 * STEP + 10)).lost == STEP + 4


@pytest.mark.parametrize("copies", [2, 300])
async def test_an_event_that_came_again_is_a_duplicate(copies: int) -> None:
    sink = Sink()
    for _ in range(copies):
        sink.count(sink.tally(b"/0"), body(1))
    received = await account(sink, 1, 2)
    assert (received.lost, received.duplicated, received.out_of_order) == (0, 1, 0)


async def test_order_is_judged_by_subject() -> None:
    sink = Sink()
    for number, subject in ((1, 0), (3, 0), (2, 1), (4, 1), (0, 0)):
        sink.count(sink.tally(b"/0"), body(number, subject))
    assert (await account(sink, 0, 5)).out_of_order == 1


async def test_the_newest_mark_counts_and_a_body_without_one_is_told() -> None:
    sink = Sink()
    sink.count(sink.tally(b"/0"), body(1) + body(2))
    sink.count(sink.tally(b"/0"), b"{}")
    received = await account(sink, 2, 3)
    assert (received.lost, received.unmarked) == (0, 1)


async def test_each_event_of_an_array_counts() -> None:
    sink = Sink()
    sink.count(sink.tally(b"/0"), b"[" + b",".join(body(number) for number in (1, 2, 3, 2)) + b"]")
    received = await account(sink, 1, 5)
    assert (received.lost, received.duplicated, received.out_of_order, sink.total) == (1, 1, 0, 4)


async def test_the_first_arrival_counts_from_when_the_sink_is_back() -> None:
    sink = Sink()
    sink.count(sink.tally(b"/0"), body(1))
    began = sink.first_ns
    await sink.answer(Away(seconds=7))
    assert b"retry-after: 7\r\n" in sink.away
    arrived = await sink.answer(Away(seconds=0))
    assert isinstance(arrived, Arrived)
    assert (sink.away, arrived.first_ns, arrived.total) == (b"", 0, 1)
    sink.count(sink.tally(b"/0"), body(2))
    sink.count(sink.tally(b"/0"), body(3))
    assert began < sink.first_ns < sink.last_ns


async def test_latency_is_measured_from_the_last_mark_on() -> None:
    sink = Sink()
    sink.count(sink.tally(b"/0"), body(1))
    await sink.answer(Mark())
    assert (await account(sink, 1, 2)).latency is None
    sink.count(sink.tally(b"/0"), body(2))
    assert len(sink.latencies) == 1


def test_a_spread_names_median_and_tail() -> None:
    spread = spread_of([number * 1_000_000 for number in range(1, 101)])
    assert spread is not None
    assert (spread.p50, spread.p99, spread.longest) == (50.0, 99.0, 100.0)
    assert spread_of([]) is None


async def test_an_event_is_expected_at_the_endpoints_of_its_tenant_only() -> None:
    sink = Sink()
    for number in range(12):
        for path in range(6):
            if path % 3 == number % 3 and (number, path) != (7, 4):
                sink.count(sink.tally(b"/%d" % path), body(number))
    everything = Tell(first=2, beyond=12, endpoints=6, tenants=3)
    received = await sink.answer(everything)
    assert isinstance(received, Received)
    assert (received.lost, received.duplicated) == (1, 0)
    assert (await account(sink, 2, 12, 6)).lost == 60 - 19


async def test_tenants_take_turns_by_post() -> None:
    sink = Sink()
    for number in range(40):
        if number != 23:
            sink.count(sink.tally(b"/%d" % (number // 5 % 3)), body(number))
    received = await sink.answer(Tell(first=10, beyond=40, endpoints=3, tenants=3, batch=5))
    assert isinstance(received, Received)
    assert (received.lost, received.duplicated) == (1, 0)


async def test_what_was_sent_in_a_phase_is_told_apart() -> None:
    sink = Sink()
    sink.sent = [10, 20, 30, 40]
    sink.latencies = [1_000_000, 2_000_000, 3_000_000, 4_000_000]
    received = await sink.answer(Tell(first=0, beyond=0, endpoints=1, phases=((10, 30), (30, 41), (50, 60))))
    assert isinstance(received, Received)
    assert [phase and (phase.p50, phase.longest) for phase in received.phases] == [(1.0, 2.0), (3.0, 4.0), None]
