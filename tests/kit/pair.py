"""Two servers, each a process, on one PostgreSQL; and which of them holds a tenant."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
from tests.kit.apart import apart
from tests.kit.program import Program
from tests.kit.server import Answer

from tocsin.rules.partitions import PARTITIONS, partition_of

PATIENCE_SECONDS = 30


class Pair:
    """`one` and `two` are all alike; `close` ends both."""

    def __init__(self, database: str, folder: Path, **settings: str) -> None:
        self.database = database
        common = {"TOCSIN_DATABASE": database} | settings
        self.one = Program(folder / "unused.db", log=folder / "one.log", **common)
        self.two = Program(folder / "unused.db", log=folder / "two.log", **common)
        self._names: Iterator[int] = itertools.count()
        self.balanced()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        async def run() -> list[tuple[Any, ...]]:
            connection = await asyncpg.connect(self.database)
            try:
                return list(map(tuple, await connection.fetch(query)))
            finally:
                await connection.close()

        return apart(run())

    def holders(self) -> dict[int, int]:
        """The process that holds each partition."""
        held = self.rows("SELECT c.partition, n.name FROM cursor AS c JOIN node AS n ON n.epoch = c.holder")
        return {partition: int(name.rpartition(":")[2]) for partition, name in held}

    def balanced(self) -> None:
        """Wait until each holds its half."""
        end = time.monotonic() + PATIENCE_SECONDS
        while sorted(map(list(self.holders().values()).count, (self.one.pid, self.two.pid))) != [PARTITIONS // 2] * 2:
            assert time.monotonic() < end, self.holders()
            time.sleep(0.05)

    def tenant(self, holder: Program) -> str:
        """The name of a new tenant that this one holds."""
        held = {partition for partition, pid in self.holders().items() if pid == holder.pid}
        names = (f"tenant-{number}" for number in self._names)
        return next(name for name in names if partition_of(name, PARTITIONS) in held)

    def asked(self, holder: Program) -> tuple[At, At]:
        """A new tenant, as asked at its holder and at the other node."""
        made = holder.post("/v1/api-keys", {"name": "t", "role": "admin", "tenant": self.tenant(holder)}).json
        other = self.other(holder)
        end = time.monotonic() + PATIENCE_SECONDS
        while other.get("/v1/endpoints", key=made["value"]).status != 200:
            assert time.monotonic() < end
            time.sleep(0.02)
        return At(holder, made["value"]), At(other, made["value"])

    def other(self, node: Program) -> Program:
        return self.two if node is self.one else self.one

    def close(self) -> None:
        for node in (self.one, self.two):
            node.stop()


class At:
    """One node, asked as the admin of one tenant."""

    def __init__(self, node: Program, key: str) -> None:
        self.node = node
        self.key = key

    def call(self, method: str, path: str, body: object = None) -> Answer:
        return self.node.call(method, path, body, key=self.key)

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status == 200, answer
        return answer.json

    def post(self, path: str, body: object = None) -> Any:
        answer = self.call("POST", path, body)
        assert answer.status < 300, answer
        return answer.json if answer.body else None

    def endpoint(self, url: str, **fields: object) -> Any:
        return self.post("/v1/endpoints", {"name": "test", "url": url, **fields})

    def emit(self, number: int, subject: str = "s") -> str:
        """Report an event; gives its id."""
        event = {
            "specversion": "1.0",
            "id": f"n-{number}",
            "source": "/test",
            "type": "order.made",
            "subject": subject,
            "data": {"number": number},
        }
        sent = {"Content-Type": "application/cloudevents+json"}
        answer = self.node.call("POST", "/v1/events", event, key=self.key, headers=sent)
        assert answer.status == 202, answer
        return str(answer.json["results"][0]["event_id"])
