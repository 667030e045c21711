"""Servers of Tocsin on PostgreSQL with the replicated intake before it: all of them real."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.conftest import MASTER_KEY
from tests.kit.links import Link
from tests.kit.nats import NatsCluster
from tests.kit.postgres import PostgresServer
from tests.kit.server import Server

from tocsin.adapters.postgres.database import prepare_database


@pytest.fixture
async def nats_alone() -> AsyncIterator[NatsCluster]:
    """One server with JetStream, of this test alone."""
    async with NatsCluster(1) as cluster:
        yield cluster


@pytest.fixture
async def nats_three() -> AsyncIterator[NatsCluster]:
    """Three of them."""
    async with NatsCluster(3) as cluster:
        yield cluster


@pytest.fixture
async def link(postgres_server: PostgresServer) -> AsyncIterator[Link]:
    """The only way from a server of the test to its database."""
    async with Link(postgres_server.port) as made:
        yield made


@pytest.fixture
def behind(link: Link, settings: dict[str, str]) -> dict[str, str]:
    """The settings of a server behind that link."""
    head, _, name = settings["database"].rpartition("/")
    return settings | {"database": f"{head.rpartition(':')[0]}:{link.port}/{name}"}


@pytest.fixture
def database(postgres_server: PostgresServer) -> str:
    """The URL of a fresh database."""
    return postgres_server.fresh("store", prepare_database)


@pytest.fixture
def settings(database: str) -> dict[str, str]:
    """Of a server with an intake of its own, but for where that is."""
    return {"master_key": MASTER_KEY, "database": database, "nats_stream": f"intake-{uuid.uuid4().hex[:8]}"}


@pytest.fixture
async def start(tmp_path: Path, settings: dict[str, str]) -> AsyncIterator[Callable[..., Server]]:
    """Starts servers on one database and one intake; all are stopped at the end."""
    started: list[Server] = []

    def start(**more: str) -> Server:
        started.append(Server(tmp_path / f"server{len(started)}.db", **(settings | more)))
        return started[-1]

    yield start
    for server in started:
        await asyncio.to_thread(server.stop)  # what is between it and its database lives in this loop
