"""Migrations: numbered files, each with the checksum under which it was applied, and with the oldest version that still runs on it.

Expand, then contract. A file may begin with lines that say how it is to be taken:

- `-- oldest: 0003`: a version whose newest migration is 3 or later runs on what this one makes. Without the line nothing older does.
- `-- concurrently`: statement by statement, outside a transaction; each may be run again (PostgreSQL only).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Final

from tocsin.errors import Misconfigured
from tocsin.model.noun import Noun

_OLDEST: Final = re.compile(r"^-- oldest: (\d{4})$", re.MULTILINE)
_CONCURRENTLY: Final = re.compile(r"^-- concurrently$", re.MULTILINE)


class Migration(Noun, frozen=True, kw_only=True):
    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def oldest(self) -> int:
        """The newest migration that a version must know at least to run on this one."""
        found = _OLDEST.search(self._head)
        return int(found[1]) if found else self.number

    @property
    def is_concurrent(self) -> bool:
        return _CONCURRENTLY.search(self._head) is not None

    @property
    def _head(self) -> str:
        """The comment that it begins with."""
        return "\n".join(self.text.split("\n\n", 1)[0].splitlines())


class Applied(Noun, frozen=True, kw_only=True):
    """A migration as the database knows it."""

    number: int
    checksum: str
    oldest: int


def migrations_of(package: str) -> list[Migration]:
    """Those of a package, in order."""
    folder = files(package).joinpath("migrations")
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [
        Migration(number=int(name[:4]), name=name, text=folder.joinpath(name).read_text(encoding="utf-8"))
        for name in names
    ]


def missing(known: Sequence[Migration], applied: Iterable[Applied]) -> list[Migration]:
    """Those that are to be applied, where some were. Raises Misconfigured when one of these has changed since, or is not known and
    does not let this version run."""
    done = {one.number: one for one in applied}
    newest = max((migration.number for migration in known), default=0)
    newer = [one for number, one in done.items() if number > newest]
    if needed := max((one.oldest for one in newer if one.oldest > newest), default=0):
        raise Misconfigured(
            f"The database has migration {max(one.number for one in newer)}, which this version does not know, and needs a version that knows "
            f"migration {needed}. Upgrade Tocsin."
        )
    for migration in known:
        if migration.number in done and done[migration.number].checksum != migration.checksum:
            raise Misconfigured(f"Migration {migration.name} is not the one that made this database.")
    todo = [migration for migration in known if migration.number not in done]
    if todo and newer:
        raise Misconfigured(f"The database has migration {newer[0].number}, but not {todo[0].name}.")
    return todo
