"""The load and the machines of a simulation, and the closed forms: what each part has to do over what it can do."""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Sequence
from typing import Final, Literal

from tocsin.bench.simulation.costs import Costs
from tocsin.model.endpoint import CircuitSetting, Retry
from tocsin.model.noun import Noun
from tocsin.workers.rotation import SLOTS

PARTITIONS: Final = 16_384
"""Tenants are hashed to so many, and partitions are dealt out to nodes."""
_PLACES: Final = range(PARTITIONS)
Part = Literal["node CPU", "writer", "append lock", "store CPU", "slots", "endpoint"]


class Plan(Noun, frozen=True, kw_only=True):
    """One simulation. `skew` is the exponent of the Zipf distribution over the tenants (0: all alike); each has `fanout`
    endpoints, and each of its events goes to all of them. Shares of the endpoints answer 500 at once (`failing`), not at all
    (`hanging`) or after `slow_ms` (`slow`); the others answer in `answer_ms`.

    `stores` 0: the one node has its own file. Else the nodes share so many database servers of `store_cores`, evenly, and
    a tenant lives on one of them. A tenant of more than `split_above` events a second is several, each with its part of the
    subjects. Partitions are dealt out to nodes in turn, or by what was asked of each (`dealt_by`). A node is lost at `lost_at` seconds; the others take over after two leases: one runs out, and nobody acts
    before one of its own.
    """

    events_per_second: float = 1000
    events_per_post: int = 1
    tenants: int = 100
    skew: float = 1.0
    fanout: int = 1
    failing: float = 0.0
    hanging: float = 0.0
    slow: float = 0.0
    answer_ms: float = 20.0
    slow_ms: float = 1500.0
    timeout_ms: float = 15_000.0
    max_in_flight: int = 32
    nodes: int = 1
    stores: int = 0
    store_cores: int = 8
    split_above: float | None = None
    dealt_by: Literal["number", "load"] = "number"
    lost_at: float | None = None
    lease_seconds: float = 10.0
    seconds: float = 60.0
    step_seconds: float = 0.1
    seed: int = 1
    retry: Retry = Retry()
    circuit: CircuitSetting = CircuitSetting()

    @property
    def cells(self) -> int:
        """Groups of nodes that share nothing with one another."""
        return max(self.stores, 1)

    @property
    def has_sense(self) -> bool:
        """Several nodes need a shared store, each store a node, and a node that is lost another one."""
        alone = self.stores == 0 and self.nodes == 1 and self.lost_at is None
        return alone or (0 < self.stores <= self.nodes and (self.lost_at is None or self.nodes >= 2 * self.stores))


class Use(Noun, frozen=True, kw_only=True):
    """What a part has to do over what it can do, at its busiest place and on average. Over 1 it cannot."""

    part: Part
    busiest: float
    mean: float


def zipf(count: int, skew: float) -> list[float]:
    """The shares of so many, the largest first."""
    weights = [(rank + 1) ** -skew for rank in range(count)]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def rates(plan: Plan) -> list[float]:
    """Events per second of each tenant, or of each part of one that is split."""
    found: list[float] = []
    for share in zipf(plan.tenants, plan.skew):
        rate = plan.events_per_second * share
        parts = 1 if plan.split_above is None else max(1, math.ceil(rate / plan.split_above))
        found += [rate / parts] * parts
    return found


def partition_of(tenant: int) -> int:
    """Where a tenant lives: the same in every run and on every node."""
    return int.from_bytes(hashlib.blake2b(str(tenant).encode(), digest_size=8).digest()) % PARTITIONS


