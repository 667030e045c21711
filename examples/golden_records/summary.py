"""What the example says at its end: for people as tables, for programs as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from examples.golden_records.golden import ACTIONS
from examples.golden_records.produce import Producer
from examples.golden_records.rebuild import Rebuilt

MOST_FAULTS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How it went. No `faults`: both rebuilt tables equal the golden one, and nothing was wrong on the way."""

    seconds: float
    records: int
    golden: int
    producer: Producer
    waiting_at_crash: int
    rebuilt: Mapping[str, Rebuilt]
    faults: list[str]

    def document(self) -> dict[str, object]:
        """As JSON."""
        producer = self.producer
        return {
            "is_equal": not self.faults,
            "faults": self.faults,
            "records": self.records,
            "golden_records": self.golden,
            "actions": dict(producer.actions),
            "events": producer.events,
            "requests": producer.requests,
            "repeated": producer.repeated,
            "unanswered": producer.unanswered,
            "waiting_at_crash": self.waiting_at_crash,
            "receivers": {name: _counts(rebuilt) for name, rebuilt in self.rebuilt.items()},
            "seconds": round(self.seconds, 1),
        }


def _counts(rebuilt: Rebuilt) -> dict[str, int]:
    return {
        "webhooks": rebuilt.requests,
        "answered_500": rebuilt.failed,
        "retries": rebuilt.retries,
        "duplicates": rebuilt.duplicates,
        "applied": rebuilt.applied,
        "golden_records": len(rebuilt.table),
    }


def show(screen: Console, summary: Summary) -> None:
    """For people."""
    producer = summary.producer
    screen.print(
        f"{summary.records} source records made {summary.golden} golden records: {producer.actions.total()} changes,"
        f" {producer.events} events, {summary.seconds:.0f} s."
    )
    actions = _table(*ACTIONS)
    actions.add_row(*(str(producer.actions[action]) for action in ACTIONS))
    screen.print(actions)
    screen.print(
        f"{producer.requests} requests; {producer.repeated} were sent again on purpose, {producer.unanswered} because no answer came:\n"
        f"the server was killed halfway, with {summary.waiting_at_crash} deliveries not yet applied."
    )
    receivers = _table("endpoint", "webhooks", "500s", "retries", "duplicates", "applied", "table")
    for name, rebuilt in summary.rebuilt.items():
        receivers.add_row(name, *map(str, _counts(rebuilt).values()))
    screen.print(receivers)
    for fault in summary.faults[:MOST_FAULTS_SHOWN]:
        screen.print(Text(fault, "red"))
    if len(summary.faults) > MOST_FAULTS_SHOWN:
        screen.print(f"... and {len(summary.faults) - MOST_FAULTS_SHOWN} more")
    if summary.faults:
        screen.print(Text("The rebuilt tables do not equal the engine's.", "bold red"))
    else:
        screen.print(Text("Both rebuilt tables equal the engine's, golden record for golden record.", "bold green"))


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, justify="left" if column == "endpoint" else "right")
    return table
