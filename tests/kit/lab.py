"""Several nodes on one PostgreSQL, each with links of its own to the database, to receivers and to NATS, that can be cut."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Self

from tests.conftest import MASTER_KEY
from tests.kit.apart import apart
from tests.kit.links import Link
from tests.kit.namespaces import Cable, Cables
from tests.kit.nats import NatsCluster
from tests.kit.postgres import PostgresServer
from tests.kit.program import Program
from tests.kit.proxies import HttpProxy
from tests.kit.stores import place_of

from tocsin.adapters.postgres.database import prepare_database

LEASE_SECONDS: Final = 1


class Node:
    """One `tocsin serve`, with its links to the database, to receivers and to NATS servers; or, with a `cable`, in a namespace of its own, where
    it does without them. `log` is what it says."""

    def __init__(self, name: str, folder: Path, database: Link, receivers: Link, cable: Cable | None) -> None:
        self.name = name
        self.database = database
        self.receivers = receivers
        self.nats: list[Link] = []
        self.cable = cable
        self.log = folder / f"{name}.log"
        self._program: Program | None = None
        self._folder = folder
        self._is_away = False

    @property
    def program(self) -> Program:
        assert self._program is not None
        return self._program

    @property
    def is_up(self) -> bool:
        return self._program is not None and self._program.is_up and not self._is_away

    def start(self, **settings: str) -> None:
        """The first time with these settings, then with the same."""
        if self._program is None:
            launch = subprocess.Popen if self.cable is None else self.cable.launch
            self._program = Program(self._folder / "none.db", log=self.log, launch=launch, **settings)
        else:
            self._program.start()

    def kill(self) -> None:
        self._is_away = False
        if self._program is not None:
            self._program.kill()

    def freeze(self) -> None:
        self._is_away = True
        self.program.freeze()

    def thaw(self) -> None:
        self.program.thaw()
        self._is_away = False

    def pull(self) -> None:
        """The cable."""
        assert self.cable is not None
        self._is_away = True
        self.cable.pull()

    def plug(self) -> None:
        assert self.cable is not None
        self.cable.plug()
        self._is_away = False

    def mend(self) -> None:
        """All but its process."""
        for link in (self.database, self.receivers, *self.nats):
            link.heal()
        if self._is_away:
            if self.cable is not None:
                self.plug()
            self.thaw()

    @property
    def partitions_held(self) -> int:
        return self.metric("tocsin_partitions_held")

    def metric(self, name: str) -> int:
        """As it says itself; 0 while it does not answer."""
        try:
            answer = self.program.get("/metrics", key=None)
        except OSError:
            return 0
        found = re.search(rf"^{name} (\S+)", answer.body.decode(), re.MULTILINE)
        return 0 if found is None else int(float(found[1]))


class Lab:
    """So many nodes, and what they share. It may be used for several trials, one after another."""

    def __init__(
        self,
        folder: Path,
        *,
        nodes: int = 3,
        cables: Cables | None = None,
        nats: NatsCluster | None = None,
        **settings: str,
    ) -> None:
        self._folder = folder
        self.nats = nats
        self._cables = cables
        self.here = "127.0.0.1" if cables is None else cables.here
        self._count = nodes
        self._settings = settings
        self._open = AsyncExitStack()
        self.trials = 0
        self.nodes: list[Node] = []

    async def __aenter__(self) -> Self:
        try:
            self.postgres = await asyncio.to_thread(self._start_postgres)
            url = await asyncio.to_thread(self.postgres.fresh, "store", prepare_database)
            self._database = url.rpartition("/")[2]
            proxy = await self._open.enter_async_context(HttpProxy())
            for number in range(self._count):
                database = await self._open.enter_async_context(Link(self.postgres.port))
                receivers = await self._open.enter_async_context(Link(proxy.port))
                cable = None if self._cables is None else self._cables.cable(number + 1)
                node = Node(f"node{number}", self._folder, database, receivers, cable)
                for server in [] if self.nats is None else self.nats.servers:
                    node.nats.append(await self._open.enter_async_context(Link(server.port)))
                self.nodes.append(node)
            self._open.callback(self._end)
            await self.start_all(self.nodes)
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    def _start_postgres(self) -> PostgresServer:
        also_at = None if self._cables is None else self._cables.here
        return self._open.enter_context(PostgresServer(durable=True, also_at=also_at))

    def start(self, node: Node) -> None:
        if node.cable is None:
            port = node.database.port
            ways = {"TOCSIN_PROXY": f"http://127.0.0.1:{node.receivers.port}"}
        else:
            port = self.postgres.port
            ways = {"TOCSIN_LISTEN": f"{node.cable.there}:0", "TOCSIN_ALLOW_NETWORKS": f"{self.here}/32"}
        if node.nats:
            ways["TOCSIN_NATS"] = ",".join(f"nats://127.0.0.1:{link.port}" for link in node.nats)
        node.start(
            TOCSIN_DATABASE=f"postgresql://postgres@{self.here}:{port}/{self._database}",
            TOCSIN_MASTER_KEY=MASTER_KEY,
            **ways,
            TOCSIN_LEASE_SECONDS=str(LEASE_SECONDS),
            TOCSIN_LOG_LEVEL="info",
            **self._settings,
        )

    async def start_all(self, nodes: Iterable[Node]) -> None:
        """At once. All have started, or failed, when one that failed is told."""
        starts = (asyncio.to_thread(self.start, node) for node in nodes)
        for outcome in await asyncio.gather(*starts, return_exceptions=True):
            if outcome is not None:
                raise outcome

    def logs(self) -> str:
        """Of all nodes."""
        return "".join(node.log.read_text() for node in self.nodes)

    def fenced(self) -> int:
        """How often a node was found silent by another one."""
        return self.logs().count('"event": "holding.fenced_another"')

    def endpoints(self) -> list[tuple[Any, ...]]:
        """The number and the id of each, from the database."""
        return apart(place_of(self.postgres.url(self._database)).rows("SELECT number, id FROM endpoint"))

    def places(self) -> list[str]:
        """Where the nodes are that are up, as far as anybody can know."""
        return [node.program.url for node in self.nodes if node.is_up] or [self.nodes[0].program.url]

    async def restore(self) -> None:
        """Everything is up and whole."""
        for node in self.nodes:
            node.mend()
        down = [node for node in self.nodes if not node.is_up]
        await self.start_all(down)

    def _end(self) -> None:
        for node in self.nodes:
            node.kill()