def holders(plan: Plan) -> list[int]:
    """The node that holds each partition. Cells are dealt out first, then the nodes of a cell: in turn, or the partition
    with the most to do first, to the node that has least."""
    if plan.dealt_by == "number":
        return [place % plan.cells + place // plan.cells % len(_nodes(plan, place)) * plan.cells for place in _PLACES]
    load = [0.0] * PARTITIONS
    for tenant, rate in enumerate(rates(plan)):
        load[partition_of(tenant)] += rate
    free = [[(0.0, node) for node in _nodes(plan, cell)] for cell in range(plan.cells)]
    found = [0] * PARTITIONS
    for place in sorted(_PLACES, key=load.__getitem__, reverse=True):
        has, node = heapq.heappop(free[place % plan.cells])
        heapq.heappush(free[place % plan.cells], (has + load[place], node))
        found[place] = node
    return found


def taken_over_by(plan: Plan, place: int, lost: int) -> int:
    """The node that takes over a partition of one that is lost: all others of the cell get their part."""
    others = [node for node in _nodes(plan, place) if node != lost]
    return others[place // plan.cells // (len(others) + 1) % len(others)]


def _nodes(plan: Plan, place: int) -> range:
    return range(place % plan.cells, plan.nodes, plan.cells)


def rows_per_second(costs: Costs, row_us: float, extra_ms: float = 0.0) -> float:
    """What one writer can do that flushes full commit groups one after another."""
    return costs.group / ((costs.flush_ms + extra_ms) / 1000 + costs.group * row_us / 1e6)


def commit_ms(flush_ms: float, row_us: float, transactions: float, rows: float) -> float:
    """How long a row waits until it is on disk, on average: its own flush, and while the writer is busy also what is left
    of another's. There are so many transactions a second that want to begin, and rows. Rows stretch it."""
    busy = min(1.0, transactions * flush_ms / 1000)
    return flush_ms * (1 + 1.5 * busy) / (1 - min(rows * row_us / 1e6, 0.98))


def waiting_ms(work_us: float, used: float) -> float:
    """How long such work waits for a core that is used so far: M/M/1."""
    used = min(used, 0.98)
    return work_us / 1000 * used / (1 - used)


def closed_loop(costs: Costs, connections: int, events_per_post: int, receivers: int) -> tuple[float, float]:
    """Events per second of one node that is asked as fast as it answers, and ms until an answer: the law of response
    times, N = X R."""
    events = 1e6 / costs.of_event(events_per_post, receivers)
    return events, connections * events_per_post / events * 1000


def uses(plan: Plan, costs: Costs) -> list[Use]:
    """The law of utilisation, for every part; as if every endpoint were well."""
    events = rates(plan)
    of_cell = [0.0] * plan.cells
    held = [0.0] * plan.nodes
    holder_of = holders(plan)
    for tenant, rate in enumerate(events):
        place = partition_of(tenant)
        of_cell[place % plan.cells] += rate
        held[holder_of[place]] += rate * plan.fanout
    nodes_of = [len(range(cell, plan.nodes, plan.cells)) for cell in range(plan.cells)]
    accept_us = costs.of_accept(plan.events_per_post)
    cpu = [
        (of_cell[node % plan.cells] / nodes_of[node % plan.cells] * accept_us + held[node] * costs.delivery_us) / 1e6
        for node in range(plan.nodes)
    ]
    rows = [rate * (1 + 2 * plan.fanout) for rate in of_cell]
    found = [_use("node CPU", cpu)]
    if plan.stores == 0:
        found.append(_use("writer", [count / rows_per_second(costs, costs.row_us) for count in rows]))
    else:
        most = rows_per_second(costs, costs.store_row_us, costs.round_trip_ms)
        found.append(_use("append lock", [rate / most for rate in of_cell]))
        found.append(_use("store CPU", [n * costs.store_row_us / 1e6 / plan.store_cores for n in rows]))
    found.append(_use("slots", [rate * plan.answer_ms / 1000 / SLOTS for rate in held]))
    found.append(_use("endpoint", [rate * plan.answer_ms / 1000 / plan.max_in_flight for rate in events]))
    return found


def first_of(found: Sequence[Use]) -> Use:
    """The part that saturates first when the load grows."""
    return max(found, key=lambda use: use.busiest)


def _use(part: Part, values: Sequence[float]) -> Use:
    return Use(part=part, busiest=round(max(values), 4), mean=round(math.fsum(values) / len(values), 4))
