"""Idempotency-Key for everything but the accept routes (those keep their answer in the transaction that accepts).

The same key with the same body gives the kept answer, with another body a refusal, and a conflict while the first is
still at work. Only 2xx answers are kept, sealed: they may show a secret that is never shown again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tocsin.errors import IdempotencyKeyReused, RequestRunning
from tocsin.model.noun import Noun
from tocsin.model.submission import StoredAnswer
from tocsin.ports import Answers, SecretBox


class Scope(Noun, frozen=True, kw_only=True):
    """What an idempotency key stands for: `tenant` is "" for an operator's request that names none."""

    tenant: str
    route: str
    key: str
    body_hash: bytes


class Answer(Noun, frozen=True, kw_only=True):
    """Status and JSON body."""

    status: int
    body: bytes


class IdempotentAnswers:
    """Answers each key once."""

    __slots__ = ("_box", "_now_ms", "_running", "_store")

    def __init__(self, store: Answers, box: SecretBox, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._box = box
        self._now_ms = now_ms
        self._running: set[tuple[str, str, str]] = set()

    async def once(self, scope: Scope, make: Callable[[], Awaitable[Answer]]) -> Answer:
        """The kept answer, or the one that `make` gives. Raises RequestRunning, IdempotencyKeyReused."""
        name = (scope.tenant, scope.route, scope.key)
        if name in self._running:
            raise RequestRunning
        self._running.add(name)
        try:
            async with self._store.at_work(*name) as is_ours:
                return await self._found_or_made(scope, make if is_ours else _refuse)
        finally:
            self._running.discard(name)

    async def _found_or_made(self, scope: Scope, make: Callable[[], Awaitable[Answer]]) -> Answer:
        context = _context(scope.tenant, scope.route, scope.key)
        found = await self._store.find(scope.tenant, scope.route, scope.key, self._now_ms())
        if found:
            if found.body_hash != scope.body_hash:
                raise IdempotencyKeyReused
            return Answer(status=found.status, body=self._box.open(found.body, context))
        answer = await make()
        if 200 <= answer.status < 300:
            sealed = self._box.seal(answer.body, context)
            kept = StoredAnswer(body_hash=scope.body_hash, status=answer.status, body=sealed)
            await self._store.keep(scope.tenant, scope.route, scope.key, kept, self._now_ms())
        return answer


async def _refuse() -> Answer:
    """Another server is at work on it."""
    raise RequestRunning


def opened(box: SecretBox, tenant: str, route: str, key: str, body: bytes) -> bytes:
    """The body of a kept answer. Those of the accept routes are not sealed."""
    try:
        return box.open(body, _context(tenant, route, key))
    except ValueError:
        return body


def _context(tenant: str, route: str, key: str) -> str:
    return f"answer {tenant} {route} {key}"
