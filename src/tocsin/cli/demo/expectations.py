"""What must arrive where: written by hand from the documents of each system, so that the demo also checks the formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.receiver import Arrival

NIGHTLY: Final = "nightly-load"
PROFILE: Final = "nightly-profile"
PUBLISH: Final = "publish-crm"
EXPORT: Final = "export-all"
SYNC: Final = "crm-sync"
REBUILD: Final = "rebuild-index"
SOURCE: Final = "src-customers"
CATEGORY: Final = "customers-2026"
Expected = Counter[tuple[str, str]]
"""How often each (name, subject) must arrive."""

_JOBS: Final[Mapping[str, tuple[str, ...]]] = {
    NIGHTLY: ("created", "running", "succeeded"),
    PROFILE: ("created", "running", "succeeded"),
    PUBLISH: ("created", "running", "failed"),
    EXPORT: ("created", "running", "stopping", "stopped"),
    SYNC: ("created", "running", "progressed", "syncing", "synced", "sync_completed", "succeeded"),
    REBUILD: ("created", "running", "rescheduled", "running", "succeeded"),
}
_RECORDS: Final = (
    ("created", "CREATE", "customers/r1"),
    ("created", "CREATE", "customers/r2"),
    ("updated", "UPDATE", "customers/r1"),
    ("updated", "UPDATE", "customers/r1"),
    ("updated", "UPDATE", "customers/r1"),
    ("deleted", "DELETE", "customers/r2"),
    ("updated", "UPDATE", "customers/r1"),
    ("created", "CREATE", "customers/r2"),
    ("deleted", "DELETE", "customers/r2"),
)
"""create r1, create r2, update r1, enrich r1, merge (r1 stays, r2 goes), unmerge (r2 comes back), delete r2."""
_ORDER: Final = ("order.created", "order-7")

JOB_EVENTS: Final[Expected] = Counter((f"job.{verb}", job) for job, verbs in _JOBS.items() for verb in verbs)
RECORD_EVENTS: Final[Expected] = Counter((f"record.{verb}", subject) for verb, _, subject in _RECORDS)
EVERYTHING: Final[Expected] = JOB_EVENTS + RECORD_EVENTS + Counter([("data_version.published", CATEGORY), _ORDER])
BINARY: Final[Expected] = RECORD_EVENTS + Counter([_ORDER])
TAMR: Final[Expected] = Counter(
    [
        *((state, job) for job in (NIGHTLY, PROFILE, PUBLISH, SYNC) for state in ("RUNNING", "DONE")),
        *((state, EXPORT) for state in ("RUNNING", "STOPPING", "DONE")),
        *((state, REBUILD) for state in ("RUNNING", "PENDING", "RUNNING", "DONE")),
        *((change, subject) for _, change, subject in _RECORDS),
    ]
)
LYTICS: Final[Expected] = Counter(
    [
        *((f"work.{verb}", job) for job in _JOBS for verb in ("created", "started")),
        *(("work.completed", job) for job in (NIGHTLY, PROFILE, REBUILD)),
        ("work.failed", PUBLISH),
        *((f"work.{verb}", SYNC) for verb in ("syncing", "synced", "synccomplete")),
    ]
)
TELMAI: Final[Expected] = Counter(
    [
        ("IN_PROGRESS", NIGHTLY),
        ("FINISHED", NIGHTLY),
        ("IN_PROGRESS", SYNC),
        ("IN_PROGRESS", SYNC),
        ("FINISHED", SYNC),
    ]
)
VISIER: Final[Expected] = Counter(
    [
        *(("jobResultSuccess", job) for job in (NIGHTLY, PROFILE, SYNC, REBUILD)),
        ("jobResultFailure", PUBLISH),
        ("jobResultRescheduled", REBUILD),
        ("dvPublish", CATEGORY),
    ]
)


@dataclass(frozen=True, slots=True)
class Tally:
    """What one receiver got. `arrived` counts each webhook-id once; `complaints` say what is not as it must be."""

    expected: int
    arrived: int
    verified: int
    requests: int
    retried: int
    order: bool | None
    missing: tuple[str, ...]
    complaints: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        return not self.missing and not self.complaints


def name_of(arrival: Arrival) -> tuple[str, str]:
    """The name and subject by which an arrival is expected. Tamr's `type` is our choice, so its state or change counts."""
    reading = arrival.reading
    document = _document(arrival)
    data = document.get("data")
    if reading.format == "cloudevents" and isinstance(data, dict):
        status = data.get("status")
        tamr = status.get("state") if isinstance(status, dict) else data.get("changeType")
        if isinstance(tamr, str):
            return tamr, reading.subject
    return reading.name, reading.subject


def is_complete(expected: Expected, arrivals: Iterable[Arrival]) -> bool:
    """Whether everything expected was taken."""
    return not expected - Counter(name_of(arrival) for arrival in _taken(arrivals))


def tally(
    expected: Expected,
    arrivals: Iterable[Arrival],
    check: Callable[[Arrival], str | None],
    *,
    failures: int,
    is_ordered: bool,
) -> Tally:
    """Compare what arrived with what must have. `failures` requests must have been answered with an error."""
    everything = list(arrivals)
    taken = _taken(everything)
    found = Counter(name_of(arrival) for arrival in taken)
    complaints = [f"{name} {subject}: arrived {n} times too often" for (name, subject), n in (found - expected).items()]
    complaints += [f"#{arrival.number}: {problem}" for arrival in everything if (problem := check(arrival))]
    complaints += [f"#{arrival.number}: {arrival.problem}" for arrival in everything if arrival.verified is not True]
    failed = sum(1 for arrival in everything if arrival.status == 503)
    if failed != failures:
        complaints.append(f"{failed} requests failed, {failures} should have")
    order = in_order(taken) if is_ordered else None
    if order is False:
        complaints.append("the events of a subject came in another order than they happened")
    return Tally(
        expected=expected.total(),
        arrived=len(taken),
        verified=sum(1 for arrival in taken if arrival.verified),
        requests=len(everything),
        retried=sum(1 for arrival in everything if arrival.attempt > 1),
        order=order,
        missing=tuple(f"{name} {subject}" for name, subject in (expected - found).elements()),
        complaints=tuple(complaints),
    )


def in_order(arrivals: Iterable[Arrival]) -> bool:
    """Whether the `sequence` of Tocsin's own CloudEvents grows within each subject."""
    last: dict[str, str] = {}
    for arrival in arrivals:
        sequence, subject = _document(arrival).get("sequence"), arrival.reading.subject
        if isinstance(sequence, str):
            if sequence <= last.get(subject, ""):
                return False
            last[subject] = sequence
    return True


def _taken(arrivals: Iterable[Arrival]) -> list[Arrival]:
    return [arrival for arrival in arrivals if 200 <= arrival.status < 300 and not arrival.is_duplicate]


def _document(arrival: Arrival) -> Mapping[str, object]:
    try:
        value = arrival.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
