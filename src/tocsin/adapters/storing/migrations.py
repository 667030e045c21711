"""Migrations: numbered files, each with the checksum under which it was applied."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files

from tocsin.errors import Misconfigured
from tocsin.model.noun import Noun


class Migration(Noun, frozen=True, kw_only=True):
    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations_of(package: str) -> list[Migration]:
    """Those of a package, in order."""
    folder = files(package).joinpath("migrations")
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [
        Migration(number=int(name[:4]), name=name, text=folder.joinpath(name).read_text(encoding="utf-8"))
        for name in names
    ]


def missing(known: list[Migration], done: Mapping[int, str]) -> list[Migration]:
    """Those that are to be applied, where some were, each with its checksum. Raises Misconfigured when one of these is not known, or
    has changed since."""
    if newer := set(done) - {migration.number for migration in known}:
        raise Misconfigured(
            f"The database has migration {max(newer)}, which this version does not know. Upgrade Tocsin."
        )
    for migration in known:
        if done.get(migration.number, migration.checksum) != migration.checksum:
            raise Misconfigured(f"Migration {migration.name} is not the one that made this database.")
    return [migration for migration in known if migration.number not in done]
