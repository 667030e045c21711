"""Which records are the same person: a deterministic rule, and a forest of clusters that can be joined and split again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from examples.golden_records.data import SourceRecord

Key = tuple[str, ...]

SURE: Final = (("soc_sec_id", "surname"), ("given_name", "surname", "date_of_birth"))
"""Equal in all fields of one of these, none of them empty: the same person."""

SUSPECTED: Final = (
    ("soc_sec_id",),
    ("given_name", "surname"),
    ("given_name", "postcode"),
    ("given_name", "suburb"),
    ("surname", "postcode"),
    ("surname", "suburb"),
    ("surname", "street_number"),
)
"""Equal in these: perhaps, and to be reviewed."""


def keys(record: SourceRecord, rules: tuple[tuple[str, ...], ...]) -> Iterator[Key]:
    """What records must share to be linked by one of the rules."""
    for fields in rules:
        if all(field in record.values for field in fields):
            yield (*fields, *(record.values[field] for field in fields))


def is_confirmed(some: list[SourceRecord], others: list[SourceRecord]) -> bool:
    """Whether a suspicion holds: one of each agree in what says who somebody is."""
    return any(_agree(one.values, other.values) for one in some for other in others)


def _agree(one: dict[str, str], other: dict[str, str]) -> bool:
    born, lives = "date_of_birth", ("street_number", "address_1")
    return (
        (born in one and one[born] == other.get(born))
        or all(field in one and one[field] == other.get(field) for field in lives)
        or _digits_apart(one["soc_sec_id"], other["soc_sec_id"]) <= 2
    )


def _digits_apart(one: str, other: str) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True)) if len(one) == len(other) else len(one)


class Forest:
    """Clusters as a union-find structure in which a union can be undone.

    Each cluster is a tree of parts; a part has its own records and points at the part that it was merged into. Paths are
    not compressed, so that cutting one pointer gives back both sides, each with what joined it since.
    """

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._children: dict[str, list[str]] = {}
        self._records: dict[str, list[SourceRecord]] = {}

    def __contains__(self, part: object) -> bool:
        return part in self._records

    def add(self, part: str, record: SourceRecord) -> None:
        """Put a record into a part; an unknown part begins a cluster."""
        self._records.setdefault(part, []).append(record)

    def root(self, part: str) -> str:
        """The part that its cluster is named by."""
        while part in self._parent:
            part = self._parent[part]
        return part

    def merge(self, survivor: str, retired: str) -> None:
        """Both must be roots."""
        self._parent[retired] = survivor
        self._children.setdefault(survivor, []).append(retired)

    def unmerge(self, retired: str) -> str:
        """Make a part a root again; gives the root it was taken from."""
        survivor = self._parent.pop(retired)
        self._children[survivor].remove(retired)
        return self.root(survivor)

    def remove(self, root: str) -> None:
        """Forget a cluster."""
        for part in self.parts(root):
            self._parent.pop(part, None)
            self._children.pop(part, None)
            del self._records[part]

    def parts(self, part: str) -> list[str]:
        """A part and all that was merged into it."""
        return [part, *(below for child in self._children.get(part, ()) for below in self.parts(child))]

    def records(self, part: str) -> list[SourceRecord]:
        """The records of a part and of all that was merged into it."""
        return [record for each in self.parts(part) for record in self._records[each]]
