"""The matching engine: reads source records, keeps the golden table, and says what changes in it, one change after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from examples.golden_records.data import FIELDS, SOURCES, SourceRecord
from examples.golden_records.matching import SURE, SUSPECTED, Forest, Key, is_confirmed, keys

Data = dict[str, object]
Table = dict[str, Data]

ACTIONS: Final = ("create", "update", "enrich", "merge", "unmerge", "delete")
FIRST_VERSION: Final = 1001
ERASE_BORN_BEFORE: Final = "1903"
STATES: Final = {
    "act": "Australian Capital Territory",
    "nsw": "New South Wales",
    "nt": "Northern Territory",
    "qld": "Queensland",
    "sa": "South Australia",
    "tas": "Tasmania",
    "vic": "Victoria",
    "wa": "Western Australia",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One logical action on the golden table. `other` is the retired record of a merge, the resurrected one of an unmerge."""

    action: str
    version_id: int
    record: str
    data: Data
    other: str | None = None
    other_data: Data | None = None

    @property
    def events(self) -> int:
        """How many events it is for a receiver."""
        return 1 if self.other is None else 2

    def body(self, table: str) -> dict[str, object]:
        """As Tocsin takes it."""
        body: dict[str, object] = {"action": self.action, "table": table, "version_id": self.version_id}
        body["record"] = {"id": self.record} if self.action == "delete" else {"id": self.record, "data": self.data}
        if self.action == "merge":
            body["retired"] = {"id": self.other}
        if self.action == "unmerge":
            body["resurrected"] = {"id": self.other, "data": self.other_data}
        return body


class Engine:
    """`table` is the golden table, by golden record.

    A source record that surely is of a golden record joins it; where it is of several, these are merged. One that only
    looks like another becomes a golden record of its own and is merged at once, but reviewed later: where nothing confirms
    the suspicion, the merge is undone.
    """

    def __init__(self) -> None:
        self.table: Table = {}
        self._forest = Forest()
        self._known: dict[Key, str] = {}
        self._enriched: set[str] = set()
        self._suspicions: list[str] = []
        self._fresh: list[str] = []
        self._next_version = FIRST_VERSION
        self._named = 0

    def read(self, record: SourceRecord) -> Iterator[Change]:
        """What one source record changes."""
        same = self._parts(record, SURE)
        if same:
            yield from self._join(same, record)
        else:
            yield from self._begin(record, self._parts(record, SUSPECTED))

    def review(self) -> Iterator[Change]:
        """What is done now and then: suspicions are checked, new golden records enriched or, some of them, erased."""
        for part in self._suspicions:
            yield from self._check(part)
        self._suspicions.clear()
        for part in self._fresh:
            if part in self.table:
                yield self._finish(part)
        self._fresh.clear()

    def _join(self, same: list[str], record: SourceRecord) -> Iterator[Change]:
        self._add(same[0], record)
        yield self._update(self._forest.root(same[0]), "update")
        for part in same[1:]:
            survivor, *retired = sorted({self._forest.root(same[0]), self._forest.root(part)})
            for each in retired:
                yield self._merge(survivor, each)

    def _begin(self, record: SourceRecord, alike: list[str]) -> Iterator[Change]:
        self._named += 1
        part = f"g{self._named:05}"
        self._add(part, record)
        self._fresh.append(part)
        data = self.table[part] = self._data(part)
        yield self._change("create", part, data)
        if alike:
            self._suspicions.append(part)
            yield self._merge(min(self._forest.root(other) for other in alike), part)

    def _check(self, part: str) -> Iterator[Change]:
        if part not in self._forest:
            return  # erased meanwhile
        mine = self._forest.records(part)
        others = [record for record in self._forest.records(self._forest.root(part)) if record not in mine]
        if is_confirmed(mine, others):
            return
        retained = self._forest.unmerge(part)
        self.table[retained], self.table[part] = self._data(retained), self._data(part)
        yield self._change("unmerge", retained, self.table[retained], part, self.table[part])

    def _finish(self, part: str) -> Change:
        if any(record.values.get("date_of_birth", "9999") < ERASE_BORN_BEFORE for record in self._forest.records(part)):
            self._forest.remove(part)
            del self.table[part]
            return self._change("delete", part, {})
        self._enriched.add(part)
        return self._update(part, "enrich")

    def _update(self, root: str, action: str) -> Change:
        self.table[root] = self._data(root)
        return self._change(action, root, self.table[root])

    def _merge(self, survivor: str, retired: str) -> Change:
        self._forest.merge(survivor, retired)
        del self.table[retired]
        self.table[survivor] = self._data(survivor)
        return self._change("merge", survivor, self.table[survivor], retired)

    def _change(
        self, action: str, record: str, data: Data, other: str | None = None, other_data: Data | None = None
    ) -> Change:
        self._next_version += 1
        return Change(action, self._next_version - 1, record, data, other, other_data)

    def _add(self, part: str, record: SourceRecord) -> None:
        self._forest.add(part, record)
        for key in keys(record, SURE + SUSPECTED):
            if self._known.get(key) not in self._forest:
                self._known[key] = part

    def _parts(self, record: SourceRecord, rules: tuple[tuple[str, ...], ...]) -> list[str]:
        """The parts that share a key with it, in the order of the rules."""
        found = [part for key in keys(record, rules) if (part := self._known.get(key)) is not None]
        return [part for part in dict.fromkeys(found) if part in self._forest]

    def _data(self, root: str) -> Data:
        records = self._forest.records(root)
        data = survivors(records)
        return data | enrichment(data) if root in self._enriched else data


def survivors(records: list[SourceRecord]) -> Data:
    """For each field the value that most records have; of equally many, the more trusted source's, then the longer one."""
    data: Data = {}
    for field in FIELDS:
        votes = Counter(value for record in records if (value := record.values.get(field)))
        if votes:
            first = {
                record.values.get(field): _distrust(record) for record in sorted(records, key=_distrust, reverse=True)
            }
            data[field] = min(votes, key=lambda value: (-votes[value], first[value], -len(value), value))
    data["sources"] = sorted(record.id for record in records)
    return data


def _distrust(record: SourceRecord) -> int:
    return SOURCES.index(record.id.partition("/")[0])


def enrichment(data: Data) -> Data:
    """What can be derived from a golden record."""
    street = " ".join(str(data[field]) for field in ("street_number", "address_1") if field in data)
    town = " ".join(str(data[field]) for field in ("suburb", "postcode") if field in data)
    return {
        "full_address": ", ".join(part for part in (street, town) if part),
        "state_name": STATES.get(str(data.get("state", "")), ""),
        "born_in": f"{str(data['date_of_birth'])[:3]}0s" if "date_of_birth" in data else "",
    }
