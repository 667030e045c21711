"""What accept and the door of the intake share: idempotency keys that are still at work, and producers that wait for their answer."""

from __future__ import annotations

import asyncio

from tocsin.errors import RequestRunning
from tocsin.model.submission import Accepted, Submission


class KeysAtWork:
    """The idempotency keys of what was taken and has no answer yet: in memory, so that a crash leaves none behind."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: set[tuple[str, str, str]] = set()

    def enter(self, submission: Submission) -> None:
        """Raises RequestRunning for a key that is at work already."""
        if (key := submission.idempotency) is None:
            return
        running = (submission.tenant, key.route, key.key)
        if running in self._keys:
            raise RequestRunning(key.key)
        self._keys.add(running)

    def leave(self, submission: Submission) -> None:
        """It has its answer."""
        if (key := submission.idempotency) is not None:
            self._keys.discard((submission.tenant, key.route, key.key))


def resolve(future: asyncio.Future[Accepted], answer: Accepted | Exception) -> None:
    """Give whoever waits, if anybody does still, the answer."""
    if future.done():
        return
    if isinstance(answer, Accepted):
        future.set_result(answer)
    else:
        future.set_exception(answer)
