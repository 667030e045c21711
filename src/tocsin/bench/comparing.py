"""Comparisons within one round: a scenario over the one beside it, and the median of such ratios."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

import msgspec

from tocsin.bench.control import Spread
from tocsin.bench.figures import Comparison, Measurement
from tocsin.bench.scenarios import SEND_FLOOR, Scenario


def compared(scenario: Scenario, round_of: dict[str, Measurement]) -> Measurement:
    """The measurement of a scenario with its figures over its floors and over those of the scenario beside it, if these were
    measured."""
    measured, beside = over_floors(scenario, round_of), scenario.beside
    other = round_of.get(beside.name) if beside is not None else None
    if beside is None or other is None:
        return measured
    return msgspec.structs.replace(
        measured,
        beside=Comparison(
            name=beside.name,
            figure=beside.figure,
            at_most=beside.at_most,
            at_least=beside.at_least,
            memory_at_most=beside.memory_at_most,
            receipt_p50=_over(measured.latency, other.latency, "p50"),
            receipt_p99=_over(measured.latency, other.latency, "p99"),
            accept_p99=_over(measured.accept, other.accept, "p99"),
            cpu=_ratio(measured.cpu_us, other.cpu_us),
            memory=_ratio(measured.resident_peak_mb, other.resident_peak_mb),
            rate=_ratio(measured.deliveries_per_second, other.deliveries_per_second),
        ),
    )


def over_floors(scenario: Scenario, round_of: dict[str, Measurement]) -> Measurement:
    """With its CPU over that of its floors: an accept is shared by its receivers, every delivery is sent."""
    measured = round_of[scenario.name]
    if not scenario.floors or any(name not in round_of for name in scenario.floors):
        return measured
    floor_us = sum(
        round_of[name].cpu_us / (1 if name == SEND_FLOOR else scenario.receivers) for name in scenario.floors
    )
    return msgspec.structs.replace(measured, floor_us=round(floor_us, 2), over_floor=_ratio(measured.cpu_us, floor_us))


def typical(rounds: Sequence[Measurement]) -> Measurement:
    """The one that stands for all rounds of a scenario: one that went wrong, else the lower median by CPU, with the median of
    each ratio."""
    wrong = [measurement for measurement in rounds if not measurement.is_right]
    middle = statistics.median_low(measurement.cpu_us for measurement in rounds)
    chosen = wrong[0] if wrong else next(m for m in rounds if m.cpu_us == middle)
    comparisons = [m.beside for m in rounds if m.beside is not None]
    return msgspec.structs.replace(
        chosen,
        over_floor=_median(m.over_floor for m in rounds),
        beside=_medians(comparisons) if comparisons else None,
    )


def judged(comparison: Comparison) -> float | None:
    """The ratio that should be in bounds."""
    return {
        "receipt_p99": comparison.receipt_p99,
        "accept_p99": comparison.accept_p99,
        "cpu": comparison.cpu,
        "memory": comparison.memory,
        "rate": comparison.rate,
    }[comparison.figure]


def _medians(comparisons: Sequence[Comparison]) -> Comparison:
    return msgspec.structs.replace(
        comparisons[0],
        receipt_p50=_median(c.receipt_p50 for c in comparisons),
        receipt_p99=_median(c.receipt_p99 for c in comparisons),
        accept_p99=_median(c.accept_p99 for c in comparisons),
        cpu=_median(c.cpu for c in comparisons),
        memory=_median(c.memory for c in comparisons),
        rate=_median(c.rate for c in comparisons),
    )


def _median(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return round(statistics.median(present), 3) if present else None


def _over(spread: Spread | None, other: Spread | None, name: str) -> float | None:
    if spread is None or other is None:
        return None
    return _ratio(spread.p50, other.p50) if name == "p50" else _ratio(spread.p99, other.p99)


def _ratio(figure: float, other: float) -> float:
    return round(figure / other, 3) if other else 0.0
