"""What is measured: the table of scenarios, each a load and the endpoints it is delivered to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, get_args

from tocsin.model.noun import Noun

Load = Literal["cloudevents", "job_reports", "finished_jobs", "livez"]
FormatName = Literal[
    "cloudevents",
    "cloudevents-binary",
    "standard_webhooks",
    "tamr",
    "lytics",
    "telmai",
    "visier",
    "template",
    "slack",
    "teams",
]
Target = Literal["server", "sink"]
Origin = Literal["generator", "sender"]
"""The process that sends the load: our cheapest, or Tocsin's own sender without the rest of it."""


Figure = Literal["receipt_p99", "accept_p99", "cpu", "memory", "rate"]


class Beside(Noun, frozen=True, kw_only=True):
    """The scenario that one is compared with in each round: its figure over that of the other should be `at_most`, or
    `at_least`; its memory `memory_at_most`."""

    name: str
    figure: Figure
    at_most: float | None = None
    at_least: float | None = None
    memory_at_most: float | None = None


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
    latency without a queue; `share`: paced to this part of what can be done without the trouble. `p50_ms` and `p99_ms`: how
    long it may take from POST to receipt, where there is a budget.
    Each event is of one of the `tenants`, and goes to all healthy endpoints of that tenant. `bystanders`: endpoints that can
    match nothing, of the load's tenant or spread over many. `crowd`: endpoints that one event in the middle of the load goes
    to. `backlog`: events that wait for slow endpoints before the load begins; with no slow endpoint it is what is
    measured: how they are delivered when they may be. `is_sized`: the flag `--backlog` says how large it is. `is_restarted`: the
    server is killed when the backlog is there, and started again. `is_wanted` false: no endpoint wants the events. `is_idle`:
    no load at all. `is_floor`: what the parts cost without Tocsin's own work."""

    name: str
    meaning: str
    connections: int
    load: Load = "cloudevents"
    target: Target = "server"
    origin: Origin = "generator"
    batch: int = 1
    endpoints: int = 1
    tenants: int = 1
    subjects: int = 10
    format: FormatName = "cloudevents"
    is_ordered: bool = False
    is_batched: bool = False
    is_https: bool = False
    is_wanted: bool = True
    is_idle: bool = False
    rate: float | None = None
    share: float | None = None
    budget_us: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    trouble: Trouble = Trouble()
    bystanders: int = 0
    bystander_tenants: int = 1
    crowd: int = 0
    backlog: int = 0
    is_sized: bool = False
    is_restarted: bool = False
    beside: Beside | None = None

    @property
    def is_floor(self) -> bool:
        return self.load == "livez" or self.target == "sink" or not self.is_wanted

    @property
    def floors(self) -> tuple[str, ...]:
        """The floors that a delivery of this scenario stands on: an accept that comes to nothing (shared by the receivers), and
        the sender alone. There is none for what is sent by the clock, or in batches a bare sender."""
        if self.is_floor or self.is_idle or self.rate is not None or self.share is not None or self.is_restarted:
            return ()
        accept = () if self.is_drained else (ACCEPT_FLOORS[self.load, self.batch > 1],)
        return accept if self.is_batched else (*accept, SEND_FLOOR)

    @property
    def is_troubled(self) -> bool:
        return self.trouble != Trouble()

    @property
    def is_drained(self) -> bool:
        """Whether a backlog is what is measured."""
        return self.backlog > 0 and not self.trouble.slow

    @property
    def may_be_spread(self) -> bool:
        """Whether its events may be of many tenants, each with such endpoints."""
        is_plain = self.load == "cloudevents" and self.target == "server" and self.tenants == 1
        return is_plain and not (self.is_troubled or self.bystanders or self.crowd or self.is_idle)

    @property
    def receivers(self) -> int:
        """How many healthy endpoints each event goes to."""
        if self.target == "sink":
            return 1
        return self.endpoints // self.tenants if self.is_wanted else 0


SEND_FLOOR: Final = "sender"
ACCEPT_FLOORS: Final[dict[tuple[Load, bool], str]] = {
    ("cloudevents", False): "accept-64",
    ("cloudevents", True): "accept-batch-100",
    ("job_reports", False): "accept-jobs",
    ("finished_jobs", False): "accept-finished-jobs",
}
"""By the load, and whether there are many events in a POST."""
DEFAULT_BACKLOG: Final = 20_000


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


