"""Dropping duplicates: delivery is at least once, so a receiver remembers each `webhook-id` it has dealt with."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

KEEP_SECONDS: Final = 30 * 86400
"""Longer than any retry schedule lasts by default; a replay later than this is seen as new."""
_CLEAN_EVERY: Final = 1000


class Inbox:
    """The webhook ids dealt with, in a SQLite file (or in memory, when no path is given). Safe to use from threads."""

    def __init__(self, path: str | Path = ":memory:", *, keep_seconds: float = KEEP_SECONDS) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._lock = threading.Lock()
        self._keep = keep_seconds
        self._until_clean = _CLEAN_EVERY
        if path != ":memory:":
            self._db.execute("PRAGMA journal_mode = WAL").fetchall()
        self._db.execute("CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID")
        self._db.execute("CREATE INDEX IF NOT EXISTS seen_at ON seen (at)")

    def claim(self, webhook_id: str, now: float | None = None) -> bool:
        """True for an id that was not claimed before: go on. False: answer 2xx and do nothing."""
        at = time.time() if now is None else now
        with self._lock:
            self._until_clean -= 1
            if self._until_clean <= 0:
                self._until_clean = _CLEAN_EVERY
                self._db.execute("DELETE FROM seen WHERE at < ?", (at - self._keep,))
            inserted = self._db.execute(
                "INSERT INTO seen (id, at) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at WHERE at < ?",
                (webhook_id, at, at - self._keep),
            )
            return inserted.rowcount == 1

    def release(self, webhook_id: str) -> None:
        """Forget an id whose work failed, so that the next attempt is taken."""
        with self._lock:
            self._db.execute("DELETE FROM seen WHERE id = ?", (webhook_id,))

    @contextmanager
    def once(self, webhook_id: str) -> Iterator[bool]:
        """Claim for the length of a `with` block; an exception inside releases the id."""
        is_new = self.claim(webhook_id)
        try:
            yield is_new
        except BaseException:
            if is_new:
                self.release(webhook_id)
            raise

    def close(self) -> None:
        with self._lock:
            self._db.close()
