"""What the stages cost: solved from the figures of three measured scenarios, or the figures of version 0.1.0."""

from __future__ import annotations

from typing import Final

from tocsin.bench.report import Report
from tocsin.bench.scenarios import BY_NAME
from tocsin.model.noun import Noun

SOLVED_FROM: Final = ("single-64", "batch-100", "fanout-20")
"""Three loads that differ in events per POST and in endpoints per event: three equations for three unknowns. What else was
measured is left over, to check the result with."""


class Costs(Noun, frozen=True, kw_only=True):
    """CPU in microseconds of a node: of a POST however much is in it, of each event in it (decide, append, read it for
    fan-out), of each delivery (fan out, prepare, send, judge, settle).

    A transaction flushes to disk in `flush_ms`, holds `group` rows at most and costs its writer `row_us` a row: one for an
    event, one for a delivery, one for its settling. On a shared store the flush takes `round_trip_ms` more, and a row costs
    the database server `store_row_us`. These are not solved: the flush and `row_us` are from prototypes, `store_row_us` is measured, group and round
    trip are assumed.
    """

    post_us: float = 38.0
    event_us: float = 48.0
    delivery_us: float = 90.0
    flush_ms: float = 0.28
    group: int = 256
    row_us: float = 8.0
    round_trip_ms: float = 0.3
    store_row_us: float = 24.0

    def of_event(self, events_per_post: int, receivers: float) -> float:
        """All that one event costs, with its deliveries."""
        return self.of_accept(events_per_post) + receivers * self.delivery_us

    def of_accept(self, events_per_post: int) -> float:
        """What one event costs until it is accepted."""
        return self.post_us / events_per_post + self.event_us


class NoCosts(Exception):
    """The document has no figures that the costs of the stages could be solved from."""


def solved(report: Report) -> Costs:
    """The costs that explain three scenarios of a document which `tocsin bench --save` wrote. Raises NoCosts."""
    cpu = {measurement.name: measurement.cpu_us for measurement in report.measurements}
    if missing := [name for name in SOLVED_FROM if not cpu.get(name)]:
        raise NoCosts(f"The document has no figures of {', '.join(missing)}: measure {', '.join(SOLVED_FROM)}.")
    single, batch, fanout = (cpu[name] for name in SOLVED_FROM)
    per_post, receivers = BY_NAME["batch-100"].batch, BY_NAME["fanout-20"].receivers
    # A batch divides the cost of the POST; many receivers divide the cost of POST and event.
    post = (single - batch) / (1 - 1 / per_post)
    delivery = (receivers * fanout - single) / (receivers - 1)
    event = single - post - delivery
    if min(post, delivery, event) < 0:
        raise NoCosts(
            f"The figures contradict one another: they give {post:.0f} us a POST, {event:.0f} an event, {delivery:.0f} a "
            "delivery. Measure again, with more rounds."
        )
    return Costs(post_us=round(post, 1), event_us=round(event, 1), delivery_us=round(delivery, 1))
