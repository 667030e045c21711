"""The adaptive limit: what makes it grow and shrink."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin.rules.allowance import LONGEST_REST_MS, Allowance


def test_it_begins_with_two_and_doubles_with_each_round() -> None:
    allowance, rounds = Allowance(32), []
    for _ in range(6):
        rounds.append(allowance.limit)
        for _ in range(allowance.limit):
            allowance.succeeded(10)
    assert rounds == [2, 4, 8, 16, 32, 32]


def test_failures_that_were_out_together_halve_it_once() -> None:
    allowance = Allowance(32)
    for _ in range(40):
        allowance.succeeded(10)
    for _ in range(32):
        allowance.failed(started_at=100, now=150, took_ms=50)
    assert allowance.limit == 16
    allowance.failed(started_at=151, now=160, took_ms=9)
    assert allowance.limit == 8


def test_slower_answers_take_it_down_one_by_one() -> None:
    allowance = Allowance(8)
    for _ in range(20):
        allowance.succeeded(20)
    limits = []
    for _ in range(4):
        allowance.succeeded(900)
        limits.append(allowance.limit)
    assert limits == [7, 6, 5, 4]
    assert not allowance.is_slow


def test_an_endpoint_that_is_always_slow_is_slow_and_keeps_its_limit() -> None:
    allowance = Allowance(8)
    for _ in range(20):
        allowance.succeeded(2000)
    assert (allowance.limit, allowance.is_slow) == (8, True)
    for _ in range(60):
        allowance.succeeded(20)
    assert not allowance.is_slow


def test_a_changed_ceiling_and_a_pause() -> None:
    allowance = Allowance(1)
    assert allowance.limit == 1
    allowance.bounded(16)
    for _ in range(20):
        allowance.succeeded(5)
    assert allowance.limit == 16
    allowance.bounded(4)
    assert allowance.limit == 4
    allowance.restart()
    assert allowance.limit == 1


@given(
    st.integers(1, 64),
    st.lists(st.tuples(st.booleans(), st.integers(0, 1000), st.floats(0, 60_000)), max_size=200),
)
def test_it_stays_between_one_and_the_ceiling(ceiling: int, answers: list[tuple[bool, int, float]]) -> None:
    allowance = Allowance(ceiling)
    for is_good, at, took in answers:
        if is_good:
            allowance.succeeded(took)
        else:
            allowance.failed(at, at + 1, took)
        assert 1 <= allowance.limit <= ceiling


def test_a_lone_request_that_fails_is_followed_by_a_growing_rest_until_one_succeeds() -> None:
    allowance = Allowance(32)
    allowance.failed(100, 101, 1.0)
    assert (allowance.limit, allowance.rest_ms(101)) == (1, 0)
    rests, now = [], 200
    for _ in range(7):
        allowance.failed(now, now + 1, 1.0)
        rests.append(allowance.rest_ms(now + 1))
        assert allowance.rest_ms(now + 1 + rests[-1]) == 0
        now += 1000
    assert rests == [5, 10, 20, 40, 80, LONGEST_REST_MS, LONGEST_REST_MS]
    assert allowance.rest_ms(now - 3_600_000) == 0
    allowance.succeeded(1.0)
    assert allowance.rest_ms(now - 999) == 0
    allowance.failed(now, now + 1, 1.0)
    assert (allowance.limit, allowance.rest_ms(now + 1)) == (1, 0)
