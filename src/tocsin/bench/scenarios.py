"""What is measured: the table of scenarios, each a load and the endpoints it is delivered to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from tocsin.model.noun import Noun

Load = Literal["cloudevents", "job_reports", "livez"]
Target = Literal["server", "sink"]
Origin = Literal["generator", "sender"]
"""The process that sends the load: our cheapest, or Tocsin's own sender without the rest of it."""


Figure = Literal["receipt_p99", "accept_p99", "cpu", "memory", "rate"]


class Beside(Noun, frozen=True, kw_only=True):
    """The scenario that one is compared with in each round: its figure over that of the other should be `at_most`, or
    `at_least`."""

    name: str
    figure: Figure
    at_most: float | None = None
    at_least: float | None = None


class Trouble(Noun, frozen=True, kw_only=True):
    """Endpoints beside the healthy ones: so many that hang until their time limit of a second, that answer 500 at once, and that
    take 1.5 s for a good answer. They are enabled and disabled in turns, so that what the others feel of them is seen in one
    run. `has_circuit` false: they are tried on and on. `is_of_one_tenant`: else they are spread."""

    hanging: int = 0
    failing: int = 0
    slow: int = 0
    has_circuit: bool = True
    is_of_one_tenant: bool = False


WITHOUT_TROUBLE: Final = Beside(name="without them", figure="receipt_p99", at_most=1.2)


class Scenario(Noun, frozen=True, kw_only=True):
    """One measurement. `batch` events go into each POST; `budget_us` is the CPU time of the server that a delivered event
    may cost (a delivery, with several endpoints), where there is a budget. `rate`: paced to so many events per second, to see
    latency without a queue; `share`: paced to this part of what can be done without the trouble.
    Each event is of one of the `tenants`, and goes to all healthy endpoints of that tenant. `bystanders`: endpoints that can
    match nothing, of the load's tenant or spread over many. `crowd`: endpoints that one event in the middle of the load goes
    to. `backlog`: events that wait for slow endpoints before the load begins; with no slow endpoint it is what is
    measured: how they are delivered when they may be. `is_floor`: what the parts cost without Tocsin's own work."""

    name: str
    meaning: str
    connections: int
    load: Load = "cloudevents"
    target: Target = "server"
    origin: Origin = "generator"
    batch: int = 1
    endpoints: int = 1
    tenants: int = 1
    is_ordered: bool = False
    is_batched: bool = False
    rate: float | None = None
    share: float | None = None
    budget_us: float | None = None
    trouble: Trouble = Trouble()
    bystanders: int = 0
    bystander_tenants: int = 1
    crowd: int = 0
    backlog: int = 0
    beside: Beside | None = None

    @property
    def is_floor(self) -> bool:
        return self.load == "livez" or self.target == "sink"

    @property
    def is_troubled(self) -> bool:
        return self.trouble != Trouble()

    @property
    def is_drained(self) -> bool:
        """Whether a backlog is what is measured."""
        return self.backlog > 0 and not self.trouble.slow

    @property
    def receivers(self) -> int:
        """How many healthy endpoints each event goes to."""
        return 1 if self.target == "sink" else self.endpoints // self.tenants


def _among_fifty(name: str, meaning: str, healthy: int, trouble: Trouble, backlog: int = 0) -> Scenario:
    """Fifty endpoints of eight tenants, at half of what the machine can do for those of them that are healthy."""
    return Scenario(
        name=name,
        meaning=meaning,
        connections=64,
        endpoints=healthy,
        tenants=8,
        share=0.5,
        trouble=trouble,
        backlog=backlog,
    )


def _among_bystanders(count: int, tenants: int = 1) -> Scenario:
    spread = f", spread over {tenants} tenants" if tenants > 1 else ""
    return Scenario(
        name=f"filters-{count}" + ("-spread" if tenants > 1 else ""),
        meaning=f"job reports to one endpoint, and {count} endpoints that none of them can match{spread}",
        connections=64,
        load="job_reports",
        bystanders=count,
        bystander_tenants=tenants,
        beside=None if count == 1 else Beside(name="filters-1", figure="cpu", at_most=1.1),
    )


SCENARIOS: Final = (
    Scenario(
        name="harness",
        meaning="the generator straight into the sink: what the measuring itself can do",
        connections=64,
        target="sink",
    ),
    Scenario(
        name="sender",
        meaning="Tocsin's sender straight into the sink: the floor of a delivery",
        connections=32,
        target="sink",
        origin="sender",
    ),
    Scenario(
        name="livez",
        meaning="bare answers of the server: GET /livez",
        connections=64,
        load="livez",
        endpoints=0,
    ),
    Scenario(name="single-64", meaning="one event per POST, 64 connections", connections=64, budget_us=150),
    Scenario(name="single-256", meaning="one event per POST, 256 connections", connections=256, budget_us=150),
    Scenario(name="batch-100", meaning="100 events per POST, 8 connections", connections=8, batch=100, budget_us=90),
    Scenario(name="fanout-3", meaning="one event per POST, 3 endpoints", connections=64, endpoints=3, budget_us=70),
    Scenario(name="fanout-20", meaning="one event per POST, 20 endpoints", connections=64, endpoints=20, budget_us=70),
    Scenario(name="ordered", meaning="one endpoint, ordered by subject", connections=64, is_ordered=True),
    Scenario(
        name="paced-300", meaning="300 events per second, evenly: latency without a queue", connections=64, rate=300
    ),
    Scenario(name="jobs-64", meaning="job reports, one per POST", connections=64, load="job_reports"),
    _among_fifty(
        "noisy-2",
        "48 healthy endpoints of 8 tenants, one that hangs until its time limit and one that answers 500",
        48,
        Trouble(hanging=1, failing=1),
    ),
    _among_fifty(
        "noisy-2-stubborn",
        "the same, without circuits: the two are tried on and on",
        48,
        Trouble(hanging=1, failing=1, has_circuit=False),
    ),
    _among_fifty(
        "noisy-10", "40 healthy endpoints, five that hang, five that answer 500", 40, Trouble(hanging=5, failing=5)
    ),
    _among_fifty(
        "noisy-tenant", "the same, the ten all of one tenant", 40, Trouble(hanging=5, failing=5, is_of_one_tenant=True)
    ),
    _among_fifty(
        "noisy-slow",
        "40 healthy endpoints, ten that take 1.5 s for each answer and have 20 000 events waiting for them",
        40,
        Trouble(slow=10),
        backlog=20_000,
    ),
    _among_bystanders(1),
    _among_bystanders(100),
    _among_bystanders(10_000),
    _among_bystanders(10_000, tenants=100),
    Scenario(name="crowd-1", meaning="100 events per second to one endpoint", connections=64, rate=100, crowd=1),
    Scenario(
        name="crowd-10000",
        meaning="the same, while one event goes to 10 000 other endpoints",
        connections=64,
        rate=100,
        crowd=10_000,
        beside=Beside(name="crowd-1", figure="accept_p99"),
    ),
)
BY_NAME: Final = {scenario.name: scenario for scenario in SCENARIOS}


def with_references(scenarios: Iterable[Scenario]) -> list[Scenario]:
    """These scenarios, each after the one that it is compared with."""
    chosen: dict[str, Scenario] = {}
    for scenario in scenarios:
        if scenario.beside is not None:
            chosen.setdefault(scenario.beside.name, BY_NAME[scenario.beside.name])
        chosen.setdefault(scenario.name, scenario)
    return list(chosen.values())