def _accepted(name: str, meaning: str, connections: int, load: Load, batch: int = 1) -> Scenario:
    return Scenario(
        name=name,
        meaning=f"the floor of an accept: {meaning} that no endpoint wants",
        connections=connections,
        load=load,
        batch=batch,
        is_wanted=False,
    )


def _formatted(name: FormatName) -> Scenario:
    reference = "cloudevents"
    return Scenario(
        name=f"format-{name}",
        meaning=f"reports of finished jobs, as {name}",
        connections=64,
        load="finished_jobs",
        format=name,
        beside=None if name == reference else Beside(name=f"format-{reference}", figure="cpu"),
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
    _accepted("accept-64", "events, one per POST,", 64, "cloudevents"),
    _accepted("accept-batch-100", "events, 100 per POST,", 8, "cloudevents", batch=100),
    _accepted("accept-jobs", "job reports", 64, "job_reports"),
    _accepted("accept-finished-jobs", "reports of finished jobs", 64, "finished_jobs"),
    Scenario(name="single-64", meaning="one event per POST, 64 connections", connections=64, budget_us=150),
    Scenario(name="single-256", meaning="one event per POST, 256 connections", connections=256, budget_us=150),
    Scenario(name="batch-100", meaning="100 events per POST, 8 connections", connections=8, batch=100, budget_us=90),
    Scenario(name="fanout-3", meaning="one event per POST, 3 endpoints", connections=64, endpoints=3, budget_us=70),
    Scenario(name="fanout-20", meaning="one event per POST, 20 endpoints", connections=64, endpoints=20, budget_us=70),
    Scenario(name="ordered", meaning="one endpoint, ordered by subject", connections=64, is_ordered=True),
    Scenario(
        name="paced-300", meaning="300 events per second, evenly: latency without a queue", connections=64, rate=300
    ),
    Scenario(
        name="half-load",
        meaning="half of what single-64 can do, evenly",
        connections=64,
        share=0.5,
        p50_ms=4,
        p99_ms=30,
    ),
    Scenario(
        name="https",
        meaning="one event per POST, to an endpoint by HTTPS",
        connections=64,
        is_https=True,
        beside=Beside(name="single-64", figure="cpu"),
    ),
    Scenario(
        name="batched",
        meaning="100 events per POST, delivered in batches of 100",
        connections=8,
        batch=100,
        is_batched=True,
        beside=Beside(name="batch-100", figure="cpu"),
    ),
    Scenario(
        name="batched-ordered",
        meaning="the same for an endpoint ordered by subject, and only 8 subjects",
        connections=8,
        batch=100,
        subjects=1,
        is_ordered=True,
        is_batched=True,
        beside=Beside(name="batched", figure="cpu"),
    ),
    *(_formatted(name) for name in get_args(FormatName)),
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
    Scenario(
        name="backlog-1000",
        meaning="1000 events wait while their endpoint is away, then go; again and again",
        connections=64,
        backlog=1000,
    ),
    Scenario(
        name="backlog",
        meaning="the same with many events (--backlog), once",
        connections=64,
        backlog=DEFAULT_BACKLOG,
        is_sized=True,
        beside=Beside(name="backlog-1000", figure="rate", at_least=0.9, memory_at_most=1.3),
    ),
    Scenario(
        name="restart",
        meaning="the server is killed with such a backlog, and started again",
        connections=64,
        backlog=DEFAULT_BACKLOG,
        is_sized=True,
        is_restarted=True,
    ),
    Scenario(
        name="restart-ordered",
        meaning="the same for an endpoint ordered by subject",
        connections=64,
        is_ordered=True,
        backlog=DEFAULT_BACKLOG,
        is_sized=True,
        is_restarted=True,
    ),
    Scenario(name="idle", meaning="100 endpoints, and nothing to do", connections=1, endpoints=100, is_idle=True),
)
BY_NAME: Final = {scenario.name: scenario for scenario in SCENARIOS}


def with_references(scenarios: Iterable[Scenario], *, floors: bool = True) -> list[Scenario]:
    """These scenarios, after those that they are compared with; where wanted with the floors of all these."""
    chosen: dict[str, Scenario] = {}
    for scenario in scenarios:
        beside = () if scenario.beside is None else (BY_NAME[scenario.beside.name],)
        for each in (*beside, scenario):
            for floor in each.floors if floors else ():
                chosen.setdefault(floor, BY_NAME[floor])
            chosen.setdefault(each.name, each)
    return list(chosen.values())
