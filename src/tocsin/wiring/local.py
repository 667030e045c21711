"""Looks at a database that no server has open, and changes nothing in it."""

from __future__ import annotations

import contextlib
from typing import Final

import apsw

from tocsin.adapters.crypto.master_keys import key_file_of
from tocsin.adapters.sqlite.database import FileLock, faults_of, mounted_filesystem, open_connection
from tocsin.adapters.sqlite.inspecting import facts_of
from tocsin.config import Settings
from tocsin.errors import Misconfigured, StoreUnavailable
from tocsin.model.database import SharedDatabase
from tocsin.ports import StoreFacts

OTHERS: Final = 0o077


def examine(settings: Settings, *, integrity: bool) -> tuple[StoreFacts, list[str]]:
    """Its facts and, with `integrity`, what is wrong with the file. Raises Misconfigured when a server has it open, and
    StoreUnavailable when it cannot be read at all."""
    path = settings.database
    if isinstance(path, SharedDatabase):
        raise Misconfigured("PostgreSQL is not looked at from here: ask the server that runs on it, by --url.")
    lock = FileLock(path)
    lock.take()
    beside = [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")]
    made = [file for file in beside if not file.exists()]
    try:
        with contextlib.closing(open_connection(path, read_only=True)) as connection:
            facts = facts_of(path, connection, filesystem=mounted_filesystem(path.parent.resolve()))
            return facts, faults_of(connection) if integrity else []
    except (apsw.Error, OSError) as error:
        raise StoreUnavailable(f"{path} cannot be read: {error}") from error
    finally:
        for file in made:
            file.unlink(missing_ok=True)
        lock.release()


def key_file_trouble(settings: Settings) -> str | None:
    """What is wrong with the key file beside the database, if the key is to be there."""
    path = key_file_of(settings)
    if path is None:
        return None
    if not path.exists():
        return f"{path} is missing."
    return f"{path} can be read by others." if path.stat().st_mode & OTHERS else None
