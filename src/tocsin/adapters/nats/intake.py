"""`ports.Intake` on one JetStream stream: a subject for each partition, `discard: new`, its limits explicit, its incarnation in its metadata."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import nats.js.errors
from nats.aio.msg import Msg
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig, StreamInfo

from tocsin.adapters.nats.appending import NatsAppender
from tocsin.adapters.nats.connection import CONNECT_SECONDS, LOST, NatsConnection, unavailable
from tocsin.adapters.nats.reading import arrivals
from tocsin.errors import IntakeUnavailable, TocsinError
from tocsin.model.intake import IntakeState
from tocsin.ports.intake import Arrivals
from tocsin.rules.partitions import PARTITIONS
from tocsin.telemetry import log

INCARNATION: Final = "tocsin-incarnation"
"""The name in the stream's metadata under which its incarnation is kept."""
MANY: Final = 3
NOT_FOUND: Final = 10059
IN_USE: Final = 10058
"""Somebody else has made it a moment ago, with another incarnation."""
NOT_CLUSTERED: Final = 10074
NO_PEERS: Final = 10005


class NatsIntake:
    """`replicas` 0: three where there are three servers, one where there is one. `incarnation` is what a new stream is called."""

    def __init__(
        self,
        connection: NatsConnection,
        *,
        stream: str,
        replicas: int,
        max_bytes: int,
        incarnation: Callable[[], str],
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._replicas = replicas
        self._max_bytes = max_bytes
        self._incarnation = incarnation
        self._appender = NatsAppender(connection, stream)

    async def open(self) -> None:
        self._connection.open()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._connection.first.wait()

    async def close(self) -> None:
        await self._connection.close()

    async def make(self) -> IntakeState:
        if (state := await self.state()) is not None:
            return state
        chosen = (self._replicas,) if self._replicas else (MANY, 1)
        for replicas in chosen:
            try:
                await self._make(replicas)
            except nats.js.errors.APIError as error:
                if error.err_code == IN_USE:
                    break
                if error.err_code in {NOT_CLUSTERED, NO_PEERS} and replicas != chosen[-1] and self._is_small():
                    log.warning("intake.not_replicated", why=error.description)
                    continue
                raise unavailable(f"The stream cannot be made: {error.description}.") from error
            except LOST as error:
                raise unavailable(f"The stream cannot be made: {type(error).__name__}.") from error
            break
        state = await self.state()
        if state is None:
            raise unavailable("The stream is not there, though it was made.")
        return state

    async def _make(self, replicas: int) -> None:
        await self._connection.client.jetstream().add_stream(
            StreamConfig(
                name=self._stream,
                description="What Tocsin has taken and not accepted yet.",
                subjects=[f"{self._stream}.*"],
                retention=RetentionPolicy.LIMITS,
                discard=DiscardPolicy.NEW,
                storage=StorageType.FILE,
                num_replicas=replicas,
                max_bytes=self._max_bytes,
                max_msgs=-1,
                max_age=0,
                duplicate_window=1,
                allow_atomic=True,
                metadata={INCARNATION: self._incarnation()},
            )
        )

    def _is_small(self) -> bool:
        """Whether there are fewer servers than three, as far as this one says."""
        client = self._connection.client
        return len(client.servers) + len(client.discovered_servers) < MANY

    async def state(self) -> IntakeState | None:
        try:
            info = await self._connection.client.jetstream().stream_info(self._stream)
        except nats.js.errors.NotFoundError as error:
            if error.err_code == NOT_FOUND:
                return None
            raise unavailable(str(error.description)) from error
        except LOST as error:
            raise unavailable(f"The stream does not answer ({type(error).__name__}).") from error
        state = self._state_of(info)
        self._appender.is_atomic = state.is_atomic
        return state

    def _state_of(self, info: StreamInfo) -> IntakeState:
        config, cluster = info.config, info.cluster
        replicas = config.num_replicas or 1
        others = cluster.replicas or [] if cluster is not None else []
        in_sync = 1 + sum(1 for peer in others if peer.current and not peer.offline)
        return IntakeState(
            incarnation=(config.metadata or {}).get(INCARNATION) or f"made {info.created}",
            last=info.state.last_seq,
            held=info.state.messages,
            held_bytes=info.state.bytes,
            max_bytes=config.max_bytes or 0,
            replicas=replicas,
            in_sync=in_sync if cluster is not None and cluster.leader else min(in_sync, replicas),
            server=self._connection.server,
            is_atomic=bool(config.allow_atomic),
            faults=tuple(_faults(config, self._stream)),
        )

    async def append(self, contents: Sequence[tuple[int, bytes]]) -> list[TocsinError | None]:
        return await self._appender.append(contents)

    async def read(self, after: Mapping[int, int]) -> Arrivals:
        try:
            return await arrivals(self._connection, self._stream, after, PARTITIONS)
        except LOST as error:
            raise unavailable(f"The stream cannot be read ({type(error).__name__}).") from error

    async def drop(self, partition: int, upto: int) -> None:
        jetstream = self._connection.client.jetstream()
        try:
            await jetstream.purge_stream(self._stream, seq=upto + 1, subject=f"{self._stream}.{partition}")
        except LOST as error:
            raise unavailable(type(error).__name__) from error

    async def tell(self, node: str, content: bytes) -> None:
        with contextlib.suppress(*LOST, IntakeUnavailable):
            await self._connection.client.publish(self._subject_of(node), content)

    async def listen(self, node: str, heard: Callable[[bytes], None]) -> None:
        async def hear(message: Msg) -> None:
            heard(message.data)

        await self._connection.listen(self._subject_of(node), hear)

    def _subject_of(self, node: str) -> str:
        return f"{self._stream}-verdicts.{node}"


def _faults(config: StreamConfig, stream: str) -> list[str]:
    """What is not as it has to be in a stream that somebody else has made."""
    faults = []
    if config.discard != DiscardPolicy.NEW:
        faults.append("it discards what is old when it is full (discard must be new)")
    if config.retention not in {None, RetentionPolicy.LIMITS}:
        faults.append("it does not keep what was read (retention must be limits)")
    if config.storage != StorageType.FILE:
        faults.append("it is kept in memory (storage must be file)")
    if config.subjects != [f"{stream}.*"]:
        faults.append(f"its subjects are not {stream}.*")
    if config.max_age or (config.max_msgs_per_subject or -1) > 0:
        faults.append("it forgets by age or number (max_age and max_msgs_per_subject must be unlimited)")
    return faults
