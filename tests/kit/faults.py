"""What can happen to a lab under load: each of these does it, waits for what must go on meanwhile, and mends it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

from tests.kit.lab import LEASE_SECONDS, Node
from tests.kit.trial import Trial

Fault = Callable[[Trial], Awaitable[None]]


async def _others_go_on(trial: Trial, what: str) -> None:
    """Everything that is accepted arrives while one is hurt: others have taken over what it held."""
    if len(trial.lab.nodes) > 1:
        await trial.load.more(30)
        trial.note(what, await trial.caught_up())
    else:
        await asyncio.sleep(2 * LEASE_SECONDS)  # alone, it is hurt for so long


async def _is_back(trial: Trial, node: Node) -> None:
    """It has a share again: receivers hear from it; of one with a cable, it says so itself."""
    if node.cable is not None:
        await trial.until_in_thread(lambda: node.partitions_held > 0)
    elif len(trial.lab.nodes) > 1:
        before = node.receivers.sent
        await trial.until(lambda: node.receivers.sent > before)


async def killed(trial: Trial) -> None:
    """kill -9 of a node."""
    with trial.hurting() as node:
        await asyncio.to_thread(node.kill)
        await _others_go_on(trial, "taken over after kill -9")
        await asyncio.to_thread(trial.lab.start, node)
        await _is_back(trial, node)


async def frozen(trial: Trial) -> None:
    """SIGSTOP for longer than the lease, then SIGCONT."""
    with trial.hurting() as node:
        node.freeze()
        await _others_go_on(trial, "taken over after SIGSTOP")
        node.thaw()
        await _is_back(trial, node)


async def without_database(trial: Trial) -> None:
    """The link of a node to PostgreSQL is a black hole for longer than the lease; what it sent arrives late."""
    with trial.hurting() as node:
        node.database.silence()
        await _others_go_on(trial, "taken over after PostgreSQL fell silent")
        node.database.heal()
        await _is_back(trial, node)


async def cut_off_from_database(trial: Trial) -> None:
    """The connections of a node to PostgreSQL are reset, and refused for longer than the lease."""
    with trial.hurting() as node:
        node.database.cut()
        await _others_go_on(trial, "taken over after PostgreSQL was cut off")
        node.database.heal()
        await _is_back(trial, node)


async def left_and_joined(trial: Trial) -> None:
    """A node leaves by SIGTERM, and joins again later. Nothing of it comes twice."""
    with trial.hurting(0) as node:
        assert await asyncio.to_thread(node.program.stop) == 0
        await _others_go_on(trial, "taken over after SIGTERM")
        await asyncio.to_thread(trial.lab.start, node)
        await _is_back(trial, node)


async def cut_off_from_receivers(trial: Trial) -> None:
    """The connections of a node to receivers are reset, and refused; it holds what it holds."""
    with trial.hurting() as node:
        node.receivers.cut()
        await trial.load.more(30)
        node.receivers.heal()
        trial.note("went on after receivers were cut off", await trial.caught_up())


async def without_receivers(trial: Trial) -> None:
    """The link of a node to receivers is a black hole for longer than a request may last. What was sent meanwhile is gone."""
    with trial.hurting() as node:
        node.receivers.silence()
        await trial.load.more(30)
        await asyncio.sleep(2)  # that is the fault
        node.receivers.heal(forget=True)
        trial.note("went on after receivers fell silent", await trial.caught_up())


async def cable_pulled(trial: Trial) -> None:
    """A node in a namespace loses every packet for longer than the lease."""
    with trial.hurting() as node:
        node.pull()
        await _others_go_on(trial, "taken over after the cable was pulled")
        node.plug()
        await _is_back(trial, node)


async def database_killed(trial: Trial) -> None:
    """kill -9 of PostgreSQL, which starts again."""
    began = time.monotonic()
    await asyncio.to_thread(trial.lab.postgres.kill)
    trial.hurts += len(trial.lab.nodes)
    await asyncio.to_thread(trial.lab.postgres.start_again)
    trial.note("PostgreSQL away", time.monotonic() - began)
    await _others_go_on(trial, "went on after kill -9 of PostgreSQL")


async def all_killed(trial: Trial) -> None:
    """All nodes at once, and they start again."""
    for node in trial.lab.nodes:
        node.kill()
    trial.hurts += len(trial.lab.nodes)
    await trial.lab.start_all(trial.lab.nodes)
    await _others_go_on(trial, "went on after kill -9 of all")


OF_A_NODE: Final[tuple[Fault, ...]] = (
    killed, frozen, without_database, cut_off_from_database, left_and_joined, cut_off_from_receivers, without_receivers,
)  # fmt: skip
"""May happen to two nodes of three at once."""
OF_ALL: Final[tuple[Fault, ...]] = (database_killed, all_killed)


async def history(trial: Trial, seconds: float) -> list[str]:
    """One after another, or two at once, as the seed has it; none begins after so many seconds. Gives what happened."""
    chance = random.Random(trial.chance.random())
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    happened = []
    while loop.time() < end:
        faults = (
            (chance.choice(OF_ALL),) if chance.random() < 0.2 else chance.choices(OF_A_NODE, k=chance.choice((1, 1, 2)))
        )
        happened.append(" and ".join(fault.__name__ for fault in faults))
        async with asyncio.TaskGroup() as together:
            for fault in faults:
                together.create_task(fault(trial))
        await trial.load.more(chance.randrange(60))
    return happened
