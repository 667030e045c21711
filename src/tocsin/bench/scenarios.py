"""What is measured: the table of scenarios, each a load and the endpoints it is delivered to."""

from __future__ import annotations

from typing import Final, Literal

from tocsin.model.noun import Noun

Load = Literal["cloudevents", "job_reports", "livez"]
Target = Literal["server", "sink"]
Origin = Literal["generator", "sender"]
"""The process that sends the load: our cheapest, or Tocsin's own sender without the rest of it."""


class Scenario(Noun, frozen=True, kw_only=True):
    """One measurement. `batch` events go into each POST; `budget_us` is the CPU time of the server that a delivered event
    may cost (a delivery, with several endpoints), where there is a budget. `rate`: paced to so many events per second, to see
    latency without a queue. `is_floor`: what the parts cost without
    Tocsin's own work."""

    name: str
    meaning: str
    connections: int
    load: Load = "cloudevents"
    target: Target = "server"
    origin: Origin = "generator"
    batch: int = 1
    endpoints: int = 1
    is_ordered: bool = False
    rate: float | None = None
    budget_us: float | None = None

    @property
    def is_floor(self) -> bool:
        return self.load == "livez" or self.target == "sink"


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
)
BY_NAME: Final = {scenario.name: scenario for scenario in SCENARIOS}
