"""Where everything is kept: a file, or a database that others may share."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from tocsin.model.noun import Noun
from tocsin.model.secret import Secret


class SharedDatabase(Noun, frozen=True, kw_only=True):
    """A PostgreSQL database; the URL may have a password in it."""

    url: Secret

    def __str__(self) -> str:
        return without_password(self.url.reveal())


def without_password(url: str) -> str:
    """For people: the URL without what is secret in it."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    name, colon, _ = user.partition(":")
    path, question, _ = path.partition("?")
    return f"{scheme}://{name}{':********' if colon else ''}{at}{host}{slash}{path}{question and '?...'}"


def database_of(text: str) -> Path | SharedDatabase:
    """Raises ValueError for what names no database."""
    if text.startswith(("postgresql://", "postgres://")):
        if not urlsplit(text).path.strip("/"):
            raise ValueError("must name a database, like postgresql://user@host/tocsin")
        return SharedDatabase(url=Secret(text))
    scheme, separator, path = text.partition(":///")
    if scheme != "sqlite" or not separator:
        raise ValueError("must be sqlite:///file.db or postgresql://user:password@host/database")
    if not path or path.startswith(":memory:"):
        raise ValueError("must name a file: what is accepted has to outlive the process")
    return Path(path)
