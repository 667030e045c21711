"""Fronts of fan-out: they go on together, join where they meet, and part where a partition goes."""

from __future__ import annotations

from tocsin.ports import Cursor, Move
from tocsin.workers.fronts import Fronts


def at(position: int, endpoint: int = 0) -> Cursor:
    return Cursor(position=position, endpoint=endpoint)


def shape(fronts: Fronts) -> list[tuple[int, list[int]]]:
    return sorted((front.cursor.position, sorted(front.partitions)) for front in fronts)


def test_those_at_the_same_place_are_one_front() -> None:
    fronts = Fronts()
    fronts.put({0: at(5), 1: at(5), 2: at(9)})
    assert shape(fronts) == [(5, [0, 1]), (9, [2])]
    first, second = sorted(fronts, key=lambda front: front.cursor.position)
    assert (fronts.ahead_of(first), fronts.ahead_of(second)) == (9, None)
    first.cursor = at(9)
    fronts.merge()
    assert shape(fronts) == [(9, [0, 1, 2])]
    assert not fronts.are_many


def test_one_that_is_put_where_another_is_does_not_go_along_with_what_is_read_for_that_one() -> None:
    fronts = Fronts()
    fronts.put({0: at(5)})
    (being_read,) = fronts
    fronts.put({1: at(5), 2: at(5)})
    assert shape(fronts) == [(5, [0]), (5, [1, 2])]
    being_read.cursor = at(9)
    assert (fronts.position(0), fronts.position(1), fronts.position(2)) == (9, 5, 5)
    assert [move.partition for move in fronts.lagging()] == [0]
    being_read.cursor = at(5)
    fronts.merge()
    assert shape(fronts) == [(5, [0, 1, 2])]


def test_one_in_the_midst_of_an_event_joins_nobody_until_that_is_done() -> None:
    fronts = Fronts()
    fronts.put({0: at(5, 3), 1: at(5)})
    assert shape(fronts) == [(5, [0]), (5, [1])]
    (midst,) = [front for front in fronts if front.midst is not None]
    assert midst.midst == 0
    midst.cursor, midst.midst = at(5), None
    fronts.merge()
    assert shape(fronts) == [(5, [0, 1])]


def test_only_the_partition_of_that_event_has_its_cursor_in_the_midst_of_it() -> None:
    fronts = Fronts()
    fronts.put({0: at(5), 1: at(5)})
    (front,) = fronts
    front.cursor, front.midst = at(7, 3), 1
    assert fronts.lagging() == [
        Move(partition=0, old=at(5), new=at(7)),
        Move(partition=1, old=at(5), new=at(7, 3)),
    ]
    fronts.remove([1])
    assert fronts.lagging() == [Move(partition=0, old=at(5), new=at(7))]
    assert front.cursor == at(7), "what is left would skip endpoints of its next event"


def test_what_was_written_is_not_written_again_and_of_what_is_gone_nothing_is_kept() -> None:
    fronts = Fronts()
    fronts.put({0: at(5), 1: at(5)})
    (front,) = fronts
    front.cursor = at(8)
    moves = fronts.lagging()
    fronts.remove([1])
    fronts.written(moves)
    assert fronts.stored == {0: at(8)}
    assert fronts.lagging() == []
    assert (fronts.position(0), fronts.position(1), fronts.position()) == (8, 0, 8)


def test_a_partition_that_goes_on_elsewhere_in_the_log_leaves_its_front() -> None:
    fronts = Fronts()
    fronts.put({0: at(5), 1: at(5)})
    fronts.put({1: at(3)})
    assert shape(fronts) == [(3, [1]), (5, [0])]


def test_what_is_left_when_a_partition_goes_while_its_event_is_being_written_begins_its_own_next_event() -> None:
    fronts = Fronts()
    fronts.put({0: at(5), 1: at(5)})
    (front,) = fronts
    fronts.remove([1])
    fronts.advance(front, at(7, 3), 1)
    assert (front.cursor, front.midst) == (at(7), None), "endpoints up to the third of its next event would be skipped"
    fronts.put({1: at(7, 3)})
    assert shape(fronts) == [(7, [0]), (7, [1])]
