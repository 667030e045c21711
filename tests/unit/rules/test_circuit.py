"""The circuit against a plain model: it opens only for failures over several deliveries with no success between."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin.model.circuit import Circuit
from tocsin.model.endpoint import CircuitSetting
from tocsin.rules.circuit import CLOSED, TRANSITIONS, CircuitState, after_failure, failed_with_several, state_of

SETTING = CircuitSetting(failures=4, deliveries=2, cool_down_seconds=5)


def failed(circuit: Circuit, *deliveries: int, at: int = 1000) -> Circuit:
    for delivery in deliveries:
        circuit = after_failure(circuit, SETTING, delivery, at, at)
    return circuit


def test_it_opens_for_failures_over_several_deliveries() -> None:
    assert state_of(failed(CLOSED, 1, 1, 2), 1000) is CircuitState.CLOSED
    opened = failed(CLOSED, 1, 1, 2, 1)
    assert (opened.opened_at, opened.probe_at, opened.openings) == (1000, 6000, 1)
    assert state_of(opened, 5999) is CircuitState.OPEN
    assert state_of(opened, 6000) is CircuitState.HALF_OPEN


def test_a_lone_bad_event_never_opens_it() -> None:
    assert state_of(failed(CLOSED, *[7] * 1000), 1000) is CircuitState.CLOSED


def test_what_was_out_when_it_opened_says_nothing_new() -> None:
    opened = failed(CLOSED, 1, 2, 3, 4)
    assert after_failure(opened, SETTING, 9, 999, 2000) is opened


def test_failures_of_one_delivery_are_not_those_of_several() -> None:
    eager = CircuitSetting(failures=2, deliveries=1)
    circuit = CLOSED
    for at in range(1, 9):
        circuit = after_failure(circuit, eager, 7, at * 100_000, at * 100_000)
        assert not failed_with_several(circuit)
    assert failed_with_several(after_failure(circuit, eager, 8, 900_000, 900_000))


def test_each_failed_probe_doubles_the_wait_up_to_a_limit() -> None:
    circuit, waits = failed(CLOSED, 1, 2, 3, 4), []
    for _ in range(6):
        assert circuit.probe_at is not None
        circuit = after_failure(circuit, SETTING, 1, circuit.probe_at, circuit.probe_at + 10)
        assert circuit.probe_at is not None
        assert circuit.opened_at is not None
        waits.append(circuit.probe_at - circuit.opened_at)
    assert waits == [10_000, 20_000, 40_000, 60_000, 60_000, 60_000]


def test_deliveries_are_remembered_in_bounds() -> None:
    many = CircuitSetting(failures=1000, deliveries=3)
    circuit = CLOSED
    for delivery in range(900):
        circuit = after_failure(circuit, many, delivery, 1, 1)
    assert circuit.deliveries == (0, 1, 2)


@given(st.lists(st.tuples(st.sampled_from(["success", "failure", "wait"]), st.integers(0, 3)), max_size=60))
def test_every_move_is_in_the_table(moves: list[tuple[str, int]]) -> None:
    circuit, now = CLOSED, 0
    failures: list[int] = []
    for move, delivery in moves:
        now += 1
        before = state_of(circuit, now)
        if move == "wait":
            now = max(now, circuit.probe_at or 0)
            if before is CircuitState.OPEN:
                assert state_of(circuit, now) is TRANSITIONS[before, "cool-down over"]
        elif before is CircuitState.OPEN:
            continue
        elif move == "success":
            circuit, failures = CLOSED, []
            assert TRANSITIONS[before, "success"] is state_of(circuit, now)
        else:
            failures.append(delivery)
            circuit = after_failure(circuit, SETTING, delivery, now, now)
            over = before is CircuitState.CLOSED and len(failures) >= 4 and len(set(failures)) >= 2
            assert state_of(circuit, now) is TRANSITIONS[before, "failures over the limit" if over else "failure"]
