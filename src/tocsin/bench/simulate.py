"""`python3 -m tocsin.bench.simulate`: what many nodes would do under a load that no machine here can make.

Without a flag of a plan it simulates the growth of performance.md; with one, that plan.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from tocsin.bench.report import Report
from tocsin.bench.simulation.cluster import simulate
from tocsin.bench.simulation.costs import Costs, NoCosts, solved
from tocsin.bench.simulation.growth import Check, Stage, checked, grown
from tocsin.bench.simulation.load import Plan
from tocsin.bench.simulation.outcome import Outcome

_WHOLE: Final = frozenset({"events_per_post", "tenants", "fanout", "max_in_flight", "nodes", "stores", "store_cores"})
_REAL: Final = frozenset({
    "events_per_second", "skew", "failing", "hanging", "slow", "answer_ms", "slow_ms", "timeout_ms", "split_above",
    "lost_at", "lease_seconds", "seconds", "step_seconds",
})  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """The flags: those of the plan are its fields."""
    made = argparse.ArgumentParser(prog="python3 -m tocsin.bench.simulate", description=__doc__)
    made.add_argument(
        "--costs", type=Path, help="solve the costs of the stages from a document of `tocsin bench --save`"
    )
    made.add_argument("--measured", type=Path, help="print what the model says of the loads of such a document")
    made.add_argument("--output", choices=("text", "json"), default="text")
    made.add_argument("--seed", type=int, default=1)
    plan = made.add_argument_group("plan", "one simulation instead of the growth")
    for field in msgspec.structs.fields(Plan):
        if field.name in _WHOLE | _REAL:
            kind = int if field.name in _WHOLE else float
            plan.add_argument(f"--{field.name.replace('_', '-')}", type=kind, metavar=field.name.upper())
    plan.add_argument("--dealt-by", choices=("number", "load"))
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate and print; 1 when a file or the plan makes no sense."""
    given = parser().parse_args(arguments)
    changed = {
        name: value
        for name, value in vars(given).items()
        if name in _WHOLE | _REAL | {"dealt_by"} and value is not None
    }
    try:
        costs = Costs() if given.costs is None else solved(_read(given.costs))
        if given.measured is not None:
            return _print(given.output, checked(_read(given.measured), costs), checks_of)
        if changed:
            return _print(given.output, simulate(Plan(seed=given.seed, **changed), costs), outcome_of)
        return _print(given.output, grown(costs, given.seed), growth_of)
    except (OSError, msgspec.DecodeError, NoCosts, ValueError) as error:
        print(error, file=sys.stderr)  # noqa: T201 (a command)
        return 1


def growth_of(stages: Sequence[tuple[Stage, Outcome]]) -> str:
    """The table of the growth, in Markdown."""
    lines = [
        (
            "| load | added | asked of its parts | accepted/s | 429 | delivered/s | busiest node | skew | receipt ms p50 / p99 "
            "| waiting grows by /s |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| x{stage.times} | {stage.added} | {parts_of(outcome)} | {outcome.accepted:,.0f} "
        f"| {outcome.refused:.0%} | {outcome.delivered:,.0f} | {outcome.used_busiest:.0%} | {outcome.skew:.1f} "
        f"| {outcome.p50:,.1f} / {outcome.p99:,.1f} | {max(0.0, outcome.growth_healthy):,.0f} |"
        for stage, outcome in stages
    ]
    return "\n".join(lines)


def parts_of(outcome: Outcome) -> str:
    """The parts that are asked for more than they can do; the one that is nearest to it when there is none."""
    over = [use for use in outcome.uses if use.busiest > 1] or [outcome.first]
    return ", ".join(f"{use.part} {use.busiest:.0%}" for use in sorted(over, key=lambda use: -use.busiest))


def outcome_of(outcome: Outcome) -> str:
    """One simulation, line by line."""
    lines = [
        (
            f"offered {outcome.offered:,.0f}/s, accepted {outcome.accepted:,.0f}/s, answered 429: {outcome.refused:.1%}, "
            f"delivered {outcome.delivered:,.0f}/s"
        ),
        (
            f"receipt of healthy endpoints, ms: p50 {outcome.p50:,.1f}, p95 {outcome.p95:,.1f}, p99 {outcome.p99:,.1f}, "
            f"longest {outcome.longest:,.1f}"
        ),
        (
            f"waiting: {outcome.waiting_healthy:,} for healthy endpoints ({outcome.growth_healthy:+,.1f}/s), "
            f"{outcome.waiting_others:,} for others ({outcome.growth_others:+,.1f}/s); dead: {outcome.dead:,}"
        ),
        f"nodes: busiest {outcome.used_busiest:.1%}, mean {outcome.used_mean:.1%}, skew {outcome.skew:.2f}",
        *(f"{use.part}: busiest {use.busiest:.1%}, mean {use.mean:.1%}" for use in outcome.uses),
        f"first to saturate: {outcome.first.part}",
    ]
    if (loss := outcome.loss) is not None:
        after = "not in this time" if loss.caught_up_after is None else f"{loss.caught_up_after:g} s after the loss"
        lines.append(
            f"lost node: {loss.share:.1%} of deliveries stood still for {loss.still_seconds:g} s; {loss.most_waiting:,} waited; "
            f"caught up: {after}; sent twice: at most {loss.twice_at_most:,}"
        )
    return "\n".join(lines)


def checks_of(checks: Sequence[Check]) -> str:
    """What was measured beside what the model says, in Markdown."""
    lines = ["| scenario | figure | measured | model | model / measured | |", "|---|---|---|---|---|---|"]
    lines += [
        f"| `{check.scenario}` | {check.figure} | {check.measured:,.1f} | {check.predicted:,.1f} | {check.ratio:.2f} "
        f"| {'held out' if check.is_held_out else 'costs solved from it'} |"
        for check in checks
    ]
    return "\n".join(lines)


def _read(path: Path) -> Report:
    return msgspec.json.decode(path.read_bytes(), type=Report)


T = TypeVar("T")


def _print(output: str, found: T, text_of: Callable[[T], str]) -> int:
    text = msgspec.json.format(msgspec.json.encode(found)).decode() if output == "json" else text_of(found)
    sys.stdout.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
