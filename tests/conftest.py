"""Fixtures for tests over the whole server."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.kit.node import Oracles, install_oracles
from tests.kit.postgres import PostgresServer
from tests.kit.server import Server

from tocsin.adapters.postgres.database import prepare_database

# How long an example takes says something about the machine, and nothing about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("any machine"), derandomize=True)
settings.load_profile("ci" if "CI" in os.environ else "any machine")


LEFT = pytest.StashKey[list[Path]]()
"""Folders that go when all tests are over."""
MASTER_KEY = base64.b64encode(bytes(range(32))).decode()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kept-in", choices=("sqlite", "postgres"), default="sqlite", help="the store of servers under test"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("both_stores") is not None:
        metafunc.parametrize("kept_in", ("sqlite", "postgres"), indirect=True)


@pytest.fixture
def kept_in(request: pytest.FixtureRequest) -> str:
    """The store of the servers of a test: both, one after the other, for tests that are marked `both_stores`."""
    chosen: str = getattr(request, "param", request.config.getoption("--kept-in"))
    return chosen


def _kept_in_postgres(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings of a server on a database of its own."""
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return {"master_key": MASTER_KEY, "database": server.fresh("store", prepare_database)}


@pytest.fixture
def start_server(request: pytest.FixtureRequest, tmp_path: Path, kept_in: str) -> Iterator[Callable[..., Server]]:
    """Starts servers, each on its own database unless told otherwise; all are stopped at the end."""
    started: list[Server] = []

    def start(file: Path | None = None, **settings: str) -> Server:
        if kept_in == "postgres" and file is None:
            settings = _kept_in_postgres(request) | settings
        started.append(Server(file or tmp_path / f"server{len(started)}.db", **settings))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    """One server."""
    return start_server()


@pytest.fixture(scope="module")
def shared_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests of a module, which keep apart by tenant."""
    settings = {} if request.config.getoption("--kept-in") == "sqlite" else _kept_in_postgres(request)
    server = Server(tmp_path_factory.mktemp("shared") / "server.db", **settings)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """One PostgreSQL for all tests that ask for one. It is not durable."""
    server = PostgresServer()
    server.start()
    yield server
    server.stop("immediate")
    request.config.stash.setdefault(LEFT, []).append(server.folder)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hundreds of databases take longer to remove than a test may last, and whatever is removed after the last test counts as its own."""
    for folder in session.config.stash.get(LEFT, []):
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def oracles() -> Oracles:
    """Node with the packages of `tests/oracles`."""
    return install_oracles()
