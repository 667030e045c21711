"""Producers notice nothing when one of three NATS servers goes, or PostgreSQL for a while: all is accepted, and all arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.kit.lab import Lab
from tests.kit.nats import NatsCluster
from tests.kit.trial import Trial

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]
ANSWER_SECONDS = 60
"""That nobody is refused is asserted, not how soon the answer comes."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with NatsCluster() as cluster, Lab(tmp_path_factory.mktemp("lab"), nats=cluster) as lab:
        yield lab


async def test_one_of_three_servers_is_killed(lab: Lab) -> None:
    assert lab.nats is not None
    async with Trial(lab, seed=1, answer_seconds=ANSWER_SECONDS) as trial:
        leader = await lab.nats.wait()
        leader.kill()
        await trial.load.more(100)
        trial.note("went on after a NATS server was killed", await trial.caught_up())
        leader.start()
        await lab.nats.wait()
        await trial.load.more(30)
        await trial.finish()
        assert trial.load.refused == {}


async def test_postgresql_is_away_for_a_while(lab: Lab) -> None:
    async with Trial(lab, seed=2, answer_seconds=ANSWER_SECONDS) as trial:
        before = trial.load.outcomes["queued"]
        await asyncio.to_thread(lab.postgres.kill)
        trial.hurts += len(lab.nodes)
        await trial.load.more(150)
        assert trial.load.outcomes["queued"] - before > 100
        await asyncio.to_thread(lab.postgres.start_again)
        trial.note("caught up after PostgreSQL was away", await trial.caught_up())
        await trial.load.more(30)
        await trial.finish()
        assert trial.load.refused == {}


async def test_servers_are_restarted_one_after_another(lab: Lab) -> None:
    assert lab.nats is not None
    async with Trial(lab, seed=3, answer_seconds=ANSWER_SECONDS) as trial:
        for server in lab.nats.servers:
            await lab.nats.restart(server)
            await trial.load.more(30)
        trial.note("went on after each NATS server was restarted", await trial.caught_up())
        await trial.finish()
        assert trial.load.refused == {}
