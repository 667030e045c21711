"""The simulation: nodes, their endpoints and their stores, in equal steps of time. Deterministic by its seed."""

from __future__ import annotations

import math
from random import Random
from typing import Final

from tocsin.bench.simulation.costs import Costs
from tocsin.bench.simulation.load import (
    Plan,
    commit_ms,
    first_of,
    holders,
    partition_of,
    rates,
    rows_per_second,
    taken_over_by,
    uses,
    waiting_ms,
)
from tocsin.bench.simulation.loss import Lost
from tocsin.bench.simulation.outcome import Outcome, Times
from tocsin.bench.simulation.receivers import Kind, Target
from tocsin.bench.simulation.sharing import accepted_share, fair
from tocsin.workers.rotation import SLOTS, SLOW_SLOTS

_WARM_UP: Final = 0.2
_MANY: Final = 50.0


class Cluster:
    """A fluid model: within a step what comes, and what each part can do of it, are amounts, and a part that is asked for too
    much shares out what it has, evenly. Accepting and delivering share a node's core; a tenant's events go through its
    cell's store; its endpoints are delivered to by the one node that holds them."""

    def __init__(self, plan: Plan, costs: Costs) -> None:
        if not plan.has_sense:
            raise ValueError(
                "several nodes need a shared store, every store a node, and a lost node another in its cell"
            )
        self._plan, self._costs = plan, costs
        self._rng = Random(plan.seed)  # noqa: S311 (a simulation, repeatable by its seed)
        self._rates = rates(plan)
        self._cell_of = [partition_of(tenant) % plan.cells for tenant in range(len(self._rates))]
        self._targets: list[list[Target]] = []
        self._held: list[list[Target]] = [[] for _ in range(plan.nodes)]
        self._alive = [True] * plan.nodes
        self._lost: Lost | None = None
        holder_of = holders(plan)
        for tenant, rate in enumerate(self._rates):
            mine = [self._drawn_target(tenant, rate) for _ in range(plan.fanout)]
            self._targets.append(mine)
            self._held[holder_of[partition_of(tenant)]] += mine
        self._times = Times()
        self._offered = self._accepted = self._delivered = 0.0
        self._used = [0.0] * plan.nodes
        self._counted = 0.0

    def _drawn_target(self, tenant: int, rate: float) -> Target:
        plan, drawn = self._plan, self._rng.random()
        kind: Kind = "healthy"
        if drawn < plan.failing:
            kind = "failing"
        elif drawn < plan.failing + plan.hanging:
            kind = "hanging"
        elif drawn < plan.failing + plan.hanging + plan.slow:
            kind = "slow"
        return Target(plan, kind, tenant, rate, self._rng)

    def run(self) -> Outcome:
        """Simulate it all."""
        plan = self._plan
        steps = max(1, round(plan.seconds / plan.step_seconds))
        warm = int(steps * _WARM_UP)
        before = (0.0, 0.0)
        for step in range(steps):
            now = step * plan.step_seconds
            if step == warm:
                before = self._waiting()
            self._lose_or_move(now)
            self._step(now, counts=step >= warm)
            self._follow_loss(now)
        return self._outcome(before)

    def _lose_or_move(self, now: float) -> None:
        """The node that holds most is lost, and after two leases the others of its cell hold its partitions."""
        plan = self._plan
        if plan.lost_at is None or now < plan.lost_at:
            return
        if self._lost is None:
            node = max(range(plan.nodes), key=lambda node: sum(target.rate for target in self._held[node]))
            self._lost = Lost(node, self._held[node], plan.lost_at)
            self._held[node], self._alive[node] = [], False
        elif self._lost.stands_still and now >= plan.lost_at + 2 * plan.lease_seconds:
            self._lost.stands_still = False
            for target in self._lost.targets:
                self._held[taken_over_by(plan, partition_of(target.tenant), self._lost.node)].append(target)

    def _follow_loss(self, now: float) -> None:
        if self._lost is not None:
            self._lost.follow(now + self._plan.step_seconds, self._plan.step_seconds)

    def _step(self, now: float, *, counts: bool) -> None:
        plan, costs = self._plan, self._costs
        seconds = plan.step_seconds
        came = [self._drawn(rate * seconds) for rate in self._rates]
        of_cell = [0.0] * plan.cells
        for tenant, count in enumerate(came):
            of_cell[self._cell_of[tenant]] += count
        nodes_of = [sum(self._alive[cell :: plan.cells]) for cell in range(plan.cells)]
        accept_us = costs.of_accept(plan.events_per_post)
        wanted: list[list[float]] = []
        granted: list[float] = []
        taken = [0.0] * plan.cells
        waiting = [0.0] * plan.cells
        coming = [0.0] * plan.cells
        for node in range(plan.nodes):
            cell = node % plan.cells
            wants = self._wants(node, now, came) if self._alive[node] else []
            wanted.append(wants)
            if not self._alive[node]:
                granted.append(0.0)
                continue
            accept = of_cell[cell] / nodes_of[cell] * accept_us
            held = self._held[node]
            there = sum(target.waiting for target in held if target.is_well)
            more = sum(came[target.tenant] for target in held if target.is_well)
            waiting[cell] += there
            coming[cell] += more
            share = accepted_share(
                accept,
                sum(wants) * costs.delivery_us,
                there * costs.delivery_us,
                more * costs.delivery_us,
                seconds * 1e6,
            )
            taken[cell] += share * accept / accept_us
            granted.append(min(sum(wants), (seconds * 1e6 - share * accept) / costs.delivery_us))
        stored = self._stored(of_cell, taken, granted, waiting, coming)
        for tenant, count in enumerate(came):
            cell = self._cell_of[tenant]
            accepted = count * (taken[cell] / of_cell[cell] if of_cell[cell] else 1.0)
            for target in self._targets[tenant]:
                target.came(now, accepted)
        self._send(now, wanted, granted, taken=taken, nodes_of=nodes_of, rows=stored, counts=counts)
        if counts:
            self._counted += seconds
            self._offered += sum(of_cell)
            self._accepted += sum(taken)

    def _wants(self, node: int, now: float, came: list[float]) -> list[float]:
        """How many deliveries each endpoint of a node could send: by its allowance and circuit, and so that all together have
        slots, those that are slow to answer half of them."""
        held = self._held[node]
        wants = []
        for target in held:
            target.fall_due(now)
            wants.append(target.room(now, came[target.tenant]))
        slot_ms = self._plan.step_seconds * 1000
        slow = sum(want * t.answer_ms for want, t in zip(wants, held, strict=True) if t.answer_ms > 1000) / slot_ms
        if slow > SLOW_SLOTS:
            kept = SLOW_SLOTS / slow
            wants = [want * kept if t.answer_ms > 1000 else want for want, t in zip(wants, held, strict=True)]
            slow = SLOW_SLOTS
        quick = sum(want * t.answer_ms for want, t in zip(wants, held, strict=True) if t.answer_ms <= 1000) / slot_ms
        if quick > SLOTS - slow:
            kept = (SLOTS - slow) / quick
            wants = [want if t.answer_ms > 1000 else want * kept for want, t in zip(wants, held, strict=True)]
        return wants

    def _stored(
        self, of_cell: list[float], taken: list[float], granted: list[float], waiting: list[float], coming: list[float]
    ) -> list[float]:
        """Hold what the nodes would do to what their stores can write. Gives the rows written to each, at most."""
        plan, costs = self._plan, self._costs
        is_shared = plan.stores > 0
        row_us = costs.store_row_us if is_shared else costs.row_us
        log = rows_per_second(costs, row_us, costs.round_trip_ms if is_shared else 0.0) * plan.step_seconds
        most = plan.store_cores * plan.step_seconds * 1e6 / row_us if is_shared else log
        rows = []
        for cell in range(plan.cells):
            nodes = range(cell, plan.nodes, plan.cells)
            accepting = min(taken[cell], log)
            inserting = accepting * (1 + plan.fanout)
            settling = sum(granted[node] for node in nodes)
            more = coming[cell] * accepting / of_cell[cell] if of_cell[cell] else 0.0
            share = accepted_share(inserting, settling, waiting[cell], more, most)
            taken[cell] = share * accepting
            left = most - share * inserting
            if settling > left:
                for node in nodes:
                    granted[node] *= left / settling
            rows.append(share * inserting + min(settling, left, waiting[cell] + share * more))
        return rows

    def _send(
        self,
        now: float,
        wanted: list[list[float]],
        granted: list[float],
        *,
        taken: list[float],
        nodes_of: list[int],
        rows: list[float],
        counts: bool,
    ) -> None:
        plan, costs = self._plan, self._costs
        seconds = plan.step_seconds
        event_us = costs.of_event(plan.events_per_post, plan.fanout)
        is_shared = plan.stores > 0
        flush = costs.flush_ms + (costs.round_trip_ms if is_shared else 0.0)
        row_us = costs.store_row_us / plan.store_cores if is_shared else costs.row_us
        for node in range(plan.nodes):
            if not self._alive[node]:
                continue
            cell = node % plan.cells
            accepted = taken[cell] / nodes_of[cell]
            there = [min(want, t.waiting) for want, t in zip(wanted[node], self._held[node], strict=True)]
            done = fair(there, granted[node])
            used = (accepted * costs.of_accept(plan.events_per_post) + sum(done) * costs.delivery_us) / seconds / 1e6
            transactions = (taken[cell] if not is_shared else accepted) * 3 / seconds / plan.events_per_post
            commit = commit_ms(flush, row_us, transactions, rows[cell] / seconds)
            least = event_us / 1000 + 2 * commit
            spread = waiting_ms(event_us, used) + commit
            at_once = 0.0
            for target, count in zip(self._held[node], done, strict=True):
                for at, part in target.sent(now, count):
                    if not counts:
                        continue
                    self._delivered += part
                    if target.kind != "healthy":
                        continue
                    if at >= now:
                        at_once += part
                    else:
                        self._times.spread(least + (now - at) * 1000, spread, part)
            if counts:
                self._used[node] += used * seconds
                if at_once:
                    self._times.spread(least, spread, at_once)

    def _waiting(self) -> tuple[float, float]:
        """What is not settled: for healthy endpoints, for others."""
        every = [target for targets in self._targets for target in targets]
        healthy = math.fsum(target.backlog for target in every if target.kind == "healthy")
        return healthy, math.fsum(target.backlog for target in every) - healthy

    def _outcome(self, before: tuple[float, float]) -> Outcome:
        seconds = max(self._counted, self._plan.step_seconds)
        healthy, others = self._waiting()
        used = [each / seconds for each in self._used]
        found = uses(self._plan, self._costs)
        return Outcome(
            offered=round(self._offered / seconds, 1),
            accepted=round(self._accepted / seconds, 1),
            refused=round(1 - self._accepted / self._offered, 4) if self._offered else 0.0,
            delivered=round(self._delivered / seconds, 1),
            p50=round(self._times.at(0.5), 2),
            p95=round(self._times.at(0.95), 2),
            p99=round(self._times.at(0.99), 2),
            longest=round(self._times.at(1.0), 2),
            waiting_healthy=round(healthy),
            waiting_others=round(others),
            growth_healthy=round((healthy - before[0]) / seconds, 1),
            growth_others=round((others - before[1]) / seconds, 1),
            dead=round(sum(target.dead for targets in self._targets for target in targets)),
            used_busiest=round(max(used), 4),
            used_mean=round(math.fsum(used) / len(used), 4),
            uses=tuple(found),
            first=first_of(found),
            loss=None if self._lost is None else self._lost.loss(sum(self._rates) * self._plan.fanout),
        )

    def _drawn(self, mean: float) -> float:
        """How many come in a step: Poisson."""
        if mean > _MANY:
            return max(0.0, float(round(self._rng.gauss(mean, math.sqrt(mean)))))
        count, product, least = 0, self._rng.random(), math.exp(-mean)
        while product > least:
            count += 1
            product *= self._rng.random()
        return float(count)


def simulate(plan: Plan, costs: Costs) -> Outcome:
    """What would happen. The same for the same seed. Raises ValueError for machines that make no sense."""
    return Cluster(plan, costs).run()
