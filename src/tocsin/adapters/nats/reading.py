"""Reads the stream from where the store is, by a consumer that is made for it and that nobody misses when it is gone.

It acknowledges nothing: what was accepted is what the store says. nats-py drops messages when it has too many, and a connection
that breaks loses those under way; so the consumer's own numbers are watched, and a gap ends the reading.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from tocsin.adapters.nats.connection import LOST, NatsConnection, unavailable
from tocsin.model.intake import Arrival

ASKED: Final = 512
"""Messages, and bytes, that are asked for at a time."""
ASKED_BYTES: Final = 8 * 1024 * 1024
IDLE_SECONDS: Final = 2.0
"""How long the server keeps a question when it has nothing."""
HEARTBEAT_SECONDS: Final = 0.5
"""How often it says so meanwhile."""
SILENT_SECONDS: Final = 1.5
"""When it has said nothing for so long, the consumer is taken to be gone."""
FORGOTTEN_SECONDS: Final = 30.0
_FEWEST_TOKENS: Final = 9
_HEARTBEAT: Final = "100"
_AS_MUCH_AS_ASKED: Final = frozenset({"batch completed", "message size exceeds maxbytes"})
_NOTHING_MORE: Final = frozenset({"404", "408"})


class NatsArrivals:
    """`ports.Arrivals`."""

    def __init__(self, connection: NatsConnection, stream: str, consumer: str, after: Mapping[int, int]) -> None:
        self._connection = connection
        self._client = client = connection.client
        self._stream = stream
        self._consumer = consumer
        self._after = after
        self._question = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._inbox = client.new_inbox()
        self._subscription: Subscription | None = None
        self._heard: deque[Msg] = deque()
        self._news = asyncio.Event()
        self._left = 0
        self._until = 0.0
        self._number = 0
        self._is_idle = self._is_broken = False
        self._pieces: dict[int, list[bytes]] = {}

    async def open(self) -> None:
        self._connection.broke.add(self._break)
        self._subscription = await self._client.subscribe(self._inbox, cb=self._hear)

    async def next(self) -> list[Arrival]:
        loop = asyncio.get_running_loop()
        while True:
            if arrivals := self._take():
                return arrivals
            if self._heard:
                self._take_status(self._heard.popleft())
                continue
            if self._is_idle:
                self._is_idle = False
                return []
            if self._left <= 0 or loop.time() >= self._until:
                await self._ask(loop.time())
            self._news.clear()
            try:
                async with asyncio.timeout(SILENT_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                raise unavailable("The consumer is silent.") from None
            if self._is_broken:
                raise unavailable("The connection to the NATS server was lost.")

    def _take(self) -> list[Arrival]:
        """What was heard up to something that is no message."""
        arrivals = []
        while self._heard and not _status(self._heard[0]):
            arrival = self._arrival(self._heard.popleft())
            if arrival is not None:
                arrivals.append(arrival)
        return arrivals

    async def behind(self) -> int:
        try:
            info = await self._client.jetstream().consumer_info(self._stream, self._consumer)
        except LOST as error:
            raise unavailable(type(error).__name__) from error
        return (info.num_pending or 0) + len(self._heard)

    async def close(self) -> None:
        self._connection.broke.discard(self._break)
        with contextlib.suppress(*LOST):
            if self._subscription is not None:
                await self._subscription.unsubscribe()
            await self._client.jetstream().delete_consumer(self._stream, self._consumer)

    def _break(self) -> None:
        self._is_broken = True
        self._news.set()

    async def _hear(self, message: Msg) -> None:
        self._heard.append(message)
        self._news.set()

    async def _ask(self, now: float) -> None:
        self._left = ASKED
        self._until = now + IDLE_SECONDS + SILENT_SECONDS
        question = {
            "batch": ASKED,
            "max_bytes": ASKED_BYTES,
            "expires": int(IDLE_SECONDS * 1e9),
            "idle_heartbeat": int(HEARTBEAT_SECONDS * 1e9),
        }
        try:
            await self._client.publish(self._question, json.dumps(question).encode(), reply=self._inbox)
        except LOST as error:
            raise unavailable(type(error).__name__) from error

    def _take_status(self, message: Msg) -> None:
        """The question is answered, or the consumer is gone."""
        status = _status(message)
        why = (message.headers or {}).get("Description", "").lower()
        if status == _HEARTBEAT:
            return
        if status not in _NOTHING_MORE and why not in _AS_MUCH_AS_ASKED:
            raise unavailable(f"The consumer is gone ({status} {why}).")
        self._left = 0
        self._is_idle = status in _NOTHING_MORE

    def _arrival(self, message: Msg) -> Arrival | None:
        """None for a piece of something larger that is not whole yet."""
        sequence, number = _places(message.reply)
        self._number += 1
        self._left -= 1
        if number != self._number:
            raise unavailable("Something was lost on the way from the NATS server.")
        partition = int(message.subject.rpartition(".")[2])
        at, follow = message.data[0], message.data[1]
        content = message.data[2:]
        if at or follow:
            pieces = self._pieces.setdefault(partition, [])
            if at == 0:
                pieces.clear()
            pieces.append(content)
            if follow:
                return None
            content = b"".join(self._pieces.pop(partition))
        if sequence <= self._after[partition]:
            return None
        return Arrival(partition=partition, sequence=sequence, content=content)


async def arrivals(connection: NatsConnection, stream: str, after: Mapping[int, int], partitions: int) -> NatsArrivals:
    """Begin to read; `after` is the sequence behind which, by partition."""
    made = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=min(after.values()) + 1,
        ack_policy=AckPolicy.NONE,
        inactive_threshold=FORGOTTEN_SECONDS,
        mem_storage=True,
        num_replicas=1,
    )
    if len(after) == partitions:
        made.filter_subject = f"{stream}.*"
    else:
        made.filter_subjects = _subjects(stream, sorted(after))
    info = await connection.client.jetstream().add_consumer(stream, made)
    reading = NatsArrivals(connection, stream, info.name, after)
    await reading.open()
    return reading


def _subjects(stream: str, partitions: Sequence[int]) -> list[str]:
    return [f"{stream}.{partition}" for partition in partitions]


def _status(message: Msg) -> str:
    headers = message.headers
    return "" if headers is None or message.data else headers.get("Status", "")


def _places(reply: str) -> tuple[int, int]:
    """Sequence in the stream, and number of the delivery: from `$JS.ACK...` in its two forms."""
    tokens = reply.split(".")
    at = 5 if len(tokens) == _FEWEST_TOKENS else 7
    return int(tokens[at]), int(tokens[at + 1])
