"""The receiving side: the golden table again, from nothing but the webhooks that arrive."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from examples.golden_records.golden import Data, Table
from tocsin.receiver import Arrival, Inbox

APPLIED_BEFORE_FAILING: Final = 0.5
"""Of the requests answered 500, how many were worked on before: the crash after the commit, which makes duplicates."""


@dataclass(frozen=True, slots=True)
class Part:
    """One event about one golden record, whatever the format it came in."""

    record: str
    version_id: int
    number: int
    change_type: str
    data: Data

    @property
    def version(self) -> tuple[int, int]:
        return self.version_id, self.number


def read_tamr(document: object) -> Part:
    """Tamr's RealTime record event."""
    return _part(document, "recordId", "versionId", "recordNumber", "changeType", "newData")


def read_cloudevents(document: object) -> Part:
    """Tocsin's own record event as a CloudEvent."""
    return _part(document, "record_id", "version_id", "record_number", "change_type", "new_data")


def _part(document: object, *names: str) -> Part:
    """From the data of a CloudEvent; KeyError and TypeError when it is something else."""
    match document:
        case {"data": dict(data)}:
            return Part(*(data[name] for name in names))
        case _:
            raise TypeError("not a CloudEvent with an object for data")


class Rebuilt:
    """A golden table made from webhooks. Wants each golden record's changes in order, each once, and says in `faults` where
    it got anything else; of the record that `loses` names, it loses on purpose how it was created."""

    def __init__(self, read: Callable[[object], Part], *, seed: int = 0, loses: str | None = None) -> None:
        self.table: Table = {}
        self.faults: list[str] = []
        self.requests = self.applied = self.failed = self.retries = self.duplicates = 0
        self.news = asyncio.Event()
        self._read = read
        self._inbox = Inbox()
        self._seen: set[str] = set()
        self._begun: set[int] = set()
        self._versions: dict[str, tuple[int, int]] = {}
        self._chance = random.Random(seed)
        self._loses = loses

    def arrive(self, arrival: Arrival) -> None:
        """Take a request whose answer is decided: apply it, drop it, or fail before or after applying it."""
        self.requests += 1
        self.news.set()
        if not arrival.verified:
            self.faults.append(f"request {arrival.number} is not signed as it should be: {arrival.problem}")
            return
        self.retries += arrival.attempt > 1
        part = self._read(json.loads(arrival.body))
        self._watch_order(arrival.webhook_id, part)
        if arrival.status >= 500:
            self.failed += 1
            if self._chance.random() >= APPLIED_BEFORE_FAILING:
                return
        if not self._inbox.claim(arrival.webhook_id):
            self.duplicates += 1
            return
        self.applied += 1
        if part.change_type == "CREATE" and part.record == self._loses:
            return
        self._apply(part)

    def _watch_order(self, webhook_id: str, part: Part) -> None:
        """What comes for the first time is newer than all that came about the record before, and not the second part of an
        action whose first did not come."""
        if webhook_id in self._seen:
            return
        self._seen.add(webhook_id)
        newest = self._versions.get(part.record)
        if newest is not None and part.version <= newest:
            self.faults.append(f"{part.record}: version {part.version} came after {newest}")
        self._versions[part.record] = part.version
        if part.number == 0:
            self._begun.add(part.version_id)
        elif part.version_id not in self._begun:
            self.faults.append(f"{part.record}: part {part.number} of version {part.version_id} came before part 0")

    def _apply(self, part: Part) -> None:
        is_there = part.record in self.table
        if is_there == (part.change_type == "CREATE"):
            self.faults.append(
                f"{part.record}: {part.change_type} of version {part.version_id}, but it is {'' if is_there else 'not '}there"
            )
        if part.change_type == "DELETE":
            self.table.pop(part.record, None)
        else:
            self.table[part.record] = part.data


def differences(golden: Table, rebuilt: Table) -> list[str]:
    """What the second table has otherwise than the first, a line for each golden record."""
    found = [f"{record}: missing" for record in golden.keys() - rebuilt.keys()]
    found += [f"{record}: should not be there" for record in rebuilt.keys() - golden.keys()]
    for record in golden.keys() & rebuilt.keys():
        wanted, got = golden[record], rebuilt[record]
        fields = sorted(name for name in wanted.keys() | got.keys() if wanted.get(name) != got.get(name))
        found += [f"{record}: {name} is {got.get(name)!r}, not {wanted.get(name)!r}" for name in fields]
    return sorted(found)
