"""Looks at a database that no server has open, and changes nothing in it."""

from __future__ import annotations

from tocsin.adapters.crypto.master_keys import key_file_of
from tocsin.adapters.sqlite.database import FileLock, mounted_filesystem, open_connection
from tocsin.adapters.sqlite.inspecting import facts_of, faults_of
from tocsin.config import Settings
from tocsin.ports import StoreFacts

OTHERS: int = 0o077


def examine(settings: Settings, *, integrity: bool) -> tuple[StoreFacts, list[str]]:
    """Its facts and, with `integrity`, what is wrong with the file. Raises Misconfigured when a server has it open, and OSError
    when it cannot be read."""
    path = settings.database
    lock = FileLock(path)
    lock.take()
    try:
        connection = open_connection(path, read_only=True)
        try:
            facts = facts_of(path, connection, filesystem=mounted_filesystem(path.parent.resolve()))
            return facts, faults_of(connection) if integrity else []
        finally:
            connection.close()
    finally:
        lock.release()


def key_file_trouble(settings: Settings) -> str | None:
    """What is wrong with the key file beside the database, if the key is to be there."""
    path = key_file_of(settings)
    if path is None:
        return None
    if not path.exists():
        return f"{path} is missing."
    return f"{path} can be read by others." if path.stat().st_mode & OTHERS else None
