"""Ten, a hundred, a thousand times the load: what saturates first, and what is added then, as plans to simulate."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from tocsin.bench.figures import Measurement
from tocsin.bench.report import Report
from tocsin.bench.scenarios import BY_NAME, Scenario
from tocsin.bench.simulation.cluster import simulate
from tocsin.bench.simulation.costs import SOLVED_FROM, Costs
from tocsin.bench.simulation.load import Plan, closed_loop
from tocsin.bench.simulation.outcome import Outcome
from tocsin.model.noun import Noun


class Stage(Noun, frozen=True, kw_only=True):
    """One row of the table: so many times the load, and what was added for it."""

    times: int
    added: str
    plan: Plan


class Check(Noun, frozen=True, kw_only=True):
    """A figure that was measured and what the model says of it. `is_held_out`: it was not used to solve the costs."""

    scenario: str
    figure: str
    measured: float
    predicted: float
    is_held_out: bool

    @property
    def ratio(self) -> float:
        return self.predicted / self.measured if self.measured else 0.0


_MANY: Final = 10
"""Deliveries from one POST: with more of them accepting runs ahead of delivering, and the answer does not wait for it."""
TODAY: Final = Plan(
    events_per_second=1000, tenants=100, fanout=2, failing=0.03, hanging=0.01, slow=0.02, seconds=30, step_seconds=0.1
)
"""A thousand events a second of a hundred tenants, the largest with a fifth of them, to two endpoints each. Six in a hundred
endpoints are in trouble."""

_TEN: Final = replace(TODAY, events_per_second=10_000, tenants=1000)
_HUNDRED: Final = replace(
    TODAY, events_per_second=100_000, tenants=3000, seconds=15, nodes=80, stores=1, store_cores=16
)
_HUNDRED_CELLS: Final = replace(_HUNDRED, stores=4)
_HUNDRED_SPLIT: Final = replace(_HUNDRED_CELLS, split_above=300)
_HUNDRED_DEALT: Final = replace(_HUNDRED_SPLIT, dealt_by="load")
_THOUSAND: Final = replace(_HUNDRED_DEALT, events_per_second=1_000_000, seconds=10)

GROWTH: Final = (
    Stage(times=1, added="one node, its own file", plan=TODAY),
    Stage(times=10, added="nothing", plan=_TEN),
    Stage(times=10, added="8 nodes, PostgreSQL on 8 cores", plan=replace(_TEN, nodes=8, stores=1)),
    Stage(times=100, added="80 nodes, PostgreSQL on 16 cores", plan=_HUNDRED),
    Stage(times=100, added="4 cells, each with its PostgreSQL", plan=_HUNDRED_CELLS),
    Stage(times=100, added="a tenant is split by subject at 300/s", plan=_HUNDRED_SPLIT),
    Stage(times=100, added="partitions dealt by load", plan=_HUNDRED_DEALT),
    Stage(times=1000, added="nothing", plan=_THOUSAND),
    Stage(times=1000, added="800 nodes in 40 cells", plan=replace(_THOUSAND, nodes=800, stores=40)),
)


def grown(costs: Costs, seed: int) -> list[tuple[Stage, Outcome]]:
    """All stages, simulated."""
    return [(stage, simulate(replace(stage.plan, seed=seed), costs)) for stage in GROWTH]


def checked(report: Report, costs: Costs) -> list[Check]:
    """What the model says of the loads of a document, beside what was measured: loads as high as the server allows by the
    laws of utilisation and of response times, paced ones by a simulation."""
    found: list[Check] = []
    for measured in report.measurements:
        scenario = BY_NAME.get(measured.name)
        if scenario is None or scenario.is_floor or scenario.is_troubled or scenario.bystanders or scenario.crowd:
            continue
        if scenario.load != "cloudevents" or scenario.is_ordered:
            continue  # dearer ways through decide and settle, which the costs do not know
        pairs = _paced(measured, scenario, costs) if measured.rate is not None else _asked(measured, scenario, costs)
        found += [
            Check(
                scenario=measured.name,
                figure=figure,
                measured=was,
                predicted=round(said, 2),
                is_held_out=measured.name not in SOLVED_FROM,
            )
            for figure, was, said in pairs
        ]
    return found


def _asked(measured: Measurement, scenario: Scenario, costs: Costs) -> list[tuple[str, float, float]]:
    """A load that is as high as the server allows."""
    receivers = scenario.receivers
    events, accept_ms = closed_loop(costs, scenario.connections, scenario.batch, receivers)
    pairs = [
        ("delivered/s", measured.deliveries_per_second, events * receivers),
        ("CPU us", measured.cpu_us, costs.of_event(scenario.batch, receivers) / receivers),
    ]
    if measured.accept is not None and scenario.batch * receivers < _MANY:
        pairs.append(("accept p50 ms", measured.accept.p50, accept_ms))
    return pairs


def _paced(measured: Measurement, scenario: Scenario, costs: Costs) -> list[tuple[str, float, float]]:
    """A load that comes by the clock."""
    assert measured.rate is not None
    outcome = simulate(Plan(events_per_second=measured.rate, tenants=1, fanout=scenario.receivers, answer_ms=1), costs)
    pairs = [("delivered/s", measured.deliveries_per_second, outcome.delivered)]
    if measured.latency is not None:
        pairs += [
            ("receipt p50 ms", measured.latency.p50, outcome.p50),
            ("receipt p99 ms", measured.latency.p99, outcome.p99),
        ]
    return pairs
