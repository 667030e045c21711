"""The rules of the replicated intake."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.model.intake import IntakeState
from tocsin.rules.intake import NODES, is_late, mismatch, receipt_id, receipt_name, takes

NODE = "0123456789ab"


def state(**fields: object) -> IntakeState:
    given = {
        "incarnation": "one", "last": 10, "held": 0, "held_bytes": 0, "max_bytes": 1, "replicas": 3, "in_sync": 3, "server": "a:1",
        "is_atomic": True,
    }  # fmt: skip
    return IntakeState(**(given | fields))  # type: ignore[arg-type]  # by name


@given(number=st.integers(0, 16**10 - 1), partition=st.integers(0, 63))
def test_the_id_of_a_receipt_says_what_it_is_of(number: int, partition: int) -> None:
    text = receipt_id(NODE, number, partition, "acme")
    for tenant in ("acme", None):
        name = receipt_name(text, tenant)
        assert name is not None
        assert (name.node, name.number, name.partition) == (NODE, number, partition)
    assert receipt_name(text, "bolt") is None


@pytest.mark.parametrize("text", ["", "rcp_", "rcp_" + "0" * 31, "rcp_" + "g" * 32, "evt_" + "0" * 32, "0" * 32])
def test_what_is_no_id_of_a_receipt(text: str) -> None:
    assert receipt_name(text, None) is None


def test_what_comes_again_is_recognised() -> None:
    numbers: dict[str, int] = {}
    assert [takes(numbers, "a", number) for number in (1, 2, 2, 1, 5, 4, 6)] == [
        True,
        True,
        False,
        False,
        True,
        False,
        True,
    ]
    assert takes(numbers, "b", 1)
    assert numbers == {"a": 6, "b": 1}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_each_is_taken_once_however_often_it_comes(hand: list[tuple[str, bool]]) -> None:
    """Each node hands in 1, 2, 3, ...; some come once more, later."""
    numbers: dict[str, int] = {}
    handed: dict[str, int] = {}
    taken: list[tuple[str, int]] = []
    for node, is_again in hand:
        if not is_again:
            handed[node] = handed.get(node, 0) + 1
        number = handed.get(node, 0)
        if number and takes(numbers, node, number):
            taken.append((node, number))
    assert sorted(taken) == sorted((node, n) for node, last in handed.items() for n in range(1, last + 1))


def test_nodes_that_were_not_heard_of_for_longest_are_forgotten() -> None:
    numbers: dict[str, int] = {}
    for node in range(NODES):
        takes(numbers, str(node), 1)
    takes(numbers, "0", 2)
    takes(numbers, "new", 1)
    assert len(numbers) == NODES
    assert "0" in numbers
    assert "1" not in numbers


def test_a_clock_that_is_off_is_late() -> None:
    assert [is_late(1000, now) for now in (1000, 1700, 1701, 300, 299)] == [False, False, True, False, True]


def test_what_does_not_belong_together_is_told() -> None:
    assert mismatch(None, 0, None) is None
    assert mismatch(None, 0, state()) is None
    assert mismatch("one", 10, state()) is None
    assert "gone" in str(mismatch("one", 0, None))
    assert "another" in str(mismatch("two", 0, state()))
    assert "lost" in str(mismatch("one", 11, state()))
    assert "so and so" in str(mismatch("one", 1, state(faults=("so and so",))))
    assert "so and so" in str(mismatch(None, 0, state(faults=("so and so",))))
