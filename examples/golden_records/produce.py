"""The sending side: the engine's changes go to Tocsin in arrays and one by one, some of them twice, through a crash."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

from examples.golden_records.data import SourceRecord
from examples.golden_records.golden import Change, Engine
from examples.golden_records.server import Server
from tocsin.client import Client, Unreachable

TABLE: Final = "persons"
RECORDS_READ_AT_ONCE: Final = 40
SINGLY: Final = 8
"""Of so many groups of changes, one is sent change by change."""
REPEATED: Final = 5
"""Of so many groups, one is sent again with the same Idempotency-Key."""
RETOLD: Final = 7
"""Of so many groups, one is sent again with another key, so that only the version ids tell."""
TRIES: Final = 10
UP_SECONDS: Final = 60


class Producer:
    """Sends what the engine says. Version ids are the engine's own, so whatever is sent again is known again."""

    def __init__(self, server: Server, engine: Engine, crash: Callable[[], Awaitable[None]]) -> None:
        """`crash` is awaited once, halfway, while changes are being sent."""
        self.actions: Counter[str] = Counter()
        self.events = self.answered = 0
        self.requests = self.repeated = self.unanswered = 0
        self.faults: list[str] = []
        self._server = server
        self._engine = engine
        self._crash = crash
        self._client = server.client()

    async def run(self, records: Sequence[SourceRecord]) -> None:
        """All of it."""
        groups = range(0, len(records), RECORDS_READ_AT_ONCE)
        for number, start in enumerate(groups):
            changes = list(self._changes(records[start : start + RECORDS_READ_AT_ONCE]))
            if number != len(groups) // 2:
                await self._send(number, changes)
                continue
            await asyncio.gather(self._send(number, changes), self._crash())

    def _changes(self, records: Sequence[SourceRecord]) -> Iterator[Change]:
        for record in records:
            yield from self._engine.read(record)
        yield from self._engine.review()

    async def _send(self, number: int, changes: Sequence[Change]) -> None:
        self.actions.update(change.action for change in changes)
        self.events += sum(change.events for change in changes)
        await self._send_bodies(number, [change.body(TABLE) for change in changes])
        self.answered = self.events

    async def _send_bodies(self, number: int, bodies: Sequence[dict[str, object]]) -> None:
        if number % SINGLY == 4:
            for body in bodies:
                await self._post(body, f"single-{body['version_id']}")
            return
        answer = await self._post(bodies, f"group-{number}")
        if number % REPEATED == 2:
            await self._post_again(bodies, f"group-{number}", answer)
        if number % RETOLD == 3:
            await self._post_again(bodies, f"group-{number}-again", answer)

    async def _post_again(self, body: object, key: str, answer: object) -> None:
        self.repeated += 1
        if await self._post(body, key) != answer:
            self.faults.append(f"{key}: sent again, answered otherwise")

    async def _post(self, body: object, key: str) -> object:
        """Until there is an answer: a producer does not know whether a request without one was taken."""
        for _ in range(TRIES):
            self.requests += 1
            try:
                return await asyncio.to_thread(self._accept, self._client, body, key)
            except Unreachable:
                self.unanswered += 1
                async with asyncio.timeout(UP_SECONDS):
                    await self._server.is_up.wait()
                self._client.close()
                self._client = self._server.client()
        raise Unreachable(f"no answer in {TRIES} tries")

    @staticmethod
    def _accept(client: Client, body: object, key: str) -> object:
        return client.request("POST", "/v1/records/changes", body, idempotency_key=key)
