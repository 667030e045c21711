"""Puts a group of submissions into the stream: one atomic batch (ADR-50 of NATS, servers from 2.12 on), else one publish for each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Final, cast

import nats.errors
from nats.aio.client import Client

from tocsin.adapters.nats.connection import LOST, RETRY_AFTER_SECONDS, NatsConnection, unavailable
from tocsin.errors import IntakeUnavailable, Overloaded, TocsinError, TooLarge
from tocsin.telemetry import log

ACK_SECONDS: Final = 2.0
"""How long an ack is waited for before it counts as lost."""
APPEND_SECONDS: Final = 8.0
"""How long it is tried: longer than a cluster takes to choose a leader anew (4 to 5 s)."""
PAUSE_SECONDS: Final = 0.1
PIECES: Final = 255
"""Messages that one submission may be cut into; a batch may have 1000 by the server's default, and a group has some 256."""
ROOM: Final = 1024
"""What headers and subject take of the server's limit for a message."""
FULL: Final = frozenset({10077, 10047, 10023, 10122})
"""Error codes of JetStream: maximum bytes exceeded, or no room for them."""

Message = tuple[str, bytes]


class _NotKept(Exception):
    """It is certain that nothing of it was kept; it may be tried again."""


class _Unknown(Exception):
    """It may have been kept."""


class NatsAppender:
    """One group at a time: what was handed in first is in front."""

    def __init__(self, connection: NatsConnection, stream: str) -> None:
        self._connection = connection
        self._stream = stream
        self._batches = 0
        self._floor = 0
        self._is_down = False
        self.is_atomic = True
        self.last = 0
        """The highest sequence that was ever acknowledged."""

    async def append(self, contents: Sequence[tuple[int, bytes]]) -> list[TocsinError | None]:
        """See `ports.Intake.append`."""
        try:
            messages = [self._parts(partition, content) for partition, content in contents]
        except TooLarge as large:
            if len(contents) == 1:
                return [large]
            return [answer for content in contents for answer in await self.append([content])]
        loop = asyncio.get_running_loop()
        end = loop.time() + (ACK_SECONDS if self._is_down else APPEND_SECONDS)
        while True:
            try:
                answers = await self._append_once(messages)
            except (_NotKept, IntakeUnavailable) as error:
                why = str(error)
            except _Unknown as error:
                why = str(error)
                if not self.is_atomic:
                    raise unavailable(why) from error
            else:
                self._is_down = False
                return answers
            if loop.time() >= end:
                if not self._is_down:
                    log.error("intake.down", why=why)
                self._is_down = True
                raise unavailable(why)
            await asyncio.sleep(PAUSE_SECONDS)

    def _parts(self, partition: int, content: bytes) -> list[Message]:
        """The messages of one submission: as many as it needs. Each begins with its number and how many follow."""
        subject = f"{self._stream}.{partition}"
        limit = self._connection.max_payload - ROOM
        if len(content) <= limit:
            return [(subject, bytes((0, 0)) + content)]
        if not self.is_atomic:
            raise TooLarge(f"The intake takes at most {limit} bytes at a time: raise max_payload of the NATS servers.")
        pieces = [content[at : at + limit] for at in range(0, len(content), limit)]
        if len(pieces) > PIECES:
            raise TooLarge(f"The intake takes at most {PIECES * limit} bytes: raise max_payload of the NATS servers.")
        return [(subject, bytes((n, len(pieces) - 1 - n)) + piece) for n, piece in enumerate(pieces)]

    async def _append_once(self, groups: Sequence[Sequence[Message]]) -> list[TocsinError | None]:
        messages = [message for group in groups for message in group]
        client = self._connection.client
        self._floor = self.last
        if len(messages) == 1:
            await self._one(client, messages[0], None)
            return [None]
        if not self.is_atomic:
            return await self._one_by_one(client, messages)
        await self._batch(client, messages)
        return [None] * len(groups)

    async def _batch(self, client: Client, messages: Sequence[Message]) -> None:
        """All of them, or none."""
        self._batches += 1
        name = f"{id(self):x}-{self._batches}"
        try:
            for number, (subject, content) in enumerate(messages[:-1], 1):
                headers = {"Nats-Batch-Id": name, "Nats-Batch-Sequence": str(number)}
                await client.publish(subject, content, headers=headers)
        except LOST as error:
            raise _NotKept(type(error).__name__) from error
        commit = {"Nats-Batch-Id": name, "Nats-Batch-Sequence": str(len(messages)), "Nats-Batch-Commit": "1"}
        await self._one(client, messages[-1], commit)

    async def _one(self, client: Client, message: Message, headers: dict[str, str] | None) -> None:
        subject, content = message
        expected = {**(headers or {}), "Nats-Expected-Stream": self._stream}
        try:
            answer = await client.request(subject, content, timeout=ACK_SECONDS, headers=expected)
        except nats.errors.NoRespondersError as error:
            raise _NotKept("The stream has no leader, or is not there.") from error
        except LOST as error:
            raise _Unknown("No answer came from the NATS servers.") from error
        self._judge(cast("dict[str, object]", json.loads(answer.data)))

    def _judge(self, ack: dict[str, object]) -> None:
        error = cast("dict[str, object] | None", ack.get("error"))
        if error is None:
            sequence = cast("int", ack["seq"])
            if sequence <= self._floor:
                log.critical("intake.went_back", sequence=sequence, last=self._floor)
                raise unavailable("The stream is not the one that it was.")
            self.last = max(self.last, sequence)
            return
        if error.get("err_code") in FULL:
            raise Overloaded("The intake is full.", retry_after_seconds=RETRY_AFTER_SECONDS)
        raise _NotKept(str(error.get("description")))

    async def _one_by_one(self, client: Client, messages: Sequence[Message]) -> list[TocsinError | None]:
        """Side by side. When some were kept the others are not tried again: they would come behind those."""
        done = await asyncio.gather(*(self._one(client, message, None) for message in messages), return_exceptions=True)
        if all(isinstance(one, _NotKept) for one in done):
            raise _NotKept(str(done[0]))
        return [_answer(one) for one in done]


def _answer(outcome: BaseException | None) -> TocsinError | None:
    if outcome is None or isinstance(outcome, TocsinError):
        return outcome
    if isinstance(outcome, _NotKept | _Unknown):
        return unavailable(str(outcome))
    raise outcome
