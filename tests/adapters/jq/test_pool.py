"""Programs that never end, take all memory or bring their process down: they cost themselves, and nobody else."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.kit.waiting import until

from tocsin.adapters.jq.evaluating import Limits
from tocsin.adapters.jq.frames import packed, read_frame, unpacked
from tocsin.adapters.jq.pool import DEBT, TRIAL, JqTemplates
from tocsin.ports import NoValue

ENDLESS = "def f: f; f"
DOCUMENT = b'{"type":"job.failed"}'
LIMITS = Limits(cpu_seconds=0.1, memory_bytes=64 * 1024 * 1024)


@pytest.fixture
async def templates() -> AsyncIterator[JqTemplates]:
    templates = JqTemplates(LIMITS)
    yield templates
    await templates.close()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pids(templates: JqTemplates) -> set[int]:
    crews = (templates.proven, templates.new, templates.indebted)
    return {process.pid for crew in crews for process in crew.processes}


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (ENDLESS, "took longer than 0.1 s"),
        ("last(range(1e9))", "took longer than 0.1 s"),
        ('"x" * 1e9', "needed more than 16 MiB of memory"),
        ("[range(1e9)]", "needed more than 16 MiB of memory"),
    ],
)
async def test_a_program_beyond_its_bounds_is_killed(program: str, message: str) -> None:
    seconds = 0.1 if "0.1 s" in message else 20
    templates = JqTemplates(Limits(cpu_seconds=seconds, memory_bytes=16 * 1024 * 1024))
    gave = await templates.evaluate((program,), DOCUMENT)
    assert gave == NoValue(cause="killed", message=message)
    assert await templates.evaluate((".type",), DOCUMENT) == ('"job.failed"',)
    await templates.close()


async def test_nothing_is_started_before_it_is_needed_and_everything_ends(templates: JqTemplates) -> None:
    assert pids(templates) == set()
    for _ in range(TRIAL + 1):
        await templates.evaluate((".type",), DOCUMENT)
    await templates.evaluate((ENDLESS,), DOCUMENT)
    started = pids(templates)
    assert len(templates.new.processes) + len(templates.proven.processes) == len(started) >= 1
    await templates.close()
    assert pids(templates) == set()
    assert [pid for pid in started if is_running(pid)] == []


async def test_an_idle_process_ends() -> None:
    templates = JqTemplates(Limits(idle_seconds=0.05))
    await templates.evaluate((".type",), DOCUMENT)
    (pid,) = pids(templates)
    await until(lambda: not is_running(pid))
    assert await templates.evaluate((".type",), DOCUMENT) == ('"job.failed"',)
    await templates.close()


async def test_a_program_that_is_proven_does_not_wait_for_one_that_hangs(templates: JqTemplates) -> None:
    for _ in range(TRIAL + 1):
        assert await templates.evaluate((".type",), DOCUMENT) == ('"job.failed"',)
    shared = {process.pid for process in templates.proven.processes}
    hanging = [asyncio.create_task(templates.evaluate((f"{ENDLESS} # {n % 3}",), DOCUMENT)) for n in range(6)]
    await asyncio.sleep(0)
    for _ in range(20):
        assert await templates.evaluate((".type",), DOCUMENT) == ('"job.failed"',)
    assert sum(task.done() for task in hanging) < 6
    gave = await asyncio.gather(*hanging)
    assert {one.cause for one in gave if isinstance(one, NoValue)} == {"killed"}
    assert {process.pid for process in templates.proven.processes} == shared != set()


async def test_a_new_program_waits_for_a_hanging_one_once_at_most(templates: JqTemplates) -> None:
    hanging = [asyncio.create_task(templates.evaluate((ENDLESS,), DOCUMENT)) for _ in range(6)]
    await asyncio.sleep(0)
    for number in range(5):
        assert await templates.evaluate((f"{number}",), DOCUMENT) == (str(number),)
    assert sum(task.done() for task in hanging) < 6
    await asyncio.gather(*hanging)


async def test_programs_in_debt_take_turns_and_work_it_off(templates: JqTemplates) -> None:
    """A program that hangs for some documents only."""
    picky = 'if .type == "bad" then (def f: f; f) else .type end'
    for _ in range(TRIAL + 1):
        assert await templates.evaluate((picky,), DOCUMENT) == ('"job.failed"',)
    assert isinstance(await templates.evaluate((picky,), b'{"type":"bad"}'), NoValue)
    await templates.evaluate((ENDLESS,), DOCUMENT)
    hanging = [asyncio.create_task(templates.evaluate((ENDLESS,), DOCUMENT)) for _ in range(8)]
    await asyncio.sleep(0)
    assert await templates.evaluate((picky,), DOCUMENT) == ('"job.failed"',)
    assert sum(task.done() for task in hanging) <= 2
    for task in hanging:
        task.cancel()
    proven = {process.pid for process in templates.proven.processes}
    for _ in range(DEBT + 1):
        assert await templates.evaluate((picky,), DOCUMENT) == ('"job.failed"',)
    assert {process.pid for process in templates.proven.processes} != proven


async def test_a_program_whose_process_was_killed_by_somebody_is_tried_again() -> None:
    slow = "last(range(3e5))"
    templates = JqTemplates(Limits(cpu_seconds=20))
    first = asyncio.create_task(templates.evaluate((slow,), DOCUMENT))
    (pid,) = await until(lambda: pids(templates) or None)
    os.kill(pid, signal.SIGKILL)
    assert await first == ("299999",)
    await templates.close()


async def test_a_process_that_was_killed_while_idle_is_replaced(templates: JqTemplates) -> None:
    for _ in range(TRIAL + 1):
        assert await templates.evaluate((".type",), DOCUMENT) == ('"job.failed"',)
    for pid in pids(templates):
        os.kill(pid, signal.SIGKILL)
    assert await templates.evaluate((".type",), DOCUMENT) == ('"job.failed"',)


async def test_a_machine_that_is_too_busy_does_not_keep_a_program_for_ever() -> None:
    stopped = JqTemplates(Limits(cpu_seconds=20, wall_seconds=0.2))
    assert await stopped.evaluate((ENDLESS,), DOCUMENT) == NoValue(cause="killed", message="was not done within 0.2 s")
    await stopped.close()


async def test_too_many_that_wait_are_refused() -> None:
    templates = JqTemplates(Limits(cpu_seconds=0.1, waiting=6, waiting_each=4))
    asked = [asyncio.create_task(templates.evaluate((ENDLESS,), DOCUMENT)) for _ in range(8)]
    asked += [asyncio.create_task(templates.evaluate((str(n),), DOCUMENT)) for n in range(4)]
    gave = await asyncio.gather(*asked)
    causes = [one.cause if isinstance(one, NoValue) else "value" for one in gave]
    assert causes == ["killed"] * 4 + ["busy"] * 4 + ["value"] * 2 + ["busy"] * 2
    assert await templates.evaluate(("1",), DOCUMENT) == ("1",)
    await templates.close()


async def test_whoever_asked_may_go(templates: JqTemplates) -> None:
    asked = [asyncio.create_task(templates.evaluate((ENDLESS,), DOCUMENT)) for _ in range(3)]
    await until(lambda: pids(templates) or None)
    for task in asked:
        task.cancel()
    assert await templates.evaluate((".type",), DOCUMENT) == ('"job.failed"',)


async def test_closing_cancels_what_waits(templates: JqTemplates) -> None:
    asked = [asyncio.create_task(templates.evaluate((ENDLESS,), DOCUMENT)) for _ in range(3)]
    await until(lambda: pids(templates) or None)
    await templates.close()
    assert [
        isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*asked, return_exceptions=True)
    ] == [True] * 3


def worker() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-m", "tocsin.adapters.jq.worker", "0.3", str(64 << 20), "4096", "0"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}, cwd="/")


def test_an_evaluating_process_ends_with_its_input() -> None:
    with worker() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(packed((b".type", DOCUMENT)))
        process.stdin.flush()
        body = read_frame(process.stdout.read)
        assert body is not None
        assert unpacked(body)[1:] == [b'\x00"job.failed"']
        process.stdin.close()
        assert process.wait(20) == 0


def test_an_evaluating_process_ends_while_nobody_watches() -> None:
    """As after a kill -9 of the server."""
    with worker() as process:
        assert process.stdin is not None
        process.stdin.write(packed((ENDLESS.encode(), DOCUMENT)))
        process.stdin.close()
        assert process.wait(20) == -signal.SIGPROF


SCRIPT = Path(__file__).with_name("in_uvloop.py")


def test_it_works_in_the_loop_of_the_server() -> None:
    subprocess.run([sys.executable, "-W", "error", SCRIPT, "use"], check=True, timeout=60)


def has_ended(pid: int) -> bool:
    """Whether nothing of the process is left but, perhaps, an entry that nobody reads."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True)
    return shown.stdout.strip() in {"", "Z", "Zs"}


async def test_evaluating_processes_end_with_a_server_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, SCRIPT, "leave"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        left = [int(pid) for pid in server.stdout.readline().split()]
        server.kill()
    assert len(left) >= 2
    await until(lambda: all(has_ended(pid) for pid in left))
