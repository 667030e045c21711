"""The command `tocsin bench`."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from cyclopts import Parameter
from rich.console import Console

from tocsin.bench.comparing import compared, typical
from tocsin.bench.databases import described
from tocsin.bench.figures import Effort, Measurement
from tocsin.bench.measure import measure
from tocsin.bench.processes import BenchError
from tocsin.bench.report import Report, table_of, this_machine
from tocsin.bench.scenarios import BY_NAME, DEFAULT_BACKLOG, SCENARIOS, Scenario, Trouble, with_references
from tocsin.bench.throwaway import ThrowawayPostgres
from tocsin.model.times import to_text

QUICK: Final = Effort(seconds=20, events=300, warm_up=50, pin=True, backlog_share=0.05)
WARM_UP_EVENTS: Final = 2000
WIDTH: Final = 140
"""Columns of the table where there is no terminal to ask."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options:
    """The flags of the command."""

    scenario: Annotated[
        tuple[str, ...], Parameter(negative="", help=f"Measure only these (repeatable): {', '.join(BY_NAME)}.")
    ] = ()
    seconds: Annotated[float, Parameter(help="How long each scenario is under load.")] = 5.0
    events: Annotated[int | None, Parameter(help="Measure so many events instead.")] = None
    rounds: Annotated[int, Parameter(help="Measure everything so often, in turn, and keep each median.")] = 1
    backlog: Annotated[
        int,
        Parameter(help="How many events wait in `backlog` and the scenarios of a restart, up to 1 000 000 or more."),
    ] = DEFAULT_BACKLOG
    floors: Annotated[bool, Parameter(help="Measure in each round also the floors of its scenarios.")] = True
    quick: Annotated[
        bool, Parameter(negative="", help="A few hundred events each: shows that it works, not how fast.")
    ] = False
    pin: Annotated[bool, Parameter(help="Server on one core, sink and generator on another, where there are two.")] = (
        True
    )
    database: Annotated[
        str | None,
        Parameter(
            help="Measure on this PostgreSQL; each scenario makes a database beside it, and drops it afterwards."
        ),
    ] = None
    postgres: Annotated[
        bool, Parameter(negative="", help="Measure on a PostgreSQL that is started for it and thrown away.")
    ] = False
    nodes: Annotated[int, Parameter(help="So many servers on one database.")] = 1
    tenants: Annotated[int, Parameter(help="Events of so many tenants, each with the endpoints of the scenario.")] = 1
    output: Annotated[
        Literal["text", "json"], Parameter(name=["--output", "-o"], help="A table, or one JSON document.")
    ] = "text"
    save: Annotated[Path | None, Parameter(help="Write the JSON document to this file as well.")] = None
    baseline: Annotated[Path | None, Parameter(help="Compare with a document saved earlier.")] = None

    @property
    def effort(self) -> Effort:
        if self.quick:
            effort = msgspec.structs.replace(QUICK, events=self.events or QUICK.events, pin=self.pin)
        else:
            effort = Effort(seconds=self.seconds, events=self.events, warm_up=WARM_UP_EVENTS, pin=self.pin)
        return msgspec.structs.replace(effort, nodes=max(self.nodes, 1), tenants=max(self.tenants, 1))


def bench(options: Options = Options()) -> int:
    """Measure this machine: a real server, a sink and a load over real HTTP, with every event accounted for.

    Exits with 1 when an event was lost, arrived twice or out of order.
    """
    console = Console(stderr=options.output == "json")
    if not console.is_terminal:
        console.width = WIDTH
    if unknown := [name for name in options.scenario if name not in BY_NAME]:
        console.print(f"There is no scenario {unknown[0]!r}; there are: {', '.join(BY_NAME)}.", markup=False)
        return 2
    if options.nodes > 1 and not (options.postgres or options.database):
        console.print("Several nodes need a PostgreSQL: add --postgres, or --database.")
        return 2
    wanted = with_references([BY_NAME[name] for name in options.scenario] or SCENARIOS, floors=options.floors)
    scenarios = [sized(scenario, options.backlog, options.effort.tenants) for scenario in wanted]
    try:
        earlier = msgspec.json.decode(options.baseline.read_bytes(), type=Report) if options.baseline else None
        with contextlib.ExitStack() as later:
            server = later.enter_context(ThrowawayPostgres()).url() if options.postgres else options.database
            report = run(scenarios, options.effort, max(options.rounds, 1), console, server)
        document = msgspec.json.format(msgspec.json.encode(report))
        if options.save is not None:
            options.save.write_bytes(document + b"\n")
    except (BenchError, OSError, subprocess.SubprocessError, msgspec.DecodeError) as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        return 1
    if options.output == "json":
        sys.stdout.write(document.decode() + "\n")
    else:
        console.print(table_of(report, earlier))
    return 0 if report.is_right else 1


def run(
    scenarios: list[Scenario], effort: Effort, rounds: int, console: Console, database_server: str | None = None
) -> Report:
    """All rounds of all scenarios, every other round from the last to the first. Raises BenchError."""
    started_at = to_text(int(time.time() * 1000))
    measured: dict[str, list[Measurement]] = {scenario.name: [] for scenario in scenarios}
    with console.status("") as status:
        rates: dict[str, float] = {}
        for number in range(rounds):
            round_of: dict[str, Measurement] = {}
            for scenario in scenarios if number % 2 == 0 else reversed(scenarios):
                status.update(f"{scenario.name}: {scenario.meaning} (round {number + 1} of {rounds})")
                round_of[scenario.name] = asyncio.run(
                    measure(paced(scenario, effort, rates, database_server), effort, database_server)
                )
            for scenario in scenarios:
                measured[scenario.name].append(compared(scenario, round_of))
    return Report(
        started_at=started_at,
        machine=this_machine(),
        database=asyncio.run(described(database_server)),
        effort=effort,
        rounds=rounds,
        measurements=tuple(typical(measurements) for measurements in measured.values()),
    )


def sized(scenario: Scenario, backlog: int, tenants: int = 1) -> Scenario:
    """With the backlog and the tenants that were asked for, where there may be any."""
    if scenario.is_sized:
        scenario = msgspec.structs.replace(scenario, backlog=max(backlog, 1))
    if scenario.may_be_spread:
        scenario = msgspec.structs.replace(scenario, tenants=tenants, endpoints=scenario.endpoints * tenants)
    return scenario


def paced(scenario: Scenario, effort: Effort, rates: dict[str, float], database_server: str | None = None) -> Scenario:
    """A scenario whose load is a share of what can be done without trouble, with the rate that this is: it is measured once in a
    run. Raises BenchError."""
    if scenario.share is None:
        return scenario
    calm = msgspec.structs.replace(scenario, name="", meaning="", trouble=Trouble(), backlog=0)
    key = f"{calm.load} {calm.endpoints} {calm.tenants}"
    if key not in rates:
        rates[key] = asyncio.run(measure(calm, effort, database_server)).deliveries_per_second / calm.receivers
    return msgspec.structs.replace(scenario, rate=round(rates[key] * scenario.share, 1))
